//! What else is in a batch changes no answer, for every flow with every score and alignment.

use crate::models::{CLOSE, D_ANNOTATION, D_HIDDEN, SOURCE_VOCAB, VOCAB, flows_of, model};
use crate::support::{assert_close, devices, ids, random_ids, rng, values};
use attn_core::alignment::{
    AlignmentConfig, HardConfig, LocalMonotonicConfig, LocalPredictiveConfig, SoftmaxConfig,
};
use attn_core::mechanism::AttentionConfig;
use attn_core::random;
use attn_core::score::{
    AdditiveConfig, ConcatConfig, DotConfig, GeneralConfig, LocationConfig, ScoreConfig,
};
use attn_rnn::{Decoded, FlowConfig, Seq2Seq};
use burn::tensor::{Device, Tensor};
use rand::RngExt;
use rand::rngs::StdRng;

/// Every flow with each of five scores and four alignments.
fn combinations() -> Vec<FlowConfig> {
    let scores = [
        ScoreConfig::Dot(DotConfig::new()),
        ScoreConfig::General(GeneralConfig::new(D_HIDDEN, D_ANNOTATION)),
        ScoreConfig::Additive(AdditiveConfig::new(D_HIDDEN, D_ANNOTATION, 5)),
        ScoreConfig::Concat(ConcatConfig::new(D_HIDDEN, D_ANNOTATION, 5)),
        ScoreConfig::Location(LocationConfig::new(D_HIDDEN, 12)),
    ];
    let alignments = [
        AlignmentConfig::Softmax(SoftmaxConfig::default()),
        AlignmentConfig::LocalMonotonic(LocalMonotonicConfig::new(1)),
        AlignmentConfig::LocalPredictive(LocalPredictiveConfig::new(2, D_HIDDEN, 5)),
        AlignmentConfig::Hard(HardConfig::new()),
    ];
    let attention = |score: &ScoreConfig, alignment: &AlignmentConfig| {
        AttentionConfig::new().with_score(score.clone()).with_alignment(alignment.clone())
    };
    let each = |score| alignments.iter().map(move |alignment| (score, alignment));
    let mut flows: Vec<_> = scores
        .iter()
        .flat_map(each)
        .flat_map(|(score, alignment)| flows_of(&attention(score, alignment)))
        .collect();
    flows.push(FlowConfig::Plain);
    flows
}

/// Sentences of drawn lengths, without padding, and their targets.
struct Batch {
    source: Vec<Vec<u32>>,
    target: Vec<Vec<u32>>,
}

impl Batch {
    fn drawn(rng: &mut StdRng) -> Self {
        let rows = rng.random_range(2..5);
        let source = (0..rows)
            .map(|_| {
                let length = rng.random_range(1..9);
                random_ids(rng, [1, length], SOURCE_VOCAB).remove(0)
            })
            .collect();
        Self { source, target: random_ids(rng, [rows, 4], VOCAB) }
    }

    /// Of the rows in this order, each padded with drawn tokens, and by `more` beyond the longest.
    fn decode(&self, model: &Seq2Seq, rows: &[usize], more: usize, device: &Device) -> Decoded {
        let lengths: Vec<usize> = rows.iter().map(|&row| self.source[row].len()).collect();
        let width = lengths.iter().max().unwrap() + more;
        let mut rng = rng(more as u64);
        let pad = |&row: &usize| {
            let mut source = self.source[row].clone();
            source.resize_with(width, || rng.random_range(0..SOURCE_VOCAB));
            source
        };
        let source: Vec<_> = rows.iter().map(pad).collect();
        let target: Vec<_> = rows.iter().map(|&row| self.target[row].clone()).collect();
        model.decode(ids(&source, device), &lengths, ids(&target, device))
    }
}

/// Logits of a row, and its weights of `length` source steps; those behind are 0.
fn of_row(decoded: &Decoded, row: usize, length: usize) -> Vec<f64> {
    let row_of = |tensor: &Tensor<3>| tensor.clone().slice_dim(0, row..row + 1);
    let mut found = values(&row_of(&decoded.logits));
    if let Some(weights) = &decoded.weights {
        let [_, _, width] = weights.dims();
        for row in values(&row_of(weights)).chunks(width) {
            assert!(row[length..].iter().all(|&weight| weight == 0.0), "{row:?}");
            found.extend(&row[..length]);
        }
    }
    found
}

/// More padding, other padding, rows in another order, and each row alone give what the batch gives.
#[test]
fn padding_and_other_rows_change_nothing() {
    for device in devices() {
        for (seed, flow) in combinations().into_iter().enumerate() {
            let batch = Batch::drawn(&mut rng(seed as u64));
            let model = model(flow.clone(), &device);
            let all: Vec<usize> = (0..batch.source.len()).collect();
            let reversed: Vec<usize> = all.iter().rev().copied().collect();
            let expected = batch.decode(&model, &all, 0, &device);
            let padded = batch.decode(&model, &all, 3, &device);
            let turned = batch.decode(&model, &reversed, 1, &device);
            for (row, source) in batch.source.iter().enumerate() {
                let length = source.len();
                let expected = of_row(&expected, row, length);
                assert!(expected.iter().all(|x| x.is_finite()), "{flow:?}");
                let alone = batch.decode(&model, &[row], 0, &device);
                let check = |what: &str, found: Vec<f64>| {
                    let what = format!("{flow:?} on {device:?}, row {row} {what}");
                    assert_close(&what, &found, &expected, CLOSE);
                };
                check("padded", of_row(&padded, row, length));
                check("turned", of_row(&turned, all.len() - 1 - row, length));
                check("alone", of_row(&alone, 0, length));
            }
        }
    }
}

/// In training, where hard attention draws: the same keys, whatever the padding.
#[test]
fn padding_changes_no_draw() {
    for device in devices() {
        let device = device.autodiff();
        let drawn = combinations().into_iter().filter(|flow| format!("{flow:?}").contains("Hard"));
        for (seed, flow) in drawn.enumerate() {
            let batch = Batch::drawn(&mut rng(100 + seed as u64));
            let model = model(flow.clone(), &device);
            let all: Vec<usize> = (0..batch.source.len()).collect();
            let decode = |more| {
                random::seed(seed as u64);
                batch.decode(&model, &all, more, &device)
            };
            let (expected, padded) = (decode(0), decode(4));
            for (row, source) in batch.source.iter().enumerate() {
                let [found, expected] =
                    [&padded, &expected].map(|decoded| of_row(decoded, row, source.len()));
                assert_close(&format!("{flow:?}, row {row}"), &found, &expected, CLOSE);
            }
        }
    }
}

/// What follows in the target changes nothing before it.
#[test]
fn no_step_sees_what_follows() {
    for device in devices() {
        for (seed, flow) in combinations().into_iter().enumerate() {
            let mut batch = Batch::drawn(&mut rng(seed as u64));
            let model = model(flow.clone(), &device);
            let all: Vec<usize> = (0..batch.source.len()).collect();
            let first = |batch: &Batch| {
                let logits = batch.decode(&model, &all, 0, &device).logits;
                values(&logits.slice_dim(1, 0..2))
            };
            let expected = first(&batch);
            for row in &mut batch.target {
                row[2..].iter_mut().for_each(|token| *token = (*token + 1) % VOCAB);
            }
            assert!(first(&batch) == expected, "{flow:?} on {device:?}");
        }
    }
}
