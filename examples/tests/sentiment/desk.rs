//! The program `sentiment` on a few sentences, without a process of its own.

use std::fs;
use std::path::PathBuf;

use attn_examples::sentiment::{Args, Console, Ending, Error, Settings, run};
use attn_train::StopSignal;
use clap::Parser;

/// A folder with sentences, and a config for small models.
pub struct Desk {
    folder: tempfile::TempDir,
}

/// What a call of the program gave.
#[derive(Debug)]
pub struct Ran {
    pub ending: Result<Ending, Error>,
    pub output: String,
    pub said: String,
}

impl Ran {
    /// The output of a call that succeeded.
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!(self.ending.expect("the call succeeds"), Ending::Done);
        self.output
    }

    /// The message of a call that failed because of what it was given.
    #[track_caller]
    pub fn refused(self) -> String {
        let error = self.ending.expect_err("the call is refused");
        assert_eq!(error.status(), 2, "{error}");
        attn_examples::exit::chain(&error)
    }
}

/// What HTML must not take for itself.
pub const HOSTILE: &str = "<script>alert(\"a\" & 'b')</script>";

impl Desk {
    pub fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap() };
        let line = |n: usize| match n % 2 {
            0 => format!("thing {n} is good {HOSTILE}\t1\n"),
            _ => format!("thing {n} is bad\u{85}indeed\t0\n"),
        };
        desk.write("reviews.tsv", (0..40).map(line).collect::<String>());
        let mut settings = Settings::default();
        settings.training.max_epochs = 2;
        for model in &mut settings.models {
            (model.d_word, model.d_hidden) = (5, 3);
        }
        desk.write("small.json", serde_json::to_string(&settings).unwrap());
        desk
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Calls the program; a word that begins with `@` is the path of a file on the desk.
    pub fn call(&self, command: &str) -> Ran {
        self.call_with(command, &StopSignal::new())
    }

    pub fn call_with(&self, command: &str, stop: &StopSignal) -> Ran {
        let word = |word: &str| match word.strip_prefix('@') {
            Some(name) => self.path(name).display().to_string(),
            None => word.to_owned(),
        };
        let words = std::iter::once("sentiment".to_owned()).chain(command.split(' ').map(word));
        let (mut output, mut said) = (Vec::new(), Vec::new());
        let mut console = Console { output: &mut output, status: &mut said };
        let ending = Args::try_parse_from(words)
            .map_err(Error::from)
            .and_then(|args| run(&args, &mut console, stop));
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { ending, output: text(output), said: text(said) }
    }
}
