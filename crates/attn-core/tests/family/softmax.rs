//! Softmax and its sinks.

use super::support::{
    PAIRS, Sample, assert_close, check_law_of_alignment, check_law_of_mechanism,
    check_module_gradients, devices, masks, values, weights_of, with_weights,
};
use attn_core::Mask;
use attn_core::alignment::{Past, SinkConfig, SoftmaxConfig, weigh};
use attn_core::mechanism::AttentionConfig;
use attn_core::score::{GeneralConfig, ScoreConfig};

/// `exp(s_j) / (sink + Σ exp(s_l))`
fn softmax(scores: &[f64], sink: f64) -> Vec<f64> {
    let sum: f64 = scores.iter().map(|s| s.exp()).sum::<f64>() + sink;
    scores.iter().map(|s| s.exp() / sum).collect()
}

#[test]
fn it_is_its_equation() {
    let scores = Sample::random(PAIRS, 1).scaled(4.0);
    for sink in [SinkConfig::None, SinkConfig::Zero, SinkConfig::Learned(4)] {
        for device in devices() {
            // Another logit in each head.
            let alignment = with_weights(SoftmaxConfig::new().with_sink(sink).init(&device), 3);
            let logits = weights_of(&alignment, None);
            let share = |head: usize| match sink {
                SinkConfig::None => 0.0,
                SinkConfig::Zero => 1.0,
                SinkConfig::Learned(_) => logits[head].exp(),
            };
            let mask = Mask::open();
            let found = weigh(&alignment, scores.f32(&device), None, &mask, &Past::start());
            let [_, heads, queries, keys] = PAIRS;
            let rows = scores.data.chunks(keys).enumerate();
            let expected: Vec<f64> = rows
                .flat_map(|(row, scores)| softmax(scores, share(row / queries % heads)))
                .collect();
            // Eight sums and one exponential of a number below 2³, each good to a few roundings.
            assert_close("softmax", &values(&found.weights), &expected, 1e-6);
        }
    }
}

#[test]
fn it_keeps_the_law() {
    for sink in [SinkConfig::None, SinkConfig::Zero, SinkConfig::Learned(4)] {
        let config = SoftmaxConfig::new().with_sink(sink);
        check_law_of_alignment("softmax", |device| config.init(device));
    }
}

#[test]
fn it_has_its_gradient() {
    let config = SoftmaxConfig::new().with_sink(SinkConfig::Learned(4));
    check_module_gradients(
        "softmax",
        |device| with_weights(config.init(device), 4),
        &[Sample::random(PAIRS, 2)],
        // Central differences of a smooth function: step² = 1e-10 times a third derivative below 1,
        // and 1e-16 / step for rounding.
        1e-7,
        |softmax, inputs| {
            let mask = Mask::causal();
            weigh(softmax, inputs[0].clone(), None, &mask, &Past::start()).weights
        },
    );
}

#[test]
fn attention_keeps_the_law_fused_and_not() {
    let general = ScoreConfig::General(GeneralConfig::new(8, 8));
    for config in [AttentionConfig::new(), AttentionConfig::new().with_score(general)] {
        check_law_of_mechanism("attention", |device| config.init(device), &masks());
    }
}
