//! Recurrences: retention and the gated delta rule.

use super::reference::{
    Pair, as_matrix, attention, check_any_size, dot, few_inputs, inputs, step_by_step, steps,
};
use super::support::{
    Sample, assert_close, check_law_of_mechanism, check_module_gradients, devices, masks, values,
    weights_of,
};
use attn_core::mechanism::{
    GatedDelta, GatedDeltaConfig, LinearState, MechanismConfig, MechanismState, Retention,
    RetentionConfig,
};
use attn_core::{Mask, Mechanism, Stepwise};
use burn::tensor::{Device, Int, Tensor};

/// More queries than keys, fewer, and as many; chunks of 4 divide none of them.
const LENGTHS: [(usize, usize); 3] = [(13, 6), (5, 14), (11, 11)];

fn retention() -> RetentionConfig {
    RetentionConfig::new().with_chunk(4)
}

fn gated_delta() -> GatedDeltaConfig {
    GatedDeltaConfig::new(8, 2).with_chunk(4)
}

fn step<M: Stepwise<State = LinearState>>(
    mechanism: &M,
    state: &mut LinearState,
    [query, key, value]: [Tensor<4>; 3],
) -> Tensor<4> {
    mechanism.step(state, query, key, value, &Mask::causal())
}

fn keys_and_causal() -> [Mask; 6] {
    [
        Mask::open(),
        Mask::nothing(),
        Mask::padding([4, 0]),
        Mask::left_padding([2, 5]),
        Mask::causal(),
        Mask::causal() & Mask::left_padding([1, 3]) & Mask::padding([6]),
    ]
}

fn retained(pair: Pair) -> f64 {
    let gamma = 1.0 - (-5.0 - pair.head as f64).exp2();
    gamma.powf((pair.position - pair.j as i64).abs() as f64) * dot(pair.query, pair.key)
}

#[test]
fn retention_is_its_equation_in_each_form() {
    for (queries, keys) in LENGTHS {
        let [query, key, value] = inputs(queries, keys, 8, 1);
        for mask in keys_and_causal().into_iter().chain([Mask::window(Some(2), Some(0))]) {
            let expected = attention([&query, &key, &value], &mask, false, retained);
            for device in devices() {
                let [q, k, v] = [&query, &key, &value].map(|sample| sample.f32(&device));
                let found = retention().init(&device).forward(q, k, v, &mask);
                // A sum of 14 times 8 products, each below 1.
                let what = format!("{mask:?}, {queries} × {keys}, {device:?}");
                assert_close(&what, &values(&found), &expected, 1e-5);
            }
        }
    }
}

#[test]
fn retention_steps_as_it_reads() {
    let samples = inputs(11, 11, 8, 2);
    for device in devices() {
        let retention = retention().init(&device);
        let tensors = samples.each_ref().map(|sample| sample.f32(&device));
        let [q, k, v] = tensors.clone();
        let chunked = values(&retention.forward(q, k, v, &Mask::causal()));
        let [q, k, v] = tensors.clone();
        let matrix = as_matrix(&Mask::causal(), [2, 4, 11, 11]);
        assert_close("matrix", &values(&retention.forward(q, k, v, &matrix)), &chunked, 1e-5);
        for sizes in [&[1; 11][..], &[3, 1, 7]] {
            let mut state = LinearState::default();
            let steps = step_by_step(&tensors, sizes, |[q, k, v]| {
                retention.step(&mut state, q, k, v, &Mask::causal())
            });
            assert_close("steps", &steps, &chunked, 1e-5);
        }
    }
}

#[test]
fn retention_has_its_gradient() {
    let inputs = few_inputs(7, 5, 4, 3);
    for mask in
        [Mask::padding([3]), Mask::causal() & Mask::padding([4]), Mask::window(Some(2), Some(1))]
    {
        // Polynomials of third degree: differences are exact but for rounding, 1e-16 / 1e-5.
        check_module_gradients(
            &format!("retention, {mask:?}"),
            |device| RetentionConfig::new().with_chunk(3).init(device),
            &inputs,
            1e-8,
            |retention: &Retention, x| {
                retention.forward(x[0].clone(), x[1].clone(), x[2].clone(), &mask)
            },
        );
    }
}

