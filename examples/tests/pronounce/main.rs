//! The program `pronounce`, called as from a command line.

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use attn_examples::pronounce::{Args, Error, run};
use attn_examples::translate::{Console, Ending};
use attn_train::StopSignal;
use clap::Parser;

/// Parameters are drawn from a generator that all threads of a process share.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

struct Desk(tempfile::TempDir);

impl Desk {
    /// A folder with a small dictionary, and a config for short trainings.
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        let line = |n: usize| {
            let word = ["b", "ca", "do", "fe"].iter().cycle().skip(n % 4).take(1 + n % 5);
            let word: String = word.copied().collect::<String>() + &"xyz"[..n % 4];
            let phonemes: Vec<String> =
                word.chars().map(|c| format!("{}{}", c.to_uppercase(), n % 2)).collect();
            format!("{word}{n} {} N\n", phonemes.join(" "))
        };
        let text: String = (0..120).map(line).collect();
        fs::write(desk.path("my.dict"), text + "b0(2) P EH1\n").unwrap();
        let config = r#"{"training": {"max_steps": 3, "batch_tokens": 70, "eval_every": 2}}"#;
        fs::write(desk.path("short.json"), config).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Calls the program; a word that begins with `@` is the path of a file on the desk.
    fn call(&self, command: &str, stop: StopSignal) -> (Result<Ending, Error>, String) {
        let word = |word: &str| match word.strip_prefix('@') {
            Some(name) => self.path(name).display().to_string(),
            None => word.to_owned(),
        };
        let args = Args::parse_from(
            std::iter::once("pronounce".into()).chain(command.split(' ').map(word)),
        );
        let mut output = Vec::new();
        let mut console = Console {
            input: &mut [].as_slice(),
            interactive: false,
            output: &mut output,
            status: &mut std::io::sink(),
        };
        let _lock = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let ending = run(&args, &mut console, stop);
        (ending, String::from_utf8(output).unwrap())
    }

    #[track_caller]
    fn done(&self, command: &str) -> String {
        let (ending, output) = self.call(command, StopSignal::new());
        assert_eq!(ending.unwrap(), Ending::Done);
        output
    }

    #[track_caller]
    fn refused(&self, command: &str) -> String {
        let error = self.call(command, StopSignal::new()).0.unwrap_err();
        assert_eq!(error.status(), 2, "{error}");
        attn_examples::exit::chain(&error)
    }
}

const SHORT: &str = "--quiet --beams 1 --data @my.dict --config @short.json";

/// Without the minutes, which no two runs have in common.
fn timeless(output: &str) -> Vec<String> {
    let model = |line: &&str| !line.starts_with("recurrent ") && !line.starts_with("transformer ");
    output.lines().filter(model).map(str::to_owned).collect()
}

#[test]
fn both_models_are_trained_tested_and_kept() {
    let desk = Desk::new();
    let output = desk.done(&format!("{SHORT} --out @run"));
    for name in ["recurrent", "transformer"] {
        assert!(output.contains(&format!("\n{name} ")), "{output}");
        assert!(desk.path("run").join(name).join("config.json").is_file());
    }
    let read = |name: &str| fs::read_to_string(desk.path("run").join(name)).unwrap();
    let words: usize =
        ["train.tsv", "valid.tsv", "test.dict"].iter().map(|name| read(name).lines().count()).sum();
    assert_eq!(words, 121);
    let pairs = read("train.tsv");
    let digit = |line: &str| line.split_once('\t').unwrap().1.contains(['0', '1']);
    assert!(!pairs.lines().any(digit), "the digits are those of the stress");
}

#[test]
fn what_was_stopped_goes_on() {
    let desk = Desk::new();
    let whole = desk.done(&format!("{SHORT} --out @whole"));
    let stop = StopSignal::new();
    stop.stop();
    let (ending, _) = desk.call(&format!("{SHORT} --out @parts"), stop);
    assert_eq!(ending.unwrap(), Ending::Interrupted);
    assert!(!desk.path("parts/transformer").exists(), "the second is not begun");
    let resumed = desk.done("--quiet --beams 1 --resume --out @parts");
    assert_eq!(timeless(&resumed), timeless(&whole));
}

#[test]
fn bad_input_is_named() {
    let desk = Desk::new();
    fs::write(desk.path("bad.dict"), "ab A B\ncd\n").unwrap();
    let error = desk.refused("--data @bad.dict --out @run");
    assert!(error.ends_with("bad.dict:2: the word \"cd\" has no phonemes"), "{error}");
    fs::write(desk.path("latin.dict"), b"caf\xe9 K AE F EY\n").unwrap();
    let error = desk.refused("--data @latin.dict --out @run");
    assert!(error.contains("latin.dict:1: not valid UTF-8 from byte 4"), "{error}");
    fs::write(desk.path("few.dict"), "ab A B\n").unwrap();
    let error = desk.refused("--data @few.dict --out @run");
    assert!(error.contains("too few to learn from"), "{error}");
    let error = desk.refused("--data @none.dict --out @run");
    assert!(error.contains("cannot read"), "{error}");
    assert!(!desk.path("run").exists(), "nothing is left behind");
    let error = desk.refused("--beams 0 --out @run");
    assert!(error.contains("beams"), "{error}");
    fs::write(desk.path("one.json"), r#"{"model": {"encoder": {"dropout": 0.5}}}"#).unwrap();
    let error = desk.refused("--data @my.dict --config @one.json --out @run");
    assert!(error.contains("unknown key `model.encoder`"), "{error}");
    assert!(!desk.path("run").exists(), "nothing is left behind");
    let error = desk.refused("--resume --out @nowhere");
    assert!(error.contains("no words of an earlier run"), "{error}");
    fs::create_dir(desk.path("full")).unwrap();
    fs::write(desk.path("full/notes.txt"), "mine").unwrap();
    let error = desk.refused(&format!("{SHORT} --out @full"));
    assert!(error.contains("is not empty"), "{error}");
    assert_eq!(fs::read_to_string(desk.path("full/notes.txt")).unwrap(), "mine");
}
