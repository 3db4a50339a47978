//! Explanations against loops over the weights that they are about.

use super::support::{
    PAIRS, Sample, assert_close, devices, lowered, masks, precise_devices, values,
};
use attn_core::explain::{self, Layer, Summary, TopK};
use attn_core::mechanism::AttentionConfig;
use attn_core::{AttendOptions, DropoutMask, Mask, Mechanism, Sink, attend_with_weights};
use burn::tensor::{DType, Device, FloatDType, Tensor};

/// Rows of weights, `[batch, heads, queries, keys]`.
fn rows(weights: &Sample) -> impl Iterator<Item = &[f64]> {
    weights.data.chunks(weights.dims[3])
}

/// The weights of [`attend_with_weights`], which are computed all at once.
fn weights(query: &Tensor<4>, key: &Tensor<4>, mask: &Mask, options: &AttendOptions) -> Sample {
    let attended = attend_with_weights(query.clone(), key.clone(), key.clone(), mask, options);
    Sample { dims: attended.weights.dims(), data: values(&attended.weights) }
}

/// Of these weights, each of which both sides have to a few roundings: 1e-5 is what sums of some
/// hundreds of them may add up to.
#[track_caller]
fn check(what: &str, summary: &Summary, weights: &Sample, k: usize) {
    let [batch, heads, queries, keys] = weights.dims;
    assert_eq!(summary.top_k.indices.dims(), [batch, heads, queries, k.min(keys)], "{what}");
    assert_eq!(summary.top_k.weights.dims(), [batch, heads, queries, k.min(keys)], "{what}");
    for (n, (list, row)) in summary.top_k.lists().iter().zip(rows(weights)).enumerate() {
        let what = format!("{what}: list {n}");
        let mut sorted: Vec<f64> = row.iter().copied().filter(|&w| w > 0.0).collect();
        sorted.sort_by(|a, b| b.total_cmp(a));
        sorted.truncate(k);
        let found: Vec<f64> = list.iter().map(|(_, w)| *w).collect();
        assert_close(&what, &found, &sorted, 1e-5);
        // Keys that weigh almost the same may have changed places.
        let named: Vec<f64> = list.iter().map(|(j, _)| row[*j]).collect();
        assert_close(&what, &named, &sorted, 1e-5);
        let mut different: Vec<usize> = list.iter().map(|(j, _)| *j).collect();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), list.len(), "{what}: a key is listed twice");
    }

    let entropy =
        |row: &[f64]| -> f64 { -row.iter().filter(|&&w| w > 0.0).map(|w| w * w.ln()).sum::<f64>() };
    let entropies: Vec<f64> = rows(weights).map(entropy).collect();
    assert_eq!(summary.entropy.queries.dims(), [batch, heads, queries], "{what}");
    assert_close(&format!("{what}: entropy"), &values(&summary.entropy.queries), &entropies, 1e-5);
    let means: Vec<f64> = (0..batch * heads)
        .map(|head| {
            let looks = |row: &&[f64]| row.iter().sum::<f64>() > 0.0;
            let rows = rows(weights).skip(head * queries).take(queries).filter(looks);
            let entropies: Vec<f64> = rows.map(entropy).collect();
            entropies.iter().sum::<f64>() / entropies.len().max(1) as f64
        })
        .collect();
    assert_eq!(summary.entropy.heads.dims(), [batch, heads], "{what}");
    assert_close(&format!("{what}: mean"), &values(&summary.entropy.heads), &means, 1e-5);

    let mut received = vec![0.0; batch * heads * keys];
    for (n, row) in rows(weights).enumerate() {
        let head = n / queries;
        received[head * keys..][..keys].iter_mut().zip(row).for_each(|(sum, w)| *sum += w);
    }
    assert_eq!(summary.received.dims(), [batch, heads, keys], "{what}");
    assert_close(&format!("{what}: received"), &values(&summary.received), &received, 1e-5);
}

