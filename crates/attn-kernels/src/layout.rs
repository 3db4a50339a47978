//! Tensors of four dimensions in memory: those that kernels read, and those that they make.

/// A tensor of four dimensions somewhere in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a, T> {
    /// From the element at index 0 of each dimension; reaches to the last element at least.
    pub(crate) data: &'a [T],
    pub(crate) shape: [usize; 4],
    /// Distance in memory from an index to the next, 0 where a dimension is broadcast.
    pub(crate) strides: [usize; 4],
}

/// A tensor that a kernel made.
#[derive(Debug)]
pub(crate) struct Output<T> {
    pub(crate) data: Vec<T>,
    /// `[batch, heads, steps, width]`
    pub(crate) shape: [usize; 4],
    /// Whether it lies in memory as `[batch, steps, heads, width]`: the order of what it belongs to,
    /// so that a layer that splits a row of features into heads gets the row back without a copy.
    pub(crate) heads_inside: bool,
}

impl<T> Output<T> {
    /// The shape of which the data are in order.
    pub(crate) fn shape_in_memory(&self) -> [usize; 4] {
        let [batch, heads, steps, width] = self.shape;
        if self.heads_inside { [batch, steps, heads, width] } else { self.shape }
    }
}
