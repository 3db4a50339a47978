//! The protocol of the executor in many random orders of its steps: the same source, by the primitives of
//! [`shuttle`], whose scheduler decides at each of them which thread goes on.
//!
//! Every access is sequentially consistent there; weaker orders of memory are checked by Miri.

#[allow(clippy::duplicate_mod)] // by other primitives
#[path = "executor.rs"]
mod executor;

use executor::{JobBoard, SleepingThreads, requested};
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use shuttle::thread;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

/// Orders of the steps of each test.
const SCHEDULES: usize = 1000;

mod primitives {
    pub(super) use shuttle::hint::spin_loop;
    pub(super) use shuttle::sync::atomic::AtomicUsize;
    pub(super) use shuttle::sync::{Arc, Mutex, MutexGuard};
    pub(super) use shuttle::thread::yield_now;
    pub(super) use shuttle::thread_local;

    use shuttle::rand::{Rng, thread_rng};
    use shuttle::sync::Condvar;
    use std::collections::VecDeque;
    use std::time::Duration;

    pub(super) const AWAKE_ROUNDS: usize = 2;

    type Queue = Mutex<VecDeque<Box<dyn FnOnce() + Send>>>;

    shuttle::lazy_static! {
        /// What the pool has to do.
        static ref QUEUE: Queue = Mutex::new(VecDeque::new());
    }

    pub(super) fn spawn(job: impl FnOnce() + Send + 'static) {
        QUEUE.lock().expect("not poisoned").push_back(Box::new(job));
    }

    /// On top of whatever the thread is doing, as rayon does.
    pub(super) fn run_other_work() -> bool {
        let job = QUEUE.lock().expect("not poisoned").pop_front();
        if job.is_none() {
            yield_now();
        }
        job.map(|job| job()).is_some()
    }

    /// Never wakes for no reason, as shuttle's threads do: a call that is missing is a deadlock.
    pub(super) struct Parker(Mutex<bool>, Condvar);

    impl Parker {
        pub(super) fn of_this_thread() -> Self {
            Self(Mutex::new(false), Condvar::new())
        }

        pub(super) fn park(&self) {
            let is_woken = self.0.lock().expect("not poisoned");
            *self.1.wait_while(is_woken, |is_woken| !*is_woken).expect("not poisoned") = false;
        }

        pub(super) fn unpark(&self) {
            *self.0.lock().expect("not poisoned") = true;
            self.1.notify_one();
        }
    }

    /// A time may have passed whenever one looks.
    #[derive(Clone, Copy)]
    pub(super) struct Stopwatch;

    impl Stopwatch {
        pub(super) fn start() -> Self {
            Self
        }

        pub(super) fn has_passed(self, _: Duration) -> bool {
            thread_rng().r#gen()
        }
    }
}

/// Runs `callers` on threads of their own, with two threads of a pool, in many orders; then nothing is left.
fn in_many_orders(callers: usize, caller: fn(&'static JobBoard)) {
    let mut config = shuttle::Config::new();
    config.silence_warnings = true;
    let scheduler = shuttle::scheduler::RandomScheduler::new(SCHEDULES);
    shuttle::Runner::new(scheduler, config).run(move || {
        let board: &'static JobBoard = Box::leak(Box::new(JobBoard::new()));
        let is_over = Arc::new(AtomicBool::new(false));
        let pool =
            [(); 2].map(|()| {
                let is_over = Arc::clone(&is_over);
                thread::spawn(move || {
                    while primitives::run_other_work() || !is_over.load(Ordering::SeqCst) {}
                })
            });
        let callers: Vec<_> = (0..callers).map(|_| thread::spawn(move || caller(board))).collect();
        callers.into_iter().for_each(|caller| caller.join().expect("a caller returns"));
        is_over.store(true, Ordering::SeqCst);
        pool.into_iter().for_each(|thread| thread.join().expect("a thread of the pool ends"));
        assert_eq!(board.counts(), [0; 3], "threads that spin, jobs that are posted, their count");
    });
}

/// Work of some tasks, which notices whether it is called after its end. Leaked, so that noticing is sound.
struct Tasks {
    next: AtomicUsize,
    done: [AtomicUsize; 3],
    inside: AtomicUsize,
    is_over: AtomicBool,
}

impl Tasks {
    fn leaked() -> &'static Self {
        Box::leak(Box::new(Self {
            next: AtomicUsize::new(0),
            done: [(); 3].map(|()| AtomicUsize::new(0)),
            inside: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
        }))
    }

    fn work(&self) {
        self.inside.fetch_add(1, Ordering::SeqCst);
        assert!(!self.is_over.load(Ordering::SeqCst), "work is entered after its end");
        while let Some(done) = self.done.get(self.next.fetch_add(1, Ordering::SeqCst)) {
            done.fetch_add(1, Ordering::SeqCst);
        }
        self.inside.fetch_sub(1, Ordering::SeqCst);
    }

    fn end(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        assert_eq!(self.inside.load(Ordering::SeqCst), 0, "a helper is inside after the end");
        let done = self.done.each_ref().map(|done| done.load(Ordering::SeqCst));
        assert_eq!(done, [1; 3], "how often each task is done");
    }
}

fn sleeping_threads() -> SleepingThreads {
    if thread_rng().r#gen() { SleepingThreads::WakeAll } else { SleepingThreads::LeaveAsleep }
}

/// Several jobs in a row, so that threads spin between them.
fn share_three(board: &'static JobBoard) {
    for _ in 0..3 {
        let tasks = Tasks::leaked();
        board.share_work(2, sleeping_threads(), &|| tasks.work());
        tasks.end();
    }
    assert!(requested() <= 2, "{} helpers are requested", requested());
    // All of them begin some time.
    while requested() > 0 {
        thread::yield_now();
    }
}

#[test]
fn every_task_is_done_once_before_the_end() {
    in_many_orders(1, share_three);
}

#[test]
fn two_callers_claim_the_same_threads() {
    in_many_orders(2, share_three);
}

/// One of the threads raises a panic; without the message of a panic hook.
#[test]
fn a_panic_is_raised_when_all_helpers_are_back() {
    in_many_orders(1, |board| {
        let tasks = Tasks::leaked();
        let raised = catch_unwind(AssertUnwindSafe(|| {
            board.share_work(2, SleepingThreads::WakeAll, &|| {
                tasks.work();
                resume_unwind(Box::new("told to"));
            });
        }));
        assert_eq!(raised.expect_err("a panic").downcast_ref(), Some(&"told to"));
        tasks.end();
    });
}
