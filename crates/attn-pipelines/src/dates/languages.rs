//! The words and the customary formats of each language.

/// What a language needs to write a date.
#[derive(Debug)]
pub struct Language {
    /// Its name in English.
    pub name: &'static str,
    /// January to December.
    pub months: [&'static str; 12],
    /// The same, abbreviated.
    pub short_months: [&'static str; 12],
    /// Monday to Sunday.
    pub weekdays: [&'static str; 7],
    /// The same, abbreviated.
    pub short_weekdays: [&'static str; 7],
    /// The days of the month in words, as they stand in a date.
    pub days: [&'static str; 31],
    /// What follows the figure of a day where the language counts it: `3rd`, `1er`.
    pub ordinal_suffix: fn(u32) -> &'static str,
    /// The templates of [`Format`](super::Format).
    pub formats: &'static [&'static str],
}

impl PartialEq for Language {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Language {}

/// All languages of the task.
pub static LANGUAGES: [Language; 7] =
    [ENGLISH, FRENCH, GERMAN, SPANISH, ITALIAN, PORTUGUESE, DUTCH];

const ENGLISH: Language = Language {
    name: "English",
    #[rustfmt::skip]
    months: [
        "January", "February", "March", "April", "May", "June",
        "July", "August", "September", "October", "November", "December",
    ],
    short_months: [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ],
    weekdays: ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    short_weekdays: ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
    #[rustfmt::skip]
    days: [
        "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth",
        "tenth", "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth",
        "seventeenth", "eighteenth", "nineteenth", "twentieth", "twenty-first", "twenty-second",
        "twenty-third", "twenty-fourth", "twenty-fifth", "twenty-sixth", "twenty-seventh",
        "twenty-eighth", "twenty-ninth", "thirtieth", "thirty-first",
    ],
    ordinal_suffix: |day| match day {
        1 | 21 | 31 => "st",
        2 | 22 => "nd",
        3 | 23 => "rd",
        _ => "th",
    },
    formats: &[
        "{weekday}, {d} {month} {yyyy}",
        "{weekday} the {nth} of {month} {yyyy}",
        "{weekday}, {month} {d}, {yyyy}",
        "{wd} {d} {mon} {yyyy}",
        "the {word} of {month}, {yyyy}",
        "{weekday}, the {word} of {month}, {yyyy}",
        "{month} {nth}, {yyyy}",
        "{d} {month} {yyyy}",
        "{d} {mon} '{yy}",
        "{dd}-{mon}-{yyyy}",
        "{yyyy}-{mm}-{dd}",
        "{dd}/{mm}/{yyyy}",
        "{d}/{m}/{yy}",
    ],
};

const FRENCH: Language = Language {
    name: "French",
    #[rustfmt::skip]
    months: [
        "janvier", "février", "mars", "avril", "mai", "juin",
        "juillet", "août", "septembre", "octobre", "novembre", "décembre",
    ],
    #[rustfmt::skip]
    short_months: [
        "janv.", "févr.", "mars", "avr.", "mai", "juin",
        "juill.", "août", "sept.", "oct.", "nov.", "déc.",
    ],
    weekdays: ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"],
    short_weekdays: ["lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim."],
    #[rustfmt::skip]
    days: [
        "premier", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix",
        "onze", "douze", "treize", "quatorze", "quinze", "seize", "dix-sept", "dix-huit",
        "dix-neuf", "vingt", "vingt et un", "vingt-deux", "vingt-trois", "vingt-quatre",
        "vingt-cinq", "vingt-six", "vingt-sept", "vingt-huit", "vingt-neuf", "trente",
        "trente et un",
    ],
    ordinal_suffix: |day| if day == 1 { "er" } else { "" },
    formats: &[
        "{weekday} {nth} {month} {yyyy}",
        "le {weekday} {nth} {month} {yyyy}",
        "le {word} {month} {yyyy}",
        "le {weekday} {word} {month} {yyyy}",
        "{wd} {nth} {mon} {yyyy}",
        "{nth} {month} {yyyy}",
        "{nth} {mon} {yy}",
        "{dd}.{mm}.{yyyy}",
        "{d}/{m}/{yyyy}",
        "{dd}/{mm}/{yy}",
    ],
};

const GERMAN: Language = Language {
    name: "German",
    #[rustfmt::skip]
    months: [
        "Januar", "Februar", "März", "April", "Mai", "Juni",
        "Juli", "August", "September", "Oktober", "November", "Dezember",
    ],
    #[rustfmt::skip]
    short_months: [
        "Jan.", "Feb.", "März", "Apr.", "Mai", "Juni",
        "Juli", "Aug.", "Sept.", "Okt.", "Nov.", "Dez.",
    ],
    #[rustfmt::skip]
    weekdays: [
        "Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag",
    ],
    short_weekdays: ["Mo.", "Di.", "Mi.", "Do.", "Fr.", "Sa.", "So."],
    #[rustfmt::skip]
    days: [
        "erste", "zweite", "dritte", "vierte", "fünfte", "sechste", "siebte", "achte", "neunte",
        "zehnte", "elfte", "zwölfte", "dreizehnte", "vierzehnte", "fünfzehnte", "sechzehnte",
        "siebzehnte", "achtzehnte", "neunzehnte", "zwanzigste", "einundzwanzigste",
        "zweiundzwanzigste", "dreiundzwanzigste", "vierundzwanzigste", "fünfundzwanzigste",
        "sechsundzwanzigste", "siebenundzwanzigste", "achtundzwanzigste", "neunundzwanzigste",
        "dreißigste", "einunddreißigste",
    ],
    ordinal_suffix: |_| ".",
    formats: &[
        "{weekday}, {nth} {month} {yyyy}",
        "{weekday}, den {nth} {month} {yyyy}",
        "der {word} {month} {yyyy}",
        "{weekday}, der {word} {month} {yyyy}",
        "{wd}, {nth} {mon} {yyyy}",
        "{nth} {month} {yyyy}",
        "{nth} {mon} {yy}",
        "{yyyy}-{mm}-{dd}",
        "{dd}.{mm}.{yyyy}",
        "{d}.{m}.{yy}",
    ],
};

const SPANISH: Language = Language {
    name: "Spanish",
    #[rustfmt::skip]
    months: [
        "enero", "febrero", "marzo", "abril", "mayo", "junio",
        "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre",
    ],
    short_months: [
        "ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sept", "oct", "nov", "dic",
    ],
    weekdays: ["lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"],
    short_weekdays: ["lun", "mar", "mié", "jue", "vie", "sáb", "dom"],
    #[rustfmt::skip]
    days: [
        "primero", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve", "diez",
        "once", "doce", "trece", "catorce", "quince", "dieciséis", "diecisiete", "dieciocho",
        "diecinueve", "veinte", "veintiuno", "veintidós", "veintitrés", "veinticuatro",
        "veinticinco", "veintiséis", "veintisiete", "veintiocho", "veintinueve", "treinta",
        "treinta y uno",
    ],
    ordinal_suffix: |day| if day == 1 { "º" } else { "" },
    formats: &[
        "{weekday}, {d} de {month} de {yyyy}",
        "el {weekday} {d} de {month} de {yyyy}",
        "el {word} de {month} de {yyyy}",
        "el {weekday} {word} de {month} de {yyyy}",
        "{wd} {d} {mon} {yyyy}",
        "{nth} de {month} de {yyyy}",
        "{d} {mon} {yy}",
        "{dd}/{mm}/{yyyy}",
        "{d}-{m}-{yy}",
    ],
};

const ITALIAN: Language = Language {
    name: "Italian",
    #[rustfmt::skip]
    months: [
        "gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno",
        "luglio", "agosto", "settembre", "ottobre", "novembre", "dicembre",
    ],
    short_months: [
        "gen", "feb", "mar", "apr", "mag", "giu", "lug", "ago", "set", "ott", "nov", "dic",
    ],
    #[rustfmt::skip]
    weekdays: [
        "lunedì", "martedì", "mercoledì", "giovedì", "venerdì", "sabato", "domenica",
    ],
    short_weekdays: ["lun", "mar", "mer", "gio", "ven", "sab", "dom"],
    #[rustfmt::skip]
    days: [
        "primo", "due", "tre", "quattro", "cinque", "sei", "sette", "otto", "nove", "dieci",
        "undici", "dodici", "tredici", "quattordici", "quindici", "sedici", "diciassette",
        "diciotto", "diciannove", "venti", "ventuno", "ventidue", "ventitré", "ventiquattro",
        "venticinque", "ventisei", "ventisette", "ventotto", "ventinove", "trenta", "trentuno",
    ],
    ordinal_suffix: |day| if day == 1 { "º" } else { "" },
    formats: &[
        "{weekday} {d} {month} {yyyy}",
        "{weekday} {word} {month} {yyyy}",
        "{word} {month} {yyyy}",
        "{wd} {d} {mon} {yyyy}",
        "{nth} {month} {yyyy}",
        "{d} {mon} '{yy}",
        "{dd}/{mm}/{yyyy}",
        "{d}.{m}.{yy}",
    ],
};

const PORTUGUESE: Language = Language {
    name: "Portuguese",
    #[rustfmt::skip]
    months: [
        "janeiro", "fevereiro", "março", "abril", "maio", "junho",
        "julho", "agosto", "setembro", "outubro", "novembro", "dezembro",
    ],
    short_months: [
        "jan", "fev", "mar", "abr", "mai", "jun", "jul", "ago", "set", "out", "nov", "dez",
    ],
    #[rustfmt::skip]
    weekdays: [
        "segunda-feira", "terça-feira", "quarta-feira", "quinta-feira", "sexta-feira", "sábado",
        "domingo",
    ],
    short_weekdays: ["seg", "ter", "qua", "qui", "sex", "sáb", "dom"],
    #[rustfmt::skip]
    days: [
        "primeiro", "dois", "três", "quatro", "cinco", "seis", "sete", "oito", "nove", "dez",
        "onze", "doze", "treze", "catorze", "quinze", "dezesseis", "dezessete", "dezoito",
        "dezenove", "vinte", "vinte e um", "vinte e dois", "vinte e três", "vinte e quatro",
        "vinte e cinco", "vinte e seis", "vinte e sete", "vinte e oito", "vinte e nove", "trinta",
        "trinta e um",
    ],
    ordinal_suffix: |day| if day == 1 { "º" } else { "" },
    formats: &[
        "{weekday}, {d} de {month} de {yyyy}",
        "{word} de {month} de {yyyy}",
        "{weekday}, {word} de {month} de {yyyy}",
        "{wd}, {d} {mon} {yyyy}",
        "{nth} de {month} de {yyyy}",
        "{d} de {mon} de {yy}",
        "{dd}/{mm}/{yyyy}",
        "{d}/{m}/{yy}",
    ],
};

const DUTCH: Language = Language {
    name: "Dutch",
    #[rustfmt::skip]
    months: [
        "januari", "februari", "maart", "april", "mei", "juni",
        "juli", "augustus", "september", "oktober", "november", "december",
    ],
    short_months: [
        "jan", "feb", "mrt", "apr", "mei", "jun", "jul", "aug", "sep", "okt", "nov", "dec",
    ],
    #[rustfmt::skip]
    weekdays: [
        "maandag", "dinsdag", "woensdag", "donderdag", "vrijdag", "zaterdag", "zondag",
    ],
    short_weekdays: ["ma", "di", "wo", "do", "vr", "za", "zo"],
    #[rustfmt::skip]
    days: [
        "eerste", "tweede", "derde", "vierde", "vijfde", "zesde", "zevende", "achtste", "negende",
        "tiende", "elfde", "twaalfde", "dertiende", "veertiende", "vijftiende", "zestiende",
        "zeventiende", "achttiende", "negentiende", "twintigste", "eenentwintigste",
        "tweeëntwintigste", "drieëntwintigste", "vierentwintigste", "vijfentwintigste",
        "zesentwintigste", "zevenentwintigste", "achtentwintigste", "negenentwintigste",
        "dertigste", "eenendertigste",
    ],
    ordinal_suffix: |day| if day == 1 || day == 8 || day >= 20 { "ste" } else { "de" },
    formats: &[
        "{weekday} {d} {month} {yyyy}",
        "{weekday} de {nth} {month} {yyyy}",
        "de {word} {month} {yyyy}",
        "{weekday} de {word} {month} {yyyy}",
        "{wd} {d} {mon} {yyyy}",
        "{d} {month} {yyyy}",
        "{d} {mon} '{yy}",
        "{dd}-{mm}-{yyyy}",
        "{d}-{m}-{yyyy}",
        "{d}-{m}-{yy}",
    ],
};
