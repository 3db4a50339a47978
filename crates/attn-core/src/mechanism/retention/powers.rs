//! Powers of each head's decay.

use burn::tensor::{Tensor, TensorData};

/// Whether a query sees the key at its own position.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Own {
    Seen,
    Hidden,
}

/// Powers of each head's decay within a chunk of `n` steps.
pub(super) struct Powers {
    pub(super) steps: usize,
    /// From key to query, `[1, h, n, n]`.
    pub(super) inside: Tensor<4>,
    /// From the last step before the chunk to each query, `[1, h, n, 1]`.
    pub(super) from_start: Tensor<4>,
    /// From each key to the last step, `[1, h, n, 1]`.
    pub(super) to_end: Tensor<4>,
    /// Across the chunk, `[1, h, 1, 1]`.
    pub(super) across: Tensor<4>,
}

impl Powers {
    /// For `[b, h, _, _]` like this.
    pub(super) fn new(steps: usize, like: &Tensor<4>, own: Own) -> Self {
        let inside = tabulate(steps, steps, like, |gamma, i, j| match i.checked_sub(j) {
            None => 0.0,
            Some(0) if own == Own::Hidden => 0.0,
            Some(distance) => power(gamma, distance),
        });
        Self {
            steps,
            inside,
            from_start: tabulate(steps, 1, like, |gamma, i, _| power(gamma, i + 1)),
            to_end: to_end(steps, like),
            across: tabulate(1, 1, like, |gamma, _, _| power(gamma, steps)),
        }
    }
}

/// From each of so many keys to the last, `[1, h, steps, 1]`.
pub(super) fn to_end(steps: usize, like: &Tensor<4>) -> Tensor<4> {
    tabulate(steps, 1, like, |gamma, j, _| power(gamma, steps - 1 - j))
}

/// Between each query and each key, in either direction, `[1, h, queries, keys]`.
pub(super) fn between(queries: usize, keys: usize, like: &Tensor<4>) -> Tensor<4> {
    let distance = |i: usize, j: usize| (i + keys).abs_diff(j + queries);
    tabulate(queries, keys, like, |gamma, i, j| power(gamma, distance(i, j)))
}

fn power(gamma: f64, distance: usize) -> f64 {
    gamma.powf(distance as f64)
}

/// `[1, h, rows, cols]` of `f(γ, row, col)`, with heads, device and type of another tensor.
fn tabulate(
    rows: usize,
    cols: usize,
    like: &Tensor<4>,
    f: impl Fn(f64, usize, usize) -> f64,
) -> Tensor<4> {
    let heads = like.dims()[1];
    let mut cells = Vec::with_capacity(heads * rows * cols);
    for h in 0..heads {
        let gamma = 1.0 - (-5.0 - h as f64).exp2();
        for i in 0..rows {
            cells.extend((0..cols).map(|j| f(gamma, i, j)));
        }
    }
    let data = TensorData::new(cells, [1, heads, rows, cols]);
    Tensor::from_data(data, (&like.device(), like.dtype()))
}
