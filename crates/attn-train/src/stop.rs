//! How a run is asked to end, and why it ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asks a [`Trainer`](crate::Trainer) to finish its step, save and return.
///
/// Clones are one signal: keep one, and hand the other to the trainer. In a handler of Ctrl-C:
///
/// ```
/// let stop = attn_train::StopSignal::new();
/// let handler = {
///     let stop = stop.clone();
///     move || stop.stop() // given to `ctrlc::set_handler`, for one
/// };
/// handler();
/// assert!(stop.is_stopped());
/// ```
#[derive(Debug, Clone, Default)]
pub struct StopSignal(Arc<AtomicBool>);

impl StopSignal {
    /// A signal that has not been given.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the signal. Safe to call from any thread, and more than once.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the signal has been given.
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Work was not done because a [`StopSignal`] was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stopped before it was done")]
pub struct Stopped;

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// It took as many steps as it was to take.
    MaxSteps,
    /// It went over the data as often as it was to go.
    MaxEpochs,
    /// The validation loss has not improved for as many evaluations as there was patience for.
    NoImprovement,
    /// The time was up. Resuming goes on.
    TimeLimit,
    /// A [`StopSignal`] was given. Resuming goes on.
    Interrupted,
}
