//! `torch.nn.MultiheadAttention`.

use super::reference::{Reference, References, devices, find, gradient, load_linear};
use attn_core::Mask;
use attn_transformer::{AttentionOutput, MultiHeadAttention, MultiHeadAttentionConfig};
use burn::nn::Linear;
use burn::tensor::{Device, Gradients, Tensor};
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    sizes: Sizes,
    parameters: References,
    inputs: References,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Sizes {
    heads: usize,
    width: usize,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    cross: bool,
    lengths: Option<Vec<usize>>,
    causal: bool,
    bias: bool,
    context: Reference,
    weights: Reference,
    gradients: References,
}

impl Case {
    fn mask(&self) -> Mask {
        let padding = self.lengths.clone().map_or_else(Mask::open, Mask::padding);
        if self.causal { padding & Mask::causal() } else { padding }
    }
}

fn file() -> File {
    serde_json::from_str(include_str!("../../data/multi_head_attention.json")).unwrap()
}

fn roles(attention: &mut MultiHeadAttention) -> [(&'static str, &mut Linear); 4] {
    [
        ("q", &mut attention.query),
        ("k", &mut attention.key),
        ("v", &mut attention.value),
        ("out_proj", &mut attention.output),
    ]
}

fn attention(file: &File, case: &Case, device: &Device) -> MultiHeadAttention {
    let Sizes { heads, width } = file.sizes;
    let config =
        MultiHeadAttentionConfig { bias: case.bias, ..MultiHeadAttentionConfig::new(width, heads) };
    let mut attention = config.init(device);
    for (name, linear) in roles(&mut attention) {
        load_linear(linear, &file.parameters, name, device);
    }
    attention
}

/// Sums on the longest way from an input to an output: the width for a projection, the head width
/// for a score, the keys for softmax and context, the width for the last projection.
const FORWARD: usize = 18 + 6 + 5 + 5 + 18;
/// The way back is as long as the way there, and ends in a sum over the steps of all rows.
const BACKWARD: usize = 2 * FORWARD + 10;

fn check_case(file: &File, case: &Case, device: &Device) {
    let mut attention = attention(file, case, device);
    let input = |name: &str| find(&file.inputs, name).tensor::<3>(device);
    let memory = input("memory").require_grad();
    let query = input("query").require_grad();
    let mask = case.mask();
    let AttentionOutput { output, weights } = if case.cross {
        let projected = attention.project_memory(memory.clone(), None);
        attention.cross_attend_with_weights(query.clone(), &projected, &mask, None)
    } else {
        attention.forward_with_weights(memory.clone(), &mask, None)
    };
    case.context.assert_close(output.clone(), FORWARD, "the context");
    case.weights.assert_close(weights, FORWARD, "the weights");

    let probe = input("probe").narrow(1, 0, output.dims()[1]); // [b, q, m]
    let gradients = (output * probe).sum().backward();
    check_gradient(case, "memory", memory.grad(&gradients));
    check_gradient(case, "query", query.grad(&gradients).filter(|_| case.cross));
    for (name, linear) in roles(&mut attention) {
        check_linear(case, name, linear, &gradients);
    }
}

fn check_linear(case: &Case, name: &str, linear: &Linear, gradients: &Gradients) {
    let weight = gradient(&linear.weight, gradients).transpose(); // torch's order
    check_gradient(case, &format!("{name}.weight"), Some(weight));
    let bias = linear.bias.as_ref().map(|bias| gradient(bias, gradients));
    check_gradient(case, &format!("{name}.bias"), bias);
}

/// What has no gradient in torch may have none here either.
fn check_gradient<const D: usize>(case: &Case, name: &str, actual: Option<Tensor<D>>) {
    let expected = case.gradients.get(name);
    assert_eq!(actual.is_some(), expected.is_some(), "whether {name} has a gradient");
    if let (Some(actual), Some(expected)) = (actual, expected) {
        expected.assert_close(actual, BACKWARD, &format!("the gradient of {name}"));
    }
}

#[test]
fn attention_and_its_gradients_equal_those_of_torch() {
    let file = file();
    for device in devices() {
        for case in &file.cases {
            println!("{}, {device:?}", case.name);
            check_case(&file, case, &device);
        }
    }
}