#[test]
fn retention_keeps_the_law() {
    check_law_of_mechanism("retention", |device| retention().init(device), &masks());
}

/// The recurrence in plain loops; gates from `[w, w₀]` of each key head.
fn written(
    [query, key, value]: [&Sample; 3],
    mask: &Mask,
    causal: bool,
    decay: &[(Vec<f64>, f64)],
    write: &[(Vec<f64>, f64)],
) -> Vec<f64> {
    let [batch, heads, queries, d] = query.dims;
    let [_, kv_heads, keys, width] = value.dims;
    let shape = attn_core::AttentionShape { batch, heads, queries, keys };
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let mut contexts = Vec::new();
    for b in 0..batch {
        for h in 0..heads {
            let g = h / (heads / kv_heads);
            let mut state = vec![vec![0.0; width]; d];
            let mut states = vec![state.clone()];
            for j in 0..keys {
                // The last query sees every key that anyone sees.
                if mask.is_visible(&shape, b, h, queries - 1, j) {
                    let k = key.row(b, g, j);
                    let alpha = sigmoid(dot(&decay[g].0, k) + decay[g].1);
                    let beta = sigmoid(dot(&write[g].0, k) + write[g].1);
                    let unit: Vec<f64> = k.iter().map(|x| x / dot(k, k).sqrt()).collect();
                    for e in 0..width {
                        let column: Vec<f64> = state.iter().map(|row| row[e]).collect();
                        let at_key = dot(&unit, &column);
                        let v = value.row(b, g, j)[e];
                        for c in 0..d {
                            state[c][e] = alpha * (state[c][e] - beta * unit[c] * at_key)
                                + beta * unit[c] * v;
                        }
                    }
                }
                states.push(state.clone());
            }
            for i in 0..queries {
                let seen = if causal { (i + keys + 1).saturating_sub(queries) } else { keys };
                let q = query.row(b, h, i);
                contexts.extend((0..width).map(|e| {
                    let column: Vec<f64> = states[seen].iter().map(|row| row[e]).collect();
                    dot(q, &column)
                }));
            }
        }
    }
    contexts
}

/// `w` and `w₀` of each head, of decay and write.
fn gates(rule: &GatedDelta) -> [Vec<(Vec<f64>, f64)>; 2] {
    [&rule.decay, &rule.write].map(|gate| {
        let all = weights_of(gate, None);
        let (weights, biases) = all.split_at(2 * 8);
        weights.chunks(8).map(<[f64]>::to_vec).zip(biases.iter().copied()).collect()
    })
}

#[test]
fn the_gated_delta_rule_is_its_equation() {
    for (queries, keys) in LENGTHS {
        let [query, key, value] = inputs(queries, keys, 8, 4).map(|sample| sample.scaled(2.0));
        for mask in keys_and_causal() {
            let causal = format!("{mask:?}").contains("causal");
            for device in devices() {
                let rule = gated_delta().init(&device);
                let [decay, write] = gates(&rule);
                let expected = written([&query, &key, &value], &mask, causal, &decay, &write);
                let [q, k, v] = [&query, &key, &value].map(|sample| sample.f32(&device));
                let found = rule.forward(q, k, v, &mask);
                // A state of at most 14 numbers below 2 in each place, and 8 products with it.
                let what = format!("{mask:?}, {queries} × {keys}, {device:?}");
                assert_close(&what, &values(&found), &expected, 1e-5);
            }
        }
    }
}

#[test]
fn the_gated_delta_rule_steps_as_it_reads() {
    let samples = inputs(11, 11, 8, 5);
    for device in devices() {
        let rule = gated_delta().init(&device);
        let tensors = samples.each_ref().map(|sample| sample.f32(&device));
        let [q, k, v] = tensors.clone();
        let chunked = values(&rule.forward(q, k, v, &Mask::causal()));
        for sizes in [&[1; 11][..], &[3, 1, 7]] {
            let mut state = LinearState::default();
            let steps = step_by_step(&tensors, sizes, |[q, k, v]| {
                rule.step(&mut state, q, k, v, &Mask::causal())
            });
            assert_close("steps", &steps, &chunked, 1e-5);
        }
    }
}