/// Each option, alone or with others.
fn options(device: &Device) -> Vec<(&'static str, AttendOptions)> {
    let [batch, heads, queries, keys] = PAIRS;
    let bias = |dims| Some(Sample::random(dims, 24).f32(device));
    let logits = Tensor::<1>::from_floats([0.5, -1.0, 0.0, 2.0], device);
    vec![
        ("plain", AttendOptions::default()),
        (
            "scale, soft-cap",
            AttendOptions { scale: Some(3.0), softcap: Some(0.7), ..Default::default() },
        ),
        (
            "bias of all",
            AttendOptions { bias: bias([batch, 1, queries, keys]), ..Default::default() },
        ),
        ("bias of keys", AttendOptions { bias: bias([1, heads, 1, keys]), ..Default::default() }),
        ("sink of zero", AttendOptions { sink: Some(Sink::Zero), ..Default::default() }),
        (
            "learned sink, soft-cap",
            AttendOptions {
                sink: Some(Sink::Learned(logits)),
                softcap: Some(2.0),
                ..Default::default()
            },
        ),
    ]
}

/// [`masks`], and the kinds that are none of them.
fn all_masks() -> Vec<(&'static str, Mask)> {
    let mut masks = masks();
    masks.push(("global", Mask::longformer(1, 2, vec![vec![0], vec![3, 6]])));
    masks.push(("local blocks", Mask::local_blocks(3)));
    masks.push(("columns", Mask::columns(3, 1) & Mask::causal()));
    masks
}

fn query_and_key(device: &Device) -> (Tensor<4>, Tensor<4>) {
    let [batch, heads, queries, keys] = PAIRS;
    let query = Sample::random([batch, heads, queries, 8], 21).scaled(3.0);
    let key = Sample::random([batch, heads / 2, keys, 8], 22);
    (query.f32(device), key.f32(device))
}

#[test]
fn they_are_those_of_the_weights() {
    for device in devices() {
        let (query, key) = query_and_key(&device);
        for ((name, mask), (option, options)) in
            all_masks().iter().flat_map(|mask| options(&device).into_iter().map(move |o| (mask, o)))
        {
            let what = format!("{name}, {option} on {device:?}");
            let weights = weights(&query, &key, mask, &options);
            for k in [1, 3, 9] {
                let summary = explain::summary(query.clone(), key.clone(), mask, &options, k);
                check(&what, &summary, &weights, k);
                check(&what, &explain::of_weights(weights.f32(&device), k), &weights, k);
            }
        }
    }
}

#[test]
fn one_pass_says_what_each_says_alone() {
    for device in devices() {
        let (query, key) = query_and_key(&device);
        let (mask, options) = (Mask::causal(), AttendOptions::default());
        let all = explain::summary(query.clone(), key.clone(), &mask, &options, 3);
        let top_k = explain::top_k(query.clone(), key.clone(), &mask, &options, 3);
        assert_eq!(top_k.lists(), all.top_k.lists());
        let entropy = explain::entropy(query.clone(), key.clone(), &mask, &options);
        assert_eq!(values(&entropy.queries), values(&all.entropy.queries));
        assert_eq!(values(&entropy.heads), values(&all.entropy.heads));
        let received = explain::received(query, key, &mask, &options);
        assert_eq!(values(&received), values(&all.received));
    }
}

/// More queries than a tile has, and keys that only some of them see.
#[test]
fn tiles_have_no_seams() {
    let [batch, heads, queries, keys] = [1, 2, 300, 610];
    let masks = [
        Mask::open(),
        Mask::causal(),
        Mask::window(Some(20), Some(5)),
        Mask::documents(vec![vec![500, 70]]),
        Mask::longformer(9, 3, vec![vec![400]]),
        Mask::padding([100]),
        Mask::left_padding([600]),
        Mask::columns(100, 7),
        !Mask::causal(),
    ];
    for device in devices() {
        let query = Sample::random([batch, heads, queries, 8], 31).scaled(3.0).f32(&device);
        let key = Sample::random([batch, 1, keys, 8], 32).f32(&device);
        let bias = Sample::random([1, heads, queries, keys], 33).f32(&device);
        let options = AttendOptions { bias: Some(bias), ..Default::default() };
        for mask in &masks {
            let weights = weights(&query, &key, mask, &options);
            let summary = explain::summary(query.clone(), key.clone(), mask, &options, 5);
            check(&format!("{mask:?} on {device:?}"), &summary, &weights, 5);
        }
    }
}

