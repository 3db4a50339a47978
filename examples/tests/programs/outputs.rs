//! Outputs that nobody reads, that are full, or that are no files.

use std::fs::{self, File};
use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use crate::program::{Desk, end, program, read_line, text};

/// What each example prints first when it is quick about it.
fn quick() -> Vec<(&'static str, &'static [&'static str])> {
    let mut programs: Vec<(_, &[_])> = vec![("mechanisms", &["--list"])];
    // The example needs this feature.
    if cfg!(feature = "conformance") {
        programs.push(("attn_check", &["--device", "flex", "--cases", "1", "--shapes", "1"]));
    } else {
        println!("SKIPPED: attn_check, which is built with `--features conformance`");
    }
    for name in ["translate", "seq2seq", "pronounce", "sentiment", "gpt"] {
        programs.push((name, &["--help"]));
    }
    programs
}

#[test]
fn a_closed_output_pipe_ends_a_program_quietly() {
    for (name, arguments) in quick() {
        let mut child = program(name).args(arguments).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let (status, said) = end(&output);
        // One that had printed all, or prints with clap, notices nothing.
        assert!(matches!(status, 0 | 141), "{name}: {status} {said}");
        assert_eq!(said, "", "{name}");
    }
}

#[test]
fn who_reads_one_line_gets_it_and_no_error() {
    let desk = Desk::with_run();
    let mut child = desk.translate(&["--model", "run"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let writer = thread::spawn(move || {
        // Until nobody reads any more.
        while input.write_all(b"ab 1\ncde 2\n").is_ok() {}
    });
    let mut output = child.stdout.take().unwrap();
    read_line(&mut output);
    drop(output);
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert_eq!(end(&output), (141, String::new()));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_behind_the_output_is_an_error() {
    for (name, arguments) in quick().into_iter().filter(|(_, arguments)| arguments[0] != "--help") {
        let full = File::create("/dev/full").unwrap();
        let output = program(name).args(arguments).stdout(full).output().unwrap();
        let (status, said) = end(&output);
        assert_eq!(status, 1, "{name}: {said}");
        assert!(said.starts_with("error: cannot write the results: No space left"), "{said}");
    }
}

/// What is said on standard error is for whoever reads it: without a reader the training goes on.
#[test]
fn a_training_does_not_need_its_standard_error() {
    let desk = Desk::new(6);
    let mut child = desk.training("closed").spawn().unwrap();
    drop(child.stderr.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(end(&output).0, 0);
    assert!(text(&output.stdout).contains("BLEU") && desk.is_saved("closed"));
    #[cfg(target_os = "linux")]
    {
        let full = File::create("/dev/full").unwrap();
        let output = desk.training("full").stderr(full).output().unwrap();
        assert_eq!(end(&output).0, 0);
        assert!(desk.is_saved("full"));
    }
}

/// A named pipe stands for every device: were it replaced, the test would hang or read nothing.
#[test]
fn what_is_no_regular_file_is_written_to() {
    let desk = Desk::with_run();
    for (flags, expected) in [
        (["--test", "valid.tsv", "--hypotheses", "pipe"].as_slice(), 7),
        (&["--picture", "pipe", "ab 1"], 0),
    ] {
        let pipe = desk.path("pipe");
        let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let reader = thread::spawn({
            let pipe = pipe.clone();
            move || fs::read_to_string(pipe).unwrap()
        });
        let output = desk.translate(&[&["--model", "run"], flags].concat()).output().unwrap();
        assert_eq!(end(&output).0, 0, "{}", end(&output).1);
        use std::os::unix::fs::FileTypeExt;
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo(), "it is still a pipe");
        let content = reader.join().unwrap();
        assert!(!content.is_empty());
        assert!(expected == 0 || content.lines().count() == expected, "{content}");
        fs::remove_file(&pipe).unwrap();
    }
}

#[test]
fn through_a_link_its_target_is_written() {
    let desk = Desk::with_run();
    desk.write("target.hyp", "old");
    std::os::unix::fs::symlink("target.hyp", desk.path("link.hyp")).unwrap();
    let command = ["--model", "run", "--test", "valid.tsv", "--hypotheses", "link.hyp"];
    let output = desk.translate(&command).output().unwrap();
    assert_eq!(end(&output).0, 0);
    assert!(fs::symlink_metadata(desk.path("link.hyp")).unwrap().is_symlink());
    assert_eq!(desk.read("target.hyp").lines().count(), 7);
}

#[test]
fn what_is_read_is_not_written_over() {
    let desk = Desk::with_run();
    let (pairs, config) = (desk.read("valid.tsv"), desk.read("run/config.json"));
    std::os::unix::fs::symlink("valid.tsv", desk.path("link.tsv")).unwrap();
    for (command, message) in [
        (
            ["--model", "run", "--test", "valid.tsv", "--hypotheses", "./link.tsv"].as_slice(),
            "./link.tsv is the file of test pairs",
        ),
        (
            &["--model", "run", "--picture", "run/config.json", "ab 1"],
            "run/config.json is a file of the run",
        ),
        (&["--model", "run", "--picture", "run/.lock", "ab 1"], "run/.lock is a file of the run"),
        (
            &["--model", "run", "--picture", "train.tsv", "ab 1"],
            "train.tsv is a file that the run was trained on",
        ),
    ] {
        let (status, said) = end(&desk.translate(command).output().unwrap());
        assert_eq!(status, 2, "{said}");
        assert!(said.contains(message), "{said}");
    }
    assert_eq!((desk.read("valid.tsv"), desk.read("run/config.json")), (pairs, config));
}

/// The command under a limit of 512 bytes on the size of files.
fn limited(command: &Command) -> Command {
    let mut all = Command::new("sh");
    all.arg("-c").arg("ulimit -f 1; exec \"$0\" \"$@\"").arg(command.get_program());
    all.args(command.get_args());
    all
}

/// A limit on the size of files is a full disk, not a death; and of a run that could not be begun nothing is left.
#[test]
fn a_file_beyond_the_limit_is_an_error() {
    let desk = Desk::new(4);
    let output = limited(&desk.training("run")).current_dir(desk.path("")).output().unwrap();
    let (status, said) = end(&output);
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("cannot write") && said.contains("File too large"), "{said}");
    assert!(!desk.path("run").exists(), "nothing is left behind");
}

/// So it is where a picture is written.
#[test]
fn a_picture_beyond_the_limit_is_an_error() {
    let desk = Desk::new(1);
    let mut mechanisms = program("mechanisms");
    mechanisms.args(["--only", "scaled-dot", "--steps", "1", "--test", "8", "--out", "out"]);
    let output = limited(&mechanisms).current_dir(desk.path("")).output().unwrap();
    let (status, said) = end(&output);
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("File too large") && said.contains(".svg"), "{said}");
}

/// A link that leads nowhere is named where a folder for results is to be made.
#[test]
fn a_link_to_nothing_is_no_folder_for_results() {
    let desk = Desk::new(1);
    std::os::unix::fs::symlink("nowhere", desk.path("link")).unwrap();
    let mut mechanisms = program("mechanisms");
    mechanisms.args(["--only", "scaled-dot", "--steps", "1", "--out", "link"]);
    let mut sentiment = program("sentiment");
    sentiment.args(["--out", "link"]);
    for mut command in [desk.training("link"), mechanisms, sentiment] {
        let (status, said) = end(&command.current_dir(desk.path("")).output().unwrap());
        assert_eq!(status, 2, "{said}");
        assert!(said.contains("link is a link to nowhere, which does not exist"), "{said}");
    }
}
