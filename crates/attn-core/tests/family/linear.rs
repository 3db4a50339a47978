//! Linear attention, and what all kernelized attention has in common.

use super::reference::{
    Pair, as_matrix, attention, check_any_size, dot, few_inputs, inputs, step_by_step, steps,
};
use super::support::{
    Sample, assert_close, check_gradients, check_law_of_mechanism, devices, masks, values,
};
use attn_core::mechanism::{LinearAttentionConfig, LinearState, MechanismConfig, MechanismState};
use attn_core::{Mask, Mechanism, Stepwise};
use burn::tensor::{DType, Device, Int, Tensor};

/// More queries than keys, fewer, and as many; chunks of 4 divide none of them.
const LENGTHS: [(usize, usize); 3] = [(13, 6), (5, 14), (11, 11)];

fn config() -> LinearAttentionConfig {
    LinearAttentionConfig::new().with_chunk(4)
}

fn phi(x: &[f64]) -> Vec<f64> {
    x.iter().map(|&x| if x > 0.0 { x + 1.0 } else { x.exp() }).collect()
}

fn weight(pair: Pair) -> f64 {
    dot(&phi(pair.query), &phi(pair.key))
}

/// Masks of each form.
fn forms() -> [Mask; 6] {
    [
        Mask::open(),
        Mask::padding([4, 0]),
        Mask::causal(),
        Mask::causal() & Mask::left_padding([1, 3]) & Mask::padding([6]),
        Mask::window(Some(2), Some(0)),
        Mask::nothing(),
    ]
}

#[test]
fn it_is_its_equation_in_each_form() {
    for (queries, keys) in LENGTHS {
        let [query, key, value] = inputs(queries, keys, 8, 1).map(|sample| sample.scaled(2.0));
        for mask in forms() {
            let expected = attention([&query, &key, &value], &mask, true, weight);
            for device in devices() {
                let attention = config().init(&device);
                let [q, k, v] = [&query, &key, &value].map(|sample| sample.f32(&device));
                let found = attention.forward(q, k, v, &mask);
                // An average of up to 14 numbers below 2, its weights sums of 8 products.
                let what = format!("{mask:?}, {queries} × {keys}, {device:?}");
                assert_close(&what, &values(&found), &expected, 1e-5);
            }
        }
    }
}

#[test]
fn chunks_steps_and_the_matrix_of_weights_agree() {
    let [_, key, value] = inputs(11, 11, 8, 2);
    let query = Sample::random([2, 4, 11, 8], 3);
    for device in devices() {
        let attention = config().init(&device);
        let tensors = [&query, &key, &value].map(|sample| sample.f32(&device));
        let [q, k, v] = tensors.clone();
        let chunked = values(&attention.forward(q, k, v, &Mask::causal()));

        let [q, k, v] = tensors.clone();
        let matrix = as_matrix(&Mask::causal(), [2, 4, 11, 11]);
        assert_close("matrix", &values(&attention.forward(q, k, v, &matrix)), &chunked, 1e-5);
        let mut state = LinearState::default();
        for sizes in [&[1; 11][..], &[3, 1, 7]] {
            let mut state = std::mem::take(&mut state);
            let steps = step_by_step(&tensors, sizes, |[q, k, v]| {
                attention.step(&mut state, q, k, v, &Mask::causal())
            });
            assert_close("steps", &steps, &chunked, 1e-5);
        }
    }
}

#[test]
fn the_last_of_sixteen_thousand_queries_is_soon_known() {
    // Weights would take 1 GiB.
    let count = 1 << 14;
    let device = Device::flex();
    let query = Sample::random([1, 1, count, 4], 4).f32(&device);
    let key = Sample::random([1, 1, count, 4], 5).f32(&device);
    let attention = LinearAttentionConfig::new().init(&device);
    let last = |x: Tensor<4>| values(&x.slice_dim(2, count - 1..count));
    let causal = attention.forward(query.clone(), key.clone(), key.clone(), &Mask::causal());
    let open = attention.forward(query, key.clone(), key, &Mask::open());
    // Two orders of a sum of 16384 positive numbers of one size.
    assert_close("last query", &last(causal), &last(open), 1e-4);
}

#[test]
fn it_has_its_gradient() {
    let inputs = few_inputs(7, 5, 3, 6);
    for mask in [Mask::open(), Mask::causal() & Mask::padding([4]), Mask::window(Some(2), Some(1))]
    {
        let attention = LinearAttentionConfig::new().with_chunk(3).init(&Device::flex());
        // Central differences of a smooth function at 1e-5 err by about 1e-10 and 1e-16 / 1e-5.
        check_gradients(&format!("linear, {mask:?}"), &inputs, 1e-7, |x| {
            attention.forward(x[0].clone(), x[1].clone(), x[2].clone(), &mask)
        });
    }
}

#[test]
fn it_keeps_the_law() {
    check_law_of_mechanism("linear", |device| config().init(device), &masks());
}

#[test]
fn what_is_broken_reaches_those_who_see_it() {
    for mask in [Mask::causal(), as_matrix(&Mask::causal(), [2, 4, 6, 6])] {
        for device in devices() {
            let [query, mut key, value] = inputs(6, 6, 8, 7);
            key.data[3 * 8] = f64::NAN; // key 3 of batch row 0, key head 0
            let attention = config().init(&device);
            let tensors = [&query, &key, &value].map(|sample| sample.f32(&device));
            let [q, k, v] = tensors.clone();
            let found = values(&attention.forward(q, k, v, &mask));
            let mut state = LinearState::default();
            let steps = step_by_step(&tensors, &[1; 6], |[q, k, v]| {
                attention.step(&mut state, q, k, v, &Mask::causal())
            });
            for (n, (found, step)) in found.iter().zip(&steps).enumerate() {
                let (row, i) = (n / 18, n / 3 % 6);
                assert_eq!(found.is_nan(), row < 2 && i >= 3, "{mask:?}: element {n}");
                assert_eq!(step.is_nan(), row < 2 && i >= 3, "step: element {n}");
            }
        }
    }
}

