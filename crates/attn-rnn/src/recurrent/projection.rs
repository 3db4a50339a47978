//! The linear map into the gates of a cell.

use super::init;
use crate::config::LAYER_NORM_EPSILON;
use attn_kernels::linear::row_invariant_linear;
use attn_kernels::norm::layer_norm;
use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor, assert_shape};

/// `x W + b`; with layer norm `LN(x W) ⊙ g + b` (Ba, Kiros & Hinton 2016, equation 20).
///
/// A row's result does not depend on what other rows there are, to the last bit, where the kernels of
/// `attn-kernels` compute it.
#[derive(Module, Debug)]
pub struct Projection {
    /// `W`, `[d_input, gates · d_hidden]`
    pub weight: Param<Tensor<2>>,
    /// `b`, `[gates · d_hidden]`
    pub bias: Option<Param<Tensor<1>>>,
    /// `g`, `[gates · d_hidden]`, initially one; only with layer norm.
    pub gain: Option<Param<Tensor<1>>>,
}

impl Projection {
    pub(super) fn new(
        weight: Param<Tensor<2>>,
        bias: Option<Param<Tensor<1>>>,
        layer_norm: bool,
        device: &Device,
    ) -> Self {
        let [_, width] = weight.dims();
        let gain = layer_norm.then(|| Initializer::Ones.init([width], device));
        Self { weight, bias, gain }
    }

    /// Of the states of a cell with so many gates, and nothing else.
    pub(super) fn recurrent(
        d_hidden: usize,
        gates: usize,
        bias: bool,
        layer_norm: bool,
        device: &Device,
    ) -> Self {
        let bias = bias.then(|| init::bias(gates * d_hidden, 0..0, device));
        Self::new(init::recurrent_weight(d_hidden, gates, device), bias, layer_norm, device)
    }

    /// # Shapes
    /// - `x`: `[.., d_input]`
    /// - result: `[.., gates · d_hidden]`
    ///
    /// # Panics
    /// If `x` is not `d_input` wide.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let [d_input, width] = self.weight.dims();
        assert_shape!(x, [.., d_input]);
        let bias = self.bias.as_ref().map(|bias| bias.val());
        match &self.gain {
            None => row_invariant_linear(x, self.weight.val(), bias),
            Some(gain) => {
                let projected = row_invariant_linear(x, self.weight.val(), None);
                let none = || Tensor::zeros([width], (&projected.device(), projected.dtype()));
                let beta = bias.unwrap_or_else(none);
                layer_norm(projected, gain.val(), beta, LAYER_NORM_EPSILON)
            }
        }
    }
}
