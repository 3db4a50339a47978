//! Random numbers as a function of their place.

/// A number in `[0, 1)` that depends on nothing but its arguments.
///
/// Counter-based: number `step` of stream `stream` of `seed`. No generator is carried along, so a
/// row's draws do not depend on the rows beside it, or on when they end. The hash is the finaliser
/// of SplitMix64 (Steele, Lea & Flood 2014), a bijection of 64 bits, once for each argument.
pub(crate) fn uniform(seed: u64, stream: u64, step: u64) -> f64 {
    /// The golden ratio in 64 bits, the increment of SplitMix64.
    const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;
    let combine = |key: u64, with: u64| mix(mix(key).wrapping_add(GOLDEN_GAMMA) ^ with);
    let bits = combine(combine(seed, stream), step);
    // The upper 53 bits, as many as an f64 holds exactly.
    (bits >> 11) as f64 * (-53_f64).exp2()
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pearson's statistic of 10 × 10 equally likely cells has 99 degrees of freedom: mean 99,
    /// standard deviation sqrt(198) = 14.1. Five of those are exceeded once in a million seeds (the
    /// normal tail; the seeds here are fixed).
    #[test]
    fn neighbors_in_every_argument_are_uniform_and_independent() {
        let n = 20_000_u64;
        let pairs: [&dyn Fn(u64) -> (f64, f64); 3] = [
            &|i| (uniform(i, 2, 3), uniform(i + 1, 2, 3)),
            &|i| (uniform(1, i, 3), uniform(1, i + 1, 3)),
            &|i| (uniform(1, 2, i), uniform(1, 2, i + 1)),
        ];
        for (argument, pair) in pairs.into_iter().enumerate() {
            let mut counts = [0_u32; 100];
            for (x, y) in (0..n).map(|i| pair(2 * i)) {
                counts[(x * 10.0) as usize * 10 + (y * 10.0) as usize] += 1;
            }
            let expected = n as f64 / 100.0;
            let square = |count: u32| (f64::from(count) - expected).powi(2) / expected;
            let statistic: f64 = counts.into_iter().map(square).sum();
            assert!((statistic - 99.0).abs() < 5.0 * 14.1, "{statistic} in argument {argument}");
        }
    }

    /// The first two outputs of SplitMix64 from state 0, as its authors' C code prints them.
    #[test]
    fn the_hash_is_the_finalizer_of_splitmix64() {
        let gamma = 0x9e37_79b9_7f4a_7c15_u64;
        let found = [mix(gamma), mix(gamma.wrapping_mul(2))];
        assert_eq!(found, [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
    }

    #[test]
    fn the_arguments_are_not_interchangeable() {
        assert_ne!(uniform(1, 2, 3), uniform(2, 1, 3));
        assert_ne!(uniform(1, 2, 3), uniform(1, 3, 2));
    }
}