#[test]
fn numbers_of_any_size_give_numbers() {
    for mask in [Mask::open(), Mask::causal(), Mask::dilated(2)] {
        check_any_size("linear", |device| config().init(device), &mask);
    }
}

#[test]
fn a_state_follows_its_batch_rows() {
    for device in devices() {
        let attention = config().init(&device);
        let tensors = inputs(5, 5, 8, 10).map(|sample| sample.f32(&device));
        let rows = Tensor::<1, Int>::from_data([1, 0, 1], &device);
        let chosen = tensors.clone().map(|x| x.select(0, rows.clone()));
        let [q, k, v] = chosen.clone();
        let expected = attention.forward(q, k, v, &Mask::causal()).slice_dim(2, 3..5);
        let mut state = LinearState::default();
        let [q, k, v] = steps(&tensors, 0..3);
        attention.step(&mut state, q, k, v, &Mask::causal());
        let [q, k, v] = steps(&chosen, 3..5);
        let mut state = state.select_rows(&rows);
        let found = attention.step(&mut state, q, k, v, &Mask::causal());
        assert_close("rows", &values(&found), &values(&expected), 1e-5);
    }
}

#[test]
fn its_weights_are_those_of_its_context() {
    let [query, key, value] = inputs(5, 9, 8, 9);
    let identity = Sample::from_fn([2, 2, 9, 9], |n| f64::from(n / 9 % 9 == n % 9));
    for mask in [Mask::causal(), Mask::padding([3, 0]), Mask::dilated(2)] {
        for device in devices() {
            let attention = config().init(&device);
            let [q, k] = [&query, &key].map(|sample| sample.f32(&device));
            let found = values(&attention.weights(q, k, &mask));
            let expected =
                super::reference::attention([&query, &key, &identity], &mask, true, weight);
            assert_close("weights", &found, &expected, 1e-5);
            assert_eq!(value.dims[3], 3);
        }
    }
}

#[test]
fn half_precision_is_summed_in_full() {
    let device = Device::flex();
    let half = DType::BF16;
    let samples = inputs(9, 300, 8, 11);
    let [q, k, v] = samples.each_ref().map(|sample| sample.tensor(&device, half));
    let found = config().init(&device).forward(q, k, v, &Mask::causal());
    assert_eq!(found.dtype(), half);
    let rounded = samples.map(|sample| {
        let half = sample.tensor(&device, half);
        Sample { data: values(&half), ..sample }
    });
    let expected = attention(rounded.each_ref(), &Mask::causal(), true, weight);
    // The result alone is rounded, to 8 bits.
    assert_close("bf16", &values(&found), &expected, 1.0 / 256.0);
}

#[test]
fn where_there_is_nothing_to_see_the_context_is_zero() {
    let texts = [
        r#"{ "name": "linear_attention" }"#,
        r#"{ "name": "performer", "d_head": 8, "features": 5 }"#,
        r#"{ "name": "linformer", "max_keys": 9, "projected": 5 }"#,
        r#"{ "name": "retention" }"#,
        r#"{ "name": "gated_delta", "d_head": 8, "kv_heads": 2 }"#,
        r#"{ "name": "lsh", "d_head": 8, "buckets": 4 }"#,
    ];
    for text in texts {
        let config: MechanismConfig = serde_json::from_str(text).unwrap();
        for device in devices() {
            let mechanism = config.init(&device);
            for (queries, keys) in [(0, 0), (3, 0), (0, 3)] {
                if text.contains("lsh") && queries != keys {
                    continue;
                }
                let query = Tensor::ones([2, 4, queries, 8], &device);
                let key = Tensor::ones([2, 2, keys, 8], &device);
                let value = Tensor::ones([2, 2, keys, 3], &device);
                let found = mechanism.forward(query, key, value, &Mask::open());
                assert_eq!(found.dims(), [2, 4, queries, 3], "{text}");
                assert_eq!(values(&found), vec![0.0; 8 * queries * 3], "{text}");
            }
        }
    }
}

#[test]
fn a_file_names_it() {
    let config: MechanismConfig =
        serde_json::from_str(r#"{ "name": "linear_attention", "chunk": 32 }"#).unwrap();
    let expected = LinearAttentionConfig::new().with_chunk(32);
    assert_eq!(config, MechanismConfig::LinearAttention(expected));
    assert_eq!(config.validate(), Ok(()));
}

/// A chunk does not change the answer, not even where it is more than can be added to.
#[test]
fn a_chunk_may_be_of_any_size() {
    for device in devices() {
        let query = Sample::random([1, 2, 5, 4], 21).f32(&device);
        let [key, value] = [22, 23].map(|seed| Sample::random([1, 1, 3, 4], seed).f32(&device));
        let forward = |chunk| {
            let attention = LinearAttentionConfig::new().with_chunk(chunk).init(&device);
            values(&attention.forward(query.clone(), key.clone(), value.clone(), &Mask::causal()))
        };
        assert_eq!(forward(usize::MAX), forward(3));
    }
}
