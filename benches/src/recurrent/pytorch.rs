//! `torch.nn.LSTM` and `torch.nn.GRU`, in a process of its own.

use super::Setting;
use crate::contest::{Side, SideError, Work};
use crate::machine;
use crate::process::{self, Script};
use serde::Deserialize;
use std::path::Path;
use std::time::Duration;

const SCRIPT: &str = "recurrent.py";

/// The process, ready for work.
#[derive(Debug)]
pub(super) struct Pytorch {
    greeting: Greeting,
    script: Script,
}

/// The first line of the script.
#[derive(Debug, Deserialize)]
struct Greeting {
    version: String,
    threads: usize,
    matrices: usize,
}

impl Pytorch {
    /// # Errors
    /// If Python does not start, or has no torch.
    pub(super) fn start(python: &Path, setting: &Setting) -> Result<Self, SideError> {
        let failed = |reason: String| SideError {
            side: "PyTorch".into(),
            reason: format!("`{} {}`: {reason}", python.display(), process::path(SCRIPT)),
        };
        let arguments = serde_json::json!({ "setting": setting, "threads": machine::cores() });
        let (script, line) = Script::start(python, SCRIPT, &arguments.to_string())
            .map_err(|source| failed(source.to_string()))?;
        let greeting = serde_json::from_str(&line)
            .map_err(|_| failed("ended before it was ready; its message is above".into()))?;
        Ok(Self { greeting, script })
    }
}

impl Side for Pytorch {
    fn name(&self) -> String {
        let Greeting { version, threads, .. } = &self.greeting;
        format!("PyTorch {version} eager, CPU, {threads} threads")
    }

    fn parameters(&self) -> usize {
        self.greeting.matrices
    }

    fn run(&mut self, _: Work) -> Result<Duration, SideError> {
        let failed = |reason: String| SideError { side: "PyTorch".into(), reason };
        let answer = self.script.ask("train").map_err(|source| failed(source.to_string()))?;
        let seconds = answer.trim().parse().ok();
        seconds
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .ok_or_else(|| failed(format!("answered {answer:?} instead of seconds")))
    }
}
