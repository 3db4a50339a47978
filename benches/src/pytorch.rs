//! PyTorch, in a process of its own: `peers/pytorch.py` builds the same model, waits for a line with
//! the name of the work and answers with the seconds it took.

use crate::contest::{Side, SideError, Work};
use crate::machine;
use crate::setting::Setting;
use serde::Deserialize;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/pytorch.py");

/// The process, ready for work. It ends when its standard input closes.
#[derive(Debug)]
pub struct Pytorch {
    greeting: Greeting,
    process: Child,
    /// `None` once it has been closed.
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// The first line of the script.
#[derive(Debug, Deserialize)]
struct Greeting {
    version: String,
    threads: usize,
    parameters: usize,
}

impl Pytorch {
    /// Starts the script with this Python, with as many threads as the sides in Rust have.
    ///
    /// # Errors
    /// If Python does not start, or has no torch.
    pub fn start(python: &Path, setting: &Setting) -> Result<Self, SideError> {
        let failed = |reason: String| SideError {
            side: "PyTorch".into(),
            reason: format!("`{} {SCRIPT}`: {reason}", python.display()),
        };
        let arguments = serde_json::json!({
            "setting": setting,
            "threads": machine::cores(),
            "learning_rate": Setting::LEARNING_RATE,
            "weight_decay": Setting::WEIGHT_DECAY,
            "epsilon": Setting::EPSILON,
        });
        let mut process = Command::new(python)
            .arg(SCRIPT)
            .arg(arguments.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|source| failed(source.to_string()))?;
        let requests = process.stdin.take();
        let mut answers = BufReader::new(process.stdout.take().expect("stdout was piped"));
        let mut line = String::new();
        answers.read_line(&mut line).map_err(|source| failed(source.to_string()))?;
        let greeting = serde_json::from_str(&line)
            .map_err(|_| failed("ended before it was ready; its message is above".into()))?;
        Ok(Self { greeting, process, requests, answers })
    }

    fn failed(&self, reason: impl ToString) -> SideError {
        SideError { side: self.name(), reason: reason.to_string() }
    }

    fn ask(&mut self, work: Work) -> std::io::Result<String> {
        let word = match work {
            Work::Train => "train",
            Work::Forward => "forward",
        };
        let requests = self.requests.as_mut().expect("open until dropped");
        writeln!(requests, "{word}")?;
        requests.flush()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        Ok(answer)
    }
}

impl Side for Pytorch {
    fn name(&self) -> String {
        let Greeting { version, threads, .. } = &self.greeting;
        format!("PyTorch {version} eager, CPU, {threads} threads")
    }

    fn parameters(&self) -> usize {
        self.greeting.parameters
    }

    fn run(&mut self, work: Work) -> Result<Duration, SideError> {
        let answer = self.ask(work).map_err(|source| self.failed(source))?;
        let seconds = answer.trim().parse().ok();
        seconds
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .ok_or_else(|| self.failed(format!("answered {answer:?} instead of seconds")))
    }
}

impl Drop for Pytorch {
    fn drop(&mut self) {
        self.requests = None;
        // Its exit status says nothing that the answers did not.
        let _ = self.process.wait();
    }
}
