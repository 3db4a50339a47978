//! Cutting a tensor into many parts.

use burn::tensor::Tensor;

/// The parts of `size` along the third dimension, in order; the last may be shorter.
///
/// On a device with autodiff by halves, because the gradient of a slice is as large as what it was cut
/// from: so that of all `n` parts together costs `log n` times the whole, not `n` times.
pub(crate) fn cut(x: Tensor<4>, size: usize) -> Vec<Tensor<4>> {
    let length = x.dims()[2];
    let parts = length.div_ceil(size);
    if parts <= 1 {
        return vec![x];
    }
    if !x.device().is_autodiff() {
        let part = |n: usize| n * size..((n + 1) * size).min(length);
        return (0..parts).map(|n| x.clone().slice_dim(2, part(n))).collect();
    }
    let middle = parts / 2 * size;
    let mut all = cut(x.clone().slice_dim(2, 0..middle), size);
    all.extend(cut(x.slice_dim(2, middle..length), size));
    all
}

/// What is left behind the first `start` rows of the third dimension.
pub(crate) fn behind(x: Tensor<4>, start: usize) -> Tensor<4> {
    let length = x.dims()[2];
    if start == 0 { x } else { x.slice_dim(2, start..length) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Int};

    #[test]
    fn the_parts_are_the_whole_with_and_without_a_gradient() {
        for device in [Device::flex(), Device::flex().autodiff()] {
            for (length, size) in [(1, 3), (3, 3), (4, 3), (11, 3), (12, 3), (7, 1)] {
                let x = Tensor::<1, Int>::arange(0..2 * length as i64, &device).float();
                let x: Tensor<4> = x.reshape([1, 1, length, 2]);
                let parts = cut(x.clone(), size);
                let expected = |n: usize| size.min(length - n * size);
                assert_eq!(parts.len(), length.div_ceil(size));
                assert!(parts.iter().enumerate().all(|(n, part)| part.dims()[2] == expected(n)));
                assert_eq!(Tensor::cat(parts, 2).into_data(), x.into_data());
            }
        }
    }
}
