//! Dropout whose mask is a function of position (rule 6 of the law).

use crate::random::{self, combine};
use burn::module::{Flag, Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Which elements a dropout keeps: a pure function of seed and position.
///
/// An element of row `r` and column `c` is kept when
///
/// ```text
/// key = splitmix(splitmix(seed) + γ  xor  r)              64 bits, once per row
/// hash(lo(key) + c · 0x9E3779B9, hi(key)) ≥ round(prob · 2³²)
/// hash(x, y):  x ^= x >> 16;  x *= 0x7FEB352D;  x ^= x >> 15;  x ^= y;  x *= 0x846CA68B;  x ^= x >> 16
/// ```
///
/// in wrapping 32-bit arithmetic: two multiplications per element, which vectorise. For attention
/// the column is the key and the row is `(batch · heads + head) · queries + query`, so the mask is
/// the same whatever the tile size, the thread count or the backend. Kept elements are scaled by
/// `1 / (1 - prob)` (Srivastava et al. 2014, section 10, "inverted" dropout).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DropoutMask {
    prob: f64,
    seed: u64,
}

impl DropoutMask {
    /// A mask that drops each element with probability `prob`.
    ///
    /// # Panics
    /// If `prob` is not in `[0, 1)`.
    pub fn new(prob: f64, seed: u64) -> Self {
        assert!((0.0..1.0).contains(&prob), "dropout probability must be in [0, 1), got {prob}");
        Self { prob, seed }
    }

    /// The probability of an element to be dropped.
    pub fn prob(&self) -> f64 {
        self.prob
    }

    /// Whether the element in column `column` of row `row` is kept.
    pub fn keeps(&self, row: u64, column: u32) -> bool {
        let key = combine(self.seed, row);
        hash(key, column) >= self.threshold()
    }

    /// The factors of `rows` rows of `columns` elements: 0, or `1 / (1 - prob)`; row-major.
    pub fn factors(&self, rows: usize, columns: usize) -> Vec<f32> {
        let threshold = self.threshold();
        let kept = (1.0 / (1.0 - self.prob)) as f32;
        let mut factors = Vec::with_capacity(rows * columns);
        for row in 0..rows as u64 {
            let key = combine(self.seed, row);
            factors.extend(
                (0..columns as u32).map(|c| if hash(key, c) >= threshold { kept } else { 0.0 }),
            );
        }
        factors
    }

    /// [`factors`](Self::factors) as a tensor; all leading dimensions together are the rows.
    pub fn tensor<const D: usize>(&self, dims: [usize; D], device: &Device) -> Tensor<D> {
        let columns = dims[D - 1];
        let rows = dims[..D - 1].iter().product();
        Tensor::from_data(TensorData::new(self.factors(rows, columns), dims), device)
    }

    fn threshold(&self) -> u32 {
        // prob < 1 keeps the product below 2³²; the cast saturates if rounding reaches it.
        (self.prob * 4_294_967_296.0).round() as u32
    }
}

/// Two rounds of multiply and xor-shift with Wellons' "lowbias32" constants, the second half of the
/// row's key entering between them.
#[inline]
fn hash(key: u64, column: u32) -> u32 {
    let mut x = (key as u32).wrapping_add(column.wrapping_mul(0x9E37_79B9));
    x ^= x >> 16;
    x = x.wrapping_mul(0x7FEB_352D);
    x ^= x >> 15;
    x ^= (key >> 32) as u32;
    x = x.wrapping_mul(0x846C_A68B);
    x ^ (x >> 16)
}

/// Configuration of a [`Dropout`] layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DropoutConfig {
    /// The probability of an element to be dropped, in `[0, 1)`.
    pub prob: f64,
}

impl DropoutConfig {
    /// Dropout with probability `prob`.
    pub fn new(prob: f64) -> Self {
        Self { prob }
    }

    /// The layer.
    ///
    /// # Panics
    /// If the probability is not in `[0, 1)`.
    pub fn init(&self) -> Dropout {
        let DropoutMask { prob, .. } = DropoutMask::new(self.prob, 0);
        Dropout { prob, training: Param::from_bool(true) }
    }
}

/// Dropout (Srivastava et al. 2014) with a counter-based mask.
///
/// Active on tensors that autodiff follows, the identity on all others; so the same model trains
/// and predicts, and `model.valid()` is all that evaluation needs. Freezing the module turns it off
/// too. Each active call draws one seed from this thread's [`random`] stream.
#[derive(Module, Debug)]
pub struct Dropout {
    prob: f64,
    training: Param<Flag>,
}

