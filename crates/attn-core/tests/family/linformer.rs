//! Linformer attention.

use super::reference::{check_any_size, dot, few_inputs, inputs};
use super::support::{
    Sample, assert_close, check_law_of_mechanism, check_module_gradients, devices, masks, values,
    weights_of,
};
use attn_core::mechanism::{Linformer, LinformerConfig, LinformerSharing, MechanismConfig};
use attn_core::{Mask, Mechanism};

fn configs() -> [LinformerConfig; 2] {
    let headwise = LinformerConfig::new(9, 5);
    [headwise.clone(), headwise.with_sharing(LinformerSharing::KeyValue)]
}

/// `softmax(q (Eᵀ K)ᵀ / √d) Fᵀ V`, where keys and values are 0 where they are hidden.
fn projected(
    [query, key, value]: [&Sample; 3],
    mask: &Mask,
    e: &[f64],
    f: &[f64],
    projected: usize,
) -> Vec<f64> {
    let [batch, heads, queries, d] = query.dims;
    let [_, kv_heads, keys, _] = key.dims;
    let shape = attn_core::AttentionShape { batch, heads, queries, keys };
    let mut contexts = Vec::new();
    for b in 0..batch {
        for h in 0..heads {
            let g = h / (heads / kv_heads);
            let project = |by: &[f64], rows: &Sample| -> Vec<Vec<f64>> {
                let of = |p: usize, c: usize| {
                    (0..keys)
                        .filter(|&j| mask.is_visible(&shape, b, h, 0, j))
                        .map(|j| by[j * projected + p] * rows.row(b, g, j)[c])
                        .sum()
                };
                (0..projected).map(|p| (0..rows.dims[3]).map(|c| of(p, c)).collect()).collect()
            };
            let (k, v) = (project(e, key), project(f, value));
            for i in 0..queries {
                let q = query.row(b, h, i);
                let weights: Vec<f64> =
                    k.iter().map(|k| (dot(q, k) / (d as f64).sqrt()).exp()).collect();
                let sum: f64 = weights.iter().sum();
                contexts.extend(
                    (0..value.dims[3])
                        .map(|c| weights.iter().zip(&v).map(|(w, v)| w * v[c]).sum::<f64>() / sum),
                );
            }
        }
    }
    contexts
}

#[test]
fn it_is_its_equation() {
    for config in configs() {
        for keys in [9, 6] {
            let [query, key, value] = inputs(7, keys, 8, 1).map(|sample| sample.scaled(2.0));
            for mask in [Mask::open(), Mask::padding([4, 0]), Mask::left_padding([1, 3])] {
                for device in devices() {
                    let linformer = config.init(&device);
                    let weights = weights_of(&linformer, None);
                    let e = &weights[..45];
                    let f = if linformer.value.is_some() { &weights[45..] } else { e };
                    let expected = projected([&query, &key, &value], &mask, e, f, 5);
                    let [q, k, v] = [&query, &key, &value].map(|sample| sample.f32(&device));
                    let found = linformer.forward(q, k, v, &mask);
                    // Sums of at most 9 products below 4, then a softmax over 5.
                    assert_close("linformer", &values(&found), &expected, 1e-5);
                }
            }
        }
    }
}

#[test]
fn it_has_its_gradient() {
    for config in configs() {
        check_module_gradients(
            "linformer",
            |device| config.init(device),
            &few_inputs(3, 7, 4, 2),
            // Differences of a smooth function err by 1e-10 or so.
            1e-7,
            |linformer: &Linformer, x| {
                let mask = Mask::padding([5]);
                linformer.forward(x[0].clone(), x[1].clone(), x[2].clone(), &mask)
            },
        );
    }
}

#[test]
fn it_keeps_the_law() {
    let taken = ["open", "nothing", "padding", "left padding"];
    let masks: Vec<_> = masks().into_iter().filter(|(name, _)| taken.contains(name)).collect();
    assert_eq!(masks.len(), taken.len());
    for config in configs() {
        check_law_of_mechanism("linformer", |device| config.init(device), &masks);
    }
}

#[test]
fn numbers_of_any_size_give_numbers() {
    check_any_size("linformer", |device| configs()[0].init(device), &Mask::padding([5, 9]));
}

#[test]
fn its_weights_are_those_of_its_context() {
    let [query, key, value] = inputs(5, 9, 8, 3);
    for device in devices() {
        let linformer = configs()[0].init(&device);
        let [q, k, v] = [&query, &key, &value].map(|sample| sample.f32(&device));
        let mask = Mask::padding([6, 9]);
        let weights = linformer.weights(q.clone(), k.clone(), &mask); // [2, 4, 5, 9]
        let context = weights.reshape([2, 2, 10, 9]).matmul(v.clone()).reshape([2, 4, 5, 3]);
        let expected = linformer.forward(q, k, v, &mask);
        assert_close("weights", &values(&context), &values(&expected), 1e-5);
    }
}

#[test]
fn what_is_broken_reaches_those_who_see_it() {
    for device in devices() {
        let [query, mut key, mut value] = inputs(5, 9, 8, 4);
        key.data[3 * 8] = f64::NAN; // key 3 of batch row 0, key head 0
        value.data[2 * 9 * 3 + 8 * 3] = f64::INFINITY; // the last value of batch row 1, hidden
        let [q, k, v] = [&query, &key, &value].map(|sample| sample.f32(&device));
        let found = values(&configs()[0].init(&device).forward(q, k, v, &Mask::padding([9, 8])));
        for (n, found) in found.iter().enumerate() {
            assert_eq!(found.is_nan(), n / 15 < 2, "element {n}");
        }
    }
}

#[test]
fn a_file_names_it() {
    let text = r#"{ "name": "linformer", "max_keys": 9, "projected": 5, "sharing": "key_value" }"#;
    let found: MechanismConfig = serde_json::from_str(text).unwrap();
    assert_eq!(found, MechanismConfig::Linformer(configs()[1].clone()));
}
