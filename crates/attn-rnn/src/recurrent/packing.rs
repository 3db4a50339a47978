//! Batches of sequences of different length, without their padding.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

/// A batch in the order of its lengths, the longest first: then the rows that have a step are always
/// the first ones, and no padding is ever computed with.
#[derive(Clone, Debug)]
pub(super) struct Packing {
    /// Lengths in that order.
    lengths: Vec<usize>,
    /// Of each row in that order, where it was; `None` if all are where they were.
    order: Option<Vec<usize>>,
}

impl Packing {
    pub fn new(lengths: &[usize]) -> Self {
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        order.sort_by_key(|&row| std::cmp::Reverse(lengths[row]));
        let sorted = order.iter().map(|&row| lengths[row]).collect();
        let moved = !order.iter().copied().eq(0..lengths.len());
        Self { lengths: sorted, order: moved.then_some(order) }
    }

    /// Steps of the longest sequence.
    pub fn steps(&self) -> usize {
        self.lengths.first().copied().unwrap_or(0)
    }

    /// In their order.
    pub fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// Rows of a batch, as it came, in the order of their lengths.
    pub fn sort<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        match &self.order {
            None => x,
            Some(order) => {
                let index = index(order, &x.device());
                x.select(0, index)
            }
        }
    }

    /// The inverse of [`sort`](Self::sort).
    pub fn unsort<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        match &self.order {
            None => x,
            Some(order) => {
                let mut back = vec![0; order.len()];
                order.iter().enumerate().for_each(|(to, &from)| back[from] = to);
                let index = index(&back, &x.device());
                x.select(0, index)
            }
        }
    }

    /// Inputs `[b, s, d]` with 0 in place of padding, which may hold anything: in the gradient of the
    /// weights it is multiplied by 0, and 0 · NaN is NaN.
    pub fn without_padding(&self, x: Tensor<3>) -> Tensor<3> {
        let dims @ [_, steps, _] = x.dims();
        if self.lengths.iter().all(|&length| length == steps) {
            return x;
        }
        let padding = is_padding(&self.lengths, steps, &x.device().without_autodiff());
        x.mask_fill(padding.expand(dims), 0.0)
    }
}

/// Which steps are behind their sequence's end, `[b, s, 1]`.
fn is_padding(lengths: &[usize], steps: usize, device: &Device) -> Tensor<3, Bool> {
    let marks: Vec<bool> =
        lengths.iter().flat_map(|&length| (0..steps).map(move |step| step >= length)).collect();
    Tensor::from_data(TensorData::new(marks, [lengths.len(), steps, 1]), device)
}

/// Row numbers, where a tensor selects by them.
pub(crate) fn index(rows: &[usize], device: &Device) -> Tensor<1, Int> {
    let rows: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
    let count = rows.len();
    Tensor::from_data(TensorData::new(rows, [count]), device)
}

/// # Panics
/// If there is not one length for each row, or one is more than the steps.
#[track_caller]
pub(super) fn assert_lengths(lengths: &[usize], batch: usize, steps: usize) {
    assert_eq!(lengths.len(), batch, "{} lengths for {batch} rows", lengths.len());
    if let Some(row) = lengths.iter().position(|&length| length > steps) {
        panic!("row {row} has length {}, more than its {steps} steps", lengths[row]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_go_by_length_and_come_back() {
        let packing = Packing::new(&[2, 5, 0, 5]);
        assert_eq!(packing.steps(), 5);
        assert_eq!(packing.lengths(), [5, 5, 2, 0]);
        let x = Tensor::<2>::from_floats([[0.0], [1.0], [2.0], [3.0]], &Device::flex());
        let sorted = packing.sort(x.clone());
        let values = |x: Tensor<2>| x.into_data().iter::<f32>().collect::<Vec<_>>();
        assert_eq!(values(sorted.clone()), [1.0, 3.0, 0.0, 2.0]);
        assert_eq!(values(packing.unsort(sorted)), values(x));
    }

    #[test]
    #[should_panic(expected = "row 1 has length 6, more than its 5 steps")]
    fn a_sequence_is_not_longer_than_its_row() {
        assert_lengths(&[5, 6], 2, 5);
    }

    #[test]
    #[should_panic(expected = "3 lengths for 2 rows")]
    fn lengths_are_one_per_row() {
        assert_lengths(&[5, 6, 1], 2, 9);
    }
}
