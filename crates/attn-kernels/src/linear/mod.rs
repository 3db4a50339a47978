//! The linear map `x W + b`, differentiable.

#[cfg(any(feature = "ndarray", feature = "flex"))]
pub(crate) mod ops;

#[cfg(any(feature = "ndarray", feature = "flex"))]
use crate::kernels::has_kernels;
use burn::tensor::{Tensor, assert_shape, module};

/// `x W + b` of the last dimension.
///
/// As burn's own [`linear`](module::linear), the meaning of "correct" and what runs on every device
/// without a kernel. The kernel treats all leading dimensions as rows of one matrix, forwards and
/// backwards, and reads `W` in whichever direction it lies in memory, so that a transposed table of
/// embeddings is not copied.
///
/// # Shapes
/// - `x`: `[.., d_input]`
/// - `weight`: `[d_input, d_output]`
/// - `bias`: `[d_output]`
/// - result: `[.., d_output]`
///
/// # Panics
/// If the widths do not fit.
///
/// ```
/// use attn_kernels::linear::linear;
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let weight = Tensor::<2>::ones([5, 7], &device);
/// let y = linear(Tensor::<3>::ones([2, 3, 5], &device), weight, None);
/// assert_eq!(y.dims(), [2, 3, 7]);
/// ```
pub fn linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    check(&x, &weight, bias.as_ref());
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if has_kernel(&x, &weight, bias.as_ref()) {
        return ops::linear(x, weight, bias, false);
    }
    module::linear(x, weight, bias)
}

/// [`linear`], of which the result of a row does not depend on how many rows there are, to the last bit, where
/// a kernel computes it: a sequence has the same result alone and in a batch.
///
/// [`linear`] sums in the order that is fastest for the number of rows. Here a single row costs what two do, and a
/// weight that lies by columns is copied.
///
/// # Shapes
/// - as [`linear`]
///
/// # Panics
/// As [`linear`].
///
/// ```
/// use attn_kernels::linear::row_invariant_linear;
/// use burn::tensor::{Device, Distribution, Tensor};
///
/// let device = Device::default();
/// let random = |dims| Tensor::<2>::random(dims, Distribution::Default, &device);
/// let (x, weight) = (random([3, 700]), random([700, 5]));
/// let all = row_invariant_linear(x.clone(), weight.clone(), None);
/// let first = row_invariant_linear(x.narrow(0, 0, 1), weight, None);
/// assert_eq!(all.narrow(0, 0, 1).into_data(), first.into_data());
/// ```
pub fn row_invariant_linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    check(&x, &weight, bias.as_ref());
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if has_kernel(&x, &weight, bias.as_ref()) {
        return ops::linear(x, weight, bias, true);
    }
    module::linear(x, weight, bias)
}

/// [`linear`] maps of one tensor, each by a weight and a bias of its own: query, key and value of
/// the same steps, or a gate and what it multiplies.
///
/// The results and their gradients are those of one after the other. What is different is the
/// gradient of `x`: each map adds its own to those of the others as it computes it, in place of
/// matrices of their own that are added afterwards.
///
/// # Shapes
/// - `x`: `[.., d_input]`
/// - of each map, as [`linear`]
///
/// # Panics
/// If the widths do not fit.
///
/// ```
/// use attn_kernels::linear::linear_maps;
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let maps = [7, 4].map(|d_output| (Tensor::<2>::ones([5, d_output], &device), None));
/// let [y, z] = linear_maps(Tensor::<3>::ones([2, 3, 5], &device), maps);
/// assert_eq!((y.dims(), z.dims()), ([2, 3, 7], [2, 3, 4]));
/// ```
pub fn linear_maps<const D: usize, const N: usize>(
    x: Tensor<D>,
    maps: [(Tensor<2>, Option<Tensor<1>>); N],
) -> [Tensor<D>; N] {
    for (weight, bias) in &maps {
        check(&x, weight, bias.as_ref());
    }
    #[cfg(any(feature = "ndarray", feature = "flex"))]
    if maps.iter().all(|(weight, bias)| has_kernel(&x, weight, bias.as_ref())) {
        return ops::linear_maps(x, maps);
    }
    maps.map(|(weight, bias)| module::linear(x.clone(), weight, bias))
}

/// # Panics
/// If the widths do not fit.
fn check<const D: usize>(x: &Tensor<D>, weight: &Tensor<2>, bias: Option<&Tensor<1>>) {
    let [d_input, d_output] = weight.dims();
    assert_shape!(x, [.., d_input]);
    if let Some(bias) = bias {
        assert_shape!(bias, [d_output]);
    }
}

#[cfg(any(feature = "ndarray", feature = "flex"))]
fn has_kernel<const D: usize>(x: &Tensor<D>, weight: &Tensor<2>, bias: Option<&Tensor<1>>) -> bool {
    weight.dims()[1] > 0 && has_kernels(x) && has_kernels(weight) && bias.is_none_or(has_kernels)
}
