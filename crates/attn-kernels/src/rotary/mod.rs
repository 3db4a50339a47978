//! Rotary positions: "RoFormer", Su et al. 2021.

#[cfg(any(feature = "ndarray", feature = "flex"))]
mod ops;
pub mod twin;

#[cfg(any(feature = "ndarray", feature = "flex"))]
use crate::kernels::has_kernels;
use burn::tensor::{Tensor, assert_shape};

pub use crate::parameters::Pairing;

/// Rotates each pair of features `(x, y)` by an angle, to `(x cos - y sin, y cos + x sin)` (Su et al.
/// 2021, equation 34).
///
/// Differentiable in `x`; the angles are constants. The result lies in memory as `x` does, heads
/// inside of steps or outside, and nothing is copied to get there. [`twin::rotate`] says what is
/// computed, and runs where there is no kernel.
///
/// # Shapes
/// - `x` and result: `[batch, heads, steps, d]`
/// - `cos` and `sin`: `[batch | 1, 1, steps, d / 2]`
///
/// # Panics
/// If the shapes do not fit.
///
/// ```
/// use attn_kernels::rotary::{Pairing, rotate};
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let x = Tensor::<4>::from_floats([[[[1.0, 2.0]]]], &device);
/// // By a right angle.
/// let [cos, sin] = [0.0, 1.0].map(|number| Tensor::<4>::from_floats([[[[number]]]], &device));
/// let rotated = rotate(x, cos, sin, Pairing::HalfSplit);
/// assert_eq!(rotated.into_data().try_to_vec::<f32>().unwrap(), [-2.0, 1.0]);
/// ```
pub fn rotate(x: Tensor<4>, cos: Tensor<4>, sin: Tensor<4>, pairing: Pairing) -> Tensor<4> {
    let [rows, _, steps, half] = cos.dims();
    let [batch, ..] = x.dims();
    assert_shape!(x, [_, _, steps, 2 * half]);
    assert_shape!(cos, [_, 1, steps, half]);
    assert_shape!(sin, [rows, 1, steps, half]);
    assert!(rows == 1 || rows == batch, "{rows} rows of angles for a batch of {batch}");
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if has_kernels(&x) && has_kernels(&cos) && has_kernels(&sin) && x.shape().num_elements() > 0 {
        return ops::rotate(x, cos, sin, pairing);
    }
    twin::rotate(x, cos, sin, pairing)
}
