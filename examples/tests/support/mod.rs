//! What the tests of all programs share: a folder of files, and what a call of a program gave.

use std::fs;
use std::path::PathBuf;

use attn_pipelines::cli::{Console, Ending, Failure, Input, chain};
use attn_train::{Progress, StopSignal};
use clap::Parser;

/// A folder of files, to be named in a command.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The words of a command. One that begins with `@` is the path of a file in the folder; in others
    /// `_` stands for a space.
    pub fn words(&self, command: &str) -> Vec<String> {
        let word = |word: &str| match word.strip_prefix('@') {
            Some(name) => self.path(name).display().to_string(),
            None => word.replace('_', " "),
        };
        std::iter::once("the program".to_owned()).chain(command.split(' ').map(word)).collect()
    }
}

/// What a call of a program gave.
pub struct Ran {
    pub ending: Result<Ending, Box<dyn Failure>>,
    pub output: String,
    /// What went on, and then the warnings.
    pub said: String,
}

impl Ran {
    /// Calls a program without a process of its own: `command` is its name and its arguments.
    pub fn of<A: Parser, E: Failure + 'static>(
        command: &[String],
        input: impl AsRef<[u8]>,
        stop: StopSignal,
        run: impl FnOnce(&A, &mut Console) -> Result<Ending, E>,
    ) -> Self {
        let (mut output, mut said, mut warned) = (Vec::new(), Vec::new(), Vec::new());
        let mut console = Console {
            output: &mut output,
            status: &mut said,
            warnings: &mut warned,
            input: Input::new(std::io::Cursor::new(input.as_ref().to_vec())),
            stop,
            progress: Progress::Hidden,
        };
        let ending = match A::try_parse_from(command) {
            Ok(args) => {
                run(&args, &mut console).map_err(|error| Box::new(error) as Box<dyn Failure>)
            }
            Err(error) => Err(Box::new(error) as Box<dyn Failure>),
        };
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { ending, output: text(output), said: text(said) + &text(warned) }
    }

    /// The output of a call that succeeded.
    #[track_caller]
    pub fn done(self) -> String {
        let ending = self.ending.unwrap_or_else(|error| panic!("the call fails: {error}"));
        assert_eq!(ending, Ending::Done);
        self.output
    }

    /// The message of a call that failed because of what it was given.
    #[track_caller]
    pub fn refused(self) -> String {
        let error = self.ending.expect_err("the call is refused");
        assert_eq!(error.status(), 2, "{error}");
        chain(&*error)
    }

    /// How a call ended that did not fail.
    #[track_caller]
    pub fn ended(&self) -> Ending {
        match &self.ending {
            Ok(ending) => *ending,
            Err(error) => panic!("the call fails: {error}"),
        }
    }
}
