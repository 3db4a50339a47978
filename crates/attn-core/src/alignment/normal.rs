//! Normal noise that is a function of a seed and a position.

use crate::random::{box_muller, combine};
use attn_kernels::{GOLDEN_GAMMA, mix};
use burn::tensor::{Tensor, TensorData};

/// Standard normal numbers of the shape, kind and device of `like`, `[b, h, q, k]`; each is a
/// function of the seed, its batch, head and key, and of `first` plus its query.
///
/// So the same seed gives a query the same noise, whether it is read alone or among others.
pub(super) fn normal(seed: u64, first: usize, like: &Tensor<4>) -> Tensor<4> {
    let [b, h, q, k] = like.dims();
    let mut numbers = Vec::with_capacity(b * h * q * k);
    for head in 0..b * h {
        let head = combine(seed, head as u64);
        for query in first..first + q {
            let row = combine(head, query as u64);
            numbers.extend((1..=k as u64).map(|key| number(row, key)));
        }
    }
    let device = like.device().without_autodiff();
    Tensor::from_data(TensorData::new(numbers, [b, h, q, k]), (&device, like.dtype()))
}

/// From two uniform numbers of 32 bits.
fn number(row: u64, key: u64) -> f32 {
    let bits = mix(row.wrapping_add(GOLDEN_GAMMA.wrapping_mul(key)));
    let uniform = |bits: u32| f64::from(bits) / (f64::from(u32::MAX) + 1.0);
    box_muller(1.0 - uniform((bits >> 32) as u32), uniform(bits as u32)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn numbers(seed: u64, first: usize, dims: [usize; 4]) -> Vec<f32> {
        let noise = normal(seed, first, &Tensor::zeros(dims, &Device::flex()));
        noise.into_data().try_into_vec().unwrap()
    }

    /// Mean, variance and fourth moment of n standard normal numbers deviate from 0, 1 and 3 by
    /// `1`, `√2` and `√96` over `√n`; five of each are allowed.
    #[test]
    fn they_are_standard_normal() {
        let numbers = numbers(7, 3, [2, 3, 50, 70]);
        let n = numbers.len() as f64;
        let moment = |power| numbers.iter().map(|&x| f64::from(x).powi(power)).sum::<f64>() / n;
        for (power, expected, deviation) in [(1, 0.0, 1.0_f64), (2, 1.0, 2.0), (4, 3.0, 96.0)] {
            let error = (moment(power) - expected).abs();
            assert!(error < 5.0 * (deviation / n).sqrt(), "moment {power} is off by {error}");
        }
    }

    #[test]
    fn a_query_has_its_noise_wherever_it_is_read() {
        let whole = numbers(7, 0, [1, 1, 5, 4]);
        assert_eq!(numbers(7, 3, [1, 1, 2, 4]), whole[3 * 4..]);
        assert_ne!(numbers(8, 3, [1, 1, 2, 4]), whole[3 * 4..]);
    }
}
