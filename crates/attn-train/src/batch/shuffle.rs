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
