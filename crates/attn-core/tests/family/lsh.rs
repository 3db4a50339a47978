//! Attention by locality-sensitive hashing.

use super::reference::{as_matrix, check_any_size, dot, few_inputs, inputs};
use super::support::{
    Sample, assert_close, check_law_of_mechanism, check_module_gradients, devices, lowered, masks,
    values,
};
use attn_core::mechanism::{Lsh, LshConfig, MechanismConfig};
use attn_core::{Mask, Mechanism};
use burn::tensor::{Bool, Device, Tensor, TensorData};

fn config() -> LshConfig {
    LshConfig::new(8, 4).with_rounds(3).with_chunk(3).with_seed(2)
}

/// The chunk of each position in each round, `[b][h][round][position]` flat.
fn chunks(
    lsh: &Lsh,
    x: &Sample,
    unseen: impl Fn(usize, usize, usize) -> bool,
    size: usize,
) -> Vec<usize> {
    let buckets = lsh.buckets(x.f32(&Device::flex()));
    let [_, heads, rounds, n] = buckets.dims();
    let buckets: Vec<i64> = buckets.into_data().iter::<i64>().collect();
    let of_list = |(list, buckets): (usize, &[i64])| {
        let (b, h) = (list / rounds / heads, list / rounds % heads);
        let mut order: Vec<usize> = (0..n).collect();
        // Those that nobody sees come last, in the order in which they are.
        order.sort_by_key(|&j| (if unseen(b, h, j) { i64::MAX } else { buckets[j] }, j));
        let mut chunks = vec![0; n];
        order.iter().enumerate().for_each(|(rank, &j)| chunks[j] = rank / size);
        chunks
    };
    buckets.chunks(n).enumerate().flat_map(of_list).collect()
}

/// Softmax over the visible keys that are met in any round, but for the own one; else that, if it is
/// visible.
fn hashed([query, key, value]: [&Sample; 3], mask: &Mask, config: &LshConfig) -> Vec<f64> {
    let [batch, heads, n, d] = query.dims;
    let kv_heads = key.dims[1];
    let group = heads / kv_heads;
    let visible = lowered(mask, [batch, heads, n, n]);
    let sees = |b: usize, h: usize, i: usize, j: usize| visible[((b * heads + h) * n + i) * n + j];
    let unseen = |b: usize, h: usize, j: usize| (0..n).all(|i| !sees(b, h, i, j));
    let lsh = config.init(&Device::flex());
    let size = config.chunk.min(n);
    // Key heads as often as their query heads, whose masks may differ.
    let repeated = Sample {
        dims: query.dims,
        data: (0..batch * heads * n)
            .flat_map(|row| key.row(row / n / heads, row / n % heads / group, row % n).to_vec())
            .collect(),
    };
    let query_chunks = chunks(&lsh, query, unseen, size);
    let key_chunks = chunks(&lsh, &repeated, unseen, size);
    let mut contexts = Vec::new();
    for b in 0..batch {
        for h in 0..heads {
            let chunk = |chunks: &[usize], round: usize, i: usize| {
                chunks[((b * heads + h) * config.rounds + round) * n + i]
            };
            for i in 0..n {
                let meets = |j: usize| {
                    (0..config.rounds).any(|round| {
                        let (own, other) =
                            (chunk(&query_chunks, round, i), chunk(&key_chunks, round, j));
                        own == other || own == other + 1
                    })
                };
                let q = query.row(b, h, i);
                let weight = |j: usize| {
                    let k = key.row(b, h / group, j);
                    (dot(q, k) / dot(k, k).sqrt() / (d as f64).sqrt()).exp()
                };
                let met: Vec<usize> =
                    (0..n).filter(|&j| j != i && sees(b, h, i, j) && meets(j)).collect();
                let met = if met.is_empty() && sees(b, h, i, i) { vec![i] } else { met };
                let sum: f64 = met.iter().map(|&j| weight(j)).sum();
                contexts.extend((0..value.dims[3]).map(|c| {
                    let of = |&j: &usize| weight(j) / sum * value.row(b, h / group, j)[c];
                    met.iter().map(of).sum::<f64>()
                }));
            }
        }
    }
    contexts
}

