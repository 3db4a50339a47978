//! Attention on burn's flex.

use super::ops::{AttentionOps, Gradients, Inputs, Maybe};
use super::slices::{self, Memory, Slices};
use super::{Options, fallback};
use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;

macro_rules! slices {
    ($($element:ty),*) => {$(
        impl Slices<$element> for Flex {
            fn memory(tensor: &FloatTensor<Self>) -> Option<Memory<'_, $element>> {
                let layout = tensor.layout();
                let data = tensor.storage::<$element>().get(layout.start_offset()..)?;
                Some(Memory { data, strides: layout.strides().to_vec() })
            }

            fn contiguous(tensor: FloatTensor<Self>) -> FloatTensor<Self> {
                tensor.to_contiguous()
            }
        }
    )*};
}

slices!(f32, f64);

impl AttentionOps for Flex {
    fn attention(inputs: Inputs<Self>, options: Options) -> (FloatTensor<Self>, FloatTensor<Self>) {
        slices::forward(inputs, &options)
    }

    fn attention_backward(
        inputs: Inputs<Self>,
        context: FloatTensor<Self>,
        statistics: FloatTensor<Self>,
        grad_context: Maybe<Self>,
        grad_log_sum_exp: Maybe<Self>,
        bias_gradient: bool,
        options: Options,
    ) -> Gradients<Self> {
        let saved = fallback::Saved { context, statistics, grad_context, grad_log_sum_exp };
        slices::backward(inputs, saved, bias_gradient, &options)
    }
}
