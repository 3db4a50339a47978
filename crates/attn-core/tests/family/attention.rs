//! Attention of every score and every alignment: where there is nothing to see, half precision, and
//! configurations that contradict themselves.

use super::support::{Sample, assert_close, devices, values};
use attn_core::alignment::{AlignmentConfig, Past};
use attn_core::mechanism::{AttentionConfig, MechanismConfig, MechanismError};
use attn_core::score::{L2Config, ScoreConfig};
use attn_core::{Mask, Mechanism};
use burn::tensor::{DType, Device, FloatDType, Tensor};

/// Every score and every alignment by name, of 4 heads of width 8, each with the other's default.
fn all() -> Vec<(&'static str, AttentionConfig)> {
    let scores = [
        r#"{ "name": "dot" }"#,
        r#"{ "name": "scaled_dot" }"#,
        r#"{ "name": "general", "d_query": 8, "d_key": 8 }"#,
        r#"{ "name": "additive", "d_query": 8, "d_key": 8, "d_hidden": 5 }"#,
        r#"{ "name": "concat", "d_query": 8, "d_key": 8, "d_hidden": 5 }"#,
        r#"{ "name": "cosine" }"#,
        r#"{ "name": "location", "d_query": 8, "max_keys": 9 }"#,
        r#"{ "name": "location_aware", "d_query": 8, "d_key": 8, "d_hidden": 5, "filters": 2, "kernel": 3 }"#,
        r#"{ "name": "l2" }"#,
        r#"{ "name": "gaussian", "learned": true }"#,
        r#"{ "name": "coverage", "d_query": 8, "d_key": 8, "d_hidden": 5 }"#,
    ];
    let alignments = [
        r#"{ "name": "softmax", "sink": "zero" }"#,
        r#"{ "name": "local_m", "d": 2 }"#,
        r#"{ "name": "local_p", "d": 2, "d_query": 8, "d_hidden": 3 }"#,
        r#"{ "name": "monotonic" }"#,
        r#"{ "name": "chunkwise", "chunk": 3 }"#,
        r#"{ "name": "adaptive_span", "heads": 4, "max_span": 9 }"#,
        r#"{ "name": "sparsemax" }"#,
        r#"{ "name": "entmax", "alpha": { "learned": 4 } }"#,
        r#"{ "name": "sigmoid" }"#,
        r#"{ "name": "top_k", "k": 3 }"#,
        r#"{ "name": "hard" }"#,
        r#"{ "name": "gumbel_softmax" }"#,
    ];
    let of_score = |text| {
        let score: ScoreConfig = serde_json::from_str(text).unwrap();
        (text, AttentionConfig::new().with_score(score))
    };
    let of_alignment = |text| {
        let alignment: AlignmentConfig = serde_json::from_str(text).unwrap();
        (text, AttentionConfig::new().with_alignment(alignment))
    };
    let talking = ("talking heads", AttentionConfig::new().with_talking_heads(4));
    scores.map(of_score).into_iter().chain(alignments.map(of_alignment)).chain([talking]).collect()
}

#[test]
fn where_there_is_nothing_to_see_contexts_are_zero() {
    for plain in devices() {
        for device in [plain.clone(), plain.autodiff()] {
            for (name, config) in all() {
                let attention = config.init(&device);
                for (queries, keys) in [(0, 7), (6, 0), (0, 0)] {
                    let query = Sample::random([2, 4, queries, 8], 1).f32(&device);
                    let key = Sample::random([2, 2, keys, 8], 2).f32(&device);
                    let value = Sample::random([2, 2, keys, 3], 3).f32(&device);
                    let what = format!("{name}, {queries} queries, {keys} keys on {device:?}");
                    let mask = Mask::causal();
                    let context =
                        attention.forward(query.clone(), key.clone(), value.clone(), &mask);
                    assert_eq!(context.dims(), [2, 4, queries, 3], "{what}");
                    assert!(values(&context).iter().all(|&x| x == 0.0), "{what}");
                    let weights = attention.weights(query.clone(), key.clone(), &mask);
                    assert_eq!(weights.dims(), [2, 4, queries, keys], "{what}");

                    let memory = attention.project_memory(key, value);
                    let mut past = Past::start();
                    let reading = attention.cross_attend(query, &memory, &mask, &mut past);
                    assert_eq!(reading.context.dims(), [2, 4, queries, 3], "{what}");
                    assert!(values(&reading.context).iter().all(|&x| x == 0.0), "{what}");
                    assert_eq!(past.steps, queries, "{what}");
                }
            }
        }
    }
}