/// Masks of each kind for `n` queries and keys.
fn square_masks(n: usize) -> Vec<(&'static str, Mask)> {
    let cells = Sample::random([2, 4, n, n], 98).data.iter().map(|&x| x > 0.2).collect();
    let cells: Vec<bool> = cells;
    let explicit = TensorData::new(cells, [2, 4, n, n]);
    let explicit = Mask::visible(Tensor::<4, Bool>::from_data(explicit, &Device::flex()));
    let mut masks: Vec<_> = masks().into_iter().filter(|(name, _)| *name != "explicit").collect();
    masks.push(("explicit", explicit));
    masks
}

#[test]
fn it_is_its_definition() {
    // Chunks that divide 7 positions and that do not; one, two and three rounds.
    for (rounds, chunk) in [(1, 3), (2, 2), (3, 7), (3, 1)] {
        let config = config().with_rounds(rounds).with_chunk(chunk);
        let [query, key, value] = inputs(7, 7, 8, 1).map(|sample| sample.scaled(2.0));
        for (name, mask) in square_masks(7) {
            let expected = hashed([&query, &key, &value], &mask, &config);
            for device in devices() {
                let lsh = config.init(&device);
                let [q, k, v] = [&query, &key, &value].map(|sample| sample.f32(&device));
                let found = lsh.forward(q, k, v, &mask);
                // Softmax averages of at most 7 numbers below 2.
                let what = format!("{name}, {rounds} rounds, chunks of {chunk}, {device:?}");
                assert_close(&what, &values(&found), &expected, 1e-5);
            }
        }
    }
}

#[test]
fn queries_that_are_the_keys_are_the_papers_case() {
    let config = config().with_rounds(2);
    let query = Sample::random([2, 4, 10, 8], 9).scaled(2.0);
    let value = Sample::random([2, 4, 10, 3], 10);
    for mask in [Mask::open(), Mask::causal() & Mask::padding([10, 6])] {
        let expected = hashed([&query, &query, &value], &mask, &config);
        for device in devices() {
            let [q, v] = [&query, &value].map(|sample| sample.f32(&device));
            let found = config.init(&device).forward(q.clone(), q, v, &mask);
            assert_close(&format!("{mask:?}"), &values(&found), &expected, 1e-5);
        }
    }
}

#[test]
fn numbers_of_any_size_give_numbers() {
    for mask in [Mask::open(), Mask::causal(), Mask::dilated(2)] {
        check_any_size("lsh", |device| config().init(device), &mask);
    }
}

#[test]
fn one_chunk_is_full_attention_over_the_others() {
    let config = config().with_chunk(64);
    let [query, key, value] = inputs(11, 11, 8, 2);
    for mask in [Mask::open(), Mask::causal()] {
        let lsh = config.init(&Device::flex());
        let expected = super::reference::attention(
            [&query, &key, &value],
            &mask,
            true,
            // Nothing else is visible to the first query of a causal mask.
            |pair| match pair.position == pair.j as i64 {
                true if mask == Mask::causal() && pair.j == 0 => 1.0,
                true => 0.0,
                false => {
                    let length = dot(pair.key, pair.key).sqrt();
                    (dot(pair.query, pair.key) / length / 8.0_f64.sqrt()).exp()
                }
            },
        );
        let [q, k, v] = [&query, &key, &value].map(|sample| sample.f32(&Device::flex()));
        assert_close("full", &values(&lsh.forward(q, k, v, &mask)), &expected, 1e-5);
    }
}

#[test]
fn a_mask_means_the_same_as_its_matrix() {
    let [query, key, value] = inputs(11, 11, 8, 3);
    for mask in [Mask::causal() & Mask::padding([9, 4]), Mask::left_padding([3, 11])] {
        for device in devices() {
            let lsh = config().init(&device);
            let forward = |mask: &Mask| {
                let [q, k, v] = [&query, &key, &value].map(|sample| sample.f32(&device));
                values(&lsh.forward(q, k, v, mask))
            };
            let matrix = as_matrix(&mask, [2, 4, 11, 11]);
            assert_close("matrix", &forward(&mask), &forward(&matrix), 1e-6);
        }
    }
}

