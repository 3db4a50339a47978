//! A part of a tensor, without a copy.

#[cfg(feature = "ndarray")]
mod ops;

use burn::tensor::Tensor;

/// As burn's own `narrow`: `length` indices of a dimension, from `start` on.
///
/// burn's ndarray copies what it slices, which for the keys and values of all steps so far, once for
/// each step of a decoder, costs more than the step itself. Here they stay where they are.
///
/// # Panics
/// If the indices are not within the dimension.
///
/// ```
/// use attn_kernels::narrow::narrow;
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let part = narrow(Tensor::<3>::ones([2, 7, 5], &device), 1, 3, 2);
/// assert_eq!(part.dims(), [2, 2, 5]);
/// ```
pub fn narrow<const D: usize>(
    tensor: Tensor<D>,
    dim: usize,
    start: usize,
    length: usize,
) -> Tensor<D> {
    let dims = tensor.dims();
    assert!(
        dim < D && start + length <= dims[dim],
        "indices {start}..{} of dimension {dim} of {dims:?}",
        start + length
    );
    #[cfg(feature = "ndarray")]
    if ops::is_ndarray(&tensor) {
        return ops::narrow(tensor, dim, start, length);
    }
    tensor.narrow(dim, start, length)
}

#[cfg(all(test, any(feature = "ndarray", feature = "flex")))]
mod tests {
    use super::narrow;
    use crate::attention::{Options, attention};
    use crate::linear::linear;
    use burn::tensor::{Device, Distribution, Tensor};

    #[allow(deprecated)] // `Device::ndarray`
    fn devices() -> Vec<Device> {
        vec![
            #[cfg(feature = "flex")]
            Device::flex(),
            #[cfg(feature = "ndarray")]
            Device::ndarray(),
        ]
    }

    fn random<const D: usize>(dims: [usize; D], device: &Device) -> Tensor<D> {
        Tensor::random(dims, Distribution::Uniform(-1.0, 1.0), device)
    }

    /// What a kernel reads of a view is what it reads of a copy, bit for bit, at every edge.
    #[test]
    fn kernels_read_parts_where_they_are() {
        for device in devices() {
            let [b, h, q, k, d, m] = [2, 3, 1, 7, 4, 5];
            let (query, room) = (random([b, h, q, d], &device), random([b, h, k, d], &device));
            let weight = random([d, m], &device);
            for (start, length) in [(0, 3), (2, 5), (6, 1), (0, k)] {
                let part = narrow(room.clone(), 2, start, length);
                let copy = room.clone().narrow(2, start, length);
                assert_eq!(part.clone().into_data(), copy.clone().into_data());
                let attend = |keys: Tensor<4>| {
                    let options = Options::new(0.5);
                    attention(query.clone(), keys.clone(), keys, None, None, &options).into_data()
                };
                assert_eq!(attend(part.clone()), attend(copy.clone()));
                let map = |x: Tensor<4>| linear(x, weight.clone(), None).into_data();
                assert_eq!(map(part), map(copy));
            }
        }
    }

    /// Writing to a tensor while a view of it exists writes to a copy.
    #[test]
    fn writing_to_a_tensor_does_not_change_its_narrowed_part() {
        for device in devices() {
            let whole = random([3, 7], &device);
            let part = narrow(whole.clone(), 1, 2, 3);
            let before = part.clone().into_data();
            let changed = whole.slice_assign([0..3, 0..7], Tensor::zeros([3, 7], &device));
            assert_eq!(part.into_data(), before);
            assert_eq!(changed.sum().into_scalar::<f32>(), 0.0);
        }
    }

    #[test]
    fn its_gradient_is_that_of_the_part() {
        for device in devices() {
            let x = random([2, 5, 3], &device.autodiff()).require_grad();
            let gradients = narrow(x.clone(), 1, 1, 2).sum().backward();
            let gradient = x.grad(&gradients).expect("a gradient");
            let expected = [0.0, 1.0, 1.0, 0.0, 0.0].map(|g| [g; 3]);
            assert_eq!(
                gradient.try_into_vec_as::<f32>().expect("numbers"),
                [expected, expected].as_flattened().as_flattened()
            );
        }
    }

    #[test]
    #[should_panic(expected = "indices 3..6 of dimension 1 of [2, 5]")]
    fn indices_outside_are_refused() {
        _ = narrow(random([2, 5], &devices()[0]), 1, 3, 3);
    }
}
