//! Talking heads.

use super::support::{
    PAIRS, Sample, assert_close, check_law_of_mechanism, check_module_gradients, devices, lowered,
    masks, values,
};
use attn_core::Mask;
use attn_core::alignment::Past;
use attn_core::mechanism::{Attention, AttentionConfig, Mechanism, MechanismConfig};
use attn_core::score::{AdditiveConfig, LocationAwareConfig, ScoreConfig};
use attn_core::talking_heads::{TalkingHeads, TalkingHeadsConfig};
use burn::module::Param;
use burn::tensor::{Bool, Device, Tensor, TensorData};

/// A mixture of `heads`, far from the identity.
fn mixture(heads: usize, seed: u64) -> Sample {
    Sample::random([1, 1, heads, heads], seed)
}

fn chatty(heads: usize, device: &Device) -> TalkingHeads {
    let param = |seed| {
        let mixture: Tensor<2> = mixture(heads, seed).f32(device).reshape([heads, heads]);
        Param::from_tensor(mixture)
    };
    TalkingHeads { scores: param(21), weights: param(22) }
}

fn attention(config: &AttentionConfig, heads: usize, device: &Device) -> Attention {
    let mut attention = config.clone().with_talking_heads(heads).init(device);
    attention.talking_heads = Some(chatty(heads, device));
    attention
}

/// A mask of which each head sees something else.
fn mask_by_head() -> (Mask, Vec<bool>) {
    let holes = Sample::random(PAIRS, 98);
    let cells: Vec<bool> = holes.data.iter().map(|&x| x > -0.2).collect();
    let tensor = TensorData::new(cells.clone(), PAIRS);
    (Mask::visible(Tensor::<4, Bool>::from_data(tensor, &Device::flex())), cells)
}

/// Mixture, softmax, mixture, plainly: `[b, h, q, k]` weights of scaled dot scores.
fn weights(query: &Sample, key: &Sample, visible: &[bool]) -> Vec<f64> {
    let [batch, heads, queries, d] = query.dims;
    let [_, kv_heads, keys, _] = key.dims;
    let at = |b: usize, h: usize, i: usize, j: usize| ((b * heads + h) * queries + i) * keys + j;
    let mix = |input: &[f64], by: &Sample| {
        let mut output = vec![0.0; input.len()];
        for b in 0..batch {
            for (h, n) in (0..heads).flat_map(|h| (0..heads).map(move |n| (h, n))) {
                for (i, j) in (0..queries).flat_map(|i| (0..keys).map(move |j| (i, j))) {
                    if visible[at(b, h, i, j)] && visible[at(b, n, i, j)] {
                        output[at(b, n, i, j)] += input[at(b, h, i, j)] * by.data[h * heads + n];
                    }
                }
            }
        }
        output
    };
    let mut scores = Vec::new();
    for b in 0..batch {
        for h in 0..heads {
            for i in 0..queries {
                scores.extend((0..keys).map(|j| {
                    let (s, k) = (query.row(b, h, i), key.row(b, h / (heads / kv_heads), j));
                    let dot: f64 = s.iter().zip(k).map(|(s, k)| s * k).sum();
                    dot / (d as f64).sqrt()
                }));
            }
        }
    }
    let scores = mix(&scores, &mixture(heads, 21));
    let mut weights = vec![0.0; scores.len()];
    for row in 0..batch * heads * queries {
        let cells = row * keys..(row + 1) * keys;
        let exp = |n: usize| if visible[n] { scores[n].exp() } else { 0.0 };
        let sum: f64 = cells.clone().map(exp).sum();
        for n in cells {
            weights[n] = if visible[n] { exp(n) / sum } else { 0.0 };
        }
    }
    mix(&weights, &mixture(heads, 22))
}

#[test]
fn they_are_their_equation() {
    let [b, h, q, k] = PAIRS;
    let query = Sample::random([b, h, q, 5], 1).scaled(2.0);
    let key = Sample::random([b, h / 2, k, 5], 2).scaled(2.0);
    let mut cases: Vec<Mask> = masks().into_iter().map(|(_, mask)| mask).collect();
    cases.push(mask_by_head().0);
    for device in devices() {
        let attention = attention(&AttentionConfig::new(), h, &device);
        for mask in &cases {
            let expected = weights(&query, &key, &lowered(mask, PAIRS));
            let found = attention.weights(query.f32(&device), key.f32(&device), mask);
            // Sums of five products below 4, mixed twice by four numbers below 1.
            assert_close(&format!("{mask}"), &values(&found), &expected, 1e-5);
        }
    }
}

