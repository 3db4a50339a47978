//! Random numbers of the host.

use super::array::{Array, At};
use crate::random::combine;

/// A stream of random numbers, a pure function of its seed.
#[derive(Clone, Debug)]
pub struct Noise {
    seed: u64,
    index: u64,
}

impl Noise {
    /// The stream of that name among those of the seed.
    pub fn new(seed: u64, stream: &str) -> Self {
        let seed = stream.bytes().fold(seed, |seed, byte| combine(seed, byte.into()));
        Self { seed, index: 0 }
    }

    /// Uniform in `[-1, 1)`, and exact in f32, so that a device is given what the oracle sees.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 40) as f64 / (1 << 23) as f64 - 1.0
    }

    /// Uniform in `0..n`, up to a bias of `n / 2⁶⁴`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    /// True one time in `n`.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// Uniform numbers.
    pub fn array(&mut self, dims: At) -> Array<f64> {
        Array::from_fn(dims, |_| self.uniform())
    }

    /// Uniform in 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.index += 1;
        combine(self.seed, self.index)
    }
}