#[test]
fn what_is_hidden_neither_leaks_nor_is_listed() {
    let [batch, heads, queries, keys] = PAIRS;
    for device in devices() {
        let options = AttendOptions::default();
        let query = Sample::random([batch, heads, queries, 8], 21).f32(&device);
        let key = Sample::random([batch, heads / 2, keys, 8], 22);
        let mut poisoned = key.clone();
        for b in 0..batch {
            for g in 0..heads / 2 {
                let row = (b * (heads / 2) + g) * keys + 5;
                poisoned.data[row * 8..][..2].copy_from_slice(&[f64::NAN, f64::INFINITY]);
            }
        }
        for mask in
            [Mask::padding([5]), Mask::nothing(), Mask::local_blocks(5) & Mask::padding([5])]
        {
            let what = format!("{mask:?} on {device:?}");
            let weights = weights(&query, &key.f32(&device), &mask, &options);
            let poisoned = poisoned.f32(&device);
            let summary = explain::summary(query.clone(), poisoned, &mask, &options, 7);
            check(&what, &summary, &weights, 7);
            let visible = lowered(&mask, PAIRS);
            for (list, visible) in summary.top_k.lists().iter().zip(visible.chunks(keys)) {
                assert_eq!(list.len(), visible.iter().filter(|&&sees| sees).count(), "{what}");
                assert!(list.iter().all(|(j, _)| visible[*j]), "{what}: {list:?}");
            }
        }
    }
}

/// Queries 0 to 2, at positions 1 to 3, see nothing of their block.
#[test]
fn a_blind_query_may_be_anything() {
    let [batch, heads, queries, keys] = PAIRS;
    for device in devices() {
        let query = Sample::random([batch, heads, queries, 8], 21);
        let mut poisoned = query.clone();
        for row in poisoned.data.chunks_mut(queries * 8) {
            row[..3 * 8].fill(f64::NAN);
        }
        let key = Sample::random([batch, heads / 2, keys, 8], 22).f32(&device);
        let mask = Mask::local_blocks(4) & Mask::left_padding([4]);
        let options = AttendOptions::default();
        let weights = weights(&query.f32(&device), &key, &mask, &options);
        assert!(rows(&weights).step_by(queries).all(|row| row.iter().all(|&w| w == 0.0)));
        let summary = explain::summary(poisoned.f32(&device), key, &mask, &options, 4);
        check(&format!("{device:?}"), &summary, &weights, 4);
    }
}

/// Half precision is computed in f32, and f64 in f64: to its own roundings.
#[test]
fn answers_are_as_precise_as_the_weights_are_computed() {
    let (mask, options) = (Mask::causal(), AttendOptions::default());
    for device in precise_devices() {
        let (query, key) = query_and_key(&device);
        let [query, key] = [query, key].map(|tensor| tensor.cast(FloatDType::F64));
        let weights = weights(&query, &key, &mask, &options);
        let received = explain::received(query, key, &mask, &options);
        let of_weights = explain::of_weights(weights.f64(&device), 1).received;
        assert_eq!(received.dtype(), DType::F64);
        assert_close("f64", &values(&received), &values(&of_weights), 1e-14);
    }
    let (query, key) = query_and_key(&Device::flex());
    let [query, key] = [query, key].map(|tensor| tensor.cast(FloatDType::BF16));
    let half = explain::received(query.clone(), key.clone(), &mask, &options);
    assert_eq!(half.dtype(), DType::F32);
    let [query, key] = [query, key].map(|tensor| tensor.cast(FloatDType::F32));
    let single = explain::received(query, key, &mask, &options);
    assert_eq!(values(&half), values(&single));
}

#[test]
fn a_query_that_sees_no_key_says_nothing() {
    for device in devices() {
        let (query, key) = query_and_key(&device);
        for sink in [None, Some(Sink::Zero)] {
            let options = AttendOptions { sink, ..Default::default() };
            let Summary { top_k, entropy, received } =
                explain::summary(query.clone(), key.clone(), &Mask::nothing(), &options, 2);
            assert!(top_k.indices.into_data().iter::<i64>().all(|index| index == TopK::NONE));
            assert!(values(&top_k.weights).iter().all(|&weight| weight == 0.0));
            for numbers in [values(&entropy.queries), values(&entropy.heads), values(&received)] {
                assert!(numbers.iter().all(|x| x.to_bits() == 0), "{numbers:?}");
            }
        }
    }
}

