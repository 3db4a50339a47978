//! The program `translate` on a small text, without a process of its own.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use attn_pipelines::cli::Ending;
use attn_train::StopSignal;

use crate::support::{Folder, Ran};
use crate::{seq2seq, translate};

/// A folder with a small text, and a config for a small model.
pub struct Desk {
    folder: Folder,
}

impl Deref for Desk {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

/// Parameters are drawn from a generator that all threads of a process share.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

pub const STEPS: usize = 6;

impl Desk {
    pub fn new() -> Self {
        let desk = Self { folder: Folder::new() };
        let line = |n: usize| {
            let word = "abcdefghij".repeat(2)[n % 10..][..2 + n % 4].to_owned();
            format!("{word} {n}\t{n} {}\n", word.to_uppercase())
        };
        desk.write("train.tsv", (0..40).map(line).collect::<String>());
        desk.write("valid.tsv", (40..47).map(line).collect::<String>());
        desk.write(
            "small.json",
            format!(
                r#"{{
                    "model": {{
                        "encoder_layers": 1, "decoder_layers": 1,
                        "block": {{"d_model": 8, "heads": 2, "d_ff": 12}}
                    }},
                    "max_len": {{"source": 20, "target": 20}},
                    "training": {{
                        "max_steps": {STEPS}, "batch_tokens": 60, "eval_every": 2, "log_every": 1
                    }}
                }}"#
            ),
        );
        desk
    }

    /// Every file below a folder with its content, so that it can be seen to be as it was.
    pub fn snapshot(&self, name: &str) -> Vec<(PathBuf, Vec<u8>)> {
        fn add(path: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
            if path.is_dir() {
                for entry in fs::read_dir(path).unwrap() {
                    add(&entry.unwrap().path(), files);
                }
            } else {
                files.push((path.to_owned(), fs::read(path).unwrap()));
            }
        }
        let mut files = Vec::new();
        add(&self.path(name), &mut files);
        files.sort();
        files
    }

    /// Calls the program `translate`.
    pub fn call(&self, command: &str) -> Ran {
        self.call_with(command, "", StopSignal::new())
    }

    pub fn call_with(&self, command: &str, input: impl AsRef<[u8]>, stop: StopSignal) -> Ran {
        let _lock = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        Ran::of(&self.words(command), input, stop, |cli: &translate::Cli, console| {
            translate::run(&cli.args, console)
        })
    }

    /// Calls the program `seq2seq`.
    pub fn seq2seq(&self, command: &str) -> Ran {
        self.seq2seq_with(command, StopSignal::new())
    }

    pub fn seq2seq_with(&self, command: &str, stop: StopSignal) -> Ran {
        let _lock = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        Ran::of(&self.words(command), "", stop, |cli: &seq2seq::Cli, console| {
            seq2seq::run(&cli.args, cli.model, console)
        })
    }

    /// A training into the folder `run` that is stopped between its first event and its last, of which
    /// there are `events`. One that ends before it is stopped is done again.
    ///
    /// # Panics
    /// If that happens twenty times.
    pub fn stopped(&self, run: &str, events: usize, train: impl Fn(StopSignal) -> Ran) -> Ran {
        let log = self.path(&format!("{run}/metrics.jsonl"));
        let logged = || fs::read_to_string(&log).unwrap_or_default().lines().count();
        for _ in 0..20 {
            let (stop, ended) = (StopSignal::new(), AtomicBool::new(false));
            let ran = thread::scope(|scope| {
                scope.spawn(|| {
                    while logged() == 0 && !ended.load(Relaxed) {
                        thread::sleep(Duration::from_millis(1));
                    }
                    stop.stop();
                });
                let ran = train(stop.clone());
                ended.store(true, Relaxed);
                ran
            });
            if ran.ended() == Ending::Interrupted && (1..events).contains(&logged()) {
                return ran;
            }
            fs::remove_dir_all(self.path(run)).unwrap();
        }
        panic!("the training of `{run}` always ends before it is stopped")
    }

    /// A desk with a trained model in `run`.
    pub fn with_run() -> Self {
        let desk = Self::new();
        desk.call(&format!("{TRAIN} --out @run")).done();
        desk
    }
}

/// The beginning of a command that trains a small model.
pub const TRAIN: &str =
    "--quiet --train @train.tsv --valid @valid.tsv --config @small.json --tokenizer characters";
