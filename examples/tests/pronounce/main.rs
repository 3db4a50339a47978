//! The program `pronounce`, called as from a command line.

#[allow(dead_code, reason = "its main")]
#[path = "../../pronounce.rs"]
mod pronounce;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::ops::Deref;
use std::sync::Mutex;

use attn_pipelines::cli::Ending;
use attn_train::StopSignal;
use support::{Folder, Ran};

/// Parameters are drawn from a generator that all threads of a process share.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

struct Desk(Folder);

impl Deref for Desk {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.0
    }
}

impl Desk {
    /// A folder with a small dictionary, and a config for short trainings.
    fn new() -> Self {
        let desk = Self(Folder::new());
        let line = |n: usize| {
            let word = ["b", "ca", "do", "fe"].iter().cycle().skip(n % 4).take(1 + n % 5);
            let word: String = word.copied().collect::<String>() + &"xyz"[..n % 4];
            let phonemes: Vec<String> =
                word.chars().map(|c| format!("{}{}", c.to_uppercase(), n % 2)).collect();
            format!("{word}{n} {} N\n", phonemes.join(" "))
        };
        let text: String = (0..120).map(line).collect();
        desk.write("my.dict", text + "b0(2) P EH1\n");
        let config = r#"{"training": {"max_steps": 3, "batch_tokens": 70, "eval_every": 2}}"#;
        desk.write("short.json", config);
        desk
    }

    fn call(&self, command: &str) -> Ran {
        self.call_with(command, StopSignal::new())
    }

    fn call_with(&self, command: &str, stop: StopSignal) -> Ran {
        let _lock = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        Ran::of(&self.words(command), "", stop, pronounce::run)
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
    let output = desk.call(&format!("{SHORT} --out @run")).done();
    for name in ["recurrent", "transformer"] {
        assert!(output.contains(&format!("\n{name} ")), "{output}");
        assert!(desk.path("run").join(name).join("config.json").is_file());
    }
    let read = |name: &str| desk.read(&format!("run/{name}"));
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
    let whole = desk.call(&format!("{SHORT} --out @whole")).done();
    let stop = StopSignal::new();
    stop.stop();
    let ran = desk.call_with(&format!("{SHORT} --out @parts"), stop);
    assert_eq!(ran.ended(), Ending::Interrupted);
    assert!(ran.said.contains("--resume --out"), "{}", ran.said);
    assert!(!desk.path("parts/transformer").exists(), "the second is not begun");
    let resumed = desk.call("--quiet --beams 1 --resume --out @parts").done();
    assert_eq!(timeless(&resumed), timeless(&whole));
}

#[test]
fn bad_input_is_named() {
    let desk = Desk::new();
    desk.write("bad.dict", "ab A B\ncd\n");
    let error = desk.call("--data @bad.dict --out @run").refused();
    assert!(error.ends_with("bad.dict:2: the word \"cd\" has no phonemes"), "{error}");
    desk.write("latin.dict", b"caf\xe9 K AE F EY\n");
    let error = desk.call("--data @latin.dict --out @run").refused();
    assert!(error.contains("latin.dict:1: not valid UTF-8 from byte 4"), "{error}");
    desk.write("few.dict", "ab A B\n");
    let error = desk.call("--data @few.dict --out @run").refused();
    assert!(error.contains("too few to learn from"), "{error}");
    let error = desk.call("--data @none.dict --out @run").refused();
    assert!(error.contains("cannot read"), "{error}");
    assert!(!desk.path("run").exists(), "nothing is left behind");
    let error = desk.call("--beams 0 --out @run").refused();
    assert!(error.contains("beams"), "{error}");
    desk.write("one.json", r#"{"model": {"encoder": {"dropout": 0.5}}}"#);
    let error = desk.call("--data @my.dict --config @one.json --out @run").refused();
    assert!(error.contains("unknown key `model.encoder`"), "{error}");
    assert!(!desk.path("run").exists(), "nothing is left behind");
    let error = desk.call("--resume --out @nowhere").refused();
    assert!(error.contains("no words of an earlier run"), "{error}");
    fs::create_dir(desk.path("full")).unwrap();
    desk.write("full/notes.txt", "mine");
    let error = desk.call(&format!("{SHORT} --out @full")).refused();
    assert!(error.contains("is not empty"), "{error}");
    assert_eq!(desk.read("full/notes.txt"), "mine");
}
