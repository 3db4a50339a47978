//! What was given is wrong: a clear error, exit status 2, and nothing written over.

use std::fs;

use crate::desk::{Desk, TRAIN};

/// Training is refused with a message, and no folder is made.
#[track_caller]
fn training_is_refused(desk: &Desk, command: &str, messages: &[&str]) {
    let error = desk.call(&format!("{command} --out @run")).refused();
    for message in messages {
        assert!(error.contains(message), "{message:?} in {error:?}");
    }
    assert!(!desk.path("run").exists(), "nothing is left behind");
}

fn config_is_refused(config: &str, messages: &[&str]) {
    let desk = Desk::new();
    desk.write("mine.json", config);
    let command = "--train @train.tsv --valid @valid.tsv --config @mine.json";
    training_is_refused(&desk, command, messages);
}

#[test]
fn a_missing_file() {
    let desk = Desk::new();
    let command = "--train @no.tsv --valid @valid.tsv";
    training_is_refused(&desk, command, &["cannot read", "no.tsv", "No such file"]);
    let command = "--train @train.tsv --valid @valid.tsv --config @no.json";
    training_is_refused(&desk, command, &["cannot read", "no.json"]);
}

#[test]
fn a_line_without_a_tab() {
    let desk = Desk::new();
    desk.write("train.tsv", "a\tb\nc d\n");
    training_is_refused(&desk, TRAIN, &["train.tsv:2:", "tab"]);
}

#[test]
fn an_empty_file() {
    let desk = Desk::new();
    desk.write("valid.tsv", "");
    training_is_refused(&desk, TRAIN, &["valid.tsv is empty"]);
}

#[test]
fn invalid_utf_8() {
    let desk = Desk::new();
    desk.write("train.tsv", b"a\tb\nc\xff\td\n");
    training_is_refused(&desk, TRAIN, &["train.tsv:2:", "UTF-8"]);
}

#[test]
fn files_that_are_not_parallel() {
    let desk = Desk::new();
    desk.write("a.en", "one\ntwo\n");
    desk.write("a.fr", "un\n");
    let command = "--source @a.en --target @a.fr --valid-source @a.en --valid-target @a.en";
    training_is_refused(&desk, command, &["a.en has 2 lines but", "a.fr has 1"]);
}

#[test]
fn a_width_that_does_not_split_into_heads() {
    let config = r#"{"model": {"block": {"d_model": 30, "heads": 4}}}"#;
    config_is_refused(config, &["in `model`", "30", "4"]);
}

