//! Consecutive numbers, to compare with positions.

use burn::tensor::{FloatDType, Int, Tensor};
use std::ops::Range;

/// The numbers of `range`, of the kind and on the device of `like`.
pub(super) fn range(range: Range<i64>, like: &Tensor<4>) -> Tensor<1> {
    let device = like.device().without_autodiff();
    Tensor::<1, Int>::arange(range, &device).float().cast(FloatDType::from(like.dtype()))
}
