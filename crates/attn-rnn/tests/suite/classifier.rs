//! The sequence classifier.

use crate::support::{
    assert_close, check_weight_gradients, devices, ids, random_ids, rng, seeded, values,
};
use attn_rnn::{
    CellKind, Classifier, ClassifierConfig, EncoderConfig, PoolingConfig, RecurrentConfig,
};
use burn::tensor::Device;
use burn::tensor::activation::log_softmax;

fn poolings() -> [PoolingConfig; 4] {
    let hops = PoolingConfig::SelfAttentive { d_hidden: 5, hops: 2 };
    [PoolingConfig::Last, PoolingConfig::Mean, PoolingConfig::Attention, hops]
}

fn config(pooling: PoolingConfig, cell: CellKind) -> ClassifierConfig {
    let layers =
        RecurrentConfig { layers: 2, bidirectional: true, ..RecurrentConfig::new(cell, 3, 4) };
    ClassifierConfig::new(EncoderConfig::new(13, layers), pooling, 6)
}

fn classifier(pooling: PoolingConfig, device: &Device) -> Classifier {
    seeded(config(pooling, CellKind::Lstm).init(device), 40)
}

const LENGTHS: [usize; 3] = [4, 7, 1];

/// A sentence of a padded batch has the answer that it has alone, padding has no weight, and weights
/// of words sum to one.
#[test]
fn padding_changes_no_label() {
    for device in devices() {
        let cells = [CellKind::Lstm, CellKind::Gru, CellKind::Lstmn];
        for (pooling, cell) in poolings().iter().flat_map(|of| cells.map(|cell| (of, cell))) {
            let what = format!("{pooling:?}, {cell:?} on {device:?}");
            let model = seeded(config(pooling.clone(), cell).init(&device), 40);
            let tokens = random_ids(&mut rng(41), [3, 7], 13);
            let together = model.forward(ids(&tokens, &device), &LENGTHS);
            for (row, length) in LENGTHS.into_iter().enumerate() {
                let alone =
                    model.forward(ids(&[tokens[row][..length].to_vec()], &device), &[length]);
                let own = values(&together.logits.clone().slice_dim(0, row..row + 1));
                // The same sums of up to 16 terms of order one, in another company.
                assert_close(&what, &own, &values(&alone.logits), 1e-6);
                if let Some(weights) = &together.weights {
                    let own = weights.clone().slice_dim(0, row..row + 1);
                    for hop in values(&own).chunks(7) {
                        assert_close(&what, &[hop.iter().sum()], &[1.0], 1e-6);
                        assert!(hop[length..].iter().all(|&weight| weight == 0.0), "{what}");
                    }
                }
            }
        }
    }
}

/// Vectors of tokens are read as the tokens are, and other vectors are read too.
#[test]
fn vectors_are_read_as_their_tokens() {
    for device in devices() {
        for pooling in poolings() {
            let model = classifier(pooling.clone(), &device);
            let tokens = ids(&random_ids(&mut rng(45), [3, 7], 13), &device);
            let of_tokens = values(&model.forward(tokens.clone(), &LENGTHS).logits);
            let vectors = model.encoder.embedding.forward(tokens);
            assert_eq!(values(&model.forward_vectors(vectors.clone(), &LENGTHS).logits), of_tokens);
            let others = values(&model.forward_vectors(vectors + 1.0, &LENGTHS).logits);
            assert_ne!(others, of_tokens, "{pooling:?}");
        }
    }
}

#[test]
#[should_panic]
fn vectors_of_another_width_are_refused() {
    let device = Device::flex();
    let x = burn::tensor::Tensor::ones([3, 7, 5], &device);
    classifier(PoolingConfig::Mean, &device).forward_vectors(x, &LENGTHS);
}

