//! The picture in characters.

use crate::AlignmentPicture;
use crate::label::{printable, shorten, visible, width};
use std::fmt;

/// The nearest quarter of a weight, twice: a character of a terminal is half as wide as high.
const SHADES: [&str; 5] = ["··", "░░", "▒▒", "▓▓", "██"];
/// Longest label of a query, beside the cells, and of a key, written downwards above them.
const LONGEST: [usize; 2] = [18, 10];

pub(crate) fn write(picture: &AlignmentPicture, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let labels = |tokens: &[String], longest: usize| -> Vec<String> {
        tokens.iter().map(|token| shorten(&visible(token), longest)).collect()
    };
    let queries = labels(&picture.queries, LONGEST[0]);
    let keys: Vec<Vec<char>> =
        labels(&picture.keys, LONGEST[1]).iter().map(|key| key.chars().collect()).collect();
    let left = queries.iter().map(|query| width(query)).max().unwrap_or(0);
    let above = keys.iter().map(Vec::len).max().unwrap_or(0);

    if !picture.title.is_empty() {
        writeln!(f, "{}", printable(&picture.title))?;
    }
    for (head, name) in picture.heads.iter().enumerate() {
        writeln!(f, "{}", printable(name))?;
        for line in 0..above {
            // Labels stand on the cells: the last character of each is on the last line.
            let characters = keys.iter().map(|key| {
                let c = (line + key.len()).checked_sub(above).map_or(' ', |at| key[at]);
                let mut column = String::from(c);
                column.extend(std::iter::repeat_n(' ', 2_usize.saturating_sub(width(&column))));
                column
            });
            let line = format!("{:left$} {}", "", characters.collect::<String>());
            writeln!(f, "{}", line.trim_end())?;
        }
        for (query, label) in queries.iter().enumerate() {
            let shade = |key| SHADES[(picture.weight(head, query, key) * 4.0).round() as usize];
            let cells: String = (0..keys.len()).map(shade).collect();
            writeln!(f, "{:space$}{label} {cells}", "", space = left - width(label))?;
        }
    }
    write!(f, "0 ··  ¼ ░░  ½ ▒▒  ¾ ▓▓  1 ██")
}

#[cfg(test)]
mod tests {
    use crate::AlignmentPicture;

    #[test]
    fn a_picture_in_characters() {
        let weights = vec![1.0, 0.0, 0.0, 0.3, 0.2, 0.5, 0.0, 0.12, 0.88];
        let picture = AlignmentPicture::new(1, ["I", "am", "日本"], ["je", " ", "suis"], weights)
            .unwrap()
            .with_title("greeting");
        let expected = "\
greeting
head 1
         s
         u
     j   i
     e ␣ s
   I ██····
  am ░░░░▒▒
日本 ····██
0 ··  ¼ ░░  ½ ▒▒  ¾ ▓▓  1 ██";
        assert_eq!(picture.to_string(), expected);
    }
}