/// A score of 6 numbers up to 3 each is below 54; its cap, weights and contexts of 7 keys are computed
/// in two ways.
#[test]
fn a_soft_cap_acts_on_every_score_before_the_mask() {
    for device in devices() {
        let query = Sample::random([2, 4, 6, 8], 21).scaled(3.0).f32(&device);
        let key = Sample::random([2, 2, 7, 8], 22).scaled(3.0).f32(&device);
        let value = Sample::random([2, 2, 7, 3], 23).f32(&device);
        let mask = Mask::causal() & Mask::padding([5, 7]);
        for (name, config) in all() {
            let capped = config.clone().with_softcap(0.5).init(&device);
            let fused = capped.forward(query.clone(), key.clone(), value.clone(), &mask);
            let memory = capped.project_memory(key.clone(), value.clone());
            let mut past = Past::start();
            let output = capped.cross_attend(query.clone(), &memory, &mask, &mut past);
            assert_close(name, &values(&output.context), &values(&fused), 1e-5);
            assert!(values(&output.context).iter().all(|x| x.is_finite()), "{name}");
        }
        // Below 0.5 in size, no two scores of a row are further apart than 1.
        let capped = AttentionConfig::new()
            .with_score(ScoreConfig::L2(L2Config::new()))
            .with_softcap(0.5)
            .init(&device);
        let weights = values(&capped.weights(query.clone(), key.clone(), &Mask::open()));
        for row in weights.chunks(7) {
            let most = row.iter().copied().fold(0.0, f64::max);
            let least = row.iter().copied().fold(1.0, f64::min);
            assert!(most <= least * 1.0_f64.exp() * (1.0 + 1e-6), "{row:?}");
        }
    }
}

/// Also where the weights of the module are in f32: those of an alignment, and of talking heads.
#[test]
fn alignments_take_half_precision() {
    let device = Device::flex().autodiff();
    let [query, key, value] = [[2, 4, 6, 8], [2, 2, 7, 8], [2, 2, 7, 3]];
    for (name, config) in all() {
        let has_weights = matches!(
            config.score,
            ScoreConfig::General(_)
                | ScoreConfig::Additive(_)
                | ScoreConfig::Concat(_)
                | ScoreConfig::Location(_)
                | ScoreConfig::LocationAware(_)
                | ScoreConfig::Coverage(_)
        );
        if has_weights {
            continue;
        }
        let attention = config.init(&device);
        for half in [FloatDType::F16, FloatDType::BF16] {
            let leaves = [(query, 1), (key, 2), (value, 3)].map(|(dims, seed)| {
                Sample::random(dims, seed).f32(&device).cast(half).require_grad()
            });
            let [query, key, value] = leaves.clone();
            let mask = Mask::causal() & Mask::padding([5, 0]);
            let context = attention.forward(query, key, value, &mask);
            assert_eq!(context.dtype(), DType::from(half), "{name}");
            let gradients = context.clone().sum().backward();
            let found = leaves.map(|leaf| leaf.grad(&gradients).expect("a gradient"));
            for tensor in found.into_iter().chain([context.detach()]) {
                let tensor: Tensor<4> = tensor.cast(FloatDType::F32);
                assert!(values(&tensor).iter().all(|x| x.is_finite()), "{name} in {half:?}");
            }
        }
    }
}

#[test]
fn what_a_file_says_of_heads_and_queries_must_agree() {
    let refuse = |text: &str, expected: &str| {
        let config: MechanismConfig = serde_json::from_str(text).unwrap();
        assert_eq!(config.validate().unwrap_err().to_string(), expected, "{text}");
    };
    for alignment in [
        r#"{ "name": "softmax", "sink": { "learned": 3 } }"#,
        r#"{ "name": "entmax", "alpha": { "learned": 3 } }"#,
        r#"{ "name": "adaptive_span", "heads": 3, "max_span": 9 }"#,
    ] {
        let text =
            format!(r#"{{ "name": "attention", "talking_heads": 4, "alignment": {alignment} }}"#);
        refuse(&text, "attention: talking_heads = 4, but an alignment of 3 heads");
        let agreed = text.replace("\"talking_heads\": 4", "\"talking_heads\": 3");
        let agreed: MechanismConfig = serde_json::from_str(&agreed).unwrap();
        assert_eq!(agreed.validate(), Ok(()));
    }
    let text = r#"{
        "name": "attention",
        "score": { "name": "general", "d_query": 8, "d_key": 5 },
        "alignment": { "name": "local_p", "d": 2, "d_query": 7, "d_hidden": 3 }
    }"#;
    refuse(text, "attention: a score of d_query = 8, but an alignment of d_query = 7");
}

