//! What the executor is made of: threads of the standard library, and the pool of rayon.

pub(super) use std::hint::spin_loop;
pub(super) use std::sync::atomic::AtomicUsize;
pub(super) use std::sync::{Arc, Mutex, MutexGuard};
pub(super) use std::thread::yield_now;
use std::thread::{Thread, current, park};
pub(super) use std::thread_local;
use std::time::{Duration, Instant};

/// Rounds in which a caller waits awake for helpers that are about to be done.
pub(super) const AWAKE_ROUNDS: usize = if cfg!(miri) { 10 } else { 20_000 };

/// Has a thread of the pool do something, soon.
pub(super) fn spawn(job: impl FnOnce() + Send + 'static) {
    rayon::spawn(job);
}

/// Does something else that the pool has to do; returns whether there was something.
pub(super) fn run_other_work() -> bool {
    rayon::yield_now() == Some(rayon::Yield::Executed)
}

/// Measures a time.
#[derive(Clone, Copy)]
pub(super) struct Stopwatch(Instant);

impl Stopwatch {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn has_passed(self, time: Duration) -> bool {
        self.0.elapsed() > time
    }
}

/// Where a thread sleeps until it is woken.
pub(super) struct Parker(Thread);

impl Parker {
    pub(super) fn of_this_thread() -> Self {
        Self(current())
    }

    /// Sleeps, on the thread itself; may return for no reason.
    pub(super) fn park(&self) {
        park();
    }

    pub(super) fn unpark(&self) {
        self.0.unpark();
    }
}