#[test]
fn keys_without_queries_and_queries_without_keys() {
    for device in devices() {
        let options = AttendOptions::default();
        let tensor = |n: usize| Tensor::<4>::zeros([2, 3, n, 4], &device);
        let summary = explain::summary(tensor(5), tensor(0), &Mask::causal(), &options, 2);
        assert_eq!(values(&summary.entropy.queries), [0.0; 30]);
        assert_eq!(summary.top_k.indices.dims(), [2, 3, 5, 0]);
        let summary = explain::summary(tensor(0), tensor(5), &Mask::causal(), &options, 2);
        assert_eq!(values(&summary.received), [0.0; 30]);
        assert_eq!(values(&summary.entropy.heads), [0.0; 6]);
    }
}

#[test]
fn dropout_has_no_part_and_no_graph_is_kept() {
    for device in devices() {
        let (query, key) = query_and_key(&device.clone().autodiff());
        let plain = AttendOptions::default();
        let dropped = AttendOptions { dropout: Some(DropoutMask::new(0.5, 1)), ..plain.clone() };
        let received = |options: &AttendOptions| {
            let query = query.clone().require_grad();
            explain::received(query, key.clone(), &Mask::causal(), options)
        };
        assert_eq!(values(&received(&plain)), values(&received(&dropped)));
        assert!(!received(&plain).is_require_grad());
        assert_eq!(received(&plain).device(), device);
    }
}

#[test]
fn weights_of_a_mechanism_are_explained_alike() {
    for device in devices() {
        let (query, key) = query_and_key(&device);
        let mask = Mask::causal();
        let weights =
            AttentionConfig::new().init(&device).weights(query.clone(), key.clone(), &mask);
        let sample = Sample { dims: weights.dims(), data: values(&weights) };
        check("mechanism", &explain::of_weights(weights, 2), &sample, 2);
        let summary = explain::summary(query, key, &mask, &AttendOptions::default(), 2);
        check("attend", &summary, &sample, 2);
    }
}

/// `½ (A + I)` of the last layer times those before it, in loops.
fn rollout_by_loops(layers: &[Sample]) -> Vec<f64> {
    let [batch, _, n, _] = layers[0].dims;
    let mut all = Vec::new();
    for b in 0..batch {
        let mut product: Vec<f64> = (0..n * n).map(|at| f64::from(at / n == at % n)).collect();
        for layer in layers {
            let heads = layer.dims[1];
            let mixed = |i: usize, j: usize| {
                let mean = (0..heads).map(|h| layer.row(b, h, i)[j]).sum::<f64>() / heads as f64;
                0.5 * (mean + f64::from(i == j))
            };
            let entry = |i: usize, j: usize| (0..n).map(|l| mixed(i, l) * product[l * n + j]).sum();
            product = (0..n * n).map(|at| entry(at / n, at % n)).collect();
        }
        all.extend(product);
    }
    all
}

/// Queries and keys of three layers of `n` tokens.
fn layers(n: usize, device: &Device) -> Vec<(Tensor<4>, Tensor<4>)> {
    let tensor = |heads, seed| Sample::random([2, heads, n, 8], seed).scaled(2.0).f32(device);
    (0..3).map(|layer| (tensor(4, 40 + layer), tensor(2, 50 + layer))).collect()
}

#[test]
fn rollout_is_the_product_of_the_layers() {
    let n = 7;
    for device in devices() {
        let options = AttendOptions::default();
        for (name, mask) in
            [("open", Mask::open()), ("causal", Mask::causal()), ("padding", Mask::padding([5, 0]))]
        {
            let what = format!("{name} on {device:?}");
            let tensors = layers(n, &device);
            let samples: Vec<_> =
                tensors.iter().map(|(query, key)| weights(query, key, &mask, &options)).collect();
            let expected = rollout_by_loops(&samples);
            let of_weights: Vec<_> = samples.iter().map(|sample| sample.f32(&device)).collect();
            let found = explain::rollout(&of_weights);
            assert_eq!(found.dims(), [2, n, n]);
            assert_close(&what, &values(&found), &expected, 1e-6);

            let layers: Vec<_> = tensors
                .iter()
                .map(|(query, key)| Layer { query, key, mask: &mask, options: &options })
                .collect();
            let tokens = [6, 2, 3];
            let found = explain::rollout_tokens(&layers, &tokens);
            assert_eq!(found.dims(), [2, tokens.len(), n]);
            let rows = (0..2).flat_map(|b| tokens.map(|token| (b * n + token) * n));
            let expected: Vec<f64> = rows.flat_map(|at| expected[at..][..n].to_vec()).collect();
            assert_close(&format!("{what}, tokens"), &values(&found), &expected, 1e-6);
        }
    }
}

