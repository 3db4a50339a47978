//! A run that is stopped anywhere and resumed is the run that was not stopped.

use std::fs;
use std::path::Path;

use attn_train::checkpoint::TrainState;
use attn_train::log::Event;
use attn_train::{Progress, StopReason, StopSignal, TrainError, Trainer};

use crate::tiny::{Tiny, config, stopping_at, train_data, trainer, valid_data};
use crate::{bits, devices};

/// The log without what a clock says.
fn log(run: &Path) -> Vec<Event> {
    let text = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let timeless = |line| match serde_json::from_str(line).unwrap() {
        Event::Train { step, epoch, loss, learning_rate, gradient_norm, .. } => {
            let (tokens_per_second, seconds) = (0.0, 0.0);
            #[rustfmt::skip]
            let event = Event::Train {
                step, epoch, loss, learning_rate, gradient_norm, tokens_per_second, seconds,
            };
            event
        }
        Event::Valid { step, epoch, loss, tokens, best, .. } => {
            Event::Valid { step, epoch, loss, tokens, best, seconds: 0.0 }
        }
        other => other,
    };
    text.lines().map(timeless).collect()
}

fn without_time(state: &TrainState) -> TrainState {
    let mut state = state.clone();
    state.seconds = 0.0;
    state.window.seconds = 0.0;
    state
}

/// With dropout, weight decay, clipping and accumulation on; an epoch is two and a half steps, so
/// the run is stopped in the middle of epochs, at their ends, and at and between evaluations.
#[test]
fn a_resumed_run_is_the_uninterrupted_run_bit_by_bit() {
    for device in devices() {
        let model = Tiny::new(5, &device);
        let whole = tempfile::tempdir().unwrap();
        let mut uninterrupted = trainer(config(), model.clone(), &device).save_to(&whole).unwrap();
        uninterrupted.fit(&mut train_data(), &mut valid_data()).unwrap();

        for steps in 1..14 {
            let parts = tempfile::tempdir().unwrap();
            let stop = StopSignal::new();
            let objective = stopping_at(stopping_call(steps), stop.clone());
            let mut first = Trainer::new(config(), model.clone(), objective, &device)
                .unwrap()
                .with_progress(Progress::Hidden)
                .with_stop(stop)
                .save_to(&parts)
                .unwrap();
            let outcome = first.fit(&mut train_data(), &mut valid_data()).unwrap();
            assert_eq!((outcome.reason, outcome.step), (StopReason::Interrupted, steps));

            // Another model, as a new process has it.
            let mut second =
                trainer(config(), Tiny::new(5, &device), &device).resume_from(&parts).unwrap();
            assert_eq!(bits(second.model()), bits(first.model()));
            let outcome = second.fit(&mut train_data(), &mut valid_data()).unwrap();
            assert_eq!(outcome.reason, StopReason::MaxSteps);

            assert_eq!(bits(second.model()), bits(uninterrupted.model()), "stopped at {steps}");
            assert_eq!(without_time(second.state()), without_time(uninterrupted.state()));
            assert_eq!(log(parts.path()), log(whole.path()), "stopped at {steps}");
        }
    }
}

/// The call of the objective that is the first of step `steps`: two a step, and two more for each
/// evaluation, which takes place every four steps.
fn stopping_call(steps: usize) -> usize {
    2 * (steps - 1) + 1 + 2 * ((steps - 1) / 4)
}

#[test]
fn dropout_makes_the_steps_of_two_seeds_differ() {
    let device = &devices()[0];
    let model = Tiny::new(5, device);
    let train = |seed| {
        let mut trainer =
            trainer(attn_train::TrainerConfig { seed, ..config() }, model.clone(), device);
        trainer.fit(&mut train_data(), &mut Vec::new()).unwrap();
        bits(trainer.model())
    };
    assert_eq!(train(1), train(1));
    assert_ne!(train(1), train(2));
}

#[test]
fn a_run_that_has_ended_is_not_trained_further() {
    let device = &devices()[0];
    let run = tempfile::tempdir().unwrap();
    let mut first = trainer(config(), Tiny::new(5, device), device).save_to(&run).unwrap();
    let ended = first.fit(&mut train_data(), &mut valid_data()).unwrap();
    let lines = log(run.path()).len();

    let mut again = trainer(config(), Tiny::new(5, device), device).resume_from(&run).unwrap();
    assert_eq!(again.fit(&mut train_data(), &mut valid_data()).unwrap(), ended);
    assert_eq!(bits(again.model()), bits(first.model()));
    assert_eq!(log(run.path()).len(), lines);
}

#[test]
fn more_steps_may_be_asked_for_but_no_other_data_or_seed() {
    let device = &devices()[0];
    let run = tempfile::tempdir().unwrap();
    let mut first = trainer(config(), Tiny::new(5, device), device).save_to(&run).unwrap();
    first.fit(&mut train_data(), &mut valid_data()).unwrap();
    let resume = |config| {
        Trainer::new(config, Tiny::new(5, device), crate::tiny::squared_error, device)
            .unwrap()
            .with_progress(Progress::Hidden)
            .resume_from(&run)
    };

    let longer = attn_train::TrainerConfig { max_steps: Some(16), ..config() };
    let mut second = resume(longer.clone()).unwrap();
    assert_eq!(second.fit(&mut train_data(), &mut valid_data()).unwrap().step, 16);

    let seed = attn_train::TrainerConfig { seed: 12, ..longer.clone() };
    let error = resume(seed).unwrap_err().to_string();
    assert_eq!(error, "the run was begun with seed = 11, but is resumed with seed = 12");

    let longest = attn_train::TrainerConfig { max_steps: Some(20), ..longer };
    let mut less = train_data();
    less.pop();
    let error = resume(longest).unwrap().fit(&mut less, &mut valid_data()).unwrap_err();
    assert!(matches!(error, TrainError::Changed { saved: 5, given: 4, .. }), "{error}");
}