#[test]
fn the_same_key_again_and_again_is_written_without_error() {
    // All keys equal, written with full strength: the inverse of the chunk's triangle is where
    // powers of it would have entries of 10¹⁷.
    let device = Device::flex();
    let mut rule = GatedDeltaConfig::new(8, 2).init(&device);
    rule.write.bias = rule.write.bias.map(|bias| bias + 20.0);
    rule.decay.bias = rule.decay.bias.map(|bias| bias + 20.0);
    let key = Sample::from_fn([2, 2, 130, 8], |n| if n % 8 == 3 { 1.0 } else { 0.0 });
    let query = Sample::from_fn([2, 4, 130, 8], |n| if n % 8 == 3 { 1.0 } else { 0.0 });
    let value = Sample::random([2, 2, 130, 3], 6);
    let [q, k, v] = [&query, &key, &value].map(|sample| sample.f32(&device));
    let found = rule.forward(q, k, v, &Mask::causal());
    let expected: Vec<f64> = (0..8)
        .flat_map(|row| (0..130).map(move |i| (row / 4, row % 4 / 2, i)))
        .flat_map(|(b, g, i)| value.row(b, g, i).to_vec())
        .collect();
    // Each value replaces the one before, up to sigmoid(20) = 1 - 2e-9.
    assert_close("the last value", &values(&found), &expected, 1e-5);
}

#[test]
fn the_gated_delta_rule_has_its_gradient() {
    let inputs = few_inputs(4, 5, 3, 7);
    for mask in [Mask::padding([3]), Mask::causal() & Mask::padding([4])] {
        check_module_gradients(
            &format!("gated delta rule, {mask:?}"),
            |device| GatedDeltaConfig::new(3, 1).with_chunk(3).init(device),
            &inputs,
            // Differences of a smooth function err by 1e-10 or so.
            1e-7,
            |rule: &GatedDelta, x| rule.forward(x[0].clone(), x[1].clone(), x[2].clone(), &mask),
        );
    }
}

#[test]
fn the_gated_delta_rule_keeps_the_law() {
    let taken = ["open", "nothing", "causal", "padding", "left padding", "causal, padded"];
    let masks: Vec<_> = masks().into_iter().filter(|(name, _)| taken.contains(name)).collect();
    assert_eq!(masks.len(), taken.len());
    check_law_of_mechanism("gated delta rule", |device| gated_delta().init(device), &masks);
}

#[test]
fn a_hidden_key_is_as_if_it_were_not_there() {
    for device in devices() {
        let rule = gated_delta().init(&device);
        let [query, key, value] = inputs(3, 9, 8, 8).map(|sample| sample.f32(&device));
        let mask = Mask::padding([5]);
        let padded = rule.forward(query.clone(), key.clone(), value.clone(), &mask);
        let [key, value] = [key, value].map(|x| x.slice_dim(2, 0..5));
        let short = rule.forward(query, key, value, &Mask::open());
        assert_close("without padding", &values(&padded), &values(&short), 1e-6);
    }
}

#[test]
fn what_is_broken_reaches_those_who_come_after() {
    for device in devices() {
        let [query, key, mut value] = inputs(6, 6, 8, 9);
        value.data[3 * 3] = f64::INFINITY; // value 3 of batch row 0, key head 0
        let tensors = [&query, &key, &value].map(|sample| sample.f32(&device));
        let retention = retention().init(&device);
        let rule = gated_delta().init(&device);
        let whole = |mechanism: &dyn Mechanism| {
            let [q, k, v] = tensors.clone();
            values(&mechanism.forward(q, k, v, &Mask::causal()))
        };
        let (mut retained, mut written) = (LinearState::default(), LinearState::default());
        let sizes = [2, 3, 1];
        for found in [
            whole(&retention),
            whole(&rule),
            step_by_step(&tensors, &sizes, |[q, k, v]| step(&retention, &mut retained, [q, k, v])),
            step_by_step(&tensors, &sizes, |[q, k, v]| step(&rule, &mut written, [q, k, v])),
        ] {
            for (n, found) in found.iter().enumerate() {
                let (row, i) = (n / 18, n / 3 % 6);
                assert_eq!(found.is_nan(), row < 2 && i >= 3, "element {n}");
            }
        }
    }
}