/// What the weights, the mean and the last state are of.
#[test]
fn poolings_are_of_the_annotations() {
    for device in devices() {
        let tokens = ids(&random_ids(&mut rng(42), [2, 5], 13), &device);
        let lengths = [3, 5];
        for pooling in poolings() {
            let model = classifier(pooling.clone(), &device);
            let classified = model.forward(tokens.clone(), &lengths);
            let read = values(&model.encoder.forward(tokens.clone(), &lengths).values);
            let step = |row: usize, step: usize| &read[(row * 5 + step) * 8..][..8];
            let vector = |row: usize| -> Vec<f64> {
                let average = |weights: &[f64]| -> Vec<f64> {
                    let of = |n: usize| -> f64 {
                        weights.iter().enumerate().map(|(s, w)| w * step(row, s)[n]).sum()
                    };
                    (0..8).map(of).collect()
                };
                match (&pooling, &classified.weights) {
                    (PoolingConfig::Last, _) => {
                        let last = step(row, lengths[row] - 1);
                        [&last[..4], &step(row, 0)[4..]].concat()
                    }
                    (_, None) => average(&vec![1.0 / lengths[row] as f64; lengths[row]]),
                    (_, Some(weights)) => {
                        let own = values(&weights.clone().slice_dim(0, row..row + 1));
                        own.chunks(5).flat_map(average).collect()
                    }
                }
            };
            let weight = values(&model.head.weight.val());
            let bias = values(&model.head.bias.as_ref().unwrap().val());
            for row in 0..2 {
                let vector = vector(row);
                let logit = |j: usize| -> f64 {
                    bias[j]
                        + vector.iter().zip(weight.chunks(6)).map(|(x, w)| x * w[j]).sum::<f64>()
                };
                let expected: Vec<f64> = (0..6).map(logit).collect();
                let found = values(&classified.logits.clone().slice_dim(0, row..row + 1));
                assert_close(&format!("{pooling:?}"), &found, &expected, 1e-5);
            }
            assert_eq!(
                classified.penalty.is_some(),
                matches!(pooling, PoolingConfig::SelfAttentive { .. })
            );
        }
    }
}

/// Off by the difference's own error, about 1e-10 of sums of order ten.
#[test]
fn gradients_are_those_of_differences() {
    for pooling in poolings() {
        check_weight_gradients(
            &format!("{pooling:?}"),
            |device| seeded(config(pooling.clone(), CellKind::Gru).init(device), 43),
            15,
            1e-7,
            |model| {
                let tokens = ids(&random_ids(&mut rng(44), [3, 7], 13), &Device::flex().autodiff());
                let classified = model.forward(tokens, &LENGTHS);
                let loss = log_softmax(classified.logits, 1).square().sum();
                match classified.penalty {
                    Some(penalty) => loss + penalty.sum(),
                    None => loss,
                }
            },
        );
    }
}

#[test]
fn nonsense_is_refused_by_name() {
    let config = |pooling| config(pooling, CellKind::Gru);
    let error = |config: ClassifierConfig| config.validate().unwrap_err().to_string();
    let none = ClassifierConfig { labels: 0, ..config(PoolingConfig::Mean) };
    assert_eq!(error(none), "labels is 0, must be at least 1");
    let hops = PoolingConfig::SelfAttentive { d_hidden: 5, hops: 0 };
    assert_eq!(error(config(hops)), "self-attentive pooling: hops must be at least 1, got 0");
    let all = ClassifierConfig { dropout: 1.5, ..config(PoolingConfig::Last) };
    assert_eq!(error(all), "dropout = 1.5 is outside [0, 1)");
    for pooling in poolings() {
        let written = serde_json::to_string(&config(pooling.clone())).unwrap();
        assert_eq!(serde_json::from_str::<ClassifierConfig>(&written).unwrap(), config(pooling));
    }
    let unknown = r#"{ "name": "self_attentive", "d_hidden": 5, "hop": 2 }"#;
    let error = serde_json::from_str::<PoolingConfig>(unknown).unwrap_err().to_string();
    assert!(error.contains("unknown field `hop`"), "{error}");
}
