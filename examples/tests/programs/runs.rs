//! Folders of runs: names, holders, data that is moved or changed.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use crate::program::{Desk, end, from_a_terminal, kill, program, text, until};

/// A file name in Latin-1 is a path like any other.
#[test]
fn a_name_that_is_no_text_is_a_path() {
    let desk = Desk::new(4);
    let name = OsStr::from_bytes(b"caf\xe9.tsv");
    if fs::rename(desk.path("train.tsv"), desk.path("").join(name)).is_err() {
        println!("SKIPPED: this file system takes no such name");
        return;
    }
    let mut training = desk.translate(&["--valid", "valid.tsv", "--config", "small.json"]);
    training.args(["--tokenizer", "characters", "--out", "run", "--train"]).arg(name);
    let (status, said) = end(&training.output().unwrap());
    assert_eq!(status, 0, "{said}");
    let (status, said) = end(&desk.translate(&["--resume", "--out", "run"]).output().unwrap());
    assert_eq!(status, 0, "{said}");
}

#[test]
fn one_process_holds_a_run() {
    let desk = Desk::new(1_000_000);
    let child = desk.training("run").spawn().unwrap();
    desk.wait_for_steps("run");
    let (status, said) = end(&desk.translate(&["--resume", "--out", "run"]).output().unwrap());
    assert_eq!(status, 2, "{said}");
    assert!(said.contains("run is in use: another process is training in it"), "{said}");
    // Who dies lets go, however that comes.
    kill(&child, "-KILL");
    child.wait_with_output().unwrap();
    let resumed = desk.translate(&["--resume", "--out", "run", "--max-minutes", "0.0001"]);
    let (status, said) = end(&{ resumed }.output().unwrap());
    assert_eq!(status, 0, "{said}");
}

#[test]
fn data_that_was_moved_is_named_again() {
    let desk = Desk::with_run();
    for part in ["train", "valid"] {
        fs::rename(desk.path(&format!("{part}.tsv")), desk.path(&format!("{part}-2.tsv"))).unwrap();
    }
    let resume = ["--resume", "--out", "run"];
    let (status, said) = end(&desk.translate(&resume).output().unwrap());
    assert_eq!(status, 2, "{said}");
    let moved = ["--train", "train-2.tsv", "--valid", "valid-2.tsv"];
    let (status, said) = end(&desk.translate(&[&resume[..], &moved].concat()).output().unwrap());
    assert_eq!(status, 0, "{said}");
    let (status, said) = end(&desk.translate(&resume).output().unwrap());
    assert_eq!(status, 0, "the new place is remembered: {said}");
    desk.write("train-2.tsv", desk.read("train-2.tsv") + "one\tmore\n");
    let (status, said) = end(&desk.translate(&[&resume[..], &moved].concat()).output().unwrap());
    assert_eq!(status, 2, "{said}");
    assert!(said.contains("train-2.tsv has changed since the run was begun"), "{said}");
}

#[test]
fn validation_data_that_changed_is_refused() {
    let desk = Desk::with_run();
    let cut: String =
        desk.read("valid.tsv").lines().take(3).map(|line| format!("{line}\n")).collect();
    desk.write("valid.tsv", cut);
    let (status, said) = end(&desk.translate(&["--resume", "--out", "run"]).output().unwrap());
    assert_eq!(status, 2, "{said}");
    assert!(
        said.contains("the validation text") && said.contains("valid.tsv has changed"),
        "{said}"
    );
}

/// The shapes fit, so that nothing else notices it.
#[test]
fn a_model_that_was_changed_is_refused() {
    let desk = Desk::with_run();
    let config = desk.read("run/config.json");
    assert!(config.contains("\"heads\": 2"), "{config}");
    desk.write("run/config.json", config.replace("\"heads\": 2", "\"heads\": 4"));
    for command in [["--model", "run", "ab 1"].as_slice(), &["--resume", "--out", "run"]] {
        let (status, said) = end(&desk.translate(command).output().unwrap());
        assert_eq!(status, 2, "{said}");
        let message = "model.block.heads has changed since the run was begun: it was 2";
        assert!(said.contains(message), "{said}");
    }
    let longer = config.replacen("\"target\": 20", "\"target\": 24", 1);
    desk.write("run/config.json", longer);
    let (status, said) = end(&desk.translate(&["--model", "run", "ab 1"]).output().unwrap());
    assert_eq!(status, 0, "longer translations are no other model: {said}");
}

