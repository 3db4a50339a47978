//! A gate: a number for each key.

use crate::mechanism::inputs::of_query_heads;
use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, FloatDType, Tensor};

/// A number for each key: `w · k + w₀`, by head.
#[derive(Module, Debug)]
pub struct Gate {
    /// `[kv_heads, d]`
    pub weight: Param<Tensor<2>>,
    /// `[kv_heads]`
    pub bias: Param<Tensor<1>>,
}

impl Gate {
    pub(super) fn new(d_head: usize, kv_heads: usize, bias: f64, device: &Device) -> Self {
        let bound = 1.0 / (d_head as f64).sqrt();
        let uniform = Initializer::Uniform { min: -bound, max: bound };
        Self {
            weight: uniform.init([kv_heads, d_head], device),
            bias: Initializer::Constant { value: bias }.init([kv_heads], device),
        }
    }

    /// `[b, g, k, d]` → `[b, g, k, 1]`; several heads of keys may be copies of one.
    pub(super) fn forward(&self, key: Tensor<4>) -> Tensor<4> {
        let [kv_heads, d] = self.weight.dims();
        let copies = key.dims()[1] / kv_heads;
        let dtype = FloatDType::from(key.dtype());
        let weight = self.weight.val().cast(dtype).reshape([1, kv_heads, 1, d]);
        let bias = self.bias.val().cast(dtype).reshape([1, kv_heads, 1, 1]);
        let [weight, bias] = [weight, bias].map(|x| of_query_heads(x, copies));
        (key * weight).sum_dim(3) + bias
    }
}
