//! The calling thread, and others that come to help it: of the current pool, or awake already.
//!
//! A step of a decoder is a hundred operations of some ten microseconds. To hand such a one to a
//! pool and sleep until it is done costs about as much as the operation: a thread must wake, and then
//! wake the caller. So the caller begins at once, never waits for a thread that has not begun, and a
//! thread that has helped stays awake for a while, looking for the next job.

use std::any::Any;
use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// How long a thread looks for the next job: longer than what a decoder does between two of them.
const SPIN_TIME: Duration = Duration::from_micros(60);
/// How long it does so at a time, jobs or no jobs: it may be on top of what waits for another's work.
const MAX_SPIN_TIME: Duration = Duration::from_millis(50);

/// Whether threads that sleep are woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SleepingThreads {
    /// The work is long enough.
    WakeAll,
    /// It is not, but those that are awake may help.
    LeaveAsleep,
}

/// Does `work` on this thread, and at the same time on up to `helpers` others, as soon as they come.
/// It must be work that is done when each that has begun is back: tasks that are taken one by one.
///
/// A panic of one of them is raised here.
pub(super) fn share_work(helpers: usize, wake: SleepingThreads, work: &(dyn Fn() + Sync)) {
    let awake = claim_spinning(helpers);
    // Of those that this thread has requested for before, some may not have come: in a pool that is busy
    // they never do, and asking again would fill its queue.
    let requested = REQUESTED.with(Arc::clone);
    let asleep = match wake {
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
        let mut posted = posted();
        posted.extend((0..awake).map(|_| Arc::clone(&job)));
        POSTED_COUNT.fetch_add(awake, Ordering::Release);
    }
    for _ in 0..asleep {
        let (job, requested) = (Arc::clone(&job), Arc::clone(&requested));
        requested.fetch_add(1, Ordering::Relaxed);
        rayon::spawn(move || {
            requested.fetch_sub(1, Ordering::Relaxed);
            // Also if it comes too late for this one: the next is near.
            job.help();
            spin_for_work();
        });
    }
    // Whatever happens here, `work` must not go while somebody is inside.
    let own = catch_unwind(AssertUnwindSafe(work));
    job.close();
    let helped = job.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(panic) = own.err().or(helped) {
        resume_unwind(panic);
    }
}

