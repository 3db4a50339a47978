//! Contract: a beam returns the best sequences it can meet, in order, and stops early only when
//! that changes nothing. Every narrow beam is compared with a search that never stops early, the
//! full beam with all sequences there are.

use crate::model::*;
use crate::refusals::Rows;
use attn_generate::{
    BeamConfig, CoveragePenalty, GenerateError, Hypothesis, Limits, Start, StepDecoder,
    beam_search, greedy,
};
use proptest::prelude::*;

const END: u32 = 3;
const VOCAB: usize = 4;

fn search(model: &TableModel, firsts: &[u32], config: &BeamConfig) -> Vec<Vec<Hypothesis>> {
    let start = Start::tokens(model.empty(firsts.len()), firsts.to_vec());
    beam_search(model, start, config).unwrap()
}

/// Wu et al. (2016), equation 14; Gehrmann et al. (2018).
fn score(model: &TableModel, first: u32, sequence: &Sequence, config: &BeamConfig) -> f64 {
    let (len, alpha) = (scored(sequence) as f64, config.length_penalty);
    let coverage = model.coverage(first, sequence);
    let penalty: f64 = match config.coverage_penalty {
        Some(CoveragePenalty::Gnmt { beta }) => {
            coverage.iter().map(|c| beta * c.min(1.0).ln()).sum()
        }
        Some(CoveragePenalty::Summary { beta }) => {
            coverage.iter().map(|c| -beta * (c - 1.0).max(0.0)).sum()
        }
        _ => 0.0,
    };
    sequence.log_prob * 6_f64.powf(alpha) / (5.0 + len).powf(alpha) + penalty
}

/// Tokens with the end token.
fn scored(sequence: &Sequence) -> usize {
    sequence.tokens.len() + usize::from(sequence.finished)
}

/// Those that ended first, each group by score.
fn ranked(
    model: &TableModel,
    first: u32,
    mut sequences: Vec<Sequence>,
    config: &BeamConfig,
) -> Vec<Sequence> {
    sequences.sort_by(|a, b| {
        let [a_score, b_score] = [a, b].map(|of| score(model, first, of, config));
        b.finished.cmp(&a.finished).then(b_score.total_cmp(&a_score))
    });
    sequences.truncate(config.n_best);
    sequences
}

const PENALTIES: [Option<CoveragePenalty>; 3] =
    [None, Some(CoveragePenalty::Gnmt { beta: 0.7 }), Some(CoveragePenalty::Summary { beta: 1.5 })];

#[track_caller]
fn assert_same(
    (model, first): (&TableModel, u32),
    found: &[Hypothesis],
    expected: &[Sequence],
    config: &BeamConfig,
) {
    let what = &format!("{first} {config:?}");
    let tokens = |found: &Hypothesis| (found.tokens.clone(), found.finished);
    let found_tokens: Vec<_> = found.iter().map(tokens).collect();
    let expected_tokens: Vec<_> =
        expected.iter().map(|it| (it.tokens.clone(), it.finished)).collect();
    assert_eq!(found_tokens, expected_tokens, "{what}");
    for (found, expected) in found.iter().zip(expected) {
        // The penalty of a coverage of up to four positions is as large as a log-probability.
        let bound = tolerance(expected.tokens.len() + 1);
        assert!((found.log_prob - expected.log_prob).abs() <= bound, "{what}");
        let expected = score(model, first, expected, config);
        assert!((found.score - expected).abs() <= bound, "{what}");
    }
}

#[test]
fn a_full_beam_finds_the_true_n_best() {
    for device in devices() {
        for (seed, alpha) in [(1, 0.0), (2, 0.6), (3, 1.0), (4, 2.5)] {
            let model = TableModel::new(VOCAB, seed, &device);
            for (min_len, max_len) in [(0, 5), (2, 5), (4, 4), (0, 1), (1, 3)] {
                let limits = Limits { end: Some(END), min_len, max_len };
                // As many beams as there are sequences, so none is ever dropped for lack of room.
                let beams = VOCAB.pow(max_len as u32);
                for n_best in [1, 3, beams] {
                    for coverage_penalty in PENALTIES {
                        let config = BeamConfig {
                            beams,
                            n_best,
                            length_penalty: alpha,
                            coverage_penalty,
                            ..BeamConfig::new(limits)
                        };
                        let found = search(&model, &[FIRST, FIRST + 1, FIRST + 2], &config);
                        for (first, found) in (FIRST..).zip(found) {
                            let all = all_sequences(&model, first, END, min_len, max_len);
                            let expected = ranked(&model, first, all, &config);
                            assert_same((&model, first), &found, &expected, &config);
                        }
                    }
                }
            }
        }
    }
}

