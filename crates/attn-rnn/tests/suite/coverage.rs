//! Coverage of what a decoder looked at.

use crate::models::{
    D_ANNOTATION, D_HIDDEN, LENGTHS, config, few_flows, flows_of, model, shallow, sources, targets,
};
use crate::support::{assert_close, check_weight_gradients, devices, ids, seeded, values};
use attn_core::mechanism::AttentionConfig;
use attn_core::score::{CoverageConfig, ScoreConfig};
use attn_rnn::{BridgeKind, CellKind, FlowConfig};
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
