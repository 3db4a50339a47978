//! Linear layers and tables of embeddings.

use attn_kernels::linear::row_invariant_linear;
use burn::module::Param;
use burn::nn::{Embedding, Initializer, Linear};
use burn::tensor::{Device, Tensor};

/// Weights of Glorot & Bengio's (2010) uniform distribution, a bias of zero.
pub(crate) fn new([d_input, d_output]: [usize; 2], bias: bool, device: &Device) -> Linear {
    let weight = Initializer::XavierUniform { gain: 1.0 };
    Linear {
        weight: weight.init_with([d_input, d_output], Some(d_input), Some(d_output), device),
        bias: bias.then(|| Initializer::Zeros.init([d_output], device)),
    }
}

/// Vectors of tokens, `[vocab, width]`, of unit variance, for which the weights behind them are drawn.
pub(crate) fn embedding(vocab: usize, width: usize, device: &Device) -> Embedding {
    let draw = Initializer::Normal { mean: 0.0, std: 1.0 };
    Embedding { weight: draw.init([vocab, width], device) }
}

/// `x W + b`, of each row for itself.
///
/// # Shapes
/// - `x`: `[.., d_input]`
/// - result: `[.., d_output]`
pub(crate) fn apply<const D: usize>(layer: &Linear, x: Tensor<D>) -> Tensor<D> {
    row_invariant_linear(x, layer.weight.val(), layer.bias.as_ref().map(Param::val))
}
