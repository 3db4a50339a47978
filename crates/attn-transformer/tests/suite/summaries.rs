//! What the steps of a model look at, without their weights in memory.

use crate::support::{assert_close, devices, ids, random_ids, rng, seeded};
use attn_core::Mask;
use attn_core::explain::{Summary, of_weights};
use attn_transformer::{
    BlockConfig, DecoderOnlyConfig, EncoderDecoderConfig, EncoderOnlyConfig, Layout,
};
use burn::tensor::Tensor;

const VOCAB: u32 = 11;
/// One block of width 24, scores and a softmax over 9 keys, computed in two ways.
const TERMS: usize = 2 * (2 * 24 + 96 + 6 + 2 * 9);

/// A soft-cap and a sink, which the tiles must know of; and weights that no tile has.
const MECHANISMS: [&str; 3] = [
    r#"{ "name": "attention", "softcap": 0.5, "alignment": { "name": "softmax", "sink": "zero" } }"#,
    r#"{ "name": "attention", "alignment": { "name": "sparsemax" } }"#,
    r#"{ "name": "retention" }"#,
];

fn block(mechanism: &str) -> BlockConfig {
    let mechanism = serde_json::from_str(mechanism).unwrap();
    BlockConfig { kv_heads: Some(2), ..BlockConfig::new(24, 4) }.with_mechanism(mechanism)
}

fn check(found: &[Summary], weights: Vec<Tensor<4>>, what: &str) {
    assert_eq!(found.len(), weights.len(), "{what}");
    for (found, weights) in found.iter().zip(weights) {
        let expected = of_weights(weights, 3);
        assert_close(&found.received, &expected.received, TERMS, &format!("{what}: received"));
        let [found, expected] = [found, &expected].map(|summary| summary.top_k.lists());
        for (found, expected) in found.iter().zip(&expected) {
            let keys =
                |list: &Vec<(usize, f64)>| list.iter().map(|&(key, _)| key).collect::<Vec<_>>();
            assert_eq!(keys(found), keys(expected), "{what}");
        }
    }
}

#[test]
fn summaries_agree_with_the_weights() {
    let vocab = VOCAB as usize;
    for device in devices() {
        let tokens = ids(&random_ids(&mut rng(1), [2, 9], VOCAB), &device);
        let source = ids(&random_ids(&mut rng(2), [2, 7], VOCAB), &device);
        for mechanism in MECHANISMS {
            let config =
                DecoderOnlyConfig { layers: 2, ..DecoderOnlyConfig::new(vocab, block(mechanism)) };
            let model = seeded(config.init(&device), 3);
            let layout = Layout::left_padded([0, 2]);
            let (logits, found) = model.forward_with_summaries(tokens.clone(), &layout, 3);
            let (expected, weights) = model.forward_with_weights(tokens.clone(), &layout, None);
            assert_close(&logits, &expected, TERMS, mechanism);
            check(&found, weights, mechanism);

            let config =
                EncoderOnlyConfig { layers: 2, ..EncoderOnlyConfig::new(vocab, block(mechanism)) };
            let model = seeded(config.init(&device), 4);
            let layout = Mask::padding([9, 5]).into();
            let (_, found) = model.forward_with_summaries(tokens.clone(), &layout, 3);
            check(&found, model.forward_with_weights(tokens.clone(), &layout).1, mechanism);
        }
        for mechanism in &MECHANISMS[..2] {
            let block =
                block(mechanism).with_cross_mechanism(serde_json::from_str(mechanism).unwrap());
            let config = EncoderDecoderConfig {
                encoder_layers: 1,
                decoder_layers: 2,
                ..EncoderDecoderConfig::new(vocab, vocab, block)
            };
            let model = seeded(config.init(&device), 5);
            let mask = Mask::padding([7, 4]);
            let (_, found) = model.encode_with_summaries(source.clone(), &mask, 3);
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].received.dims(), [2, 4, 7]);
            let memory = model.memory(source.clone(), &mask);
            let (_, found) = model.decode_with_summaries(tokens.clone(), &memory, 3);
            let (_, weights) = model.decode_with_weights(tokens.clone(), &memory, None);
            check(&found, weights, mechanism);
        }
    }
}

/// Drawn weights are drawn once: the output is that of the pass without a summary.
#[test]
fn requesting_a_summary_does_not_change_the_output() {
    let hard = r#"{ "name": "attention", "alignment": { "name": "hard" } }"#;
    for device in devices() {
        let device = device.autodiff(); // where nothing is trained, nothing is drawn
        let vocab = VOCAB as usize;
        let config = DecoderOnlyConfig { layers: 2, ..DecoderOnlyConfig::new(vocab, block(hard)) };
        let model = seeded(config.init(&device), 3);
        let tokens = ids(&random_ids(&mut rng(1), [2, 9], VOCAB), &device);
        let layout = Layout::causal();
        attn_core::random::seed(5);
        let expected = model.forward(tokens.clone(), &layout, None).into_data();
        attn_core::random::seed(5);
        let (found, _) = model.forward_with_summaries(tokens, &layout, 3);
        assert_eq!(found.into_data(), expected);
    }
}
