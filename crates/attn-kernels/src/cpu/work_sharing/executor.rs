//! Jobs that several threads do at the same time, and the threads that look for them.
//!
//! Compiled twice: by the primitives of the standard library, and for [a model](super) in which a scheduler
//! decides whose turn it is.

use super::primitives::{
    AWAKE_ROUNDS, Arc, AtomicUsize, Mutex, MutexGuard, Parker, Stopwatch, run_other_work, spawn,
    spin_loop, thread_local, yield_now,
};
use std::any::Any;
use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How long a thread looks for the next job: longer than what a decoder does between two of them.
const SPIN_TIME: Duration = Duration::from_micros(60);
/// How long it does so at a time, jobs or no jobs: the stack below it may hold work that others wait for.
const MAX_SPIN_TIME: Duration = Duration::from_millis(50);

/// What a job does about threads that sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cpu) enum SleepingThreads {
    /// The work is long enough to wake them.
    WakeAll,
    /// It is not, but those that are awake may help.
    LeaveAsleep,
}

/// Work that may be entered until it is closed.
struct Job {
    /// Of a lifetime that ends some time after the job is closed and left by all.
    work: *const (dyn Fn() + Sync),
    /// The number of helpers inside, [`CLOSED`] and [`WAITING`].
    state: AtomicUsize,
    caller: Parker,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// No thread may enter any more.
const CLOSED: usize = 1 << 62;
/// The caller sleeps until the last helper has left.
const WAITING: usize = 1 << 61;

// SAFETY: `work` may be called by several threads at once, and is called only by those that have entered.
unsafe impl Send for Job {}
// SAFETY: likewise.
unsafe impl Sync for Job {}

impl Job {
    /// To be [closed](Self::close) before `work` is dropped.
    fn new<'a>(work: &'a (dyn Fn() + Sync + 'a)) -> Self {
        let work: *const (dyn Fn() + Sync + 'a) = work;
        // SAFETY: the same pointer; `state` keeps it from being used after its lifetime.
        let work = unsafe {
            std::mem::transmute::<*const (dyn Fn() + Sync + 'a), *const (dyn Fn() + Sync)>(work)
        };
        let state = AtomicUsize::new(0);
        Self { work, state, caller: Parker::of_this_thread(), panic: Mutex::new(None) }
    }

    /// Does the work, unless it is closed.
    fn help(&self) {
        let is_open = self.state.fetch_add(1, Ordering::Acquire) & CLOSED == 0;
        if is_open {
            // SAFETY: this thread was counted before the job was closed, and the caller of `new` waits
            // in `close` until the count is 0 again.
            let work = unsafe { &*self.work };
            if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
                *self.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
            }
        }
        let before = self.state.fetch_sub(1, Ordering::Release);
        if before == CLOSED + WAITING + 1 {
            self.caller.unpark();
        }
    }

    /// Lets no thread in any more, and waits for those that are inside.
    fn close(&self) {
        let mut state = self.state.fetch_or(CLOSED, Ordering::AcqRel) | CLOSED;
        for round in 0..AWAKE_ROUNDS {
            if state == CLOSED {
                return;
            }
            spin_loop();
            // There may be more threads than processors.
            if round % 512 == 511 {
                yield_now();
            }
            state = self.state.load(Ordering::Acquire);
        }
        self.state.fetch_or(WAITING, Ordering::AcqRel);
        while self.state.load(Ordering::Acquire) != CLOSED + WAITING {
            self.caller.park();
        }
    }
}

thread_local! {
    /// Whether this thread spins, further up its stack.
    static IS_SPINNING: Cell<bool> = const { Cell::new(false) };
    /// Helpers that this thread has requested of its pool, and that have not begun.
    static REQUESTED: Arc<AtomicUsize> = Arc::default();
}

/// Where jobs are posted for threads that are awake.
pub(in crate::cpu) struct JobBoard {
    /// Jobs for threads that spin, each as often as it wants helpers.
    posted: Mutex<VecDeque<Arc<Job>>>,
    /// How many these are.
    posted_count: AtomicUsize,
    /// Threads that spin and have not been claimed: a caller that claims one posts a job.
    spinning: AtomicUsize,
}

impl JobBoard {
    pub(super) const fn new() -> Self {
        Self {
            posted: Mutex::new(VecDeque::new()),
            posted_count: AtomicUsize::new(0),
            spinning: AtomicUsize::new(0),
        }
    }

