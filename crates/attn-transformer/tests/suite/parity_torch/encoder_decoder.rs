//! `torch.nn.Transformer`, between embeddings with sinusoidal positions and a vocabulary
//! projection. How final norms are compared is written in `torch_reference.py`.

use super::reference::{Reference, References, devices, find, gradient, load, load_linear};
use attn_core::Mask;
use attn_transformer::{
    Activation, BlockConfig, EncoderDecoder, EncoderDecoderConfig, FeedForward, MultiHeadAttention,
    Norm, NormOrder, Tying,
};
use burn::module::Param;
use burn::nn::{Embedding, Linear};
use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct File {
    sizes: Sizes,
    parameters: References,
    source: Vec<Vec<i64>>,
    lengths: Vec<usize>,
    target: Vec<Vec<i64>>,
    probe: Reference,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Sizes {
    heads: usize,
    width: usize,
    feed_forward: usize,
    layers: usize,
    source_vocabulary: usize,
    target_vocabulary: usize,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    norm_first: bool,
    activation: Activation,
    encoded: Reference,
    logits: Reference,
    gradients: References,
    gradient_norms: BTreeMap<String, f64>,
}

fn file() -> File {
    serde_json::from_str(include_str!("../../data/transformer.json")).unwrap()
}

fn config(sizes: &Sizes, case: &Case) -> EncoderDecoderConfig {
    let block = BlockConfig {
        d_ff: Some(sizes.feed_forward),
        activation: case.activation,
        norm_order: if case.norm_first { NormOrder::Pre } else { NormOrder::Post },
        dropout: 0.0,
        ..BlockConfig::new(sizes.width, sizes.heads)
    };
    EncoderDecoderConfig {
        encoder_layers: sizes.layers,
        decoder_layers: sizes.layers,
        tying: Tying::None,
        ..EncoderDecoderConfig::new(sizes.source_vocabulary, sizes.target_vocabulary, block)
    }
}

/// The layers of a model under torch's names.
#[derive(Default)]
struct Named<'a> {
    embeddings: Vec<(String, &'a mut Embedding)>,
    linears: Vec<(String, &'a mut Linear)>,
    norms: Vec<(String, &'a mut Norm)>,
}

impl<'a> Named<'a> {
    fn all(model: &'a mut EncoderDecoder) -> Self {
        let EncoderDecoder { source_embedding, target_embedding, encoder, decoder, head, .. } =
            model;
        let mut named = Self::default();
        named.embedding("source_embedding", Some(source_embedding));
        named.embedding("target_embedding", target_embedding.as_mut());
        for (layer, block) in encoder.blocks.iter_mut().enumerate() {
            let owner = format!("encoder.layers.{layer}");
            named.norm(&owner, "norm1", Some(&mut block.norm_attention));
            named.attention(&owner, "self_attn", &mut block.attention);
            named.norm(&owner, "norm2", Some(&mut block.norm_feed_forward));
            named.feed_forward(&owner, &mut block.feed_forward);
        }
        named.norm("encoder", "norm", encoder.norm.as_mut());
        for (layer, block) in decoder.blocks.iter_mut().enumerate() {
            let owner = format!("decoder.layers.{layer}");
            named.norm(&owner, "norm1", Some(&mut block.norm_attention));
            named.attention(&owner, "self_attn", &mut block.attention);
            named.norm(&owner, "norm2", Some(&mut block.norm_cross));
            named.attention(&owner, "multihead_attn", &mut block.cross);
            named.norm(&owner, "norm3", Some(&mut block.norm_feed_forward));
            named.feed_forward(&owner, &mut block.feed_forward);
        }
        named.norm("decoder", "norm", decoder.norm.as_mut());
        named.linears.extend(head.as_mut().map(|head| ("projection".to_string(), head)));
        named
    }

    fn embedding(&mut self, name: &str, embedding: Option<&'a mut Embedding>) {
        self.embeddings.extend(embedding.map(|embedding| (name.to_string(), embedding)));
    }

    fn norm(&mut self, owner: &str, name: &str, norm: Option<&'a mut Norm>) {
        self.norms.extend(norm.map(|norm| (format!("{owner}.{name}"), norm)));
    }

    fn attention(&mut self, owner: &str, name: &str, attention: &'a mut MultiHeadAttention) {
        let MultiHeadAttention { query, key, value, output, .. } = attention;
        for (role, linear) in [("q", query), ("k", key), ("v", value), ("out_proj", output)] {
            self.linears.push((format!("{owner}.{name}.{role}"), linear));
        }
    }

    fn feed_forward(&mut self, owner: &str, feed_forward: &'a mut FeedForward) {
        self.linears.push((format!("{owner}.linear1"), &mut feed_forward.up));
        self.linears.push((format!("{owner}.linear2"), &mut feed_forward.down));
    }

    fn load(self, from: &References, device: &Device) {
        for (name, embedding) in self.embeddings {
            load(&mut embedding.weight, find(from, &format!("{name}.weight")).tensor(device));
        }
        for (name, linear) in self.linears {
            load_linear(linear, from, &name, device);
        }
        for (name, norm) in self.norms {
            load(&mut norm.gamma, find(from, &format!("{name}.weight")).tensor(device));
            let bias = find(from, &format!("{name}.bias")).tensor(device);
            load(norm.beta.as_mut().expect("a layer norm"), bias);
        }
    }

    /// The gradients of all parameters.
    fn check(self, mut check: Check<'_>) {
        for (name, embedding) in self.embeddings {
            check.parameter(&format!("{name}.weight"), &embedding.weight, |gradient| gradient);
        }
        for (name, linear) in self.linears {
            check.parameter(&format!("{name}.weight"), &linear.weight, Tensor::transpose);
            if let Some(bias) = &linear.bias {
                check.parameter(&format!("{name}.bias"), bias, |gradient| gradient);
            }
        }
        for (name, norm) in self.norms {
            check.parameter(&format!("{name}.weight"), &norm.gamma, |gradient| gradient);
            let bias = norm.beta.as_ref().expect("a layer norm");
            check.parameter(&format!("{name}.bias"), bias, |gradient| gradient);
        }
        assert!(check.norms.is_empty(), "torch has more parameters: {:?}", check.norms.keys());
    }
}

/// Gradients still to be compared.
struct Check<'a> {
    gradients: &'a Gradients,
    full: &'a References,
    norms: BTreeMap<String, f64>,
}

impl Check<'_> {
    /// Its gradient, brought into torch's order, and the norm of it.
    fn parameter<const D: usize>(
        &mut self,
        name: &str,
        parameter: &Param<Tensor<D>>,
        order: impl Fn(Tensor<D>) -> Tensor<D>,
    ) {
        let gradient = order(gradient(parameter, self.gradients));
        if let Some(full) = self.full.get(name) {
            full.assert_close(gradient.clone(), BACKWARD, &format!("the gradient of {name}"));
        }
        let norm = self.norms.remove(name).unwrap_or_else(|| panic!("torch has no {name}"));
        let actual: Tensor<1> = gradient.square().sum().sqrt();
        Reference::scalar(norm).assert_close(actual, BACKWARD, &format!("the norm of {name}"));
    }
}

/// Sums of one attention, on the longest way through it: three projections, a score, softmax and
/// context over at most the target's steps.
const ATTENTION: usize = 12 + 4 + 6 + 6 + 12;
/// Inner width and width.
const FEED_FORWARD: usize = 12 + 14;
/// Mean and variance.
const NORM: usize = 12 + 12;
/// Two encoder layers, each with two sub-layers, and the final norm.
const ENCODER: usize = 2 * (ATTENTION + NORM + FEED_FORWARD + NORM) + NORM;
/// The encoder, two decoder layers, each with three sub-layers, a final norm and the projection.
const FORWARD: usize = ENCODER + 2 * (2 * (ATTENTION + NORM) + FEED_FORWARD + NORM) + NORM + 12;
/// The way back is as long as the way there, and ends in a sum over the steps of all rows.
const BACKWARD: usize = 2 * FORWARD + 12;

fn tokens(rows: &[Vec<i64>], device: &Device) -> Tensor<2, Int> {
    let shape = [rows.len(), rows[0].len()];
    Tensor::from_data(TensorData::new(rows.concat(), shape), device)
}

fn check_case(file: &File, case: &Case, device: &Device) {
    let mut model = config(&file.sizes, case).init(device);
    Named::all(&mut model).load(&file.parameters, device);
    let mask = Mask::padding(file.lengths.clone());
    let (source, target) = (tokens(&file.source, device), tokens(&file.target, device));

    let encoded = model.encode(source.clone(), &mask); // [b, s, m]
    case.encoded.assert_close(encoded, ENCODER, "the encoded source");
    let logits = model.forward(source, &mask, target); // [b, t, v]
    case.logits.assert_close(logits.clone(), FORWARD, "the logits");

    let gradients = &(logits * file.probe.tensor(device)).sum().backward();
    let check = Check { gradients, full: &case.gradients, norms: case.gradient_norms.clone() };
    Named::all(&mut model).check(check);
}

#[test]
fn logits_and_gradients_of_the_encoder_decoder_equal_those_of_torch() {
    let file = file();
    for device in devices() {
        for case in &file.cases {
            println!("{}, {device:?}", case.name);
            check_case(&file, case, &device);
        }
    }
}
