//! Initial values of parameters.
//!
//! Projections are drawn as `torch.nn.Transformer` draws them (`_reset_parameters`): Xavier uniform
//! (Glorot & Bengio 2010, equation 16), biases zero. Tables of embeddings are drawn as fairseq's
//! `TransformerModel` does: normal with deviation `1 / sqrt(d_model)`. A row then has unit length,
//! so that the same table read by the output layer gives logits of unit variance, and scaled by
//! `sqrt(d_model)` at the input gives features of unit variance: tying one to the other does not
//! blow up either.

use burn::module::Param;
use burn::nn::{Embedding, Initializer, Linear};
use burn::tensor::{Device, Tensor};
use std::f64::consts::FRAC_1_SQRT_2;

/// Gain of the query, key and value projections: torch draws the three as one matrix
/// `[d_model, 3 · d_model]`, whose bound `sqrt(6 / (d + 3d))` is that of a square one over `√2`.
pub(crate) const GAIN_PACKED: f64 = FRAC_1_SQRT_2;

/// A linear layer with Xavier uniform weights and zero bias.
pub(crate) fn linear(dims: [usize; 2], bias: bool, gain: f64, device: &Device) -> Linear {
    let [d_input, d_output] = dims;
    let weight = Initializer::XavierUniform { gain };
    Linear {
        weight: weight.init_with(dims, Some(d_input), Some(d_output), device),
        bias: bias.then(|| Initializer::Zeros.init([d_output], device)),
    }
}

/// A table of embeddings, `[rows, d_model]`.
pub(crate) fn table(rows: usize, d_model: usize, device: &Device) -> Param<Tensor<2>> {
    embedding_initializer(d_model).init([rows, d_model], device)
}

/// Vectors of tokens, `[vocab, d_model]`.
pub(crate) fn embedding(vocab: usize, d_model: usize, device: &Device) -> Embedding {
    Embedding { weight: table(vocab, d_model, device) }
}

/// The output layer of a model whose logits have their own table.
pub(crate) fn head(d_model: usize, vocab: usize, device: &Device) -> Linear {
    let weight = embedding_initializer(d_model).init([d_model, vocab], device);
    Linear { weight, bias: None }
}

fn embedding_initializer(d_model: usize) -> Initializer {
    Initializer::Normal { mean: 0.0, std: 1.0 / (d_model as f64).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_to_vec().unwrap()
    }

    /// Of n uniform draws, the largest misses the bound by more than 1 % with probability 0.99^n,
    /// which is 10^-26 here.
    #[test]
    fn projections_fill_xaviers_bounds_and_biases_are_zero() {
        let device = Device::flex();
        for gain in [1.0, GAIN_PACKED] {
            let linear = linear([60, 100], true, gain, &device);
            let bound = (gain * (6.0 / 160.0_f64).sqrt()) as f32;
            let largest = values(linear.weight.val()).into_iter().map(f32::abs).fold(0.0, f32::max);
            assert!((0.99 * bound..=bound).contains(&largest), "{largest}, {bound}");
            assert_eq!(values(linear.bias.unwrap().val()), [0.0; 100]);
        }
    }

    /// A variance of n normal draws is off by `sqrt(2 / n)` of itself; six times that is one in
    /// 10^9.
    #[test]
    fn embeddings_and_heads_have_the_deviation_of_fairseq() {
        let device = Device::flex();
        let embedding = values(embedding(100, 64, &device).weight.val());
        let head = values(head(64, 100, &device).weight.val());
        for values in [embedding, head] {
            let n = values.len() as f32;
            let variance = values.iter().map(|x| x * x).sum::<f32>() / n;
            assert!((64.0 * variance - 1.0).abs() < 6.0 * (2.0 / n).sqrt(), "{variance}");
        }
    }
}