#[test]
fn a_run_of_another_program_is_named() {
    let desk = Desk::new(2);
    let mut training = crate::program::program("seq2seq");
    desk.write("other.json", r#"{"training": {"max_steps": 2}}"#);
    training.current_dir(desk.path("")).args(["--config", "other.json", "--width", "6", "--out"]);
    training.args(["run", "--train", "train.tsv", "--valid", "valid.tsv", "--tokenizer", "words"]);
    let (status, said) = end(&training.output().unwrap());
    assert_eq!(status, 0, "{said}");
    let (status, said) = end(&desk.translate(&["--model", "run", "ab 1"]).output().unwrap());
    assert_eq!(status, 2, "{said}");
    assert!(said.contains("is of a recurrent encoder–decoder, not of a Transformer"), "{said}");
    assert!(said.contains("use the example `seq2seq` for this run"), "{said}");
}

/// Refused before a vocabulary is learned, which took minutes of such a line.
#[test]
fn a_line_of_100_000_letters_is_refused_at_once() {
    let desk = Desk::new(2);
    desk.write("train.tsv", format!("a\tb\n{}\td\n", "xyz".repeat(33_334)));
    let mut training = desk.translate(&["--train", "train.tsv", "--valid", "valid.tsv"]);
    let (status, said) = end(&training.args(["--out", "run"]).output().unwrap());
    assert_eq!(status, 2, "{said}");
    assert!(said.contains("train.tsv:2: the source has at least 391 tokens"), "{said}");
    assert!(!desk.path("run").exists());
}

/// `gpt` is stopped in the middle of its training, and goes on with it on the same text alone.
#[test]
fn a_model_of_a_text_is_gone_on_with() {
    let desk = Desk::new(1);
    let numbers = |seed: usize| {
        let words = (0..6000).map(|n| format!("{} ", (n * n + seed) % 97));
        words.collect::<String>()
    };
    desk.write("text.txt", numbers(3));
    desk.write("other.txt", numbers(5));
    let gpt = |arguments: &[&str]| {
        let mut command = program("gpt");
        command.current_dir(desk.path("")).args(["--device", "flex", "--data"]).args(arguments);
        from_a_terminal(&command)
    };
    let child = gpt(&["text.txt", "--steps", "60"]).spawn().unwrap();
    let log = || fs::read_to_string(desk.path("runs/gpt/metrics.jsonl")).unwrap_or_default();
    until(|| log().contains("\"valid\""));
    kill(&child, "-INT");
    let (status, said) = end(&child.wait_with_output().unwrap());
    assert_eq!(status, 130, "{said}");
    assert!(said.contains("go on with: --resume runs/gpt"), "{said}");

    let before = log().matches("\"valid\"").count();
    let output = gpt(&["text.txt", "--resume", "runs/gpt", "--prompt", "7 "]).output().unwrap();
    let (status, said) = end(&output);
    assert_eq!(status, 0, "{said}");
    assert!(text(&output.stdout).starts_with("7 "));
    assert_eq!(log().matches("\"valid\"").count(), 4, "{before} of them before it was stopped");

    let (status, said) = end(&gpt(&["other.txt", "--resume", "runs/gpt"]).output().unwrap());
    assert_eq!(status, 2, "{said}");
    assert!(said.contains("training data"), "{said}");
    let more = gpt(&["text.txt", "--resume", "runs/gpt", "--steps", "9"]).output().unwrap();
    assert_eq!(end(&more).0, 2, "the number of steps is that of the run");
    let (status, said) = end(&gpt(&["text.txt", "--prompt", ""]).output().unwrap());
    assert_eq!(status, 2, "an empty prompt: {said}");
}
