//! A peer that runs in a Python process of its own, and is asked in lines.

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A script of `peers/`. It ends when its standard input closes.
#[derive(Debug)]
pub struct Script {
    process: Child,
    /// `None` once it has been closed.
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Script {
    /// Starts `peers/NAME` with this Python and one argument, and returns the first line that it
    /// says, which is empty if it ended instead.
    ///
    /// # Errors
    /// If Python does not start.
    pub fn start(python: &Path, name: &str, argument: &str) -> io::Result<(Self, String)> {
        let mut process = Command::new(python)
            .arg(path(name))
            .arg(argument)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let requests = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().expect("stdout was piped"));
        let mut script = Self { process, requests, answers };
        let greeting = script.read()?;
        Ok((script, greeting))
    }

    /// Sends one line and returns the one that answers it.
    ///
    /// # Errors
    /// If the process has gone.
    pub fn ask(&mut self, request: &str) -> io::Result<String> {
        let requests = self.requests.as_mut().expect("open until dropped");
        writeln!(requests, "{request}")?;
        requests.flush()?;
        self.read()
    }

    fn read(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(line)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.requests = None;
        // Its exit status says nothing that the answers did not.
        let _ = self.process.wait();
    }
}

/// Where the script of that name lies.
pub fn path(name: &str) -> String {
    format!("{}/peers/{name}", env!("CARGO_MANIFEST_DIR"))
}
