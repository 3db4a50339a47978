//! Checkpoints that are damaged, foreign, or cannot be written.

use std::fs;
use std::path::{Path, PathBuf};

use attn_train::{Checkpoint, CheckpointError, TrainError, TrainerConfig};
use tempfile::TempDir;

use crate::tiny::{Tiny, config, train_data, trainer, valid_data};
use crate::{bits, devices};

const FILES: [&str; 4] = ["model.bpk", "first.bpk", "second.bpk", "state.json"];

/// A run of four steps with one checkpoint, and the path of that.
fn run() -> (TempDir, PathBuf) {
    let device = &devices()[0];
    let run = tempfile::tempdir().unwrap();
    let short = TrainerConfig { max_steps: Some(4), ..config() };
    let mut trainer = trainer(short, Tiny::new(5, device), device).save_to(&run).unwrap();
    let outcome = trainer.fit(&mut train_data(), &mut valid_data()).unwrap();
    (run, outcome.checkpoint.unwrap())
}

/// Resumes the run with a model whose hidden width is `hidden`.
fn resume(run: &Path, hidden: usize) -> Result<(), CheckpointError> {
    let device = &devices()[0];
    match trainer(config(), Tiny::new(hidden, device), device).resume_from(run) {
        Ok(_) => Ok(()),
        Err(TrainError::Checkpoint(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_file_cut_short_anywhere_is_an_error_that_names_it() {
    let (run, checkpoint) = run();
    resume(run.path(), 5).unwrap();
    for name in FILES {
        let path = checkpoint.join(name);
        let whole = fs::read(&path).unwrap();
        for keep in [0, 1, 9, whole.len() / 2, whole.len() - 2] {
            fs::write(&path, &whole[..keep]).unwrap();
            let error = resume(run.path(), 5).unwrap_err();
            assert!(matches!(error, CheckpointError::Damaged { .. }), "{name} at {keep}: {error}");
            assert!(error.to_string().contains(name), "{error}");
        }
        fs::write(&path, &whole).unwrap();
    }
    resume(run.path(), 5).unwrap();
}

#[test]
fn a_bit_that_flipped_is_noticed() {
    let (run, checkpoint) = run();
    for name in &FILES[..3] {
        let path = checkpoint.join(name);
        let whole = fs::read(&path).unwrap();
        for at in [3, whole.len() / 3, whole.len() - 1] {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            fs::write(&path, &flipped).unwrap();
            let error = resume(run.path(), 5).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("checksum"), "{error}");
        }
        fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn a_file_that_is_gone_is_named() {
    for name in FILES {
        let (run, checkpoint) = run();
        fs::remove_file(checkpoint.join(name)).unwrap();
        let error = resume(run.path(), 5).unwrap_err();
        assert!(matches!(&error, CheckpointError::Missing { path } if path.ends_with(name)));
    }
}

#[test]
fn another_version_is_named_before_its_keys_are_read() {
    let (run, checkpoint) = run();
    fs::write(checkpoint.join("state.json"), r#"{"version": 7, "later": true}"#).unwrap();
    let error = resume(run.path(), 5).unwrap_err();
    assert!(matches!(error, CheckpointError::Version { found: 7, .. }), "{error}");
}

#[test]
fn a_checkpoint_of_another_model_is_refused() {
    let (run, checkpoint) = run();
    let error = resume(run.path(), 6).unwrap_err();
    assert!(matches!(error, CheckpointError::OtherModel { .. }), "{error}");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        error.to_string().contains("model.bpk") && source.contains("hidden.weight"),
        "{source}"
    );

    // Tensors that one has and the other has not.
    use burn::nn::{Linear, LinearConfig};
    let device = &devices()[0];
    let linear: Linear = LinearConfig::new(3, 5).init(device);
    let error = Checkpoint::open(checkpoint).unwrap().load_model(linear).unwrap_err();
    assert!(matches!(error, CheckpointError::OtherModel { .. }), "{error}");
}

/// The moments are compared with the model too: here they are of one that is wider.
#[test]
fn moments_of_another_model_are_refused() {
    let (run, checkpoint) = run();
    let device = &devices()[0];
    let other = tempfile::tempdir().unwrap();
    let short = TrainerConfig { max_steps: Some(4), ..config() };
    let mut wide = trainer(short, Tiny::new(6, device), device).save_to(&other).unwrap();
    let wide = wide.fit(&mut train_data(), &mut valid_data()).unwrap().checkpoint.unwrap();
    fs::copy(wide.join("second.bpk"), checkpoint.join("second.bpk")).unwrap();
    // With the fingerprint of the wrong file, as if it had been written so.
    let state = |path: &Path| fs::read_to_string(path.join("state.json")).unwrap();
    let value = |path: &Path| serde_json::from_str::<serde_json::Value>(&state(path)).unwrap();
    let mut forged = value(&checkpoint);
    forged["files"]["second.bpk"] = value(&wide)["files"]["second.bpk"].clone();
    fs::write(checkpoint.join("state.json"), forged.to_string()).unwrap();

    let error = resume(run.path(), 5).unwrap_err();
    assert!(
        matches!(&error, CheckpointError::OtherModel { path, .. } if path.ends_with("second.bpk"))
    );
}

#[test]
fn a_new_run_does_not_write_into_an_old_one() {
    let (run, _) = run();
    let device = &devices()[0];
    let error = trainer(config(), Tiny::new(5, device), device).save_to(&run).unwrap_err();
    assert!(matches!(error, TrainError::Checkpoint(CheckpointError::Occupied { .. })), "{error}");
}

#[test]
fn there_must_be_something_to_resume() {
    let nothing = tempfile::tempdir().unwrap();
    for run in [nothing.path().to_owned(), nothing.path().join("absent")] {
        let error = resume(&run, 5).unwrap_err();
        assert!(matches!(&error, CheckpointError::Missing { path } if *path == run), "{error}");
    }
}

/// A file where the directory should be: that fails for every user, root included.
#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let device = &devices()[0];
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    fs::write(&run, "in the way").unwrap();
    let error = trainer(config(), Tiny::new(5, device), device).save_to(&run).unwrap_err();
    assert!(error.to_string().contains("run"), "{error}");
    assert_eq!(fs::read_to_string(&run).unwrap(), "in the way");
}

/// A file in the way of the second checkpoint: the first one stays.
#[test]
fn a_checkpoint_that_cannot_be_written_leaves_the_old_ones() {
    let device = &devices()[0];
    let run = tempfile::tempdir().unwrap();
    let checkpoints = run.path().join("checkpoints");
    fs::create_dir_all(&checkpoints).unwrap();
    fs::write(checkpoints.join(".step-00000008.new"), "in the way").unwrap();
    let mut trainer = trainer(config(), Tiny::new(5, device), device).save_to(&run).unwrap();
    let error = trainer.fit(&mut train_data(), &mut valid_data());
    match error {
        Err(TrainError::Checkpoint(CheckpointError::Write { path, .. })) => {
            assert!(path.ends_with("step-00000008"), "{path:?}");
        }
        other => panic!("{other:?}"),
    }
    let latest = Checkpoint::latest(&run).unwrap();
    assert_eq!(latest.state().step, 4);
    latest.load_model(Tiny::new(5, device)).unwrap();
}

/// What a crash leaves behind is neither a checkpoint nor in the way of one.
#[test]
fn what_a_crash_left_is_ignored_and_cleared_away() {
    let (run, checkpoint) = run();
    let half = checkpoint.with_file_name(".step-00000014.new");
    fs::create_dir(&half).unwrap();
    fs::copy(checkpoint.join("model.bpk"), half.join("model.bpk")).unwrap();

    let device = &devices()[0];
    let mut trainer = trainer(config(), Tiny::new(5, device), device).resume_from(&run).unwrap();
    let outcome = trainer.fit(&mut train_data(), &mut valid_data()).unwrap();
    let loaded = Checkpoint::open(outcome.checkpoint.unwrap()).unwrap();
    let loaded = loaded.load_model(Tiny::new(5, device)).unwrap();
    assert_eq!(bits(&loaded), bits(trainer.model()));
    assert!(!half.exists());
}

/// Equal runs write equal files, so that a copy can be compared with its original.
#[test]
fn the_moments_of_equal_runs_are_equal_files() {
    let device = &devices()[0];
    let model = Tiny::new(5, device);
    let files = [(); 2].map(|()| {
        let run = tempfile::tempdir().unwrap();
        let short = TrainerConfig { max_steps: Some(4), ..config() };
        let mut trainer = trainer(short, model.clone(), device).save_to(&run).unwrap();
        let checkpoint = trainer.fit(&mut train_data(), &mut valid_data()).unwrap().checkpoint;
        FILES[..3]
            .iter()
            .map(|name| fs::read(checkpoint.as_ref().unwrap().join(name)).unwrap())
            .collect::<Vec<_>>()
    });
    assert_eq!(files[0], files[1]);
}
