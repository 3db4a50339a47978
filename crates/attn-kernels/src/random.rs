//! Numbers that look random and are a function of a seed and a position.

/// The golden ratio in 64 bits, the increment of SplitMix64 (Steele, Lea & Flood 2014, figure 17).
pub const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// Joins two numbers into one seed: `combine(run_seed, step)` for the seed of a step.
///
/// Not symmetric, so that (1, 2) and (2, 1) differ.
pub fn combine(seed: u64, with: u64) -> u64 {
    mix(mix(seed).wrapping_add(GOLDEN_GAMMA) ^ with)
}

/// The finalizer of SplitMix64: a bijection of 64 bits in which every input bit reaches every
/// output bit.
pub fn mix(mut z: u64) -> u64 {
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
    fn combining_depends_on_the_order() {
        assert_ne!(combine(1, 2), combine(2, 1));
        assert_ne!(combine(0, 0), 0);
    }
}