/// The same search without any early stop: all beams to the maximum length, and all results kept.
fn slow_beam(model: &TableModel, first: u32, config: &BeamConfig) -> Vec<Sequence> {
    let Limits { min_len, max_len, .. } = config.limits;
    let mut live = vec![Sequence { tokens: vec![], log_prob: 0.0, finished: false }];
    let mut results = Vec::new();
    for len in 0..max_len {
        let mut extensions = Vec::new();
        for parent in &live {
            let prefix = [&[first], &parent.tokens[..]].concat();
            for (token, step) in (0..).zip(model.log_probs(&prefix)) {
                if step > f64::NEG_INFINITY && (token != END || len >= min_len) {
                    let log_prob = parent.log_prob + step;
                    let mut tokens = parent.tokens.clone();
                    tokens.extend((token != END).then_some(token));
                    extensions.push(Sequence { tokens, log_prob, finished: token == END });
                }
            }
        }
        extensions.sort_by(|a, b| b.log_prob.total_cmp(&a.log_prob));
        results.extend(extensions.iter().take(config.beams).filter(|it| it.finished).cloned());
        live = extensions.into_iter().filter(|it| !it.finished).take(config.beams).collect();
    }
    results.extend(live);
    ranked(model, first, results, config)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn stopping_early_changes_no_result(
        seed: u64,
        beams in 1..7_usize,
        n_best in 1..7_usize,
        alpha in prop_oneof![Just(0.0), 0.0..3.0],
        min_len in 0..4_usize,
        extra in 0..6_usize,
        coverage_penalty in prop::sample::select(PENALTIES.to_vec()),
    ) {
        let [_, device] = devices();
        let model = TableModel::new(VOCAB, seed, &device);
        let limits = Limits { end: Some(END), min_len, max_len: (min_len + extra).max(1) };
        let config = BeamConfig {
            beams,
            n_best: n_best.min(beams),
            length_penalty: alpha,
            coverage_penalty,
            ..BeamConfig::new(limits)
        };
        let found = search(&model, &[FIRST], &config).remove(0);
        assert_same((&model, FIRST), &found, &slow_beam(&model, FIRST, &config), &config);
    }

    #[test]
    fn a_batch_finds_what_each_sentence_finds_alone(
        seed: u64,
        max_lens in prop::collection::vec(1..9_usize, 1..6),
        beams in 1..5_usize,
    ) {
        let [device, _] = devices();
        let model = TableModel::new(VOCAB, seed, &device);
        let limits = Limits::new(END, 7);
        let config = BeamConfig { beams, n_best: beams.min(2), ..BeamConfig::new(limits) };
        let firsts: Vec<_> = (FIRST..).take(max_lens.len()).collect();
        let batch = |firsts: &[u32], max_lens: &[usize]| {
            let start = Start::tokens(model.empty(firsts.len()), firsts.to_vec());
            beam_search(&model, start.with_max_lens(max_lens.to_vec()), &config).unwrap()
        };
        let together = batch(&firsts, &max_lens);
        for (row, found) in together.iter().enumerate() {
            let alone = batch(&firsts[row..=row], &max_lens[row..=row]);
            prop_assert_eq!(found, &alone[0]);
            prop_assert!(found.iter().all(|it| it.tokens.len() <= max_lens[row].min(7)));
        }
    }

    #[test]
    fn one_beam_is_greedy(seed: u64, min_len in 0..4_usize, extra in 1..6_usize) {
        let [_, device] = devices();
        let model = TableModel::new(VOCAB, seed, &device);
        let limits = Limits { end: Some(END), min_len, max_len: min_len + extra };
        let config = BeamConfig { beams: 1, length_penalty: 0.0, ..BeamConfig::new(limits) };
        let firsts = [FIRST, FIRST + 1, FIRST + 2];
        let found = search(&model, &firsts, &config);
        let start = Start::tokens(model.empty(3), firsts.to_vec());
        let expected = greedy(&model, start, limits).unwrap().hypotheses().unwrap();
        prop_assert_eq!(found, expected.into_iter().map(|it| vec![it]).collect::<Vec<_>>());
    }
}

