//! Contract: invalid input is a typed error with its place; what a model must never do is a
//! panic that says what it did.

use crate::model::devices;
use attn_generate::{
    BeamConfig, GenerateError, Limits, SamplerConfig, Start, StepDecoder, beam_search, greedy,
    sample,
};
use burn::tensor::{Device, Tensor};

/// A model with the same logits at every step.
pub struct Rows(pub Device, pub Vec<f32>);

impl StepDecoder for Rows {
    type State = ();

    fn step(&self, (): (), tokens: &[u32]) -> (Tensor<2>, ()) {
        let row = Tensor::<1>::from_floats(self.1.as_slice(), &self.0);
        (row.unsqueeze::<2>().repeat_dim(0, tokens.len()), ())
    }

    fn reorder(&self, (): (), _rows: &[usize]) {}
}

/// What greedy, sampling and beam search say about `logits` in a batch of two.
fn errors(logits: &[f32], limits: Limits) -> [GenerateError; 3] {
    let [device, _] = devices();
    let model = Rows(device, logits.to_vec());
    let start = || Start::tokens((), vec![0, 0]);
    let sampler = SamplerConfig::new(limits, 3);
    [
        greedy(&model, start(), limits).unwrap().hypotheses().unwrap_err(),
        sample(&model, start(), sampler).unwrap().hypotheses().unwrap_err(),
        beam_search(&model, start(), &BeamConfig::new(limits)).unwrap_err(),
    ]
}

const OPEN: Limits = Limits { end: None, min_len: 0, max_len: 5 };
const NEVER: f32 = f32::NEG_INFINITY;

#[test]
fn logits_that_are_no_distribution_are_refused() {
    for error in errors(&[0.0, NEVER, f32::NAN], OPEN) {
        assert_eq!(error.to_string(), "row 0, step 0: the logit of token 2 is NaN");
    }
    for error in errors(&[0.0, f32::INFINITY], OPEN) {
        assert_eq!(error.to_string(), "row 0, step 0: the logit of token 1 is inf");
    }
    for error in errors(&[NEVER; 4], OPEN) {
        assert_eq!(error, GenerateError::NothingAllowed { row: 0, step: 0 });
    }
}

/// Only the end token is possible, and it is too early for it.
#[test]
fn a_minimum_length_the_model_cannot_reach_is_refused() {
    let limits = Limits { end: Some(1), min_len: 1, max_len: 5 };
    for error in errors(&[NEVER, 0.0, NEVER], limits) {
        assert_eq!(error, GenerateError::NothingAllowed { row: 0, step: 0 });
    }
}

#[test]
fn an_end_token_outside_the_vocabulary_is_refused() {
    for error in errors(&[0.0; 3], Limits::new(3, 5)) {
        let expected = "end token 3 is not in the model's vocabulary of 3";
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_row_without_room_is_refused() {
    let [device, _] = devices();
    let model = Rows(device, vec![0.0; 3]);
    let start = || Start::tokens((), vec![0, 0]).with_max_lens(vec![1, 0]);
    let config = BeamConfig::new(OPEN);
    let expected = GenerateError::NoRoom { row: 1 };
    assert_eq!(beam_search(&model, start(), &config).unwrap_err(), expected);
    assert_eq!(greedy(&model, start(), OPEN).unwrap_err(), expected);
}

#[test]
fn an_error_ends_the_stream() {
    let [device, _] = devices();
    let model = Rows(device, vec![f32::NAN]);
    let mut steps = greedy(&model, Start::tokens((), vec![0]), OPEN).unwrap();
    assert!(steps.next().unwrap().is_err());
    assert!(steps.next().is_none());
}

/// Logits of −∞ forbid: whatever is asked for, the tokens are never chosen.
#[test]
fn forbidden_tokens_are_never_chosen() {
    for device in devices() {
        let model = Rows(device, vec![NEVER, 0.3, NEVER, 0.1, NEVER]);
        let start = || Start::tokens((), vec![0; 50]);
        let sampler = SamplerConfig { temperature: 100.0, ..SamplerConfig::new(OPEN, 3) };
        let config = BeamConfig { beams: 40, n_best: 40, ..BeamConfig::new(OPEN) };
        let found = [
            greedy(&model, start(), OPEN).unwrap().hypotheses().unwrap(),
            sample(&model, start(), sampler).unwrap().hypotheses().unwrap(),
            beam_search(&model, start(), &config).unwrap().concat(),
        ];
        let mut tokens = found.iter().flatten().flat_map(|it| &it.tokens);
        assert!(tokens.all(|token| [1, 3].contains(token)));
        // Two tokens, five steps: there is nothing else to fill 40 beams with.
        assert_eq!(found[2].len(), 50 * 32);
    }
}

/// Two rows of logits for any number of tokens.
struct TwoRows(Device);

impl StepDecoder for TwoRows {
    type State = ();

    fn step(&self, (): (), _tokens: &[u32]) -> (Tensor<2>, ()) {
        (Tensor::zeros([2, 7], &self.0), ())
    }

    fn reorder(&self, (): (), _rows: &[usize]) {}
}

#[test]
#[should_panic(expected = "2 rows of logits for 3 tokens")]
fn a_model_that_loses_rows_is_caught() {
    let [device, _] = devices();
    let _ = greedy(&TwoRows(device), Start::tokens((), vec![0; 3]), OPEN).unwrap().hypotheses();
}