#[test]
fn more_rounds_come_closer_to_full_attention() {
    let device = Device::flex();
    let query = Sample::random([1, 3, 128, 8], 4).scaled(6.0).f32(&device);
    let value = Sample::random([1, 3, 128, 5], 5).f32(&device);
    let of = |config: LshConfig| {
        config.init(&device).forward(query.clone(), query.clone(), value.clone(), &Mask::open())
    };
    let full = of(LshConfig::new(8, 16).with_chunk(128));
    let error = |rounds| {
        let found = of(LshConfig::new(8, 16).with_chunk(8).with_rounds(rounds));
        (found - full.clone()).square().mean().into_scalar::<f64>().sqrt()
    };
    let errors = [1, 4, 16].map(error);
    assert!(errors[1] < errors[0] * 0.8 && errors[2] < errors[1] * 0.8, "{errors:?}");
}

#[test]
fn it_has_its_gradient() {
    for mask in [Mask::open(), Mask::causal() & Mask::padding([6]), Mask::dilated(2)] {
        check_module_gradients(
            &format!("lsh, {mask:?}"),
            |device| LshConfig::new(3, 4).with_rounds(2).with_chunk(3).init(device),
            &few_inputs(7, 7, 3, 6),
            // Differences of a function that is smooth as long as no bucket changes.
            1e-7,
            |lsh: &Lsh, x| lsh.forward(x[0].clone(), x[1].clone(), x[2].clone(), &mask),
        );
    }
}

/// With a query of zeros before the others, so that there are as many as keys.
struct Square(Lsh);

impl Mechanism for Square {
    fn forward(
        &self,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        mask: &Mask,
    ) -> Tensor<4> {
        let [.., queries, _] = query.dims();
        let keys = key.dims()[2];
        let before = query.zeros_like().slice_dim(2, 0..keys - queries);
        let query = Tensor::cat(vec![before, query], 2);
        self.0.forward(query, key, value, mask).slice_dim(2, keys - queries..keys)
    }
}

#[test]
fn it_keeps_the_law() {
    // Not causal, it is the query before the others that sees key 1.
    let masks = square_masks(7);
    let masks: Vec<_> = masks.into_iter().filter(|(name, _)| *name != "not causal").collect();
    check_law_of_mechanism("lsh", |device| Square(config().init(device)), &masks);
}

#[test]
fn its_weights_are_those_of_its_context() {
    let [query, key, value] = inputs(9, 9, 8, 7);
    for device in devices() {
        let lsh = config().init(&device);
        let [q, k, v] = [&query, &key, &value].map(|sample| sample.f32(&device));
        let weights = lsh.weights(q.clone(), k.clone(), &Mask::causal()); // [2, 4, 9, 9]
        let sums = values(&weights.clone().sum_dim(3));
        assert_close("sums", &sums, &vec![1.0; sums.len()], 1e-5);
        let context = weights.reshape([2, 2, 18, 9]).matmul(v.clone()).reshape([2, 4, 9, 3]);
        let expected = lsh.forward(q, k, v, &Mask::causal());
        assert_close("weights", &values(&context), &values(&expected), 1e-5);
    }
}

#[test]
fn sixteen_thousand_positions_are_soon_sorted() {
    // Weights would take 1 GiB.
    let count = 1 << 14;
    let device = Device::flex();
    let query = Sample::random([1, 1, count, 4], 8).f32(&device);
    let lsh = LshConfig::new(4, 64).with_rounds(1).init(&device);
    let found = lsh.forward(query.clone(), query.clone(), query, &Mask::causal());
    assert!(values(&found).iter().all(|x| x.abs() <= 1.0));
}

#[test]
fn what_is_broken_reaches_those_who_see_it() {
    for mask in [Mask::causal(), as_matrix(&Mask::causal(), [2, 4, 6, 6])] {
        for device in devices() {
            let [query, mut key, value] = inputs(6, 6, 8, 11);
            key.data[3 * 8] = f64::NAN; // key 3 of batch row 0, key head 0
            let [q, k, v] = [&query, &key, &value].map(|sample| sample.f32(&device));
            let found = values(&config().init(&device).forward(q, k, v, &mask));
            for (n, found) in found.iter().enumerate() {
                let (row, i) = (n / 18, n / 3 % 6);
                assert_eq!(found.is_nan(), row < 2 && i >= 3, "{mask:?}: element {n}");
            }
        }
    }
}

#[test]
fn a_file_names_it() {
    let text =
        r#"{ "name": "lsh", "d_head": 8, "buckets": 4, "rounds": 3, "chunk": 3, "seed": 2 }"#;
    let found: MechanismConfig = serde_json::from_str(text).unwrap();
    assert_eq!(found, MechanismConfig::Lsh(config()));
}