#[test]
fn rollout_has_no_seams_and_loses_nothing() {
    let n = 530;
    for device in devices() {
        let mask = Mask::causal() & Mask::window(Some(40), None);
        let options = AttendOptions::default();
        let tensors = layers(n, &device);
        let layers: Vec<_> = tensors
            .iter()
            .map(|(query, key)| Layer { query, key, mask: &mask, options: &options })
            .collect();
        let weights: Vec<_> = tensors
            .iter()
            .map(|(query, key)| weights(query, key, &mask, &options).f32(&device))
            .collect();
        let rows = Sample::random([1, 2, 3, n], 60).f32(&device).reshape([2, 3, n]);
        let found = explain::rollout_rows(&layers, rows.clone());
        let expected = rows.clone().matmul(explain::rollout(&weights));
        assert_close("rows", &values(&found), &values(&expected), 1e-5);
        // Each row of a rollout sums to 1, so the product sums to what the row sums to.
        let [found, given] = [found, rows].map(|rows| values(&rows.sum_dim(2)));
        assert_close("sums", &found, &given, 1e-4);
    }
}

mod panics {
    use super::*;

    fn ones(dims: [usize; 4]) -> Tensor<4> {
        Tensor::ones(dims, &Device::flex())
    }

    fn entropy(query: [usize; 4], key: [usize; 4], options: &AttendOptions) {
        explain::entropy(ones(query), ones(key), &Mask::open(), options);
    }

    #[test]
    #[should_panic(expected = "key [2, 3, 7, 4] does not fit query [2, 3, 5, 8]")]
    fn widths() {
        entropy([2, 3, 5, 8], [2, 3, 7, 4], &AttendOptions::default());
    }

    #[test]
    #[should_panic(expected = "3 query heads do not split evenly over 2 key/value heads")]
    fn heads() {
        entropy([2, 3, 5, 8], [2, 2, 7, 8], &AttendOptions::default());
    }

    #[test]
    #[should_panic(expected = "bias [1, 1, 4, 7] does not broadcast to scores [2, 3, 5, 7]")]
    fn bias() {
        let options = AttendOptions { bias: Some(ones([1, 1, 4, 7])), ..Default::default() };
        entropy([2, 3, 5, 8], [2, 3, 7, 8], &options);
    }

    #[test]
    #[should_panic(expected = "padding has 3 entries, but the batch has 2 rows")]
    fn mask() {
        let mask = Mask::padding([1, 2, 3]);
        explain::received(ones([2, 3, 5, 8]), ones([2, 3, 7, 8]), &mask, &AttendOptions::default());
    }

    #[test]
    #[should_panic(expected = "top 0 keys, needs at least 1")]
    fn no_keys() {
        explain::of_weights(ones([2, 3, 5, 7]), 0);
    }

    #[test]
    #[should_panic(expected = "rollout of no layers, needs at least 1")]
    fn no_layers() {
        explain::rollout(&[]);
    }

    #[test]
    #[should_panic(expected = "rollout of weights [2, 3, 5, 7] in layers of 5 tokens")]
    fn oblong_weights() {
        explain::rollout(&[ones([2, 3, 5, 7])]);
    }

    #[test]
    #[should_panic(expected = "rollout of token 5 in layers of 5 tokens")]
    fn no_such_token() {
        let (n, mask, options) = (ones([2, 3, 5, 8]), Mask::open(), AttendOptions::default());
        let layer = Layer { query: &n, key: &n, mask: &mask, options: &options };
        explain::rollout_tokens(&[layer], &[4, 5]);
    }

    #[test]
    #[should_panic(
        expected = "rollout of 2 batch rows of 5 tokens through a layer of 2, 5 queries, 7"
    )]
    fn fewer_queries_than_keys() {
        let (mask, options) = (Mask::open(), AttendOptions::default());
        let (query, key) = (ones([2, 3, 5, 8]), ones([2, 3, 7, 8]));
        let layer = Layer { query: &query, key: &key, mask: &mask, options: &options };
        explain::rollout_tokens(&[layer], &[4]);
    }
}