#[test]
fn sentences_that_are_longer_than_an_attention_takes() {
    let mechanism = r#"{"name": "linformer", "max_keys": 8, "projected": 4}"#;
    let config = format!(r#"{{"model": {{"block": {{"cross_mechanism": {mechanism}}}}}}}"#);
    config_is_refused(&config, &["`max_len.source`", "scores for 8 places"]);
}

#[test]
fn a_mechanism_that_no_memory_holds() {
    for mechanism in [
        r#"{"name": "attention", "score": {"name": "additive", "d_query": 64, "d_key": 64, "d_hidden": 18446744073709551615}}"#,
        r#"{"name": "performer", "d_head": 64, "features": 10000000000000}"#,
        r#"{"name": "linformer", "max_keys": 18446744073709551615, "projected": 1000}"#,
    ] {
        for key in ["mechanism", "cross_mechanism"] {
            let config = format!(r#"{{"model": {{"block": {{"{key}": {mechanism}}}}}}}"#);
            config_is_refused(&config, &["in `model`", "this machine has"]);
        }
    }
}

/// A term of the loss is refused before the vocabulary is learned.
#[test]
fn a_loss_of_weights_that_a_transformer_does_not_return() {
    let config = r#"{"training": {"coverage_loss": 1.0}}"#;
    config_is_refused(config, &["in `training`", "coverage_loss"]);
}

/// A list would be taken for the values of a structure in their order.
#[test]
fn a_list_in_place_of_a_structure() {
    config_is_refused("{\"training\":\n[1]}", &["training, line 1", "[1], expected an object"]);
    config_is_refused(r#"{"max_len": [5, 6]}"#, &["max_len, line 1", "expected an object"]);
}

#[test]
fn a_length_that_no_search_ends_at() {
    let config = r#"{"max_len": {"target": 1000000000}}"#;
    config_is_refused(config, &["`max_len.target` is 1000000000, must be at most 65536"]);
}

#[test]
fn no_layers() {
    config_is_refused(r#"{"model": {"decoder_layers": 0}}"#, &["in `model`", "decoder_layers"]);
}

#[test]
fn an_unknown_key() {
    let config = r#"{"training": {"batch_size": 3}}"#;
    config_is_refused(config, &["mine.json", "`training.batch_size`", "batch_tokens"]);
}

#[test]
fn a_config_that_is_no_json() {
    config_is_refused("{\"model\": {\n  \"block\"", &["mine.json", "line 2"]);
}

#[test]
fn a_vocabulary_without_room() {
    let desk = Desk::new();
    let command = "--train @train.tsv --valid @valid.tsv --tokenizer bpe --vocab 100";
    training_is_refused(&desk, command, &["vocab_size = 100 is too small"]);
    let command = command.replace("100", "1000000000");
    training_is_refused(&desk, &command, &["--vocab", "from 5 to 1048576", "4 GiB"]);
}

#[test]
fn a_sentence_that_is_too_long_to_train_on() {
    let desk = Desk::new();
    desk.write("train.tsv", format!("a\tb\n{}\td\n", "abc".repeat(9)));
    let messages = ["train.tsv:2:", "the source has 27 tokens", "20", "--truncate"];
    training_is_refused(&desk, TRAIN, &messages);
    desk.call(&format!("{TRAIN} --truncate --out @run")).done();
}

#[test]
fn a_sentence_that_is_too_long_to_translate() {
    let desk = Desk::with_run();
    let long = "abc".repeat(9);
    let error = desk.call(&format!("--model @run a {long}")).refused();
    assert!(error.contains("argument 2: the source has 27 tokens"), "{error}");
    // A line that is refused costs its own answer alone.
    let answers = desk.call("--model @run a b").done();
    let (a, b) = answers.split_once('\n').unwrap();
    let input = format!("a\n{long}\nb\n");
    let ran = desk.call_with("--model @run", input, Default::default());
    assert_eq!(ran.output, format!("{a}\n\n{b}"));
    assert!(ran.said.contains("standard input:2: the source has 27 tokens"), "{}", ran.said);
    assert_eq!(ran.refused(), "1 of 3 lines of standard input could not be used");
    assert_eq!(desk.call(&format!("--model @run --truncate a {long}")).done().lines().count(), 2);
}

#[test]
#[cfg(not(feature = "wgpu"))]
fn a_device_that_the_build_lacks() {
    let desk = Desk::new();
    let command = format!("{TRAIN} --device wgpu");
    training_is_refused(&desk, &command, &["no wgpu backend", "--features wgpu"]);
}

#[test]
fn a_device_that_does_not_exist() {
    let desk = Desk::new();
    training_is_refused(&desk, &format!("{TRAIN} --device abacus"), &["abacus", "ndarray"]);
}

#[test]
fn flags_that_do_not_go_together() {
    let desk = Desk::new();
    training_is_refused(&desk, "--train @train.tsv", &["--valid"]);
    training_is_refused(&desk, "--model @run", &["--out", "--model"]);
    training_is_refused(&desk, &format!("{TRAIN} --max-minutes 0"), &["--max-minutes"]);
    training_is_refused(&desk, "--resume --seed 3", &["--seed", "--resume"]);
    let error = desk.call("hello").refused();
    assert!(error.contains("--model"), "{error}");
}

#[test]
fn a_folder_that_is_not_empty() {
    let desk = Desk::with_run();
    let before = desk.snapshot("run");
    let error = desk.call(&format!("{TRAIN} --out @run")).refused();
    assert!(error.contains("is not empty") && error.contains("--resume"), "{error}");
    assert_eq!(desk.snapshot("run"), before, "nothing is written over");
}

/// A file in the way stops every user, the superuser too.
#[test]
fn a_folder_that_cannot_be_written() {
    let desk = Desk::new();
    desk.write("file", "mine");
    let error = desk.call(&format!("{TRAIN} --out @file/run")).refused();
    assert!(error.contains("file/run"), "{error}");
    assert_eq!(desk.read("file"), "mine");

    let desk = Desk::with_run();
    desk.write("file", "mine");
    let error = desk.call("--model @run --picture @file/out.svg a").refused();
    assert!(error.contains("cannot write") && error.contains("out.svg"), "{error}");
}

#[test]
fn a_folder_without_a_run() {
    let desk = Desk::new();
    let error = desk.call("--model @nowhere a").refused();
    assert!(error.contains("nowhere holds no run"), "{error}");
    let error = desk.call("--resume --out @nowhere").refused();
    assert!(error.contains("nowhere holds no run"), "{error}");
}

#[test]
fn a_checkpoint_that_is_cut_short() {
    let desk = Desk::with_run();
    let files = desk.snapshot("run");
    for (path, content) in files.iter().filter(|(path, _)| path.ends_with("model.bpk")) {
        fs::write(path, &content[..content.len() / 2]).unwrap();
    }
    let damaged = desk.snapshot("run");
    for command in ["--model @run a", "--resume --out @run"] {
        let error = desk.call(command).refused();
        assert!(error.contains("model.bpk") && error.contains("damaged"), "{error}");
    }
    assert_eq!(desk.snapshot("run"), damaged, "all is still there to look at");
}

#[test]
fn a_checkpoint_of_another_model() {
    let desk = Desk::with_run();
    let config = desk.read("run/config.json").replace("\"d_ff\": 12", "\"d_ff\": 14");
    desk.write("run/config.json", config);
    let error = desk.call("--model @run a").refused();
    let message = "model.block.d_ff has changed since the run was begun: it was 12";
    assert!(error.contains(message), "{error}");
}

/// Its token ids would be out of the range of the model's embeddings.
#[test]
fn a_tokenizer_of_another_run() {
    let desk = Desk::with_run();
    desk.write("train.tsv", "äöüßÄÖÜ\tb\nx\ty\n");
    desk.call(&format!("{TRAIN} --out @other")).done();
    fs::copy(desk.path("other/source.tokenizer.json"), desk.path("run/source.tokenizer.json"))
        .unwrap();
    let error = desk.call("--model @run a").refused();
    assert!(error.contains("the source tokenizer has"), "{error}");
}

#[test]
fn a_text_that_changed_before_the_run_was_resumed() {
    let desk = Desk::with_run();
    desk.write("train.tsv", desk.read("train.tsv") + "one\tmore\n");
    let error = desk.call("--resume --out @run").refused();
    assert!(error.contains("train.tsv has changed since the run was begun"), "{error}");
}

#[test]
fn a_search_that_makes_no_sense() {
    let desk = Desk::with_run();
    for (flags, message) in [
        ("--beams 0", "from 1 to 1024: every beam keeps a decoder's state"),
        ("--beams 18446744073709551615", "from 1 to 1024"),
        ("--window 0", "from 1 to 65536"),
        ("--beams 2 --n-best 3", "n_best = 3 is more than beams = 2"),
        ("--length-penalty=-1", "length_penalty = -1"),
    ] {
        let error = desk.call(&format!("--model @run {flags} a")).refused();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn input_that_is_not_utf_8() {
    let desk = Desk::with_run();
    let alone = desk.call("--model @run a").done();
    let ran = desk.call_with("--model @run", b"\xef\xbb\xbfa\n\xff\na\n", Default::default());
    assert_eq!(ran.output, format!("{alone}\n{alone}"), "without the byte-order mark");
    let message = "standard input:2: not valid UTF-8 from byte 1";
    assert!(ran.said.contains(message), "{}", ran.said);
    assert_eq!(ran.refused(), "1 of 3 lines of standard input could not be used");
}
