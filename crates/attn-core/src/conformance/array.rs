//! Host arrays of rank 4.

use burn::tensor::{Bool, DType, Device, Tensor, TensorData};
use std::ops::{Index, IndexMut};

/// An index `[batch, head, row, column]`.
pub type At = [usize; 4];

/// An array of rank 4, row-major, in which a dimension of size 1 broadcasts: any index in it is 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Array<T> {
    dims: At,
    data: Vec<T>,
}

impl<T> Array<T> {
    /// The array whose element at each index is what `f` says.
    pub fn from_fn(dims: At, f: impl FnMut(At) -> T) -> Self {
        Self { dims, data: indices(dims).map(f).collect() }
    }

    /// The sizes.
    pub fn dims(&self) -> At {
        self.dims
    }

    /// Indices and elements in order.
    pub fn iter(&self) -> impl Iterator<Item = (At, &T)> {
        indices(self.dims).zip(&self.data)
    }

    fn offset(&self, at: At) -> usize {
        let mut offset = 0;
        for axis in 0..4 {
            let (size, i) = (self.dims[axis], at[axis]);
            assert!(size == 1 || i < size, "index {at:?} is outside of {:?}", self.dims);
            offset = offset * size + if size == 1 { 0 } else { i };
        }
        offset
    }
}

impl<T: Clone> Array<T> {
    /// The same value everywhere.
    pub fn filled(dims: At, value: T) -> Self {
        Self { dims, data: vec![value; dims.iter().product()] }
    }
}

impl Array<f64> {
    /// The array as a tensor of f32, which every device has.
    pub fn tensor(&self, device: &Device) -> Tensor<4> {
        let data: Vec<f32> = self.data.iter().map(|&x| x as f32).collect();
        Tensor::from_data(TensorData::new(data, self.dims), (device, DType::F32))
    }
}

impl Array<bool> {
    /// The array as a tensor.
    pub fn tensor(&self, device: &Device) -> Tensor<4, Bool> {
        Tensor::from_data(TensorData::new(self.data.clone(), self.dims), device)
    }
}

impl Array<f32> {
    /// What a tensor holds.
    ///
    /// # Panics
    /// If the device cannot be read.
    pub fn read(tensor: Tensor<4>) -> Self {
        let dims = tensor.dims();
        let data = tensor.try_into_vec_as::<f32>().expect("a tensor that can be read back");
        Self { dims, data }
    }

    /// Whether both hold the same bits.
    pub fn same_bits(&self, other: &Self) -> bool {
        let bits = |array: &Self| array.data.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        self.dims == other.dims && bits(self) == bits(other)
    }
}

impl<T> Index<At> for Array<T> {
    type Output = T;

    fn index(&self, at: At) -> &T {
        &self.data[self.offset(at)]
    }
}

impl<T> IndexMut<At> for Array<T> {
    fn index_mut(&mut self, at: At) -> &mut T {
        let offset = self.offset(at);
        &mut self.data[offset]
    }
}

/// All indices of an array, in row-major order.
pub fn indices([n0, n1, n2, n3]: At) -> impl Iterator<Item = At> {
    (0..n0 * n1 * n2 * n3).map(move |i| [i / n3 / n2 / n1, i / n3 / n2 % n1, i / n3 % n2, i % n3])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dimension_of_size_one_broadcasts() {
        let array = Array::from_fn([2, 1, 3, 1], |[b, _, i, _]| 10 * b + i);
        assert_eq!(array[[1, 4, 2, 7]], 12);
    }

    #[test]
    #[should_panic(expected = "index [0, 0, 3, 0] is outside of [2, 1, 3, 1]")]
    fn other_dimensions_do_not() {
        let _ = Array::filled([2, 1, 3, 1], 0)[[0, 0, 3, 0]];
    }

    #[test]
    fn tensors_come_back_as_they_went() {
        let array = Array::from_fn([2, 3, 5, 7], |[b, h, i, j]| (b + 10 * h + 100 * i + j) as f64);
        let read = Array::read(array.tensor(&Device::flex()));
        assert!(read.iter().all(|(at, &x)| f64::from(x) == array[at]));
    }
}
