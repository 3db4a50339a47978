//! Attentions to compare implementations on, and what a comparison may differ by.

#![allow(dead_code)] // Each test uses its part.

pub mod matrices;
pub mod sequences;

use attn_kernels::attention::Options;
use attn_kernels::{DropoutMask, Tile, Visibility, combine};
use burn::tensor::{DType, Device, Tensor, TensorData};
use std::ops::Range;
use std::sync::Arc;

/// A mask given by a function of batch row, head, query and key.
pub struct Seen {
    pub dims: [usize; 4],
    pub sees: Box<dyn Fn([usize; 4]) -> bool + Send + Sync>,
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "Seen({:?})", self.dims)
    }
}

impl Visibility for Seen {
    fn dims(&self) -> [usize; 4] {
        self.dims
    }

    fn tile(&self, b: usize, h: usize, rows: Range<usize>, cols: Range<usize>) -> Tile {
        let mut pairs = rows.flat_map(|i| cols.clone().map(move |j| [b, h, i, j]));
        let first = pairs.next().map(|at| self.at(at));
        match first {
            Some(first) if pairs.all(|at| self.at(at) == first) => {
                if first {
                    Tile::Full
                } else {
                    Tile::Empty
                }
            }
            _ => Tile::Partial,
        }
    }

    fn bits(&self, b: usize, h: usize, query: usize, first: usize) -> u64 {
        // A mask that does not depend on the key speaks of all that are asked for.
        let keys = if self.dims[3] == 1 { usize::MAX } else { self.dims[3] };
        let bit = |j: usize| u64::from(first + j < keys && self.at([b, h, query, first + j])) << j;
        (0..64).map(bit).sum()
    }
}

impl Seen {
    fn at(&self, at: [usize; 4]) -> bool {
        let limit = |axis: usize| if self.dims[axis] == 1 { 0 } else { at[axis] };
        (self.sees)([limit(0), limit(1), limit(2), limit(3)])
    }
}

/// The last query sees the last key.
pub fn causal(queries: usize, keys: usize) -> Arc<dyn Visibility> {
    mask([1, 1, queries, keys], move |[_, _, i, j]| j + queries <= i + keys)
}

/// Each pair with probability 1/2.
pub fn scattered(dims: [usize; 4], seed: u64) -> Arc<dyn Visibility> {
    mask(dims, move |at| at.iter().fold(seed, |s, &i| combine(s, i as u64)).is_multiple_of(2))
}

pub fn mask(
    dims: [usize; 4],
    sees: impl Fn([usize; 4]) -> bool + Send + Sync + 'static,
) -> Arc<dyn Visibility> {
    Arc::new(Seen { dims, sees: Box::new(sees) })
}

#[derive(Clone, Debug)]
pub struct Case {
    pub name: &'static str,
    /// `[batch, heads, kv_heads, queries, keys, d, value_dim]`
    pub sizes: [usize; 7],
    pub options: Options,
    pub bias: Option<[usize; 4]>,
    pub sink: bool,
}

