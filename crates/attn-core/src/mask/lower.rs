//! Lowering: a mask as a boolean tensor.

use super::kind::Node;
use super::pattern::Pattern;
use super::{AttentionShape, Mask};
use burn::tensor::{Bool, Device, Tensor, TensorData};

impl Mask {
    /// The mask as a tensor that is **true where a key is visible**.
    ///
    /// # Shapes
    /// - result: [`lowered_dims`](Self::lowered_dims), which broadcast to
    ///   `[batch, heads, queries, keys]`
    ///
    /// # Panics
    /// If a list or matrix of the mask does not fit the shape.
    #[track_caller]
    pub fn lower(&self, shape: &AttentionShape, device: &Device) -> Tensor<4, Bool> {
        self.assert_fits(shape);
        let Dense { dims, cells } = self.dense(shape);
        Tensor::from_data(TensorData::new(cells, dims), device)
    }

    /// The size of what [`lower`](Self::lower) returns: `[batch, heads, queries, keys]`, with 1 for
    /// each that the mask does not depend on. Padding has `[batch, 1, 1, keys]`, a causal mask
    /// `[1, 1, queries, keys]`.
    ///
    /// # Panics
    /// If a list or matrix of the mask does not fit the shape.
    #[track_caller]
    pub fn lowered_dims(&self, shape: &AttentionShape) -> [usize; 4] {
        self.assert_fits(shape);
        self.dims(shape)
    }

    /// [`lowered_dims`](Self::lowered_dims) of a shape that is known to fit.
    pub(super) fn dims(&self, shape: &AttentionShape) -> [usize; 4] {
        match self.node() {
            Node::Pattern(pattern) => pattern.dims(shape),
            Node::Not(mask) => mask.dims(shape),
            Node::And(masks) | Node::Or(masks) => {
                masks.iter().map(|mask| mask.dims(shape)).fold([1; 4], broadcast)
            }
        }
    }

    /// Row by row and operand by operand, not pair by pair: attention lowers its mask at each call.
    fn dense(&self, shape: &AttentionShape) -> Dense {
        let all = |visible| Dense { dims: [1; 4], cells: vec![visible] };
        let dense = |mask: &Mask| mask.dense(shape);
        match self.node() {
            Node::Pattern(pattern) => Dense::of(pattern, shape),
            Node::Not(mask) => dense(mask).not(),
            Node::And(masks) => {
                masks.iter().map(dense).fold(all(true), |a, b| a.combine(&b, |a, b| a & b))
            }
            Node::Or(masks) => {
                masks.iter().map(dense).fold(all(false), |a, b| a.combine(&b, |a, b| a | b))
            }
        }
    }
}

/// What is visible, without the dimensions that do not matter.
struct Dense {
    dims: [usize; 4],
    cells: Vec<bool>,
}

impl Dense {
    fn of(pattern: &dyn Pattern, shape: &AttentionShape) -> Self {
        let dims = pattern.dims(shape);
        let [_, heads, queries, keys] = dims;
        let mut cells = vec![false; dims.iter().product()];
        if !cells.is_empty() {
            for (index, row) in cells.chunks_exact_mut(keys).enumerate() {
                let (matrix, i) = (index / queries, index % queries);
                pattern.fill(shape, matrix / heads, matrix % heads, i, row);
            }
        }
        Self { dims, cells }
    }

    fn not(mut self) -> Self {
        self.cells.iter_mut().for_each(|cell| *cell = !*cell);
        self
    }

    fn combine(self, other: &Self, combine: impl Fn(bool, bool) -> bool) -> Self {
        let dims = broadcast(self.dims, other.dims);
        let [batch, heads, queries, keys] = dims;
        let mut cells = Vec::with_capacity(batch * heads * queries * keys);
        for b in 0..batch {
            for h in 0..heads {
                for i in 0..queries {
                    match (self.row(b, h, i), other.row(b, h, i)) {
                        ([a], row) | (row, [a]) => {
                            cells.extend(row.iter().map(|&b| combine(*a, b)));
                        }
                        (left, right) => {
                            let pairs = left.iter().zip(right);
                            cells.extend(pairs.map(|(&a, &b)| combine(a, b)));
                        }
                    }
                }
            }
        }
        Self { dims, cells }
    }

    /// One row; the same one again in the dimensions that do not matter.
    fn row(&self, b: usize, h: usize, i: usize) -> &[bool] {
        let [batch, heads, queries, keys] = self.dims;
        let pick = |index: usize, size: usize| if size == 1 { 0 } else { index };
        let matrix = pick(b, batch) * heads + pick(h, heads);
        &self.cells[(matrix * queries + pick(i, queries)) * keys..][..keys]
    }
}

/// The dims of both together; a 1 gives way.
fn broadcast(left: [usize; 4], right: [usize; 4]) -> [usize; 4] {
    std::array::from_fn(|axis| if left[axis] == 1 { right[axis] } else { left[axis] })
}