impl Dropout {
    /// The mask of the next call, drawing a seed, or `None` where nothing is dropped: `device` has
    /// no autodiff, the probability is 0, or the layer is frozen.
    ///
    /// For attention, whose dropout acts inside [`attend`](crate::attend).
    pub fn draw(&self, device: &Device) -> Option<DropoutMask> {
        let active = self.prob > 0.0 && device.is_autodiff() && self.training.is_enabled();
        active.then(|| DropoutMask::new(self.prob, random::next_seed()))
    }

    /// Drops elements of `input`, any shape, in training.
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let device = input.device();
        match self.draw(&device) {
            None => input,
            Some(mask) => {
                let factors = mask.tensor(input.dims(), &device.without_autodiff());
                input * Tensor::from_inner(factors)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_are_what_keeps_says() {
        let mask = DropoutMask::new(0.3, 9);
        let [rows, columns] = [5, 11];
        for (i, factor) in mask.factors(rows, columns).into_iter().enumerate() {
            let kept = mask.keeps((i / columns) as u64, (i % columns) as u32);
            assert_eq!(factor, if kept { (1.0 / 0.7) as f32 } else { 0.0 });
        }
    }

    /// The kept share of n independent elements has standard deviation sqrt(p(1-p)/n); five of them
    /// are exceeded once in a million seeds, and the seeds here are fixed.
    #[test]
    fn the_kept_share_is_one_minus_prob_along_rows_and_columns() {
        let [rows, columns] = [300, 500];
        for (prob, seed) in [(0.1, 1), (0.5, 2), (0.9, 3)] {
            let kept = DropoutMask::new(prob, seed).factors(rows, columns);
            let bound = |n: usize| 5.0 * (prob * (1.0 - prob) / n as f64).sqrt();
            let share = |it: &mut dyn Iterator<Item = usize>| {
                let (mut n, mut k) = (0, 0);
                it.for_each(|i| {
                    n += 1;
                    k += usize::from(kept[i] > 0.0);
                });
                (k as f64 / n as f64 - (1.0 - prob)).abs() / bound(n)
            };
            assert!(share(&mut (0..rows * columns)) < 1.0);
            for column in 0..columns {
                assert!(share(&mut (0..rows).map(|r| r * columns + column)) < 1.0);
            }
            for row in 0..rows {
                assert!(share(&mut (0..columns).map(|c| row * columns + c)) < 1.0);
            }
        }
    }

    /// Neighbouring rows, columns and seeds agree as often as independent draws would.
    #[test]
    fn neighbours_are_uncorrelated() {
        let [rows, columns] = [300, 500];
        let at = |seed| DropoutMask::new(0.5, seed).factors(rows, columns);
        let (one, other) = (at(4), at(5));
        let n = (rows - 1) * (columns - 1);
        let agree = |pair: &dyn Fn(usize) -> (f32, f32)| {
            let same = (0..rows - 1)
                .flat_map(|r| (0..columns - 1).map(move |c| r * columns + c))
                .filter(|&i| pair(i).0 == pair(i).1)
                .count();
            (same as f64 / n as f64 - 0.5).abs() / (0.25 / n as f64).sqrt()
        };
        assert!(agree(&|i| (one[i], one[i + 1])) < 5.0, "columns");
        assert!(agree(&|i| (one[i], one[i + columns])) < 5.0, "rows");
        assert!(agree(&|i| (one[i], other[i])) < 5.0, "seeds");
    }

    #[test]
    #[should_panic(expected = "dropout probability must be in [0, 1), got 1")]
    fn a_probability_of_one_is_refused() {
        DropoutConfig::new(1.0).init();
    }

    #[test]
    fn only_what_autodiff_follows_is_dropped() {
        let layer = DropoutConfig::new(0.5).init();
        let device = Device::flex();
        let input = Tensor::<3>::ones([3, 5, 7], &device);
        assert_eq!(layer.forward(input.clone()).into_data(), input.into_data());

        random::seed(3);
        let training = Tensor::<3>::ones([3, 5, 7], &device.clone().autodiff()).require_grad();
        let output = layer.forward(training.clone());
        let gradient = training.grad(&output.clone().sum().backward()).unwrap();
        // The input is one, so output and gradient are both the factors.
        assert_eq!(gradient.into_data(), output.clone().inner().into_data());
        random::seed(3);
        let expected = DropoutMask::new(0.5, random::next_seed()).factors(15, 7);
        assert_eq!(output.into_data().try_into_vec::<f32>().unwrap(), expected);

        let frozen = layer.freeze();
        assert!(frozen.draw(&device.autodiff()).is_none());
    }
}