    /// As the function of that name; the board is static because the pool's threads hold it.
    pub(super) fn share_work(
        &'static self,
        helpers: usize,
        sleeping: SleepingThreads,
        work: &(dyn Fn() + Sync),
    ) {
        let awake = self.claim_spinning(helpers);
        // Of those that this thread has requested before, some may not have come: in a pool that is busy
        // they never do, and requesting more would fill its queue.
        let requested = REQUESTED.with(Arc::clone);
        let asleep = match sleeping {
            SleepingThreads::WakeAll => {
                (helpers - awake).saturating_sub(requested.load(Ordering::Relaxed))
            }
            SleepingThreads::LeaveAsleep => 0,
        };
        if awake + asleep == 0 {
            return work();
        }
        let job = Arc::new(Job::new(work));
        if awake > 0 {
            let mut posted = self.posted();
            posted.extend((0..awake).map(|_| Arc::clone(&job)));
            self.posted_count.fetch_add(awake, Ordering::Release);
        }
        for _ in 0..asleep {
            let (job, requested) = (Arc::clone(&job), Arc::clone(&requested));
            requested.fetch_add(1, Ordering::Relaxed);
            spawn(move || {
                requested.fetch_sub(1, Ordering::Relaxed);
                // Also if it comes too late for this one: the next is near.
                job.help();
                self.spin_for_work();
            });
        }
        // Whatever happens here, `work` must not be dropped while a helper is inside.
        let own = catch_unwind(AssertUnwindSafe(work));
        job.close();
        let helped = job.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(panic) = own.err().or(helped) {
            resume_unwind(panic);
        }
    }

    fn posted(&self) -> MutexGuard<'_, VecDeque<Arc<Job>>> {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims up to `most` of the threads that spin.
    fn claim_spinning(&self, most: usize) -> usize {
        let some = |awake: usize| (awake.min(most) > 0).then(|| awake - awake.min(most));
        match self.spinning.fetch_update(Ordering::AcqRel, Ordering::Relaxed, some) {
            Ok(before) => before.min(most),
            Err(_) => 0,
        }
    }

    /// Helps with jobs that are posted, and with whatever else the pool has to do, until there has been
    /// nothing for a while.
    fn spin_for_work(&self) {
        if IS_SPINNING.with(|is_spinning| is_spinning.replace(true)) {
            return;
        }
        self.spinning.fetch_add(1, Ordering::AcqRel);
        let began = Stopwatch::start();
        let mut since = began;
        loop {
            for _ in 0..32 {
                if self.posted_count.load(Ordering::Acquire) > 0 {
                    break;
                }
                spin_loop();
            }
            if let Some(job) = self.take() {
                // The thread that posted it has claimed this one.
                job.help();
                since = Stopwatch::start();
                if began.has_passed(MAX_SPIN_TIME) {
                    break;
                }
                self.spinning.fetch_add(1, Ordering::AcqRel);
            } else if self.claim_spinning(1) == 1 {
                // It claims itself, so as not to be waited for while it does something else.
                if run_other_work() {
                    since = Stopwatch::start();
                }
                if since.has_passed(SPIN_TIME) || began.has_passed(MAX_SPIN_TIME) {
                    break;
                }
                self.spinning.fetch_add(1, Ordering::AcqRel);
            }
            // Else another thread has claimed one that spins, and is about to post.
        }
        IS_SPINNING.with(|is_spinning| is_spinning.set(false));
    }

    /// A job that is posted.
    fn take(&self) -> Option<Arc<Job>> {
        if self.posted_count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let job = self.posted().pop_front()?;
        self.posted_count.fetch_sub(1, Ordering::AcqRel);
        Some(job)
    }

    /// Threads that spin and have not been claimed, jobs that are posted, and how many these are said to be.
    #[cfg(test)]
    #[allow(dead_code)] // Of the two compilations of this file the model's calls it.
    pub(super) fn counts(&self) -> [usize; 3] {
        let count = |of: &AtomicUsize| of.load(Ordering::SeqCst);
        [count(&self.spinning), self.posted().len(), count(&self.posted_count)]
    }
}

/// Helpers that this thread has requested, and that have not begun.
#[cfg(test)]
pub(super) fn requested() -> usize {
    REQUESTED.with(|requested| requested.load(Ordering::Relaxed))
}
