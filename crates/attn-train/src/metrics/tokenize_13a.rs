//! The tokenization of NIST's `mteval-v13a.pl`, on which BLEU scores are compared.

use super::is_python_space;

/// Splits a sentence as sacrebleu's `13a` does: punctuation stands alone, but a period or comma
/// stays inside a number.
pub fn tokenize_13a(sentence: &str) -> Vec<String> {
    let line = sentence.trim_end_matches(is_python_space);
    let line = line.replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
    let line = line.replace("&quot;", "\"").replace("&amp;", "&");
    let line = line.replace("&lt;", "<").replace("&gt;", ">");

    let line = isolate_symbols(&format!(" {line} "));
    let line =
        rewrite_pairs(&line, |a, b| !a.is_ascii_digit() && is_point(b), |a, b| [a, ' ', b, ' ']);
    let line =
        rewrite_pairs(&line, |a, b| is_point(a) && !b.is_ascii_digit(), |a, b| [' ', a, ' ', b]);
    let line = rewrite_pairs(&line, |a, b| a.is_ascii_digit() && b == '-', |a, b| [a, ' ', b, ' ']);
    line.split(is_python_space).filter(|token| !token.is_empty()).map(str::to_owned).collect()
}

fn is_point(c: char) -> bool {
    matches!(c, '.' | ',')
}

/// Puts spaces around ASCII symbols other than `'`, `,`, `-` and `.`.
fn isolate_symbols(line: &str) -> String {
    let mut out = String::with_capacity(2 * line.len());
    for c in line.chars() {
        match c {
            '{'..='~' | '['..='`' | ' '..='&' | '('..='+' | ':'..='@' | '/' => {
                out.extend([' ', c, ' ']);
            }
            _ => out.push(c),
        }
    }
    out
}

/// Replaces pairs of neighbors from left to right; a character belongs to one pair at most, as
/// with a regular expression of two characters.
fn rewrite_pairs(
    line: &str,
    is_pair: fn(char, char) -> bool,
    rewrite: fn(char, char) -> [char; 4],
) -> String {
    let mut out = String::with_capacity(2 * line.len());
    let mut rest = line.chars().peekable();
    while let Some(a) = rest.next() {
        match rest.next_if(|&b| is_pair(a, b)) {
            Some(b) => out.extend(rewrite(a, b)),
            None => out.push(a),
        }
    }
    out
}
