//! A shuffle that is the same for ever.
//!
//! `rand::rngs::StdRng` may change its algorithm between releases of `rand`; a training run that
//! resumes after an upgrade must still see its data in the old order.

/// SplitMix64 (Steele, Lea and Flood, 2014, "Fast splittable pseudorandom number generators").
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`; the high half of a product (Lemire 2019), whose bias of
    /// `bound / 2^64` is far below anything that a shuffle could show.
    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}

/// The finaliser of SplitMix64: a bijection in which every bit of the input moves every output bit.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Shuffles in place (Fisher–Yates); the order depends on `seed`, `epoch`, `stream` and the number
/// of items alone. Different streams of the same epoch are independent.
pub(super) fn shuffle<T>(items: &mut [T], seed: u64, epoch: u64, stream: u64) {
    let mut random = SplitMix64(mix(mix(mix(seed) ^ epoch) ^ stream));
    for last in (1..items.len()).rev() {
        items.swap(last, random.below(last + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published generator's first numbers from seed 0.
    #[test]
    fn the_generator_is_splitmix64() {
        let mut random = SplitMix64(0);
        assert_eq!([random.next(), random.next()], [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
    }

    #[test]
    fn every_order_is_about_equally_likely() {
        let runs = 6000;
        let mut counts = std::collections::HashMap::new();
        for seed in 0..runs {
            let mut items = [0, 1, 2];
            shuffle(&mut items, seed, 1, 0);
            *counts.entry(items).or_insert(0.0) += 1.0;
        }
        assert_eq!(counts.len(), 6);
        // Five standard deviations of a count whose chance is 1/6.
        let (mean, deviation) = (runs as f64 / 6.0, (runs as f64 * 5.0 / 36.0).sqrt());
        assert!(counts.values().all(|count| (count - mean).abs() < 5.0 * deviation), "{counts:?}");
    }
}
