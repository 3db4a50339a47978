//! When a run ends, and what it says then.

use attn_train::loss::LossSum;
use attn_train::trainer::Quantity;
use attn_train::{
    Checkpoint, Objective, Progress, Schedule, StopReason, StopSignal, TrainError, Trainer,
    TrainerConfig,
};
use burn::tensor::Device;

use crate::tiny::{Rows, Tiny, config, squared_error, train_data, trainer, valid_data};
use crate::{bits, devices};

#[test]
fn training_lowers_the_loss() {
    for device in devices() {
        let long = TrainerConfig {
            max_steps: Some(200),
            schedule: Schedule::Constant { peak: 0.02, warmup: 10 },
            patience: None,
            ..config()
        };
        let mut trainer = trainer(long, Tiny::new(16, &device).without_dropout(), &device);
        let before = trainer.step(&train_data()).unwrap().loss;
        let outcome = trainer.fit(&mut train_data(), &mut valid_data()).unwrap();
        let after = trainer.step(&train_data()).unwrap().loss;
        assert!(after < 0.1 * before, "{before} then {after}");
        assert!(outcome.best.unwrap().loss < before);
    }
}

/// The last step of the last epoch takes the batches that are left: 3 epochs of 5 batches, 2 a
/// step, are 8 steps.
#[test]
fn epochs_end_a_run() {
    let device = &devices()[0];
    let epochs = TrainerConfig { max_steps: None, max_epochs: Some(3), ..config() };
    let mut trainer = trainer(epochs, Tiny::new(5, device), device);
    let outcome = trainer.fit(&mut train_data(), &mut valid_data()).unwrap();
    assert_eq!((outcome.reason, outcome.step), (StopReason::MaxEpochs, 8));
    assert_eq!((trainer.state().epoch, trainer.state().batch), (3, 0));
    assert_eq!(outcome.checkpoint, None);
}

/// Validation loss falls for two evaluations and then rises, whatever the parameters are.
struct WorseAndWorse(std::cell::Cell<u32>);

impl Objective<Tiny, Rows> for WorseAndWorse {
    fn loss(&self, model: &Tiny, rows: &Rows, device: &Device) -> LossSum {
        squared_error(model, rows, device)
    }

    fn validation_loss(&self, model: &Tiny, rows: &Rows, device: &Device) -> LossSum {
        self.0.set(self.0.get() + 1);
        let loss = (f64::from(self.0.get()) - 2.0).abs() + 1.0; // 2, 1, 2, 3, …
        let LossSum { sum, tokens } = squared_error(model, rows, device);
        LossSum { sum: sum * 0.0 + loss * tokens as f64, tokens }
    }
}

