//! Coverage: its loss in training, and its penalty in beam search.

use crate::models::{
    D_ANNOTATION, D_HIDDEN, LENGTHS, config, few_flows, flows_of, model, shallow, sources, targets,
};
use crate::support::{assert_close, check_weight_gradients, devices, ids, seeded, values};
use attn_core::mechanism::AttentionConfig;
use attn_core::score::{CoverageConfig, ScoreConfig};
use attn_generate::{BeamConfig, CoveragePenalty, Limits, beam_search};
use attn_rnn::{BridgeKind, CellKind, FlowConfig, Seq2Seq};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor};

/// With the score that sees it.
fn covering() -> [FlowConfig; 3] {
    let score = ScoreConfig::Coverage(CoverageConfig::new(D_HIDDEN, D_ANNOTATION, 5));
    flows_of(&AttentionConfig::new().with_score(score))
}

/// `Σ_j min(a_tj, Σ_{t' < t} a_t'j)` in a loop, and the same whole and in chunks.
#[test]
fn the_loss_is_its_equation_in_chunks_too() {
    for device in devices() {
        for flow in covering().into_iter().chain(few_flows()) {
            let model = model(flow.clone(), &device);
            let (source, target) = (ids(&sources(), &device), ids(&targets(), &device));
            let decoded = model.decode(source.clone(), &LENGTHS, target.clone());
            let Some(found) = decoded.coverage_loss() else {
                assert_eq!(flow, FlowConfig::Plain);
                continue;
            };
            assert_eq!(found.dims(), [3, 5]);
            let mut expected = Vec::new();
            for rows in values(&decoded.weights.unwrap()).chunks(5 * 7) {
                let mut covered = [0.0; 7];
                for row in rows.chunks(7) {
                    expected.push(row.iter().zip(&covered).map(|(&a, &c)| f64::min(a, c)).sum());
                    covered.iter_mut().zip(row).for_each(|(c, a)| *c += a);
                }
            }
            // Sums of up to five weights, which sum to one.
            assert_close(&format!("{flow:?}"), &values(&found), &expected, 1e-6);

            let memory = model.memory(source, &LENGTHS);
            let mut state = model.decoder.begin(&memory);
            let chunks = [0..2, 2..5].map(|steps| {
                let chunk = target.clone().slice_dim(1, steps);
                model.decoder.decode(chunk, &memory, &mut state).coverage_loss().unwrap()
            });
            let found = values(&Tensor::cat(chunks.to_vec(), 1));
            // Of weights that the same products in other numbers of rows have made.
            assert_close(&format!("{flow:?}, in chunks"), &found, &expected, 1e-5);
        }
    }
}

/// As far as the difference of a smooth function is, see `gradients_are_those_of_differences`; where
/// the two sides of a minimum meet, the loss has a kink, which no drawn number hits.
#[test]
fn the_loss_has_its_gradients() {
    for flow in covering() {
        check_weight_gradients(
            &format!("{flow:?}"),
            |device| {
                let config = config(flow.clone(), CellKind::Gru, BridgeKind::Dense);
                seeded(shallow(config).init(device), 61)
            },
            8,
            1e-6,
            |model| {
                let device = Device::flex().autodiff();
                let (source, target) = (ids(&sources(), &device), ids(&targets(), &device));
                let target = target.slice_dim(1, 0..3);
                model.decode(source, &LENGTHS, target).coverage_loss().unwrap().sum()
            },
        );
    }
}

/// Every sequence of at most two tokens with its log-probability, its length and the sums of its
/// weights, by teacher forcing; `(tokens, finished)`.
fn all_of(model: &Seq2Seq, source: &[u32], end: u32, device: &Device) -> Vec<Candidate> {
    let vocab = crate::models::VOCAB;
    let firsts = (0..vocab).filter(|&token| token != end);
    let mut sequences: Vec<(Vec<u32>, bool)> = vec![(vec![], true)];
    for first in firsts.clone() {
        sequences.push((vec![first], true));
        sequences.extend(firsts.clone().map(|second| (vec![first, second], false)));
    }
    let length = source.len();
    let of = |(tokens, finished): (Vec<u32>, bool)| {
        let wanted: Vec<u32> = tokens.iter().copied().chain(finished.then_some(end)).collect();
        let given = [&[1], &wanted[..wanted.len() - 1]].concat();
        let decoded =
            model.decode(ids(&[source.to_vec()], device), &[length], ids(&[given], device));
        let log_probs = values(&log_softmax(decoded.logits, 2));
        let steps = wanted.iter().zip(log_probs.chunks(vocab as usize));
        let log_prob = steps.map(|(&token, row)| row[token as usize]).sum();
        let weights = values(&decoded.weights.unwrap());
        let coverage = (0..length).map(|j| weights.iter().skip(j).step_by(length).sum()).collect();
        Candidate { tokens, finished, len: wanted.len(), log_prob, coverage }
    };
    sequences.into_iter().map(of).collect()
}

struct Candidate {
    tokens: Vec<u32>,
    finished: bool,
    len: usize,
    log_prob: f64,
    coverage: Vec<f64>,
}

/// Wu et al. (2016), equation 14: a beam as wide as there are sequences finds the best of all, which
/// is another one with the penalty than without. The second source is padded.
#[test]
fn a_beam_search_ranks_by_coverage() {
    let end = 2;
    for device in devices() {
        let [_, _, flow] = flows_of(&AttentionConfig::new());
        let model = model(flow, &device);
        let sources = sources();
        let rows = [1, 0].map(|row| sources[row][..LENGTHS[row]].to_vec());
        let candidates = rows.each_ref().map(|source| all_of(&model, source, end, &device));
        let mut best = Vec::new();
        for beta in [0.0, 2.0] {
            let config = BeamConfig { beams: 121, ..BeamConfig::new(Limits::new(end, 2)) }
                .with_coverage_penalty(CoveragePenalty::Gnmt { beta });
            let source = ids(&[1, 0].map(|row| sources[row].clone()), &device);
            let memory = model.memory(source, &[1, 0].map(|row| LENGTHS[row]));
            let found = beam_search(&model, model.start(memory, 1), &config).unwrap();
            for (found, candidates) in found.iter().zip(&candidates) {
                let score = |of: &Candidate| {
                    let covered = of.coverage.iter().map(|c| c.min(1.0).ln()).sum::<f64>();
                    of.log_prob / ((5.0 + of.len as f64) / 6.0).powf(0.6) + beta * covered
                };
                let ended = candidates.iter().filter(|of| of.finished);
                let expected = ended.max_by(|a, b| score(a).total_cmp(&score(b))).unwrap();
                assert_eq!(found[0].tokens, expected.tokens, "beta = {beta}");
                // Sums of seven logarithms of weights in f32, by other products than in a batch.
                assert_close("score", &[found[0].score], &[score(expected)], 1e-4);
                best.push(expected.tokens.clone());
            }
        }
        assert_ne!(best[..2], best[2..], "the penalty changes nothing");
    }
}
