//! The decoder-only model on windows of a token stream.

use attn_train::batch::Blocks;
use attn_train::{BlockSource, Progress, Schedule, Trainer, TrainerConfig, evaluate};
use attn_transformer::{BlockConfig, DecoderOnlyConfig};
use burn::module::Module;

use crate::devices;

/// A stream in which the last token alone does not tell the next one, but the last two do:
/// 4 5 4 6, over and over.
fn stream(steps: usize) -> Vec<u32> {
    [4, 5, 4, 6].into_iter().cycle().take(steps).collect()
}

#[test]
fn a_language_model_learns_what_the_last_token_does_not_tell() {
    for device in devices() {
        let config = TrainerConfig {
            max_steps: Some(350),
            batch_tokens: 70,
            schedule: Schedule::Constant { peak: 1e-2, warmup: 5 },
            ..TrainerConfig::default()
        };
        let block = BlockConfig { dropout: 0.0, ..BlockConfig::new(32, 4) };
        let model = DecoderOnlyConfig { layers: 1, ..DecoderOnlyConfig::new(7, block) };
        let plan = config.train_plan();
        let mut train = BlockSource::new(Blocks::new(stream(300), 7, 3), plan).unwrap();
        let valid = config.valid_plan();
        let mut valid = BlockSource::new(Blocks::new(stream(99), 7, 7), valid).unwrap();

        let loss = config.sequence_loss();
        let trainer = Trainer::new(config, model.init(&device), loss, &device).unwrap();
        let mut trainer = trainer.with_progress(Progress::Hidden);
        trainer.fit(&mut train, &mut Vec::new()).unwrap();
        let model = trainer.into_model().valid();
        let plain = device.clone().without_autodiff();
        let found = evaluate(&model, &loss, &mut valid, &plain).loss;
        // Who knows the last token alone errs by ln 2 at every other step: ln 2 / 2 in the mean.
        // Who knows two errs at the first step of a window of seven at most: ln 2 / 7.
        let one_token = 0.5 * std::f64::consts::LN_2;
        assert!(found < 0.8 * one_token, "{found} against {one_token} on {device:?}");
    }
}