#[test]
fn patience_ends_a_run_and_the_best_checkpoint_is_kept() {
    let device = &devices()[0];
    let run = tempfile::tempdir().unwrap();
    let patient = TrainerConfig {
        max_steps: Some(1000),
        eval_every: 2,
        patience: Some(3),
        keep_last: 1,
        ..config()
    };
    let objective = WorseAndWorse(0.into());
    let mut trainer = Trainer::new(patient, Tiny::new(5, device), objective, device)
        .unwrap()
        .with_progress(Progress::Hidden)
        .save_to(&run)
        .unwrap();
    let outcome = trainer.fit(&mut train_data(), &mut vec![Rows::seeded(7, 100)]).unwrap();
    assert_eq!((outcome.reason, outcome.step), (StopReason::NoImprovement, 10));
    let best = outcome.best.unwrap();
    assert_eq!((best.step, best.loss), (4, 1.0));

    let mut kept: Vec<String> = std::fs::read_dir(run.path().join("checkpoints"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    kept.sort();
    assert_eq!(kept, ["step-00000004", "step-00000010"]);
    assert_eq!(Checkpoint::best(&run).unwrap().state().step, 4);
    assert_eq!(Checkpoint::latest(&run).unwrap().state().step, 10);
}

#[test]
fn without_validation_the_best_checkpoint_is_the_latest() {
    let device = &devices()[0];
    let run = tempfile::tempdir().unwrap();
    let mut trainer = trainer(config(), Tiny::new(5, device), device).save_to(&run).unwrap();
    let outcome = trainer.fit(&mut train_data(), &mut Vec::new()).unwrap();
    assert_eq!(outcome.best, None);
    let best = Checkpoint::best(&run).unwrap();
    assert_eq!(Some(best.path()), outcome.checkpoint.as_deref());
    let model = best.load_model(Tiny::new(5, device)).unwrap();
    assert_eq!(bits(&model), bits(trainer.model()));
}

#[test]
fn time_ends_a_run_which_can_go_on() {
    let device = &devices()[0];
    let run = tempfile::tempdir().unwrap();
    let short = TrainerConfig { max_minutes: Some(f64::MIN_POSITIVE), ..config() };
    let mut first = trainer(short, Tiny::new(5, device), device).save_to(&run).unwrap();
    let outcome = first.fit(&mut train_data(), &mut valid_data()).unwrap();
    assert_eq!(outcome.reason, StopReason::TimeLimit);
    let mut second = trainer(config(), Tiny::new(5, device), device).resume_from(&run).unwrap();
    assert_eq!(second.fit(&mut train_data(), &mut valid_data()).unwrap().step, 14);
}

#[test]
fn a_signal_before_the_first_step_leaves_a_checkpoint_of_the_start() {
    let device = &devices()[0];
    let run = tempfile::tempdir().unwrap();
    let stop = StopSignal::new();
    stop.stop();
    let model = Tiny::new(5, device);
    let mut trainer =
        trainer(config(), model.clone(), device).with_stop(stop).save_to(&run).unwrap();
    let outcome = trainer.fit(&mut train_data(), &mut valid_data()).unwrap();
    assert_eq!((outcome.reason, outcome.step), (StopReason::Interrupted, 0));
    let start = Checkpoint::latest(&run).unwrap().load_model(Tiny::new(5, device)).unwrap();
    assert_eq!(bits(&start), bits(&model));
}

/// `squared_error`, times NaN or infinity from call number `from` on.
fn spoiled(from: usize, factor: f32) -> impl Fn(&Tiny, &Rows, &Device) -> LossSum {
    let called = std::cell::Cell::new(0);
    move |model, rows, device| {
        called.set(called.get() + 1);
        let LossSum { sum, tokens } = squared_error(model, rows, device);
        LossSum { sum: if called.get() >= from { sum * factor } else { sum }, tokens }
    }
}

#[test]
fn a_loss_that_is_not_finite_ends_the_run_before_it_does_harm() {
    for device in devices() {
        for factor in [f32::NAN, f32::INFINITY] {
            let run = tempfile::tempdir().unwrap();
            let config = TrainerConfig { accumulate: 1, eval_every: 2, ..config() };
            let mut trainer =
                Trainer::new(config, Tiny::new(5, &device), spoiled(4, factor), &device)
                    .unwrap()
                    .with_progress(Progress::Hidden)
                    .save_to(&run)
                    .unwrap();
            let error = trainer.fit(&mut train_data(), &mut Vec::new()).unwrap_err();
            let last_good = run.path().join("checkpoints").join("step-00000002");
            match &error {
                TrainError::NotFinite { what: Quantity::Loss, step: 4, checkpoint, .. } => {
                    assert_eq!(checkpoint.as_deref(), Some(last_good.as_path()));
                }
                other => panic!("{other}"),
            }
            assert!(error.to_string().contains("at step 4"), "{error}");
            assert_eq!(trainer.state().step, 3);
            assert!(bits(trainer.model()).iter().flatten().all(|&b| f32::from_bits(b).is_finite()));
            Checkpoint::open(last_good).unwrap().load_model(Tiny::new(5, &device)).unwrap();
        }
    }
}

/// The square root of 0 is finite, its slope is not.
#[test]
fn a_gradient_that_is_not_finite_ends_the_run() {
    let device = &devices()[0];
    let steep = |model: &Tiny, rows: &Rows, device: &Device| {
        let LossSum { sum, tokens } = squared_error(model, rows, device);
        LossSum { sum: (sum * 0.0).sqrt(), tokens }
    };
    let mut trainer = Trainer::new(config(), Tiny::new(5, device), steep, device).unwrap();
    let error = trainer.step(&train_data()).unwrap_err();
    assert!(
        matches!(error, TrainError::NotFinite { what: Quantity::GradientNorm, step: 1, .. }),
        "{error}"
    );
}

#[test]
fn a_validation_loss_that_is_not_finite_ends_the_run() {
    let device = &devices()[0];
    let mut valid = valid_data();
    valid[1].output[0][1] = f32::NAN;
    let error = trainer(config(), Tiny::new(5, device), device)
        .fit(&mut train_data(), &mut valid)
        .unwrap_err();
    assert!(
        matches!(error, TrainError::NotFinite { what: Quantity::ValidationLoss, step: 4, .. }),
        "{error}"
    );
}

#[test]
fn there_must_be_something_to_train_on() {
    let device = &devices()[0];
    let error = trainer(config(), Tiny::new(5, device), device)
        .fit(&mut Vec::new(), &mut valid_data())
        .unwrap_err();
    assert!(matches!(error, TrainError::NoData));
}

#[test]
fn an_invalid_config_is_refused() {
    let device = &devices()[0];
    let config = TrainerConfig { accumulate: 0, ..config() };
    let error = Trainer::new(config, Tiny::new(5, device), squared_error, device).unwrap_err();
    assert_eq!(
        error.to_string(),
        "accumulate = 0 must be from 1 to 65536: the batches of a step are in memory together"
    );
}

#[test]
fn a_model_on_a_plain_device_is_trained_too() {
    for device in devices().map(Device::inner) {
        let model = Tiny::new(5, &device);
        let start = bits(&model);
        let mut trainer = trainer(config(), model, &device);
        trainer.fit(&mut train_data(), &mut valid_data()).unwrap();
        assert_ne!(bits(trainer.model()), start);
    }
}

/// The parameters of a frozen part have no gradient.
#[test]
fn frozen_parameters_stay_as_they_are() {
    use burn::module::Module;
    let device = &devices()[0];
    let mut model = Tiny::new(5, device);
    model.hidden = model.hidden.no_grad();
    let before = bits(&model.hidden);
    let mut trainer = trainer(config(), model, device);
    let output = bits(&trainer.model().output);
    trainer.fit(&mut train_data(), &mut valid_data()).unwrap();
    assert_eq!(bits(&trainer.model().hidden), before);
    assert_ne!(bits(&trainer.model().output), output);
}
