//! This thread's stream of dropout seeds.
//!
//! Every dropout in the workspace is counter-based: a seed and the position of an element decide
//! whether the element is kept ([`DropoutMask`](crate::DropoutMask)). What is left to chance is one
//! 64-bit seed per call, and those come from here, in the order of the calls. So a training step is
//! reproduced by seeding the stream as it was seeded before the step: the state of the random
//! numbers *is* the seed, and a resumed run needs nothing else.
//!
//! The stream belongs to the thread, so that two models trained side by side, or two tests, do not
//! disturb each other.
//!
//! ```
//! use attn_core::random;
//!
//! random::seed(7);
//! let first = [random::next_seed(), random::next_seed()];
//! random::seed(7);
//! assert_eq!(first, [random::next_seed(), random::next_seed()]);
//! ```

pub use attn_kernels::combine;

use attn_kernels::{GOLDEN_GAMMA, mix};
use std::cell::Cell;
use std::f64::consts::TAU;

thread_local! {
    static STATE: Cell<u64> = const { Cell::new(0) };
}

/// A standard normal number from two uniform ones (Box & Muller 1958), of which the first is in `(0, 1]`.
pub(crate) fn box_muller(first: f64, second: f64) -> f64 {
    (-2.0 * first.ln()).sqrt() * (TAU * second).cos()
}

/// Restarts this thread's stream.
pub fn seed(seed: u64) {
    STATE.set(mix(seed));
}

/// Draws the next seed of this thread's stream: one step of SplitMix64.
pub fn next_seed() -> u64 {
    let state = STATE.get().wrapping_add(GOLDEN_GAMMA);
    STATE.set(state);
    mix(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_other_threads_do_not_disturb_this_one() {
        seed(11);
        let alone = [next_seed(), next_seed()];
        seed(11);
        let first = next_seed();
        std::thread::spawn(|| {
            seed(5);
            next_seed()
        })
        .join()
        .unwrap();
        assert_eq!([first, next_seed()], alone);
    }
}
