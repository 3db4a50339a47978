//! PyTorch, in a process of its own: `peers/attention.py` makes the tensors of a setting that comes
//! as a line of JSON, then does it as often as the next lines say.

use super::contest::{Column, Contender, Repetition};
use super::setting::Setting;
use crate::contest::SideError;
use crate::process::{self, Script};
use serde::Deserialize;
use std::path::Path;

const SCRIPT: &str = "attention.py";

/// `torch.nn.functional.scaled_dot_product_attention` on the CPU.
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
    capability: String,
}

/// What the script answers: nothing but that it is ready, or the seconds of each repetition.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Ready,
    Seconds(Vec<f64>),
    Error(String),
}

impl Pytorch {
    /// Starts the script with this Python and so many threads.
    ///
    /// # Errors
    /// If Python does not start, or has no torch.
    pub fn start(python: &Path, threads: usize) -> Result<Self, SideError> {
        let failed = |reason: String| SideError {
            side: "PyTorch".into(),
            reason: format!("`{} {}`: {reason}", python.display(), process::path(SCRIPT)),
        };
        let (script, line) = Script::start(python, SCRIPT, &threads.to_string())
            .map_err(|source| failed(source.to_string()))?;
        let greeting = serde_json::from_str(&line)
            .map_err(|_| failed("ended before it was ready; its message is above".into()))?;
        Ok(Self { greeting, script })
    }

    fn ask(&mut self, request: &str) -> Result<Answer, SideError> {
        let failed = |reason: String| SideError { side: "PyTorch".into(), reason };
        let line = self.script.ask(request).map_err(|source| failed(source.to_string()))?;
        match serde_json::from_str(&line) {
            Ok(Answer::Error(reason)) => Err(failed(reason)),
            Ok(answer) => Ok(answer),
            Err(_) => Err(failed(format!("answered {line:?} to {request:?}"))),
        }
    }
}

impl Contender for Pytorch {
    fn name(&self) -> String {
        let Greeting { version, threads, capability } = &self.greeting;
        format!("PyTorch {version}, {threads} threads, {capability}")
    }

    fn column(&self) -> Column {
        Column::Pytorch
    }

    fn prepare(&mut self, setting: &Setting) -> Result<Option<Repetition<'_>>, SideError> {
        let setting = serde_json::to_string(setting).expect("a setting is numbers and names");
        self.ask(&setting)?;
        Ok(Some(Box::new(|count| match self.ask(&count.to_string())? {
            Answer::Seconds(seconds) if seconds.len() == count => Ok(seconds),
            other => Err(SideError {
                side: "PyTorch".into(),
                reason: format!("answered {other:?} to {count} repetitions"),
            }),
        })))
    }
}
