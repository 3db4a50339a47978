//! A whole run: steps, evaluations, checkpoints, until there is a reason to end.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use burn::module::Module;

use crate::checkpoint::{Best, Manifest, Window};
use crate::evaluate::evaluate;
use crate::log::Event;
use crate::objective::Objective;
use crate::progress::Bar;
use crate::source::BatchSource;
use crate::stop::StopReason;

use super::{Quantity, StepReport, TrainError, Trainer};

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Why it ended.
    pub reason: StopReason,
    /// Steps taken, by all processes that worked on it.
    pub step: usize,
    /// Its best evaluation.
    pub best: Option<Best>,
    /// Its latest checkpoint, from which it can be resumed.
    pub checkpoint: Option<PathBuf>,
}

impl<M: Module, O> Trainer<M, O> {
    /// Trains until there is a reason to end, evaluating on `valid` at intervals; no evaluation
    /// takes place if `valid` has no batches.
    ///
    /// A checkpoint is written after every evaluation, or where one would be, and at the end; what an
    /// evaluation found is logged and shown only when its checkpoint is safe. A run that has already
    /// ended returns at once.
    ///
    /// # Errors
    /// If a number becomes NaN or infinite, a file cannot be written, or the data is not that of
    /// the run that is resumed. The checkpoints written so far remain.
    pub fn fit<B>(
        &mut self,
        train: &mut impl BatchSource<Batch = B>,
        valid: &mut impl BatchSource<Batch = B>,
    ) -> Result<Outcome, TrainError>
    where
        O: Objective<M, B>,
    {
        self.objective.check(self.model())?;
        // Before batches are counted: what has changed is named.
        self.same_data("training data", train.fingerprint())?;
        self.same_data("validation data", valid.fingerprint())?;
        self.find_place(train)?;
        let bar = Bar::new(self.progress, self.state.step, self.planned_steps());
        let clock = Clock::start(self.state.seconds);
        let first = self.state.step;
        let reason = loop {
            if let Some(reason) = self.reason_to_end(&clock) {
                break reason;
            }
            let began = Instant::now();
            let batches = self.next_batches(train);
            let report = self.step(&batches)?;
            self.state.window.add(&report, began.elapsed());
            self.state.seconds = clock.seconds();
            bar.step(report.loss, report.learning_rate, self.state.window.tokens_per_second());

            let logged = match self.state.step.is_multiple_of(self.config.log_every) {
                true => self.log_training(&report),
                false => Ok(()),
            };
            if self.state.step.is_multiple_of(self.config.eval_every) {
                self.evaluate_and_save(valid, &bar, &clock)?;
            } else if logged.is_err() {
                self.save(None)?;
            }
            logged?;
        };

        // The last parameters of a run may be its best.
        let complete = matches!(reason, StopReason::MaxSteps | StopReason::MaxEpochs);
        let evaluated = self.state.step.is_multiple_of(self.config.eval_every);
        if complete && !evaluated && self.state.step > first {
            self.evaluate_and_save(valid, &bar, &clock)?;
        } else if self.run.as_ref().is_some_and(|run| !run.is_saved(self.state.step)) {
            self.save(None)?;
        }
        let checkpoint = self.run.as_ref().and_then(|run| run.last()).map(Into::into);
        tracing::info!(step = self.state.step, ?reason, "the run ended");
        Ok(Outcome { reason, step: self.state.step, best: self.state.best, checkpoint })
    }

    /// Compares the data with what the state remembers of it.
    fn find_place(&mut self, train: &mut impl BatchSource) -> Result<(), TrainError> {
        let batches = train.batches(self.state.epoch);
        if batches == 0 {
            return Err(TrainError::NoData);
        }
        if self.state.batches == 0 {
            self.state.batches = batches; // a new run
        }
        super::unchanged("batches an epoch", self.state.batches as u64, batches as u64)
    }

    /// As many steps as the config allows, if every epoch is like this one.
    fn planned_steps(&self) -> usize {
        let of_epochs = |epochs: usize| {
            epochs.saturating_mul(self.state.batches).div_ceil(self.config.accumulate)
        };
        let of_epochs = self.config.max_epochs.map_or(usize::MAX, of_epochs);
        self.config.max_steps.unwrap_or(usize::MAX).min(of_epochs)
    }

    fn reason_to_end(&self, clock: &Clock) -> Option<StopReason> {
        let out_of = |minutes: f64| clock.this_process().as_secs_f64() >= minutes * 60.0;
        if self.config.max_steps.is_some_and(|steps| self.state.step >= steps) {
            Some(StopReason::MaxSteps)
        } else if self.epochs_are_over() {
            Some(StopReason::MaxEpochs)
        } else if self.config.patience.is_some_and(|patience| self.state.stale >= patience) {
            Some(StopReason::NoImprovement)
        } else if self.stop.is_stopped() {
            Some(StopReason::Interrupted)
        } else if self.config.max_minutes.is_some_and(out_of) {
            Some(StopReason::TimeLimit)
        } else {
            None
        }
    }

