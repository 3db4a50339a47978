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

use std::cell::Cell;

thread_local! {
    static STATE: Cell<u64> = const { Cell::new(0) };
}

/// The golden ratio in 64 bits, the increment of SplitMix64 (Steele, Lea & Flood 2014, figure 17).
const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

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

/// Joins two numbers into one seed: `combine(run_seed, step)` for the seed of a step.
///
/// Not symmetric, so that (1, 2) and (2, 1) differ.
pub fn combine(seed: u64, with: u64) -> u64 {
    mix(mix(seed).wrapping_add(GOLDEN_GAMMA) ^ with)
}

/// The finaliser of SplitMix64: a bijection of 64 bits in which every input bit reaches every
/// output bit.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First outputs of the reference SplitMix64 generator seeded with 0 (Vigna's `splitmix64.c`).
    #[test]
    fn mixing_the_counter_gives_the_published_stream() {
        let stream: Vec<u64> = (1..=3).map(|i| mix(GOLDEN_GAMMA.wrapping_mul(i))).collect();
        assert_eq!(stream, [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]);
    }

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

    #[test]
    fn combining_depends_on_the_order() {
        assert_ne!(combine(1, 2), combine(2, 1));
        assert_ne!(combine(0, 0), 0);
    }
}
