//! The calling thread, and others that come to help it: of the current pool, or awake already.
//!
//! A step of a decoder is a hundred operations of some ten microseconds. To hand such a one to a
//! pool and sleep until it is done costs about as much as the operation: a thread must wake, and then
//! wake the caller. So the caller begins at once, never waits for a thread that has not begun, and a
//! thread that has helped stays awake for a while, looking for the next job.

mod executor;
#[cfg(all(test, not(miri)))]
mod model;
mod primitives;
#[cfg(test)]
mod tests;

use executor::JobBoard;
pub(super) use executor::SleepingThreads;

static BOARD: JobBoard = JobBoard::new();

/// Does `work` on this thread, and at the same time on up to `helpers` others, as soon as they come.
/// It must be work that is done when each that has begun is back: tasks that are taken one by one.
///
/// A panic of one of them is raised here.
pub(super) fn share_work(helpers: usize, sleeping: SleepingThreads, work: &(dyn Fn() + Sync)) {
    BOARD.share_work(helpers, sleeping, work);
}
