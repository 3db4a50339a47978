//! PyTorch, in a process of its own: `peers/pytorch.py` builds the same model, waits for a line with
//! the name of the work and answers with the seconds it took.

use crate::contest::{Side, SideError, Work};
use crate::machine::{self, Peak};
use crate::process::{self, Script};
use crate::setting::Setting;
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

const SCRIPT: &str = "pytorch.py";

/// The process, ready for work.
#[derive(Debug)]
pub struct Pytorch {
    greeting: Greeting,
    script: Script,
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
            reason: format!("`{} {}`: {reason}", python.display(), process::path(SCRIPT)),
        };
        let arguments = serde_json::json!({
            "setting": described(setting),
            "threads": machine::cores(),
            "learning_rate": Setting::LEARNING_RATE,
            "weight_decay": Setting::WEIGHT_DECAY,
            "epsilon": Setting::EPSILON,
        });
        let (script, line) = Script::start(python, SCRIPT, &arguments.to_string())
            .map_err(|source| failed(source.to_string()))?;
        let greeting = serde_json::from_str(&line)
            .map_err(|_| failed("ended before it was ready; its message is above".into()))?;
        Ok(Self { greeting, script })
    }

    /// What its process has had resident; `None` where the system does not say.
    ///
    /// # Errors
    /// If the process has gone.
    pub fn peak(&mut self) -> Result<Option<Peak>, SideError> {
        let answer = self.script.ask("memory").map_err(|source| self.failed(source))?;
        Ok(serde_json::from_str(&answer).ok())
    }

    /// The seconds of each part of so many training steps, as JSON.
    ///
    /// # Errors
    /// If the process has gone.
    pub(crate) fn profile(&mut self, steps: usize) -> Result<String, SideError> {
        self.script.ask(&format!("profile {steps}")).map_err(|source| self.failed(source))
    }

    fn failed(&self, reason: impl ToString) -> SideError {
        SideError { side: self.name(), reason: reason.to_string() }
    }

    fn ask(&mut self, work: Work) -> std::io::Result<String> {
        self.script.ask(match work {
            Work::Train => "train",
            Work::Forward => "forward",
            Work::Decode => "decode",
        })
    }
}

/// The setting as the scripts read it.
pub(crate) fn described(setting: &Setting) -> Value {
    let mut value = serde_json::to_value(setting).expect("a setting is numbers and text");
    value["positions"] = setting.positions().into();
    value
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
