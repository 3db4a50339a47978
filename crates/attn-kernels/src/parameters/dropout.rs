//! Which elements are dropped: a function of position.

use crate::random::combine;
use burn::tensor::{Device, Tensor, TensorData};
use std::ops::Range;

/// What a column adds to the row's key: the golden ratio in 32 bits, which spreads neighbors.
pub(crate) const COLUMN_STEP: u32 = 0x9E37_79B9;
/// The multipliers of Wellons' "lowbias32" (hash-prospector, 2018).
pub(crate) const MULTIPLIERS: [u32; 2] = [0x7FEB_352D, 0x846C_A68B];

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
/// in wrapping 32-bit arithmetic: two multiplications per element, which vectorize. For attention
/// the column is the key and the row is `(batch · heads + head) · queries + query`, so the mask is
/// the same whatever the tile size, the thread count or the backend. Kept elements are scaled by
/// `1 / (1 - prob)` (Srivastava et al. 2014, section 10, "inverted" dropout).
///
/// ```
/// use attn_kernels::DropoutMask;
/// use burn::tensor::{Device, Tensor};
///
/// let mask = DropoutMask::new(0.5, 7);
/// let dropped = mask.apply(Tensor::<2>::ones([3, 8], &Device::default()));
/// let expected = mask.factors(3, 8);
/// assert_eq!(dropped.into_data().try_to_vec::<f32>().unwrap(), expected);
/// assert_eq!(expected[9], if mask.keeps(1, 1) { 2.0 } else { 0.0 });
/// ```
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
        hash(self.row_key(row), column) >= self.threshold()
    }

    /// The factors of `rows` rows of `columns` elements: 0, or `1 / (1 - prob)`; row-major.
    pub fn factors(&self, rows: usize, columns: usize) -> Vec<f32> {
        let mut factors = Vec::with_capacity(rows * columns);
        self.extend_kept(&mut factors, 0..rows, columns);
        let kept = self.kept_factor() as f32;
        factors.iter_mut().for_each(|factor| *factor *= kept);
        factors
    }

    /// [`factors`](Self::factors) as a tensor; all leading dimensions together are the rows.
    pub fn tensor<const D: usize>(&self, dims: [usize; D], device: &Device) -> Tensor<D> {
        let columns = dims[D - 1];
        let rows = dims[..D - 1].iter().product();
        Tensor::from_data(TensorData::new(self.factors(rows, columns), dims), device)
    }

    /// Appends the elements of some rows: 1 for each that is kept, 0 for the others.
    pub(crate) fn extend_kept(&self, kept: &mut Vec<f32>, rows: Range<usize>, columns: usize) {
        let threshold = self.threshold();
        for row in rows {
            let key = self.row_key(row as u64);
            kept.extend((0..columns as u32).map(|c| f32::from(hash(key, c) >= threshold)));
        }
    }

    /// What kept elements are multiplied with.
    pub(crate) fn kept_factor(&self) -> f64 {
        1.0 / (1.0 - self.prob)
    }

    /// The key of a row, for [`hash`].
    pub(crate) fn row_key(&self, row: u64) -> u64 {
        combine(self.seed, row)
    }

    /// An element is kept if its [`hash`] reaches this.
    pub(crate) fn threshold(&self) -> u32 {
        // prob < 1 keeps the product below 2³²; the cast saturates if rounding reaches it.
        (self.prob * 4_294_967_296.0).round() as u32
    }
}

/// Two rounds of multiply and xor-shift, the second half of the row's key entering between them.
#[inline]
pub(crate) fn hash(key: u64, column: u32) -> u32 {
    let mut x = (key as u32).wrapping_add(column.wrapping_mul(COLUMN_STEP));
    x ^= x >> 16;
    x = x.wrapping_mul(MULTIPLIERS[0]);
    x ^= x >> 15;
    x ^= (key >> 32) as u32;
    x = x.wrapping_mul(MULTIPLIERS[1]);
    x ^ (x >> 16)
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

    /// Neighboring rows, columns and seeds agree as often as independent draws would.
    #[test]
    fn neighbors_are_uncorrelated() {
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
        DropoutMask::new(1.0, 0);
    }
}
