//! One way to write a date: a language and a template.

use std::fmt::Write;
use std::ops::Range;

use super::{Date, LANGUAGES, Language};

/// A template filled with the words of a language.
///
/// A template is text with fields: `{d}` the day, `{dd}` in two digits, `{nth}` as an ordinal
/// number in figures and `{word}` in words; `{m}` and `{mm}` the month in figures, `{month}` its
/// name, `{mon}` abbreviated; `{weekday}` and `{wd}` likewise; `{yyyy}` the year and `{yy}` its
/// last two digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Whose words.
    pub language: &'static Language,
    /// In which order.
    pub template: &'static str,
}

impl Format {
    /// Every format of every language.
    pub fn all() -> impl Iterator<Item = Self> {
        LANGUAGES.iter().flat_map(|language| {
            language.formats.iter().map(move |&template| Self { language, template })
        })
    }

    /// The date as this format writes it.
    pub fn write(&self, date: Date) -> String {
        let mut text = String::with_capacity(2 * self.template.len());
        self.write_to(&mut text, date);
        text
    }

    /// Which characters of what [`write`](Self::write) returns are the year.
    ///
    /// # Panics
    ///
    /// As [`write`](Self::write), or if the template has no year.
    pub fn year(&self, date: Date) -> Range<usize> {
        let field = ["{yyyy}", "{yy}"].into_iter().find(|field| self.template.contains(field));
        let field = field.unwrap_or_else(|| panic!("no year in {:?}", self.template));
        let before = Self { template: self.template.split(field).next().unwrap_or(""), ..*self };
        let start = before.write(date).chars().count();
        start..start + field.len() - "{}".len()
    }

    /// Appends what [`write`](Self::write) returns.
    ///
    /// # Panics
    ///
    /// Panics if the template names an unknown field.
    pub fn write_to(&self, text: &mut String, date: Date) {
        let mut rest = self.template;
        while let Some((literal, field)) = rest.split_once('{') {
            text.push_str(literal);
            let (field, after) = field.split_once('}').expect("a closing brace");
            self.write_field(text, field, date);
            rest = after;
        }
        text.push_str(rest);
    }

    fn write_field(&self, text: &mut String, field: &str, date: Date) {
        let language = self.language;
        let (year, month, day) = (date.year(), date.month(), date.day());
        let of_month = month as usize - 1;
        let number = match field {
            "d" => write!(text, "{day}"),
            "dd" => write!(text, "{day:02}"),
            "nth" => write!(text, "{day}{}", (language.ordinal_suffix)(day)),
            "word" => text.write_str(language.days[day as usize - 1]),
            "m" => write!(text, "{month}"),
            "mm" => write!(text, "{month:02}"),
            "month" => text.write_str(language.months[of_month]),
            "mon" => text.write_str(language.short_months[of_month]),
            "weekday" => text.write_str(language.weekdays[date.weekday()]),
            "wd" => text.write_str(language.short_weekdays[date.weekday()]),
            "yyyy" => write!(text, "{year}"),
            "yy" => write!(text, "{:02}", year % 100),
            other => panic!("unknown field {{{other}}} in the template {:?}", self.template),
        };
        number.expect("writing to a string cannot fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sentences_are_written() {
        let written: Vec<String> =
            Format::all().map(|format| format.write(Date::new(1987, 3, 3).unwrap())).collect();
        for expected in [
            "Tuesday, 3 March 1987",
            "March 3rd, 1987",
            "the third of March, 1987",
            "3/3/87",
            "1987-03-03",
            "mardi 3 mars 1987",
            "le trois mars 1987",
            "Dienstag, den 3. März 1987",
            "03.03.1987",
            "martes, 3 de marzo de 1987",
            "martedì 3 marzo 1987",
            "terça-feira, 3 de março de 1987",
            "dinsdag 3 maart 1987",
            "3-3-1987",
        ] {
            assert!(written.iter().any(|text| text == expected), "{expected:?} in {written:#?}");
        }
    }

    #[test]
    fn every_format_is_a_complete_date() {
        for format in Format::all() {
            let has = |fields: &[&str]| {
                fields.iter().any(|field| format.template.contains(&format!("{{{field}}}")))
            };
            assert!(has(&["d", "dd", "nth", "word"]), "no day in {format:?}");
            assert!(has(&["m", "mm", "month", "mon"]), "no month in {format:?}");
            assert!(has(&["yyyy", "yy"]), "no year in {format:?}");
        }
    }

    #[test]
    fn the_year_is_found_where_it_stands() {
        for format in Format::all() {
            let text: Vec<char> = format.write(Date::new(1987, 3, 3).unwrap()).chars().collect();
            let year: String = text[format.year(Date::new(1987, 3, 3).unwrap())].iter().collect();
            assert!(year == "1987" || year == "87", "{year:?} in {text:?}");
        }
    }

    #[test]
    #[should_panic(expected = "unknown field {day} in the template \"{day}\"")]
    fn an_unknown_field_is_named() {
        Format { language: &LANGUAGES[0], template: "{day}" }.write(Date::new(2000, 1, 1).unwrap());
    }
}