#[test]
fn states_follow_their_batch_rows() {
    for device in devices() {
        let (retention, rule) = (retention().init(&device), gated_delta().init(&device));
        let tensors = inputs(5, 5, 8, 14).map(|sample| sample.f32(&device));
        let rows = Tensor::<1, Int>::from_data([1, 0, 1], &device);
        let chosen = tensors.clone().map(|x| x.select(0, rows.clone()));
        let expected = |mechanism: &dyn Mechanism| {
            let [q, k, v] = chosen.clone();
            values(&mechanism.forward(q, k, v, &Mask::causal()).slice_dim(2, 3..5))
        };
        let (mut retained, mut written) = (LinearState::default(), LinearState::default());
        step(&retention, &mut retained, steps(&tensors, 0..3));
        step(&rule, &mut written, steps(&tensors, 0..3));
        let (mut retained, mut written) = (retained.select_rows(&rows), written.select_rows(&rows));
        let found = step(&retention, &mut retained, steps(&chosen, 3..5));
        assert_close("retention", &values(&found), &expected(&retention), 1e-5);
        let found = step(&rule, &mut written, steps(&chosen, 3..5));
        assert_close("gated delta rule", &values(&found), &expected(&rule), 1e-5);
    }
}

#[test]
fn numbers_of_any_size_give_numbers() {
    for mask in [Mask::open(), Mask::causal()] {
        check_any_size("retention", |device| retention().init(device), &mask);
        check_any_size("gated delta rule", |device| gated_delta().init(device), &mask);
    }
}

#[test]
fn weights_are_those_of_the_context() {
    let [query, key, value] = inputs(5, 9, 8, 10);
    for device in devices() {
        let tensors = [&query, &key, &value].map(|sample| sample.f32(&device));
        let check = |mechanism: &dyn Mechanism, mask: &Mask| {
            let [q, k, v] = tensors.clone();
            let weights = mechanism.weights(q.clone(), k.clone(), mask); // [2, 4, 5, 9]
            let context = weights.reshape([2, 2, 10, 9]).matmul(v.clone()).reshape([2, 4, 5, 3]);
            let expected = mechanism.forward(q, k, v, mask);
            assert_close("weights", &values(&context), &values(&expected), 1e-5);
        };
        for mask in [Mask::causal(), Mask::padding([3, 0])] {
            check(&retention().init(&device), &mask);
            check(&gated_delta().init(&device), &mask);
        }
    }
}

#[test]
fn sixteen_thousand_keys_are_soon_read() {
    // Weights would take 1 GiB.
    let count = 1 << 14;
    let device = Device::flex();
    let tensor = |seed| Sample::random([1, 1, count, 4], seed).f32(&device);
    let [query, key, value] = [11, 12, 13].map(tensor);
    let last = |x: Tensor<4>| values(&x.slice_dim(2, count - 1..count));
    let retention = RetentionConfig::new().init(&device);
    let rule = GatedDeltaConfig::new(4, 1).init(&device);
    for mechanism in [&retention as &dyn Mechanism, &rule] {
        let forward = |query: Tensor<4>| {
            mechanism.forward(query, key.clone(), value.clone(), &Mask::causal())
        };
        let all = forward(query.clone());
        let alone = forward(query.clone().slice_dim(2, count - 1..count));
        assert_close("last query", &last(all), &values(&alone), 1e-4);
    }
}

#[test]
fn a_file_names_them() {
    let parse = |text| serde_json::from_str::<MechanismConfig>(text).unwrap();
    let found = parse(r#"{ "name": "retention", "chunk": 4 }"#);
    assert_eq!(found, MechanismConfig::Retention(retention()));
    let found = parse(r#"{ "name": "gated_delta", "d_head": 8, "kv_heads": 2, "chunk": 4 }"#);
    assert_eq!(found, MechanismConfig::GatedDelta(gated_delta()));
}
