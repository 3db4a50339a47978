//! What the tests of all programs share: a folder of files, and what a call of a program gave.

use std::fs;
use std::path::PathBuf;

use attn_pipelines::console::Console;
use attn_pipelines::exit::{Ending, Failure, chain};

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
#[derive(Debug)]
pub struct Ran<E> {
    pub ending: Result<Ending, E>,
    pub output: String,
    pub said: String,
}

impl<E: Failure> Ran<E> {
    /// Calls a program without a process of its own.
    pub fn of(call: impl FnOnce(&mut Console) -> Result<Ending, E>) -> Self {
        let (mut output, mut said) = (Vec::new(), Vec::new());
        let ending = call(&mut Console { output: &mut output, status: &mut said });
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { ending, output: text(output), said: text(said) }
    }

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
        chain(&error)
    }
}
