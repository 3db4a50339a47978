//! The functions that the suite checks.

use crate::{AttendOptions, Attended, DropoutMask, Mask};
use burn::tensor::Tensor;

/// The functions that the law is about. What is not overridden is this crate's.
pub trait Attention {
    /// As [`attend`](crate::attend).
    fn attend(
        &self,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        mask: &Mask,
        options: &AttendOptions,
    ) -> Tensor<4> {
        crate::attend(query, key, value, mask, options)
    }

    /// As [`attend_with_lse`](crate::attend_with_lse).
    fn attend_with_lse(
        &self,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        mask: &Mask,
        options: &AttendOptions,
    ) -> (Tensor<4>, Tensor<3>) {
        crate::attend_with_lse(query, key, value, mask, options)
    }

    /// As [`attend_with_weights`](crate::attend_with_weights).
    fn attend_with_weights(
        &self,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        mask: &Mask,
        options: &AttendOptions,
    ) -> Attended {
        crate::attend_with_weights(query, key, value, mask, options)
    }

    /// As [`align`](crate::align).
    fn align(
        &self,
        scores: Tensor<4>,
        value: Tensor<4>,
        mask: &Mask,
        dropout: Option<DropoutMask>,
    ) -> Attended {
        crate::align(scores, value, mask, dropout)
    }
}

/// This crate's attention.
#[derive(Clone, Copy, Debug, Default)]
pub struct Library;

impl Attention for Library {}
