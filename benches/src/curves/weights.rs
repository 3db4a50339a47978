//! The parameters of a decoder-only model under the names and in the layout of `peers/pytorch.py`.

use attn_transformer::{DecoderOnly, MultiHeadAttention, Norm};
use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::Tensor;
use serde::Serialize;

/// One parameter of the model in PyTorch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Weight {
    /// Its name there.
    pub name: String,
    /// Its dimensions there.
    pub shape: Vec<usize>,
    /// Row-major.
    #[serde(skip)]
    pub values: Vec<f32>,
}

/// All parameters of `model`.
pub fn weights(model: &DecoderOnly) -> Vec<Weight> {
    let mut all = All(Vec::new());
    all.push("tokens.weight", model.embedding.weight.val());
    if let Some(table) = &model.input.learned {
        all.push("positions.weight", table.val());
    }
    for (index, block) in model.stack.blocks.iter().enumerate() {
        let name = |part: &str| format!("layers.layers.{index}.{part}");
        all.norm(&name("norm1"), &block.norm_attention);
        all.attention(&name("self_attn"), &block.attention);
        all.norm(&name("norm2"), &block.norm_feed_forward);
        all.linear(&name("linear1"), &block.feed_forward.up);
        all.linear(&name("linear2"), &block.feed_forward.down);
    }
    if let Some(norm) = &model.stack.norm {
        all.norm("layers.norm", norm);
    }
    if let Some(head) = &model.head {
        all.linear("head", head);
    }
    all.0
}

struct All(Vec<Weight>);

impl All {
    fn push<const D: usize>(&mut self, name: impl Into<String>, tensor: Tensor<D>) {
        let shape = tensor.dims().to_vec();
        let values = tensor.into_data().iter::<f32>().collect();
        self.0.push(Weight { name: name.into(), shape, values });
    }

    fn norm(&mut self, name: &str, norm: &Norm) {
        self.push(format!("{name}.weight"), norm.gamma.val());
        self.bias(name, norm.beta.as_ref());
    }

    /// PyTorch's matrix is the transpose.
    fn linear(&mut self, name: &str, linear: &Linear) {
        self.push(format!("{name}.weight"), linear.weight.val().transpose());
        self.bias(name, linear.bias.as_ref());
    }

    fn bias(&mut self, name: &str, bias: Option<&Param<Tensor<1>>>) {
        if let Some(bias) = bias {
            self.push(format!("{name}.bias"), bias.val());
        }
    }

    /// PyTorch has the matrices of queries, keys and values as one, below one another.
    fn attention(&mut self, name: &str, attention: &MultiHeadAttention) {
        let packed = [&attention.query, &attention.key, &attention.value];
        let matrices = packed.map(|linear| linear.weight.val().transpose()).to_vec();
        self.push(format!("{name}.in_proj_weight"), Tensor::cat(matrices, 0));
        let biases = packed.into_iter().filter_map(|linear| linear.bias.as_ref());
        let biases: Vec<_> = biases.map(Param::val).collect();
        if !biases.is_empty() {
            self.push(format!("{name}.in_proj_bias"), Tensor::cat(biases, 0));
        }
        self.linear(&format!("{name}.out_proj"), &attention.output);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curves::SETTING;
    use crate::ours::decoder_only;
    use crate::{device, setting::Setting};
    use burn::module::Module;

    fn model() -> DecoderOnly {
        let setting = Setting { layers: 2, width: 4, heads: 2, feed_forward: 6, ..SETTING };
        decoder_only(&setting, &device::default().device)
    }

    #[test]
    fn every_parameter_is_handed_over_once() {
        let model = model();
        let weights = weights(&model);
        let count: usize = weights.iter().map(|weight| weight.values.len()).sum();
        assert_eq!(count, model.num_params());
        let mut names: Vec<_> = weights.into_iter().map(|weight| weight.name).collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn matrices_are_transposed_and_those_of_attention_lie_below_one_another() {
        let model = model();
        let weights = weights(&model);
        let find = |name: &str| weights.iter().find(|weight| weight.name == name).unwrap();
        let up = find("layers.layers.1.linear1.weight");
        let expected: Vec<f32> =
            model.stack.blocks[1].feed_forward.up.weight.val().into_data().iter().collect();
        assert_eq!(up.shape, [6, 4]);
        assert_eq!(up.values[4 + 2], expected[2 * 6 + 1]);
        let packed = find("layers.layers.0.self_attn.in_proj_weight");
        let value: Vec<f32> =
            model.stack.blocks[0].attention.value.weight.val().into_data().iter().collect();
        assert_eq!(packed.shape, [12, 4]);
        assert_eq!(packed.values[(8 + 3) * 4 + 1], value[4 + 3]);
    }
}
