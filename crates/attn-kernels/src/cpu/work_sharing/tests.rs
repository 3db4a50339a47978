//! The executor on real threads.

use super::executor::requested;
use super::{SleepingThreads, share_work};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const ROUNDS: usize = if cfg!(miri) { 2 } else { 2000 };

/// Adds the numbers below `tasks`, each of them once, on whatever threads come.
fn sum(tasks: usize, sleeping: SleepingThreads) -> usize {
    let (next, sum) = (AtomicUsize::new(0), AtomicUsize::new(0));
    share_work(2, sleeping, &|| {
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
        let sleeping =
            if round % 3 == 0 { SleepingThreads::WakeAll } else { SleepingThreads::LeaveAsleep };
        let tasks = round % 7;
        assert_eq!(sum(tasks, sleeping), tasks * tasks.saturating_sub(1) / 2);
        assert_eq!(pool.install(|| sum(5, sleeping)), 10);
    }
}

#[test]
fn several_callers_may_claim_the_same_threads() {
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                (0..ROUNDS).for_each(|_| assert_eq!(sum(6, SleepingThreads::WakeAll), 15));
            });
        }
    });
}

/// A pool whose threads are all busy does not get one request after another.
#[test]
fn helpers_that_do_not_come_are_not_requested_again() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("threads");
    let left = AtomicUsize::new(0);
    pool.scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|_| {
                (0..ROUNDS).for_each(|_| assert_eq!(sum(6, SleepingThreads::WakeAll), 15));
                left.fetch_max(requested(), Ordering::Relaxed);
            });
        }
    });
    assert!(left.into_inner() <= 2);
}

#[test]
fn a_panic_is_raised_when_all_helpers_are_back() {
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
