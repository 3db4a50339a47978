//! Attention.

use super::cases::{Tensors, assert_close, cases, numbers};
use attn_kernels::attention::{attention_with_lse, twin};
use burn::tensor::{DType, Device, Tensor};

#[test]
fn attention_is_its_twin() {
    let (here, there) = (Device::flex(), Device::wgpu(Default::default()));
    for case in cases() {
        let tensors = case.tensors(&here, DType::F32);
        let move_to = |tensor: &Tensor<4>| tensor.clone().to_device(&there);
        let moved = Tensors {
            query: move_to(&tensors.query),
            key: move_to(&tensors.key),
            value: move_to(&tensors.value),
            bias: tensors.bias.as_ref().map(move_to),
            sink: tensors.sink.clone().map(|sink| sink.to_device(&there)),
            grad_context: move_to(&tensors.grad_context),
            grad_log_sum_exp: tensors.grad_log_sum_exp.clone().to_device(&there),
        };
        let run = |tensors: &Tensors, on_gpu: bool| {
            let leaf = |tensor: &Tensor<4>| tensor.clone().autodiff().require_grad();
            let query = leaf(&tensors.query);
            let (key, value) = (leaf(&tensors.key), leaf(&tensors.value));
            let bias = tensors.bias.as_ref().map(leaf);
            let sink = tensors.sink.clone().map(|sink| sink.autodiff().require_grad());
            let run = if on_gpu { attention_with_lse } else { twin::attention };
            let (context, lse) = run(
                query.clone(),
                key.clone(),
                value.clone(),
                bias.clone(),
                sink.clone(),
                &case.options,
            );
            let loss = (context.clone() * tensors.grad_context.clone()).sum()
                + (lse.clone() * tensors.grad_log_sum_exp.clone()).sum();
            let grads = loss.backward();
            let of = |leaf: Tensor<4>| numbers(leaf.grad(&grads).expect("a gradient"));
            [
                numbers(context.inner()),
                numbers(lse.inner()),
                of(query),
                of(key),
                of(value),
                bias.map(of).unwrap_or_default(),
                sink.map(|s| numbers(s.grad(&grads).expect("a gradient"))).unwrap_or_default(),
            ]
        };
        let (found, expected) = (run(&moved, true), run(&tensors, false));
        for (part, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let what = format!("{} {:?}: part {part}", case.name, case.sizes);
            // WGSL lets `exp` be off by 3 + 2 |x| units, and |x| is below 2⁴ here.
            let tolerance = case.tolerance(f32::EPSILON.into()) * 35.0;
            assert_close(&what, found, expected, tolerance);
        }
    }
}
