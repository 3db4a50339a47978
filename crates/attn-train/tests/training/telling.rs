//! What is told, and when: not before it is safe.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use attn_train::TrainerConfig;
use tempfile::TempDir;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::devices;
use crate::tiny::{Tiny, config, train_data, trainer, valid_data};

/// Remembers of each evaluation that it is told of whether it was in a checkpoint, and in the log.
struct Witness {
    run: PathBuf,
    seen: Arc<Mutex<Vec<(u64, bool, bool)>>>,
}

/// The step of an event that an evaluation is told by.
#[derive(Default)]
struct Evaluated {
    step: u64,
    evaluated: bool,
}

impl Visit for Evaluated {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "step" {
            self.step = value;
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.evaluated |= field.name() == "message" && format!("{value:?}") == "evaluated";
    }
}

impl Subscriber for Witness {
    fn event(&self, event: &Event<'_>) {
        let mut found = Evaluated::default();
        event.record(&mut found);
        if found.evaluated {
            let step = found.step;
            let checkpoint = self.run.join(format!("checkpoints/step-{step:08}/state.json"));
            let logged = logged(&self.run).contains(&step);
            self.seen.lock().unwrap().push((step, checkpoint.exists(), logged));
        }
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The steps of the evaluations in the log.
fn logged(run: &Path) -> Vec<u64> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    lines
        .filter(|line| line["event"] == "valid")
        .map(|line| line["step"].as_u64().unwrap())
        .collect()
}

fn run_until(run: &TempDir, steps: usize) {
    let device = &devices()[1];
    let config = TrainerConfig { max_steps: Some(steps), ..config() };
    let trainer = trainer(config, Tiny::new(5, device), device);
    let trainer = match run.path().join("checkpoints").exists() {
        true => trainer.resume_from(run),
        false => trainer.save_to(run),
    };
    trainer.unwrap().fit(&mut train_data(), &mut valid_data()).unwrap();
}

#[test]
fn an_evaluation_is_saved_before_it_is_told() {
    let run = tempfile::tempdir().unwrap();
    let seen = Arc::default();
    let witness = Witness { run: run.path().into(), seen: Arc::clone(&seen) };
    tracing::subscriber::with_default(witness, || run_until(&run, 6));
    // Every 4 steps, and at the end; a checkpoint of each, and the log has it too.
    assert_eq!(*seen.lock().unwrap(), [(4, true, true), (6, true, true)]);
}

/// As if the process had ended between the checkpoint and the line.
#[test]
fn a_line_that_a_crash_lost_is_in_the_log_of_the_resumed_run() {
    let run = tempfile::tempdir().unwrap();
    run_until(&run, 4);
    let log = run.path().join("metrics.jsonl");
    let whole = fs::read_to_string(&log).unwrap();
    let line = whole.lines().last().unwrap();
    assert!(line.contains(r#""event":"valid","step":4"#), "{line}");
    fs::write(&log, whole.strip_suffix(&format!("{line}\n")).unwrap()).unwrap();
    assert!(logged(run.path()).is_empty());
    run_until(&run, 8);
    assert_eq!(logged(run.path()), [4, 8]);
    // And one that is there is not written again.
    run_until(&run, 12);
    assert_eq!(logged(run.path()), [4, 8, 12]);
}
