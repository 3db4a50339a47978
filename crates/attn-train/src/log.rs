//! The metrics log: one JSON object a line, appended while the run goes on.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// Training since the last such line.
    Train {
        /// Steps taken.
        step: usize,
        /// Passes over the data, with the part of the one that is under way.
        epoch: f64,
        /// Mean training loss.
        loss: f64,
        /// Learning rate of the last step.
        learning_rate: f64,
        /// Norm of the gradient in the last step, before clipping.
        gradient_norm: f64,
        /// Tokens that the loss was taken over, by the time the steps took.
        tokens_per_second: f64,
        /// Time the run has taken.
        seconds: f64,
    },
    /// An evaluation.
    Valid {
        /// Steps taken.
        step: usize,
        /// Passes over the data, with the part of the one that is under way.
        epoch: f64,
        /// Mean validation loss.
        loss: f64,
        /// What the loss was averaged over.
        tokens: usize,
        /// Whether no evaluation was better.
        best: bool,
        /// Time the run has taken.
        seconds: f64,
    },
}

/// A log file, open for appending.
#[derive(Debug)]
pub(crate) struct MetricsLog {
    path: PathBuf,
    file: File,
}

impl MetricsLog {
    /// Opens the log of a run that has taken `step` steps, without the lines of later ones: those
    /// are of a run that went on after its last checkpoint, and will be written again.
    pub(crate) fn open(path: PathBuf, step: usize) -> Result<Self, LogError> {
        let failed = |source| LogError { path: path.clone(), source };
        keep_until(&path, step).map_err(failed)?;
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
        Ok(Self { path, file })
    }

    /// A log on a full disk.
    #[cfg(all(test, target_os = "linux"))]
    pub(crate) fn full() -> Self {
        let path = PathBuf::from("/dev/full");
        Self { file: OpenOptions::new().write(true).open(&path).unwrap(), path }
    }

    /// Whether the log has a line, that of an evaluation by its step.
    pub(crate) fn has(&self, event: &Event) -> Result<bool, LogError> {
        let failed = |source| LogError { path: self.path.clone(), source };
        let text = std::fs::read_to_string(&self.path).map_err(failed)?;
        let same = |line: &str| match (serde_json::from_str(line), event) {
            (Ok(Event::Valid { step: found, .. }), Event::Valid { step, .. }) => found == *step,
            (Ok(found), event) => found == *event,
            (Err(_), _) => false,
        };
        Ok(text.lines().any(same))
    }

    /// Appends a line.
    pub(crate) fn write(&mut self, event: &Event) -> Result<(), LogError> {
        let mut line = serde_json::to_string(event).expect("an event is plain data");
        line.push('\n');
        // One call, so that a crash leaves at most one line cut short, the last.
        self.file
            .write_all(line.as_bytes())
            .map_err(|source| LogError { path: self.path.clone(), source })
    }
}

/// Drops the lines after `step`, and one that was cut short.
fn keep_until(path: &Path, step: usize) -> io::Result<()> {
    #[derive(Deserialize)]
    struct Line {
        step: usize,
    }
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        text => text?,
    };
    let early = |line: &&str| {
        serde_json::from_str(line.trim_end()).is_ok_and(|line: Line| line.step <= step)
    };
    let kept: String = text.split_inclusive('\n').filter(early).collect();
    if kept == text { Ok(()) } else { attn_files::write(path, kept.as_bytes()) }
}

/// The metrics log cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the metrics log {path}")]
pub struct LogError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn event(step: usize) -> Event {
        let (epoch, loss, tokens, seconds) = (0.5, 2.25, 7, 1.5);
        Event::Valid { step, epoch, loss, tokens, best: true, seconds }
    }

    fn steps(path: &Path) -> Vec<usize> {
        let text = fs::read_to_string(path).unwrap();
        let step = |line| match serde_json::from_str(line).unwrap() {
            Event::Valid { step, .. } | Event::Train { step, .. } => step,
        };
        text.lines().map(step).collect()
    }

    #[test]
    fn a_line_is_one_flat_object() {
        let line = serde_json::to_string(&event(3)).unwrap();
        assert_eq!(
            line,
            r#"{"event":"valid","step":3,"epoch":0.5,"loss":2.25,"tokens":7,"best":true,"seconds":1.5}"#
        );
    }

    #[test]
    fn a_resumed_log_repeats_no_step() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("metrics.jsonl");
        let mut log = MetricsLog::open(path.clone(), 0).unwrap();
        for step in [1, 2, 2, 3] {
            log.write(&event(step)).unwrap();
        }
        drop(log);
        let mut log = MetricsLog::open(path.clone(), 2).unwrap();
        assert_eq!(steps(&path), [1, 2, 2]);
        log.write(&event(3)).unwrap();
        assert_eq!(steps(&path), [1, 2, 2, 3]);
    }

    #[test]
    fn a_line_cut_short_by_a_crash_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("metrics.jsonl");
        let whole = serde_json::to_string(&event(1)).unwrap();
        fs::write(&path, format!("{whole}\n{}", &whole[..whole.len() / 2])).unwrap();
        MetricsLog::open(path.clone(), 9).unwrap().write(&event(2)).unwrap();
        assert_eq!(steps(&path), [1, 2]);
    }

    #[test]
    fn a_log_that_cannot_be_written_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let error = MetricsLog::open(directory.path().to_owned(), 0).unwrap_err();
        assert!(error.to_string().contains(&directory.path().display().to_string()), "{error}");
    }
}
