//! Rows of a table, looked up by their numbers, differentiable.

#[cfg(any(feature = "ndarray", feature = "flex"))]
mod ops;

#[cfg(any(feature = "ndarray", feature = "flex"))]
use crate::kernels::has_kernels;
use burn::tensor::{Int, Tensor, module};

/// The rows of a table that `ids` name.
///
/// As burn's own [`embedding`](module::embedding), the meaning of "correct" and what runs on every
/// device without a kernel. The gradient of the table is written once, on all threads, each of them
/// with rows of its own; a row that several ids name is the sum of their gradients in the order of
/// the ids, whatever the number of threads.
///
/// # Shapes
/// - `table`: `[v, m]`
/// - `ids`: `[b, s]`
/// - result: `[b, s, m]`
///
/// # Panics
/// If an id is not below `v`. Where there is no kernel, that is left to the device.
///
/// ```
/// use attn_kernels::embedding::embedding;
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let table = Tensor::<2>::from_floats([[0.5, 1.0], [2.0, 3.0]], &device);
/// let rows = embedding(table, Tensor::from_ints([[1, 0, 1]], &device));
/// assert_eq!(rows.dims(), [1, 3, 2]);
/// assert_eq!(rows.into_data().try_to_vec::<f32>().unwrap(), [2.0, 3.0, 0.5, 1.0, 2.0, 3.0]);
/// ```
pub fn embedding(table: Tensor<2>, ids: Tensor<2, Int>) -> Tensor<3> {
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if table.dims().into_iter().chain(ids.dims()).all(|size| size > 0) && has_kernels(&table) {
        return ops::embedding(table, ids);
    }
    module::embedding(table, ids)
}