/// Says token 0 or 1, the first with the higher probability, and ends. After token 0 it attends to the
/// first of two source positions at every step, after token 1 to the other one than before.
struct Repeats {
    device: burn::tensor::Device,
    /// The weight that every position gets beside its own.
    extra: f32,
}

impl StepDecoder for Repeats {
    /// The last token of each row.
    type State = Vec<u32>;

    fn step(&self, state: Vec<u32>, tokens: &[u32]) -> (burn::tensor::Tensor<2>, Vec<u32>) {
        assert_eq!(state.len(), tokens.len());
        let rows = tokens.iter().flat_map(|&token| match token {
            0 | 1 => [f32::NEG_INFINITY, f32::NEG_INFINITY, 0.0],
            _ => [0.6_f32.ln(), 0.4_f32.ln(), f32::NEG_INFINITY],
        });
        let data = burn::tensor::TensorData::new(rows.collect::<Vec<_>>(), [tokens.len(), 3]);
        (burn::tensor::Tensor::from_data(data, &self.device), tokens.to_vec())
    }

    fn reorder(&self, state: Vec<u32>, rows: &[usize]) -> Vec<u32> {
        rows.iter().map(|&row| state[row]).collect()
    }

    fn attention(&self, state: &Vec<u32>) -> Option<Vec<Vec<f32>>> {
        let weights = |&token: &u32| match token {
            1 => vec![self.extra, 1.0 + self.extra],
            _ => vec![1.0 + self.extra, self.extra],
        };
        Some(state.iter().map(weights).collect())
    }
}

/// Without a penalty the more probable hypothesis wins, with one that which attends to all of the
/// source: ln 0.6 + β ln 2⁻¹²⁶ is less than ln 0.4 + β ln 1, and ln 0.6 - β is less than ln 0.4 for β = 1.
#[test]
fn a_coverage_penalty_picks_the_hypothesis_that_covers_the_source() {
    for device in devices() {
        let model = Repeats { device, extra: 0.0 };
        let best = |config: &BeamConfig| {
            let start = Start::tokens(vec![9], vec![9]);
            beam_search(&model, start, config).unwrap()[0][0].clone()
        };
        let plain = BeamConfig { length_penalty: 0.0, ..BeamConfig::new(Limits::new(2, 5)) };
        assert_eq!(best(&plain).tokens, [0]);
        for penalty in [CoveragePenalty::Gnmt { beta: 0.2 }, CoveragePenalty::Summary { beta: 1.0 }]
        {
            let config = plain.clone().with_coverage_penalty(penalty);
            let best = best(&config);
            assert_eq!(best.tokens, [1], "{penalty:?}");
            // Each position was attended to once: no penalty.
            assert_eq!(best.score, best.log_prob, "{penalty:?}");
            let none = plain.clone().with_coverage_penalty(match penalty {
                CoveragePenalty::Gnmt { .. } => CoveragePenalty::Gnmt { beta: 0.0 },
                _ => CoveragePenalty::Summary { beta: 0.0 },
            });
            let start = Start::tokens(vec![9], vec![9]);
            let found = beam_search(&model, start, &none).unwrap()[0][0].clone();
            assert_eq!(found.tokens, [0], "{none:?}");
        }
    }
}

#[test]
fn a_penalty_of_attention_that_is_missing_or_no_number_is_refused() {
    let [device, _] = devices();
    let config = BeamConfig::new(Limits::new(1, 5))
        .with_coverage_penalty(CoveragePenalty::Gnmt { beta: 0.2 });
    let model = Rows(device.clone(), vec![0.0, 0.0]);
    let error = beam_search(&model, Start::tokens((), vec![0]), &config).unwrap_err();
    assert_eq!(error, GenerateError::NoAttention);
    let model = Repeats { device, extra: f32::NAN };
    let error = beam_search(&model, Start::tokens(vec![9], vec![9]), &config).unwrap_err();
    let expected = "row 0, step 0: the attention to source position 0 is NaN";
    assert_eq!(error.to_string(), expected);
}