/// Work that may be entered until it is closed.
struct Job {
    /// Of a lifetime that ends some time after the job is closed and left by all.
    work: *const (dyn Fn() + Sync),
    /// The number of helpers inside, [`CLOSED`] and [`WAITING`].
    state: AtomicUsize,
    caller: Thread,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// Nobody may enter any more.
const CLOSED: usize = 1 << 62;
/// The caller sleeps until the last one has left.
const WAITING: usize = 1 << 61;

// SAFETY: `work` may be called by several threads at once, and is not touched by who may not enter.
unsafe impl Send for Job {}
// SAFETY: likewise.
unsafe impl Sync for Job {}

impl Job {
    /// To be [closed](Self::close) before `work` goes.
    fn new<'a>(work: &'a (dyn Fn() + Sync + 'a)) -> Self {
        let work: *const (dyn Fn() + Sync + 'a) = work;
        // SAFETY: the same pointer; that its lifetime is not known any more is what `state` is for.
        let work = unsafe {
            std::mem::transmute::<*const (dyn Fn() + Sync + 'a), *const (dyn Fn() + Sync)>(work)
        };
        let state = AtomicUsize::new(0);
        Self { work, state, caller: thread::current(), panic: Mutex::new(None) }
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

    /// Lets nobody in any more, and waits for those who are inside.
    fn close(&self) {
        /// Rounds of waiting awake: others are about to be done with a task like the caller's last.
        const AWAKE: usize = if cfg!(miri) { 10 } else { 20_000 };

        let mut state = self.state.fetch_or(CLOSED, Ordering::AcqRel) | CLOSED;
        for round in 0..AWAKE {
            if state == CLOSED {
                return;
            }
            std::hint::spin_loop();
            // There may be more threads than processors.
            if round % 512 == 511 {
                thread::yield_now();
            }
            state = self.state.load(Ordering::Acquire);
        }
        self.state.fetch_or(WAITING, Ordering::AcqRel);
        while self.state.load(Ordering::Acquire) != CLOSED + WAITING {
            thread::park();
        }
    }
}

/// Jobs for threads that spin_for_work, each as often as it wants helpers.
static POSTED: Mutex<VecDeque<Arc<Job>>> = Mutex::new(VecDeque::new());
/// How many these are.
static POSTED_COUNT: AtomicUsize = AtomicUsize::new(0);
/// Threads that spin_for_work and have not been claimed: who claims one posts a job.
static SPINNING: AtomicUsize = AtomicUsize::new(0);

fn posted() -> MutexGuard<'static, VecDeque<Arc<Job>>> {
    POSTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Claims up to `most` of the threads that spin_for_work.
fn claim_spinning(most: usize) -> usize {
    let some = |awake: usize| (awake.min(most) > 0).then(|| awake - awake.min(most));
    match SPINNING.fetch_update(Ordering::AcqRel, Ordering::Relaxed, some) {
        Ok(before) => before.min(most),
        Err(_) => 0,
    }
}

thread_local! {
    /// Whether this thread lingers, further up its stack.
    static IS_SPINNING: Cell<bool> = const { Cell::new(false) };
    /// Helpers that this thread has requested its pool for, and that have not begun.
    static REQUESTED: Arc<AtomicUsize> = Arc::default();
}

/// Helps with jobs that are posted, and with whatever else the pool has to do, until there has been
/// nothing for a while.
fn spin_for_work() {
    if IS_SPINNING.replace(true) {
        return;
    }
    SPINNING.fetch_add(1, Ordering::AcqRel);
    let began = Instant::now();
    let mut since = began;
    loop {
        for _ in 0..32 {
            if POSTED_COUNT.load(Ordering::Acquire) > 0 {
                break;
            }
            std::hint::spin_loop();
        }
        if let Some(job) = take() {
            // Who posted it has claimed this thread.
            job.help();
            since = Instant::now();
            if since - began > MAX_SPIN_TIME {
                break;
            }
            SPINNING.fetch_add(1, Ordering::AcqRel);
        } else if claim_spinning(1) == 1 {
            // It claims itself, so as not to be waited for while it does something else.
            if rayon::yield_now() == Some(rayon::Yield::Executed) {
                since = Instant::now();
            }
            if since.elapsed() > SPIN_TIME || began.elapsed() > MAX_SPIN_TIME {
                break;
            }
            SPINNING.fetch_add(1, Ordering::AcqRel);
        }
        // Else somebody has claimed a thread, and is about to post.
    }
    IS_SPINNING.set(false);
}

/// A job that is posted.
fn take() -> Option<Arc<Job>> {
    if POSTED_COUNT.load(Ordering::Acquire) == 0 {
        return None;
    }
    let job = posted().pop_front()?;
    POSTED_COUNT.fetch_sub(1, Ordering::AcqRel);
    Some(job)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUNDS: usize = if cfg!(miri) { 2 } else { 2000 };

    /// Adds the numbers below `tasks`, each of them once, by whoever comes.
    fn sum(tasks: usize, wake: SleepingThreads) -> usize {
        let (next, sum) = (AtomicUsize::new(0), AtomicUsize::new(0));
        share_work(2, wake, &|| {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= tasks {
                    return;
                }
                sum.fetch_add(index, Ordering::Relaxed);
            }
        });
        sum.into_inner()
    }

    #[test]
    fn every_task_is_done_once_and_before_the_end() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("threads");
        for round in 0..ROUNDS {
            let wake = if round % 3 == 0 {
                SleepingThreads::WakeAll
            } else {
                SleepingThreads::LeaveAsleep
            };
            let tasks = round % 7;
            assert_eq!(sum(tasks, wake), tasks * tasks.saturating_sub(1) / 2);
            assert_eq!(pool.install(|| sum(5, wake)), 10);
        }
    }

    /// Several callers at once, who claim the same threads.
    #[test]
    fn callers_do_not_mind_each_other() {
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    (0..ROUNDS).for_each(|_| assert_eq!(sum(6, SleepingThreads::WakeAll), 15))
                });
            }
        });
    }

    /// A pool whose threads are all busy is not requested again and again.
    #[test]
    fn helpers_that_do_not_come_are_not_asked_for_again() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("threads");
        let left = AtomicUsize::new(0);
        pool.scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|_| {
                    (0..ROUNDS).for_each(|_| assert_eq!(sum(6, SleepingThreads::WakeAll), 15));
                    left.fetch_max(
                        REQUESTED.with(|requested| requested.load(Ordering::Relaxed)),
                        Ordering::Relaxed,
                    );
                });
            }
        });
        assert!(left.into_inner() <= 2);
    }

    #[test]
    fn a_panic_arrives_once_all_are_back() {
        for round in 0..ROUNDS.min(20) {
            let inside = AtomicUsize::new(0);
            let raised = catch_unwind(AssertUnwindSafe(|| {
                share_work(2, SleepingThreads::WakeAll, &|| {
                    inside.fetch_add(1, Ordering::Relaxed);
                    thread::sleep(Duration::from_micros(100));
                    inside.fetch_sub(1, Ordering::Relaxed);
                    assert!(round % 2 == 1, "told to");
                });
            }));
            assert_eq!(raised.is_err(), round % 2 == 0);
            assert_eq!(inside.into_inner(), 0);
        }
    }
}
