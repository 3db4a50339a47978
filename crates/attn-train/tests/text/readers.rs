//! The readers: what they keep of a file, and which file and line they name when it is wrong.

use std::io::ErrorKind;
use std::path::PathBuf;

use attn_train::data::{DataError, Pair, Side, read_lines, read_pairs, read_parallel, read_text};
use proptest::prelude::*;
use tempfile::TempDir;

/// A file of the given bytes, and the folder that it lives and dies with.
fn file(bytes: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.tsv");
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn pair(source: &str, target: &str) -> Pair {
    Pair { source: source.into(), target: target.into() }
}

#[test]
fn a_pair_is_a_line_with_one_tab() {
    let (_folder, path) = file("I am cold.\tJ'ai froid.\n Go on. \tContinuez\u{202f}!");
    let expected = [pair("I am cold.", "J'ai froid."), pair(" Go on. ", "Continuez\u{202f}!")];
    assert_eq!(read_pairs(path).unwrap(), expected);
}

#[test]
fn only_a_line_feed_ends_a_line() {
    let (_folder, path) = file("a\u{85}b\u{2028}c\td\re\r\nf\tg\r\n");
    let expected = [pair("a\u{85}b\u{2028}c", "d\re"), pair("f", "g")];
    assert_eq!(read_pairs(path).unwrap(), expected);
}

#[test]
fn a_byte_order_mark_is_dropped_once() {
    let (_folder, path) = file("\u{feff}\u{feff}one\ntwo\n");
    assert_eq!(read_lines(path).unwrap(), ["\u{feff}one", "two"]);
}

#[test]
fn blank_lines_of_running_text_are_kept() {
    let (_folder, path) = file("one\n\ntwo\n\n");
    assert_eq!(read_lines(&path).unwrap(), ["one", "", "two", ""]);
    assert_eq!(read_text(&path).unwrap(), "one\n\ntwo\n\n");
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nowhere.tsv");
    let error = read_pairs(&path).unwrap_err();
    assert!(error.to_string().ends_with("nowhere.tsv"), "{error}");
    assert!(
        matches!(error, DataError::Read { source, .. } if source.kind() == ErrorKind::NotFound)
    );
}

#[test]
fn a_folder_is_no_file() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(read_text(folder.path()), Err(DataError::Read { .. })));
}

#[test]
fn an_empty_file_is_refused_even_with_a_byte_order_mark() {
    for bytes in ["", "\u{feff}"] {
        let (_folder, path) = file(bytes);
        let error = read_lines(&path).unwrap_err();
        assert!(matches!(error, DataError::Empty { .. }), "{error}");
        assert!(error.to_string().ends_with("text.tsv is empty"), "{error}");
    }
}

#[test]
fn a_line_without_a_tab_or_with_two_is_refused() {
    for (bytes, bad_line, found) in
        [("a\tb\nno tab\nc\td\n", 2, 0), ("a\tb\tc\n", 1, 2), ("a\tb\n\n", 2, 0)]
    {
        let (_folder, path) = file(bytes);
        let error = read_pairs(&path).unwrap_err();
        let message = error.to_string();
        assert!(message.contains(&format!("text.tsv:{bad_line}: ")), "{message}");
        assert!(
            matches!(error, DataError::NotAPair { line, tabs, .. } if (line, tabs) == (bad_line, found)),
            "{message}"
        );
    }
}

#[test]
fn an_empty_side_is_refused_with_its_side() {
    for (bytes, bad_line, bad_side) in
        [("a\tb\n\tc\n", 2, Side::Source), ("a\t \u{a0}\n", 1, Side::Target)]
    {
        let (_folder, path) = file(bytes);
        let error = read_pairs(&path).unwrap_err();
        assert!(
            matches!(error, DataError::EmptySide { line, side, .. } if (line, side) == (bad_line, bad_side)),
            "{error}"
        );
    }
}

#[test]
fn invalid_utf8_is_found_by_line_and_byte() {
    // Latin-1 text, a sequence cut short by the end of the file, and UTF-16 with its mark.
    for (bytes, bad_line, bad_column) in
        [(&b"a\tb\ncaf\xe9\tc\n"[..], 2, 4), (b"\n\n\xe2\x82", 3, 1), (b"\xff\xfea\0", 1, 1)]
    {
        let (_folder, path) = file(bytes);
        let error = read_pairs(&path).unwrap_err();
        assert!(
            matches!(error, DataError::InvalidUtf8 { line, column, .. } if (line, column) == (bad_line, bad_column)),
            "{error}"
        );
    }
}

#[test]
fn parallel_files_pair_up_line_by_line() {
    let (_a, source) = file("one\ntwo");
    let (_b, target) = file("un\r\ndeux\r\n");
    assert_eq!(read_parallel(source, target).unwrap(), [pair("one", "un"), pair("two", "deux")]);
}

#[test]
fn parallel_files_of_unequal_length_are_refused_with_both_lengths() {
    let (_a, source) = file("one\ntwo\nthree\n");
    let (_b, target) = file("un\ndeux\n");
    let error = read_parallel(source, target).unwrap_err();
    assert!(
        matches!(error, DataError::NotParallel { source_lines: 3, target_lines: 2, .. }),
        "{error}"
    );
}

#[test]
fn a_blank_line_in_a_parallel_file_is_refused_with_that_file() {
    let (_a, source) = file("one\ntwo\n");
    let (target_folder, target) = file("un\n\n");
    let error = read_parallel(source, target).unwrap_err();
    assert!(
        matches!(&error, DataError::EmptySide { path, line: 2, side: Side::Target }
            if path.starts_with(target_folder.path())),
        "{error}"
    );
}

proptest! {
    #[test]
    fn whatever_the_bytes_the_readers_answer(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            // Made of what the readers look at, to reach their branches.
            prop::collection::vec(
                prop::sample::select(b"a\t\n\r \xef\xbb\xbf\xc3\xa9".to_vec()),
                0..60,
            ),
        ]
    ) {
        let (_folder, path) = file(&bytes);
        let lines = 1 + bytes.iter().filter(|&&byte| byte == b'\n').count();
        match read_pairs(&path) {
            Ok(pairs) => prop_assert!(pairs.len() <= lines),
            Err(
                DataError::NotAPair { line, .. }
                | DataError::EmptySide { line, .. }
                | DataError::InvalidUtf8 { line, .. },
            ) => prop_assert!((1..=lines).contains(&line)),
            Err(DataError::Empty { .. }) => prop_assert!(bytes.is_empty() || bytes.len() == 3),
            Err(other) => prop_assert!(false, "{other}"),
        }
        prop_assert_eq!(read_text(&path).is_ok(), read_lines(&path).is_ok());
    }

    #[test]
    fn pairs_written_are_pairs_read(
        // No tab, line feed, or byte-order mark; no carriage return, which a line may end with.
        sides in prop::collection::vec(("[^\t\n\r\u{feff}]{0,9}x", "y[^\t\n\r]{0,9}"), 1..9)
    ) {
        let text: String = sides.iter().map(|(s, t)| format!("{s}\t{t}\n")).collect();
        let (_folder, path) = file(text);
        let expected: Vec<Pair> = sides.iter().map(|(s, t)| pair(s, t)).collect();
        prop_assert_eq!(read_pairs(path).unwrap(), expected);
    }

    #[test]
    fn lines_joined_by_line_feeds_are_the_text(text in "[a-c\n\u{85}]{1,40}") {
        let (_folder, path) = file(&text);
        let joined = read_lines(path).unwrap().join("\n");
        prop_assert_eq!(joined, text.strip_suffix('\n').unwrap_or(&text));
    }
}
