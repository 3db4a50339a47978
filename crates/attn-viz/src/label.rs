//! Tokens as a reader can see them.

/// The longest label, in columns; the rest of a token is an ellipsis.
const LONGEST: usize = 18;

/// A token with its blanks made visible, what has no picture replaced, and its length limited.
pub(crate) fn label(token: &str) -> String {
    shorten(&visible(token), LONGEST)
}

/// A token with its blanks made visible.
pub(crate) fn visible(token: &str) -> String {
    let visible = token.chars().map(|c| match c {
        '\n' => '⏎',
        '\t' => '⇥',
        c if c.is_whitespace() => '␣',
        c => c,
    });
    printable(&visible.collect::<String>())
}

/// Text on one line, without the control characters that XML and terminals cannot take.
pub(crate) fn printable(text: &str) -> String {
    let printable = text.chars().map(|c| match c {
        c if c.is_whitespace() => ' ',
        c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => '\u{fffd}',
        c => c,
    });
    printable.collect()
}

/// `text` in at most `columns` columns.
pub(crate) fn shorten(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_string();
    }
    let mut used = 1; // the ellipsis
    let fits = |c: &char| {
        used += char_width(*c);
        used <= columns
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

/// Columns of a monospace font that `text` takes.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// Two for the blocks that East Asian typography sets wide, none for combining marks, one for all
/// others. An approximation of Unicode's annex 11, good enough for margins.
fn char_width(c: char) -> usize {
    match c {
        '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_are_visible_and_controls_are_replaced() {
        assert_eq!(label(" "), "␣");
        assert_eq!(label("a\u{a0}b\n\t\u{1}\u{ffff}"), "a␣b⏎⇥\u{fffd}\u{fffd}");
    }

    #[test]
    fn text_is_on_one_line_and_keeps_its_blanks() {
        assert_eq!(printable("a b\u{a0}c\nd\u{1b}e"), "a b c d\u{fffd}e");
    }

    #[test]
    fn long_tokens_end_in_an_ellipsis() {
        assert_eq!(shorten("abcdef", 6), "abcdef");
        assert_eq!(shorten("abcdefg", 6), "abcde…");
        assert_eq!(shorten("日本語です", 6), "日本…");
        assert_eq!(width(&label(&"x".repeat(99))), LONGEST);
    }

    #[test]
    fn width_counts_columns() {
        assert_eq!(["", "abc", "é", "e\u{301}", "日本", "␣"].map(width), [0, 3, 1, 1, 4, 1]);
    }
}