/// Sizes whose product overflows are refused before they are multiplied.
#[test]
fn sizes_beyond_any_memory_are_refused() {
    let huge = 1_u64 << 62;
    for text in [
        format!(r#"{{ "name": "performer", "d_head": 8, "features": {huge} }}"#),
        format!(r#"{{ "name": "performer", "d_head": {huge}, "features": 1 }}"#),
        format!(r#"{{ "name": "lsh", "d_head": 8, "buckets": 4, "rounds": {huge} }}"#),
        format!(r#"{{ "name": "lsh", "d_head": 8, "buckets": {huge} }}"#),
    ] {
        let config: MechanismConfig = serde_json::from_str(&text).unwrap();
        let error = config.validate().unwrap_err();
        assert!(matches!(error, MechanismError::Uncountable { .. }), "{text}: {error}");
    }
}

/// Masks that hide nothing of a sequence of this length, one kind after the other, and causal ones
/// that hide no more than the future.
#[test]
fn a_window_as_wide_as_the_sequence_is_full_attention() {
    let [batch, heads, n] = [2, 4, 7];
    let full = [
        Mask::window(Some(n - 1), Some(n - 1)),
        Mask::longformer(n - 1, 1, vec![vec![]]),
        Mask::global(vec![(0..n).collect()]),
        Mask::local_blocks(n),
        Mask::columns(3, 3),
        Mask::random_blocks(4, 2, 2, 1),
    ];
    let causal = [
        Mask::window(Some(n - 1), Some(0)),
        Mask::strided(n),
        Mask::strided(1),
        Mask::fixed(n, 1),
        Mask::fixed(2, 2),
    ];
    for device in devices() {
        for (name, config) in all() {
            let attention = config.init(&device);
            let query = Sample::random([batch, heads, n, 8], 1).f32(&device);
            let [key, value] =
                [2, 3].map(|seed| Sample::random([batch, 2, n, 8], seed).f32(&device));
            let of = |mask: &Mask| {
                values(&attention.forward(query.clone(), key.clone(), value.clone(), mask))
            };
            for (whole, masks) in [(Mask::open(), &full[..]), (Mask::causal(), &causal[..])] {
                let expected = of(&whole);
                for mask in masks {
                    // Sums of at most seven numbers below 1, in whatever order.
                    let what = format!("{name} under {mask:?} on {device:?}");
                    assert_close(&what, &of(mask), &expected, 1e-6);
                }
            }
        }
    }
}

/// A span of 0 behind a ramp of 1 leaves a causal query the key at its own position, whatever the
/// scores: also where these look back, so that queries are aligned one by one.
#[test]
fn a_span_begins_at_its_query_whatever_the_score() {
    let span = r#"{ "name": "adaptive_span", "heads": 4, "max_span": 9, "ramp": 1 }"#;
    let span: AlignmentConfig = serde_json::from_str(span).unwrap();
    let [batch, heads, queries, keys] = [2, 4, 6, 7];
    let own = Sample::from_fn([batch, heads, queries, keys], |n| {
        let (i, j) = (n / keys % queries, n % keys);
        f64::from(u8::from(j == i + keys - queries))
    });
    for device in devices() {
        for (name, config) in all().into_iter().take(11) {
            let attention = config.with_alignment(span.clone()).init(&device);
            let query = Sample::random([batch, heads, queries, 8], 1).f32(&device);
            let key = Sample::random([batch, 2, keys, 8], 2).f32(&device);
            let found = attention.weights(query, key, &Mask::causal());
            assert_eq!(values(&found), own.data, "{name} on {device:?}");
        }
    }
}
