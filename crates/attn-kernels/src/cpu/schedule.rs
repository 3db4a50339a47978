//! Tasks, on as many threads as the current pool has.

use super::work_sharing::{SleepingThreads, share_work};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Does `tasks` in some order, each by one thread, with a scratch space of its own.
///
/// Tasks with low numbers are begun first. `work` is about how many operations all of them take:
/// little is done at once on the calling thread, which is quicker than to share it.
pub(super) fn run_tasks<T>(
    tasks: usize,
    work: usize,
    scratch: impl Fn() -> T + Sync,
    task: impl Fn(&mut T, usize) + Sync,
) {
    /// What a processor does in the time that it takes to wake a thread.
    const WAKE: usize = 1 << 20;
    /// And in the time that it takes to tell one that is awake.
    const SHARE: usize = 1 << 17;

    let threads = rayon::current_num_threads().min(tasks);
    if threads < 2 || work < SHARE {
        let mut scratch = scratch();
        (0..tasks).for_each(|index| task(&mut scratch, index));
        return;
    }
    let next = AtomicUsize::new(0);
    let wake = if work < WAKE { SleepingThreads::LeaveAsleep } else { SleepingThreads::WakeAll };
    share_work(threads - 1, wake, &|| {
        let mut own = None;
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= tasks {
                return;
            }
            task(own.get_or_insert_with(&scratch), index);
        }
    });
}

/// Memory that tasks write to, each to its own part.
#[derive(Clone, Copy, Debug)]
pub(super) struct SharedPtr<T>(pub *mut T);

// SAFETY: what is written through it is `Send`, and callers promise that no two tasks write to one place.
unsafe impl<T: Send> Send for SharedPtr<T> {}
// SAFETY: likewise.
unsafe impl<T: Send> Sync for SharedPtr<T> {}

impl<T> SharedPtr<T> {
    /// # Safety
    /// The offset must be within what is shared.
    #[inline(always)]
    pub unsafe fn at(&self, offset: usize) -> *mut T {
        // SAFETY: the caller's promise.
        unsafe { self.0.add(offset) }
    }
}
