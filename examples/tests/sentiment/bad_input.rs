//! What was given is wrong: a clear error, exit status 2, and nothing written.

use crate::desk::Desk;

#[track_caller]
fn is_refused(desk: &Desk, command: &str, messages: &[&str]) {
    let error = desk.call(&format!("{command} --out @out")).refused();
    for message in messages {
        assert!(error.contains(message), "{message:?} in {error:?}");
    }
    assert!(!desk.path("out").exists(), "nothing is left behind");
}

#[track_caller]
fn data_is_refused(content: impl AsRef<[u8]>, messages: &[&str]) {
    let desk = Desk::new();
    desk.write("bad.tsv", content);
    is_refused(&desk, "--data @reviews.tsv @bad.tsv", messages);
}

#[test]
fn a_missing_file() {
    is_refused(&Desk::new(), "--data @no.tsv", &["cannot read", "no.tsv", "No such file"]);
    let command = "--data @reviews.tsv --config @no.json";
    is_refused(&Desk::new(), command, &["cannot read", "no.json", "No such file"]);
}

#[test]
fn a_line_without_a_tab() {
    data_is_refused("a\t1\nb 0\n", &["bad.tsv:2: ", "no tab"]);
    data_is_refused("a\t1\n\nb\t0\n", &["bad.tsv:2: ", "no tab"]);
}

#[test]
fn a_label_of_another_kind() {
    data_is_refused("a\t1\nb\t2\n", &["bad.tsv:2: the label is \"2\", must be 0 or 1"]);
    data_is_refused("a\t\n", &["bad.tsv:1: the label is \"\""]);
}

#[test]
fn a_label_without_a_sentence() {
    data_is_refused("a\t1\n\u{85} \t0\n", &["bad.tsv:2: the sentence is empty"]);
}

#[test]
fn an_empty_file() {
    data_is_refused("", &["bad.tsv is empty"]);
}

#[test]
fn invalid_utf_8() {
    data_is_refused(b"a\t1\nb\xff\t0\n", &["bad.tsv:2: ", "UTF-8"]);
}

#[test]
fn too_few_sentences() {
    let desk = Desk::new();
    desk.write("few.tsv", "a\t1\nb\t0\n");
    is_refused(&desk, "--data @few.tsv", &["2 sentences, 1 of them with label 1, are too few"]);
    desk.write("one.tsv", "a\t1\n".repeat(30));
    is_refused(&desk, "--data @one.tsv", &["30 sentences, 30 of them with label 1"]);
}

#[test]
fn a_config_that_is_none() {
    for (config, messages) in [
        ("{", &["mine.json", "line 1"][..]),
        (r#"{"training": {"epochs": 3}}"#, &["mine.json", "unknown field `epochs`", "max_epochs"]),
        (r#"{"min_count": 0}"#, &["`min_count` is 0, must be at least 1"]),
        (r#"{"models": []}"#, &["`models` is empty"]),
    ] {
        let desk = Desk::new();
        desk.write("mine.json", config);
        is_refused(&desk, "--config @mine.json", messages);
    }
}

#[test]
fn flags_that_mean_nothing() {
    for (flag, message) in
        [("--splits 0", "--splits"), ("--device abacus", "abacus"), ("--data", "--data")]
    {
        let desk = Desk::new();
        let error = desk.call(flag).refused();
        assert!(error.contains(message), "{error}");
    }
}

/// A file in the way stops every user, the superuser too.
#[test]
fn a_folder_that_cannot_be_made() {
    let desk = Desk::new();
    let error = desk.call("--data @reviews.tsv --out @reviews.tsv/out").refused();
    assert!(
        error.contains("cannot use the folder") && error.contains("reviews.tsv/out"),
        "{error}"
    );
}

/// The settings of a run are kept where its own `--config` is.
#[test]
fn its_own_config_is_not_written_over() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("out")).unwrap();
    std::fs::copy(desk.path("small.json"), desk.path("out/sentiment.json")).unwrap();
    let command = "--data @reviews.tsv --config @out/sentiment.json --out @out";
    let error = desk.call(command).refused();
    assert!(error.contains("sentiment.json is read, too: writing the results there"), "{error}");
    assert_eq!(desk.read("out/sentiment.json"), desk.read("small.json"));
}
