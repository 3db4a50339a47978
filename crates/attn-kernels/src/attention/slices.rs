//! Attention on the processor backends: from their tensors to what the kernels take, and back.
#![allow(deprecated)] // burn's ndarray, in favor of flex.

use super::fallback;
use super::ops::AttentionOps;
use super::precision::{Storage, cast, compute_dtype, widen};
use super::sizes::Sizes;
use super::tensors::{Gradients, Inputs};
use crate::cpu::{self, Problem, Real};
use crate::maybe::Maybe;
use crate::parameters::Options;
use crate::slices::{
    SliceBackend, contiguous, for_slice_backends, output_tensor, slice, tensor, view,
    with_contiguous_rows,
};
use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{DType, Element};

for_slice_backends!(AttentionOps {
    fn attention(inputs: Inputs<Self>, options: Options) -> (FloatTensor<Self>, FloatTensor<Self>) {
        forward(inputs, &options)
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
        backward(inputs, saved, bias_gradient, &options)
    }
});

fn forward<B: SliceBackend<f32> + SliceBackend<f64>>(
    inputs: Inputs<B>,
    options: &Options,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let storage = inputs.query.dtype();
    if Sizes::of(&inputs).is_empty() {
        return fallback::forward(inputs, options);
    }
    let inputs = widen(inputs);
    let (context, statistics) = match inputs.query.dtype() {
        DType::F32 => forward_as::<B, f32>(inputs, options),
        DType::F64 => forward_as::<B, f64>(inputs, options),
        _ => fallback::forward(inputs, options),
    };
    (cast::<B>(context, storage), statistics)
}

fn backward<B: SliceBackend<f32> + SliceBackend<f64>>(
    inputs: Inputs<B>,
    saved: fallback::Saved<B>,
    bias_gradient: bool,
    options: &Options,
) -> Gradients<B> {
    if Sizes::of(&inputs).is_empty() {
        return fallback::backward(inputs, saved, bias_gradient, options);
    }
    let storage = Storage::of(&inputs);
    let dtype = compute_dtype(inputs.query.dtype());
    let inputs = widen(inputs);
    let saved = fallback::Saved {
        context: cast::<B>(saved.context, dtype),
        grad_context: saved.grad_context.map(|gradient| cast::<B>(gradient, dtype)),
        ..saved
    };
    let gradients = match dtype {
        DType::F32 => backward_as::<B, f32>(inputs, saved, bias_gradient, options),
        DType::F64 => backward_as::<B, f64>(inputs, saved, bias_gradient, options),
        _ => fallback::backward(inputs, saved, bias_gradient, options),
    };
    storage.narrow(gradients)
}

fn forward_as<B: SliceBackend<T>, T: Real + Element>(
    inputs: Inputs<B>,
    options: &Options,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let device = inputs.query.device();
    let [batch, heads, queries, _] = inputs.query.shape().dims();
    let inputs = in_kernel_layout::<B, T>(inputs);
    let (context, statistics) = cpu::forward(&problem::<B, T>(&inputs, options));
    let statistics = tensor::<B, T>(statistics, [2, batch, heads, queries], &device);
    (output_tensor::<B, T>(context, &device), statistics)
}

fn backward_as<B: SliceBackend<T>, T: Real + Element>(
    inputs: Inputs<B>,
    saved: fallback::Saved<B>,
    bias_gradient: bool,
    options: &Options,
) -> Gradients<B> {
    let device = inputs.query.device();
    let inputs = in_kernel_layout::<B, T>(inputs);
    let context = with_contiguous_rows::<B, T>(saved.context);
    let statistics = contiguous::<B, T>(saved.statistics);
    let grad_context: Maybe<B> = saved.grad_context.map(with_contiguous_rows::<B, T>);
    let grad_log_sum_exp: Maybe<B> = saved.grad_log_sum_exp.map(contiguous::<B, T>);
    let saved = cpu::Saved {
        context: view::<B, T>(&context),
        statistics: slice::<B, T>(&statistics),
        grad_context: grad_context.as_ref().map(view::<B, T>),
        grad_log_sum_exp: grad_log_sum_exp.as_ref().map(slice::<B, T>),
        bias_gradient,
    };
    let gradients = cpu::backward(&problem::<B, T>(&inputs, options), &saved);
    let like = |data: Option<Vec<T>>, input: &Maybe<B>| match (data, input) {
        (Some(data), Maybe::Present(input)) => {
            Maybe::Present(tensor::<B, T>(data, input.shape(), &device))
        }
        _ => Maybe::Absent,
    };
    Gradients {
        query: output_tensor::<B, T>(gradients.query, &device),
        key: output_tensor::<B, T>(gradients.key, &device),
        value: output_tensor::<B, T>(gradients.value, &device),
        bias: like(gradients.bias, &inputs.bias),
        sink: like(gradients.sink, &inputs.sink),
    }
}

/// The problem for the kernel, of inputs that are [in its layout](in_kernel_layout).
fn problem<'a, B: SliceBackend<T>, T>(
    inputs: &'a Inputs<B>,
    options: &'a Options,
) -> Problem<'a, T> {
    Problem {
        query: view::<B, T>(&inputs.query),
        key: view::<B, T>(&inputs.key),
        value: view::<B, T>(&inputs.value),
        bias: inputs.bias.as_ref().map(view::<B, T>),
        sink: inputs.sink.as_ref().map(slice::<B, T>),
        options,
    }
}

/// Copies what the kernel cannot read as it is.
fn in_kernel_layout<B: SliceBackend<T>, T: Element>(inputs: Inputs<B>) -> Inputs<B> {
    Inputs {
        query: with_contiguous_rows::<B, T>(inputs.query),
        key: with_contiguous_rows::<B, T>(inputs.key),
        value: with_contiguous_rows::<B, T>(inputs.value),
        bias: inputs.bias.map(with_contiguous_rows::<B, T>),
        sink: inputs.sink.map(contiguous::<B, T>),
    }
}