/// Sizes with nothing else; `keys` reaches over a word of a mask's bits in the last one.
const SIZES: [[usize; 7]; 4] =
    [[2, 6, 3, 5, 7, 4, 9], [1, 2, 1, 11, 5, 3, 4], [3, 4, 4, 7, 2, 5, 6], [2, 3, 1, 5, 67, 8, 7]];

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (i, sizes) in SIZES.into_iter().enumerate() {
        let [b, h, _, q, k, d, _] = sizes;
        let plain = Options::new(1.0 / (d as f64).sqrt());
        let seed = i as u64;
        let mut add = |name, options: Options, bias, sink| {
            cases.push(Case { name, sizes, options, bias, sink });
        };
        let masked = |mask| Options { mask: Some(mask), ..plain.clone() };
        let dropout = Some(DropoutMask::new(0.3, seed));
        add("plain", plain.clone(), None, false);
        add("soft-cap", Options { softcap: Some(0.7), ..plain.clone() }, None, false);
        add("dropout", Options { dropout, ..plain.clone() }, None, false);
        add("sink", plain.clone(), None, true);
        add("full bias", plain.clone(), Some([b, h, q, k]), false);
        add("bias of heads and queries", plain.clone(), Some([1, h, q, 1]), false);
        add("bias of rows and keys", plain.clone(), Some([b, 1, 1, k]), false);
        add("one bias", plain.clone(), Some([1; 4]), false);
        add("causal", masked(causal(q, k)), None, false);
        add("causal with a sink", masked(causal(q, k)), None, true);
        add("scattered", masked(scattered([b, h, q, k], seed)), None, false);
        add("padding", masked(scattered([b, 1, 1, k], seed + 9)), None, false);
        add("some queries", masked(scattered([1, 1, q, 1], seed + 5)), None, true);
        add("by head", masked(scattered([1, h, 1, k], seed + 2)), None, false);
        add("nothing", masked(mask([1; 4], |_| false)), None, false);
        add("nothing but a sink", masked(mask([1; 4], |_| false)), None, true);
        let all = Options { softcap: Some(1.3), dropout, ..masked(scattered([b, 1, q, k], seed)) };
        add("everything", all, Some([1, h, q, k]), true);
    }
    cases
}

/// The tensors of a case and the gradients that its context and log-sum-exp get.
#[derive(Clone, Debug)]
pub struct Tensors {
    pub query: Tensor<4>,
    pub key: Tensor<4>,
    pub value: Tensor<4>,
    pub bias: Option<Tensor<4>>,
    pub sink: Option<Tensor<1>>,
    pub grad_context: Tensor<4>,
    pub grad_log_sum_exp: Tensor<3>,
}

impl Case {
    pub fn tensors(&self, device: &Device, dtype: DType) -> Tensors {
        let [b, h, g, q, k, d, v] = self.sizes;
        let bias = self.bias.map(|dims| noise(dims, 4, device, dtype));
        let sink = self.sink.then(|| noise([h], 5, device, dtype));
        Tensors {
            query: noise([b, h, q, d], 1, device, dtype),
            key: noise([b, g, k, d], 2, device, dtype),
            value: noise([b, g, k, v], 3, device, dtype),
            bias,
            sink,
            grad_context: noise([b, h, q, v], 6, device, dtype),
            grad_log_sum_exp: noise([b, h, q], 7, device, dtype),
        }
    }

    /// What two right answers of precision `epsilon` may differ by.
    ///
    /// The longest path, to the gradient of a key, is six sums or products in a row (scores,
    /// normalizer, average, its dot product with the gradient, the gradient of the scores, their
    /// product with the queries), each of at most `n` terms, so each term is off by `n · epsilon`
    /// relative to the sum of the magnitudes at most; these are below 2⁴ here, the inputs being
    /// within ±2; and there are two answers.
    pub fn tolerance(&self, epsilon: f64) -> f64 {
        tolerance(self.sizes, epsilon)
    }
}

/// [`Case::tolerance`]
pub fn tolerance([_, h, g, q, k, d, v]: [usize; 7], epsilon: f64) -> f64 {
    let n = k.max(d).max(v).max(h / g * q);
    2.0 * 6.0 * n as f64 * epsilon * 16.0
}

/// Numbers between -2 and 2.
pub fn noise<const D: usize>(
    dims: [usize; D],
    seed: u64,
    device: &Device,
    dtype: DType,
) -> Tensor<D> {
    let numbers: Vec<f64> = (0..dims.iter().product::<usize>() as u64)
        .map(|i| (combine(seed, i) >> 11) as f64 / (1u64 << 51) as f64 - 2.0)
        .collect();
    Tensor::from_data(TensorData::new(numbers, dims), (device, dtype))
}

pub fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().convert::<f64>().try_into_vec::<f64>().expect("numbers in f64")
}

/// Panics if the numbers differ by more, or are NaN or infinite in only one.
pub fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        let same = a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= tolerance;
        assert!(same, "{what}[{i}]: found {a}, expected {b}, tolerance {tolerance:e}");
    }
}

pub const EPSILONS: [(DType, f64); 2] =
    [(DType::F64, f64::EPSILON), (DType::F32, f32::EPSILON as f64)];
