//! What a run was begun with, and who works on it.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use attn_train::batch::TokenPair;
use attn_train::{
    BatchSource, Checkpoint, CheckpointError, PairSource, Progress, RunRecord, TrainError, Trainer,
    TrainerConfig,
};
use attn_transformer::{BlockConfig, EncoderDecoder, EncoderDecoderConfig};
use serde_json::Value;
use tempfile::TempDir;

use crate::devices;
use crate::tiny::{Tiny, config, train_data, trainer, valid_data};

fn model(heads: usize) -> EncoderDecoderConfig {
    let layers = EncoderDecoderConfig::new(11, 13, BlockConfig::new(8, heads));
    EncoderDecoderConfig { encoder_layers: 1, decoder_layers: 1, ..layers }
}

fn pairs(count: u32) -> PairSource {
    let pair = |n: u32| TokenPair { source: vec![4 + n % 7, 5], target: vec![4 + n % 9, 6, 7] };
    PairSource::new((0..count).map(pair).collect(), config().valid_plan()).unwrap()
}

type Sequences = Trainer<EncoderDecoder, attn_train::SequenceLoss>;

/// A trainer of four heads' worth of the same parameters, told that the model has `heads`.
fn sequences(heads: usize, steps: usize) -> Sequences {
    let device = &devices()[1];
    let config = TrainerConfig { max_steps: Some(steps), eval_every: 1, ..config() };
    let loss = config.sequence_loss();
    Trainer::new(config, model(heads).init(device), loss, device)
        .unwrap()
        .with_progress(Progress::Hidden)
        .with_record(RunRecord::new().with_config("model", &model(heads)))
}

/// A run of one step, on five pairs and validated on three.
fn run() -> TempDir {
    let run = tempfile::tempdir().unwrap();
    let mut trainer = sequences(2, 1).save_to(&run).unwrap();
    trainer.fit(&mut pairs(5), &mut pairs(3)).unwrap();
    run
}

fn changed<T>(result: Result<T, TrainError>) -> String {
    match result {
        Err(TrainError::Checkpoint(error @ CheckpointError::Changed { .. })) => error.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the change was accepted"),
    }
}

/// Four heads have parameters of the same shapes as two, and compute something else.
#[test]
fn another_model_of_the_same_shapes_is_refused_with_the_key() {
    let run = run();
    let said = "model.block.heads has changed since the run was begun: it was 2, now it is 4";
    assert_eq!(changed(sequences(4, 2).resume_from(&run)), said);
    let checkpoint = Checkpoint::latest(&run).unwrap();
    let record = |heads| RunRecord::new().with_config("model", &model(heads));
    assert_eq!(checkpoint.check(&record(4)).unwrap_err().to_string(), said);
    checkpoint.check(&record(2)).unwrap();
    sequences(2, 2).resume_from(&run).unwrap();
}

#[test]
fn other_data_is_refused_by_name_and_the_same_is_accepted() {
    let run = run();
    let mut resumed = sequences(2, 2).resume_from(&run).unwrap();
    let error = changed(resumed.fit(&mut pairs(5), &mut pairs(2)));
    assert!(error.starts_with("validation data has changed since the run was begun"), "{error}");
    assert!(error.contains("it was 3 pairs of 15 tokens with checksum"), "{error}");
    assert!(error.contains("now it is 2 pairs of 10 tokens"), "{error}");
    let error = changed(resumed.fit(&mut pairs(6), &mut pairs(3)));
    assert!(error.starts_with("training data has changed"), "{error}");
    assert_eq!(resumed.fit(&mut pairs(5), &mut pairs(3)).unwrap().step, 2);

    // The new checkpoint knows all that the old one knew, of a record that was not given again.
    let state = |path: &Path| fs::read_to_string(path.join("state.json")).unwrap();
    let latest = Checkpoint::latest(&run).unwrap();
    let saved: Value = serde_json::from_str(&state(latest.path())).unwrap();
    let names: Vec<&String> = saved["record"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["model", "training data", "validation data"]);
}

#[test]
fn the_fingerprint_of_data_tells_content_and_order_apart() {
    let of = |pairs: &[(&[u32], &[u32])]| {
        let pair = |(source, target): &(&[u32], &[u32])| TokenPair {
            source: source.to_vec(),
            target: target.to_vec(),
        };
        let pairs = pairs.iter().map(pair).collect();
        PairSource::new(pairs, config().valid_plan()).unwrap().fingerprint().unwrap()
    };
    let data: &[(&[u32], &[u32])] = &[(&[4, 5], &[6]), (&[7], &[8, 9])];
    assert_eq!(of(data), of(data));
    let others: [[(&[u32], &[u32]); 2]; 3] = [
        [(&[4, 5], &[6]), (&[7], &[8, 10])],
        [(&[7], &[8, 9]), (&[4, 5], &[6])],
        // The same tokens in a row, cut elsewhere.
        [(&[4], &[5, 6]), (&[7], &[8, 9])],
    ];
    for other in others {
        assert_ne!(of(&other), of(data));
    }
}

/// As this library wrote them before there was a record.
#[test]
fn a_checkpoint_without_a_record_is_resumed() {
    let run = run();
    let file = Checkpoint::latest(&run).unwrap().path().join("state.json");
    let mut state: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    state["version"] = 1.into();
    let state = state.as_object_mut().unwrap();
    for key in ["record", "evaluation"] {
        assert!(state.remove(key).is_some(), "{key}");
    }
    fs::write(&file, serde_json::to_vec(&state).unwrap()).unwrap();
    let mut resumed = sequences(2, 2).resume_from(&run).unwrap();
    assert_eq!(resumed.fit(&mut pairs(5), &mut pairs(3)).unwrap().step, 2);
}

/// A lock belongs to the opening of a file, so this process stands for another one here.
#[test]
fn a_run_is_locked_while_a_trainer_works_on_it() {
    let device = &devices()[1];
    let run = tempfile::tempdir().unwrap();
    let new = || trainer(config(), Tiny::new(5, device), device);
    let lock = || File::options().create(true).append(true).open(run.path().join(".lock")).unwrap();
    let mut working = new().save_to(&run).unwrap();
    assert!(matches!(lock().try_lock(), Err(TryLockError::WouldBlock)));
    working.fit(&mut train_data(), &mut valid_data()).unwrap();
    drop(working);

    let other = lock();
    other.try_lock().unwrap();
    let said = format!("{} is in use by another process", run.path().display());
    assert_eq!(new().resume_from(&run).unwrap_err().to_string(), said);
    assert_eq!(new().save_to(&run).unwrap_err().to_string(), said);
    drop(other);
    new().resume_from(&run).unwrap();
}
