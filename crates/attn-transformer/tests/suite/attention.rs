//! Multi-head attention as a layer of its own.

use crate::support::{assert_close, devices, floats, rng, seeded, values};
use attn_core::Mask;
use attn_core::mechanism::{AttentionConfig, MechanismConfig};
use attn_transformer::{MultiHeadAttention, MultiHeadAttentionConfig};
use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};

const BATCH: usize = 2;
const WIDTH: usize = 15;
/// Projections, scores, softmax over at most 7 keys, context and output; twice.
const TERMS: usize = 2 * (2 * WIDTH + 5 + 7 + 7 + 24);

fn config() -> MultiHeadAttentionConfig {
    MultiHeadAttentionConfig {
        kv_heads: Some(2),
        d_head: Some(4),
        query_key_norm: true,
        ..MultiHeadAttentionConfig::new(WIDTH, 6)
    }
}

fn layer(config: &MultiHeadAttentionConfig, device: &Device) -> MultiHeadAttention {
    seeded(config.init(device), 5)
}

#[test]
fn self_attention_reads_what_it_projects() {
    for device in &devices() {
        let attention = layer(&config(), device);
        let x = floats(&mut rng(6), [BATCH, 7, WIDTH], device);
        let mask = Mask::window(Some(2), Some(1));
        let own = attention.forward(x.clone(), &mask, None);
        let memory = attention.project_memory(x.clone(), None);
        assert_eq!(memory.keys(), 7);
        let read = attention.cross_attend(x, &memory, &mask, None);
        assert_close(&read, &own, TERMS, "attention to itself as a memory");
    }
}

/// Each key/value head repeated for the query heads that share it is the plain form.
#[test]
fn grouped_queries_equal_repeated_heads() {
    for device in &devices() {
        let grouped = layer(&config(), device);
        let mut plain = layer(&MultiHeadAttentionConfig { kv_heads: None, ..config() }, device);
        plain.query = grouped.query.clone();
        plain.key = repeat_heads(&grouped.key, 4, 3);
        plain.value = repeat_heads(&grouped.value, 4, 3);
        plain.output = grouped.output.clone();
        plain.norm_query = grouped.norm_query.clone();
        plain.norm_key = grouped.norm_key.clone();

        let x = floats(&mut rng(6), [BATCH, 7, WIDTH], device);
        let by_groups = grouped.forward(x.clone(), &Mask::causal(), None);
        let by_heads = plain.forward(x, &Mask::causal(), None);
        assert_close(&by_groups, &by_heads, TERMS, "grouped attention");
    }
}

/// Each block of `width` outputs `times` times in a row.
fn repeat_heads(linear: &Linear, width: usize, times: usize) -> Linear {
    let repeat = |columns: Tensor<2>| {
        let [rows, all] = columns.dims();
        let heads = columns.reshape([rows, all / width, 1, width]);
        heads.repeat_dim(2, times).reshape([rows, all * times])
    };
    let bias = linear.bias.as_ref().map(|bias| repeat(bias.val().unsqueeze()).squeeze_dim(0));
    Linear {
        weight: Param::from_tensor(repeat(linear.weight.val())),
        bias: bias.map(Param::from_tensor),
    }
}

#[test]
fn weights_are_those_of_the_output_and_rows_sum_to_one_or_zero() {
    for device in &devices() {
        let attention = layer(&config(), device);
        let x = floats(&mut rng(6), [BATCH, 5, WIDTH], device);
        // Of the second sequence's steps, the first two are padding and see nothing.
        let mask = Mask::causal() & Mask::left_padding([0, 2]);
        let plain = attention.forward(x.clone(), &mask, None);
        let attended = attention.forward_with_weights(x, &mask, None);
        assert_close(&attended.output, &plain, TERMS, "the output");
        assert_eq!(attended.weights.dims(), [BATCH, 6, 5, 5]);
        let sums = values(&attended.weights.sum_dim(3)); // [b, h, q, 1]
        for (row, sum) in sums.into_iter().enumerate() {
            let sees = row / (6 * 5) == 0 || row % 5 >= 2;
            let expected = if sees { 1.0 } else { 0.0 };
            assert!((sum - expected).abs() <= 5.0 * f32::EPSILON, "row {row} sums to {sum}");
        }
    }
}

#[test]
fn a_memory_may_have_its_own_width_and_order() {
    let order = [2, 0, 3, 1];
    for device in &devices() {
        let config = MultiHeadAttentionConfig { d_memory: Some(9), bias: false, ..config() };
        let attention = layer(&config, device);
        let mut rng = rng(6);
        let x = floats(&mut rng, [BATCH, 3, WIDTH], device);
        let memory = floats::<3>(&mut rng, [BATCH, order.len(), 9], device);
        let permuted = order.map(|step| memory.clone().slice([0..BATCH, step..step + 1])).to_vec();
        let permuted = attention.project_memory(Tensor::cat(permuted, 1), None);
        let straight = attention.project_memory(memory, None);
        let expected = attention.cross_attend(x.clone(), &straight, &Mask::open(), None);
        let actual = attention.cross_attend(x, &permuted, &Mask::open(), None);
        assert_eq!(actual.dims(), [BATCH, 3, WIDTH]);
        assert_close(&actual, &expected, TERMS, "attention to permuted keys");
    }
}

/// `c · tanh(s / c)` is below `c`, so no weight can be more than `exp(2c)` times another.
#[test]
fn a_soft_cap_bounds_the_ratio_of_weights() {
    for device in &devices() {
        let capped = MultiHeadAttentionConfig { query_key_norm: false, ..config() }
            .with_mechanism(MechanismConfig::Attention(AttentionConfig::new().with_softcap(0.5)));
        let x = floats(&mut rng(6), [BATCH, 7, WIDTH], device) * 1e3;
        let attended = layer(&capped, device).forward_with_weights(x, &Mask::open(), None);
        let weights = values(&attended.weights);
        for row in weights.chunks(7) {
            let most = row.iter().copied().fold(0.0, f32::max);
            let least = row.iter().copied().fold(1.0, f32::min);
            assert!(most <= least * 1.0_f32.exp() * (1.0 + 8.0 * f32::EPSILON), "{row:?}");
        }
    }
}