#[test]
fn at_first_they_change_nothing() {
    let [b, h, q, k] = PAIRS;
    for device in devices() {
        let plain = AttentionConfig::new().init(&device);
        let talking = AttentionConfig::new().with_talking_heads(h).init(&device);
        let query = Sample::random([b, h, q, 5], 1).f32(&device);
        let key = Sample::random([b, h / 2, k, 5], 2).f32(&device);
        let ask = |attention: &Attention| {
            values(&attention.forward(query.clone(), key.clone(), key.clone(), &Mask::causal()))
        };
        // One is fused, with sums in another order.
        assert_close("identity", &ask(&talking), &ask(&plain), 1e-6);
    }
}

#[test]
fn attention_with_them_keeps_the_law() {
    let mut masks = masks();
    masks.push(("by head", mask_by_head().0));
    let additive = ScoreConfig::Additive(AdditiveConfig::new(8, 8, 5));
    let looking_back = ScoreConfig::LocationAware(LocationAwareConfig::new(8, 8, 5, 2, 3));
    for config in [
        AttentionConfig::new(),
        AttentionConfig::new().with_dropout(0.3),
        AttentionConfig::new().with_score(additive),
        AttentionConfig::new().with_score(looking_back),
    ] {
        check_law_of_mechanism("talking heads", |device| attention(&config, 4, device), &masks);
    }
}

/// A pair that one head does not see, and that is NaN in it, reaches no other head.
#[test]
fn what_is_hidden_in_one_head_does_not_reach_another() {
    let [b, h, q, k] = PAIRS;
    // Head 1 alone does not see key 3, and shares its keys with nobody.
    let cells: Vec<bool> = (0..b * h * q * k).map(|n| n % k != 3 || n / k / q % h != 1).collect();
    let visible = Tensor::<4, Bool>::from_data(TensorData::new(cells, PAIRS), &Device::flex());
    let mask = Mask::visible(visible);
    let query = Sample::random([b, h, q, 5], 1);
    let key = Sample::random([b, h, k, 5], 2);
    let mut poisoned = key.clone();
    for row in (0..b).map(|b| (b * h + 1) * k + 3) {
        poisoned.data[row * 5 + 2] = f64::NAN;
    }
    for device in devices() {
        let device = device.autodiff();
        let attention = attention(&AttentionConfig::new(), h, &device);
        let ask = |key: &Sample| {
            let leaf = query.f32(&device).require_grad();
            let context =
                attention.forward(leaf.clone(), key.f32(&device), key.f32(&device), &mask);
            let gradient = leaf.grad(&context.clone().sum().backward()).unwrap();
            (values(&context), values(&gradient))
        };
        assert_eq!(ask(&poisoned), ask(&key));
    }
}

#[test]
fn they_have_their_gradient() {
    check_module_gradients(
        "talking heads",
        |device| attention(&AttentionConfig::new(), 4, device),
        &[Sample::random([1, 4, 3, 5], 3), Sample::random([1, 2, 6, 5], 4)],
        // Numbers near 1; the differences are off by step² = 1e-10 times a third derivative.
        1e-7,
        |attention, inputs| {
            let memory = attention.project_memory(inputs[1].clone(), inputs[1].clone());
            let mask = Mask::causal();
            attention.cross_attend(inputs[0].clone(), &memory, &mask, &mut Past::start()).context
        },
    );
}

#[test]
fn a_file_may_ask_for_them() {
    let text = r#"{ "name": "attention", "talking_heads": 3 }"#;
    let config: MechanismConfig = serde_json::from_str(text).unwrap();
    let expected = AttentionConfig::new().with_talking_heads(3);
    assert_eq!(config, MechanismConfig::Attention(expected));
    let error = AttentionConfig::new().with_talking_heads(0).validate().unwrap_err();
    assert_eq!(error.to_string(), "talking heads: heads must be at least 1, got 0");
    assert_eq!(error, TalkingHeadsConfig::new(0).validate().unwrap_err());
}