    fn epochs_are_over(&self) -> bool {
        self.config.max_epochs.is_some_and(|epochs| self.state.epoch >= epochs as u64)
    }

    /// The batches of the next step, from the next epoch too; fewer where the last epoch ends.
    fn next_batches<B>(&mut self, train: &mut impl BatchSource<Batch = B>) -> Vec<B> {
        let mut batches = Vec::with_capacity(self.config.accumulate);
        while batches.len() < self.config.accumulate && !self.epochs_are_over() {
            batches.push(train.batch(self.state.epoch, self.state.batch));
            self.state.batch += 1;
            if self.state.batch == self.state.batches {
                self.state.epoch += 1;
                self.state.batch = 0;
                self.state.batches = train.batches(self.state.epoch);
            }
        }
        batches
    }

    fn log_training(&mut self, report: &StepReport) -> Result<(), TrainError> {
        let window = std::mem::take(&mut self.state.window);
        let event = Event::Train {
            step: self.state.step,
            epoch: self.epoch(),
            loss: window.loss / window.tokens as f64,
            learning_rate: report.learning_rate,
            gradient_norm: report.gradient_norm,
            tokens_per_second: window.tokens_per_second(),
            seconds: self.state.seconds,
        };
        tracing::debug!(?event);
        self.run.as_mut().map_or(Ok(()), |run| run.log(&event))
    }

    /// Evaluates, saves, and only then tells: neither a full log nor a console that is gone costs what
    /// was computed.
    fn evaluate_and_save<B>(
        &mut self,
        valid: &mut impl BatchSource<Batch = B>,
        bar: &Bar,
        clock: &Clock,
    ) -> Result<(), TrainError>
    where
        O: Objective<M, B>,
    {
        let event = self.evaluate(valid, clock)?;
        self.save(event.clone())?;
        let Some(event) = event else { return Ok(()) };
        let logged = self.run.as_mut().map_or(Ok(()), |run| run.log(&event));
        if let Event::Valid { step, loss, best: is_best, .. } = event {
            let mark = if is_best { " (best)" } else { "" };
            bar.note(&format!("step {step}: validation loss {loss:.4}{mark}"));
            tracing::info!(step, loss, is_best, "evaluated");
        }
        logged
    }

    /// Evaluates, if there is something to evaluate on, and remembers the best.
    fn evaluate<B>(
        &mut self,
        valid: &mut impl BatchSource<Batch = B>,
        clock: &Clock,
    ) -> Result<Option<Event>, TrainError>
    where
        O: Objective<M, B>,
    {
        if valid.batches(0) == 0 {
            return Ok(None);
        }
        let plain = self.device.clone().inner();
        let evaluation = evaluate(&self.model().valid(), &self.objective, valid, &plain);
        let step = self.state.step;
        let loss = self.finite(Quantity::ValidationLoss, evaluation.loss, step)?;

        let is_best = self.state.best.is_none_or(|best| loss < best.loss);
        if is_best {
            self.state.best = Some(Best { step, loss });
        }
        self.state.stale = if is_best { 0 } else { self.state.stale + 1 };
        self.state.seconds = clock.seconds();

        Ok(Some(Event::Valid {
            step,
            epoch: self.epoch(),
            loss,
            tokens: evaluation.tokens,
            best: is_best,
            seconds: self.state.seconds,
        }))
    }

    fn save(&mut self, evaluation: Option<Event>) -> Result<(), TrainError> {
        if self.run.is_none() {
            return Ok(());
        }
        let moments = self.optimizer.moments(self.model());
        let record = self.model().clone().into_record();
        let run = self.run.as_mut().expect("a run, by the check above");
        let manifest = Manifest::new(&self.config, &self.state, &self.record, evaluation);
        run.save(record, moments, manifest)
    }

    /// Passes over the data so far, with the part of the one that is under way.
    fn epoch(&self) -> f64 {
        self.state.epoch as f64 + self.state.batch as f64 / self.state.batches as f64
    }
}

impl Window {
    fn add(&mut self, report: &StepReport, time: Duration) {
        self.loss += report.loss * report.tokens as f64;
        self.tokens += report.tokens;
        self.seconds += time.as_secs_f64();
    }

    fn tokens_per_second(&self) -> f64 {
        self.tokens as f64 / self.seconds.max(f64::MIN_POSITIVE)
    }
}

/// Time that a run has taken: in processes before, and in this one.
struct Clock {
    before: f64,
    started: Instant,
}

impl Clock {
    fn start(before: f64) -> Self {
        Self { before, started: Instant::now() }
    }

    fn this_process(&self) -> Duration {
        self.started.elapsed()
    }

    fn seconds(&self) -> f64 {
        self.before + self.this_process().as_secs_f64()
    }
}
