//! Attention in plain f64 loops, for mechanisms that are a sum over visible keys.

use super::support::{Sample, devices, lowered, values};
use attn_core::{Mask, Mechanism};
use burn::tensor::{Bool, Device, Tensor, TensorData};

/// A query and a key, and where they are.
pub struct Pair<'a> {
    pub head: usize,
    /// Of the query among the keys, `i + keys - queries`.
    pub position: i64,
    pub j: usize,
    pub query: &'a [f64],
    pub key: &'a [f64],
}

/// `Σ_j weight(i, j) v_j` over the visible keys, over the sum of the weights if `normalized`; 0
/// where no key is visible. Query head `h` reads key head `h / (heads / kv_heads)`.
pub fn attention(
    [query, key, value]: [&Sample; 3],
    mask: &Mask,
    normalized: bool,
    weight: impl Fn(Pair) -> f64,
) -> Vec<f64> {
    let [batch, heads, queries, _] = query.dims;
    let [_, kv_heads, keys, width] = value.dims;
    let visible = lowered(mask, [batch, heads, queries, keys]);
    let mut contexts = Vec::new();
    for b in 0..batch {
        for head in 0..heads {
            let g = head / (heads / kv_heads);
            for i in 0..queries {
                let (mut sum, mut context) = (0.0, vec![0.0; width]);
                for j in 0..keys {
                    if !visible[((b * heads + head) * queries + i) * keys + j] {
                        continue;
                    }
                    let position = i as i64 + keys as i64 - queries as i64;
                    let (query, key) = (query.row(b, head, i), key.row(b, g, j));
                    let weight = weight(Pair { head, position, j, query, key });
                    sum += weight;
                    for (c, v) in context.iter_mut().zip(value.row(b, g, j)) {
                        *c += weight * v;
                    }
                }
                let by = if normalized && sum > 0.0 { sum } else { 1.0 };
                contexts.extend(context.iter().map(|c| c / by));
            }
        }
    }
    contexts
}

/// Queries, keys and values of 2 heads on 1, few enough to move each number by itself.
pub fn few_inputs(queries: usize, keys: usize, width: usize, seed: u64) -> [Sample; 3] {
    [
        Sample::random([1, 2, queries, width], seed),
        Sample::random([1, 1, keys, width], seed + 1),
        Sample::random([1, 1, keys, 2], seed + 2),
    ]
}

pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Queries, keys and values of 4 heads on 2.
pub fn inputs(queries: usize, keys: usize, width: usize, seed: u64) -> [Sample; 3] {
    [
        Sample::random([2, 4, queries, width], seed),
        Sample::random([2, 2, keys, width], seed + 1),
        Sample::random([2, 2, keys, 3], seed + 2),
    ]
}

/// The same mask as a matrix, of which nothing is known.
pub fn as_matrix(mask: &Mask, dims: [usize; 4]) -> Mask {
    let cells = lowered(mask, dims);
    let cells = TensorData::new(cells, dims);
    Mask::visible(Tensor::<4, Bool>::from_data(cells, &Device::flex()))
}

/// Steps `range` of each tensor, `[_, _, steps, _]`.
pub fn steps(tensors: &[Tensor<4>; 3], range: std::ops::Range<usize>) -> [Tensor<4>; 3] {
    tensors.each_ref().map(|tensor| tensor.clone().slice_dim(2, range.clone()))
}

/// What `step` makes of one step after the other, `[2, 4, steps, 3]`, row-major.
pub fn step_by_step(
    tensors: &[Tensor<4>; 3],
    sizes: &[usize],
    mut step: impl FnMut([Tensor<4>; 3]) -> Tensor<4>,
) -> Vec<f64> {
    let mut first = 0;
    let parts = sizes.iter().map(|size| {
        let range = first..first + size;
        first = range.end;
        step(steps(tensors, range))
    });
    values(&Tensor::cat(parts.collect(), 2))
}

/// Contexts and gradients of short vectors and long ones are finite.
pub fn check_any_size<M: Mechanism>(what: &str, init: impl Fn(&Device) -> M, mask: &Mask) {
    for scale in [0.0, 1e-30, 1e4, 1e9] {
        for device in devices() {
            let device = device.autodiff();
            let leaves = inputs(9, 9, 8, 8).map(|x| x.scaled(scale).f32(&device).require_grad());
            let [query, key, value] = leaves.clone();
            let found = init(&device).forward(query, key, value, mask);
            let what = format!("{what} at scale {scale} on {device:?}");
            assert!(values(&found).iter().all(|x| x.is_finite()), "{what}");
            let gradients = found.sum().backward();
            for leaf in leaves {
                let gradient = values(&leaf.grad(&gradients).unwrap());
                assert!(gradient.iter().all(|x| x.is_finite()), "gradient, {what}");
            }
        }
    }
}