/// Ending and going on are equally likely, and the end token, being the first, is preferred. So a
/// beam of one ends at every step; but α = 3 favours the longest, nine halvings divided by
/// (14 / 6)³ = 12.7, over a single one.
#[test]
fn an_ended_hypothesis_takes_no_place_in_the_beam() {
    for device in devices() {
        let model = Rows(device, vec![0.0, 0.0]);
        let config =
            BeamConfig { beams: 1, length_penalty: 3.0, ..BeamConfig::new(Limits::new(0, 9)) };
        let best = &beam_search(&model, Start::tokens((), vec![0]), &config).unwrap()[0][0];
        assert_eq!((&best.tokens[..], best.finished), (&[1; 8][..], true));
        assert!((best.log_prob - 9.0 * 0.5_f64.ln()).abs() <= tolerance(9));
    }
}

#[test]
fn a_start_from_logits_is_the_start_one_step_later() {
    for device in devices() {
        let model = TableModel::new(VOCAB, 5, &device);
        let config = BeamConfig { n_best: 3, ..BeamConfig::new(Limits::new(END, 6)) };
        let firsts = vec![FIRST, FIRST + 1];
        let expected = search(&model, &firsts, &config);
        let (logits, state) = model.step(model.empty(2), &firsts);
        assert_eq!(beam_search(&model, Start::logits(state, logits), &config).unwrap(), expected);
    }
}

#[test]
fn without_an_end_token_all_have_the_maximum_length() {
    let [device, _] = devices();
    let model = TableModel::new(VOCAB, 8, &device);
    let limits = Limits { end: None, min_len: 0, max_len: 5 };
    let config = BeamConfig { n_best: 3, ..BeamConfig::new(limits) };
    let found = search(&model, &[FIRST], &config).remove(0);
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|it| it.tokens.len() == 5 && !it.finished));
}

/// Sentences of different maximum lengths: each leaves the state when it is done, and the search
/// ends when none is left.
#[test]
fn what_is_done_leaves_the_state() {
    let [device, _] = devices();
    let model = TableModel::new(VOCAB, 6, &device);
    let limits = Limits { end: None, min_len: 0, max_len: 9 };
    let config = BeamConfig { beams: 3, ..BeamConfig::new(limits) };
    let start = Start::tokens(model.empty(3), vec![FIRST; 3]).with_max_lens(vec![4, 2, 5]);
    beam_search(&model, start, &config).unwrap();
    assert_eq!(*model.steps.borrow(), [3, 9, 6, 6, 3]);
}

/// The model ends at once with a probability near one, so after the first step there is nothing
/// left to hope for.
#[test]
fn a_search_stops_when_nothing_better_can_come() {
    let [device, _] = devices();
    let model = Certain(device, std::cell::Cell::new(0));
    let config = BeamConfig { length_penalty: 1.0, ..BeamConfig::new(Limits::new(1, 400)) };
    let found = beam_search(&model, Start::tokens((), vec![0]), &config).unwrap();
    assert!(found[0][0].finished && found[0][0].tokens.is_empty());
    assert_eq!(model.1.get(), 1);
}

/// Ends with probability 1 - e^-60 or so at every step, and counts the steps.
struct Certain(burn::tensor::Device, std::cell::Cell<usize>);

impl StepDecoder for Certain {
    type State = ();

    fn step(&self, (): (), tokens: &[u32]) -> (burn::tensor::Tensor<2>, ()) {
        self.1.set(self.1.get() + 1);
        let row = burn::tensor::Tensor::<2>::from_floats([[0.0, 60.0, -1.0]], &self.0);
        (row.repeat_dim(0, tokens.len()), ())
    }

    fn reorder(&self, (): (), _rows: &[usize]) {}
}

#[test]
fn no_sentences_give_no_results() {
    let [device, _] = devices();
    let model = TableModel::new(VOCAB, 1, &device);
    let config = BeamConfig::new(Limits::new(END, 5));
    assert!(search(&model, &[], &config).is_empty());
}
