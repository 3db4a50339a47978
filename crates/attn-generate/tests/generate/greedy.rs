//! Contract: greedy decoding takes the best token of each step, row by row, and streams it.

use crate::model::*;
use attn_generate::{Choice, Finish, Generation, Hypothesis, Limits, Start, StepDecoder, greedy};
use proptest::prelude::*;

const END: u32 = 4;
const VOCAB: usize = 5;

fn start(model: &TableModel, firsts: &[u32]) -> Start<Vec<Vec<u32>>> {
    Start::tokens(model.empty(firsts.len()), firsts.to_vec())
}

/// What greedy decoding is, in a loop over one row.
fn plain(model: &TableModel, first: u32, limits: Limits) -> Hypothesis {
    let (mut prefix, mut log_prob, mut finished) = (vec![first], 0.0, false);
    while prefix.len() <= limits.max_len && !finished {
        let mut scores = model.log_probs(&prefix);
        let all = scores.clone();
        if prefix.len() <= limits.min_len {
            scores[END as usize] = f64::NEG_INFINITY;
        }
        let best = (0..VOCAB).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap();
        log_prob += all[best];
        finished = best as u32 == END;
        prefix.extend((!finished).then_some(best as u32));
    }
    Hypothesis { tokens: prefix.split_off(1), score: log_prob, log_prob, finished }
}

proptest! {
    #[test]
    fn every_row_is_decoded_as_if_alone(seed: u64, rows in 1..6_usize, min_len in 0..4_usize, extra in 1..6_usize) {
        let limits = Limits { end: Some(END), min_len, max_len: min_len + extra };
        for device in devices() {
            let model = TableModel::new(VOCAB, seed, &device);
            let firsts: Vec<_> = (FIRST..).take(rows).collect();
            let found = greedy(&model, start(&model, &firsts), limits).unwrap().hypotheses().unwrap();
            prop_assert_eq!(found.len(), rows);
            for (found, &first) in found.iter().zip(&firsts) {
                let expected = plain(&model, first, limits);
                prop_assert_eq!((&found.tokens, found.finished), (&expected.tokens, expected.finished));
                prop_assert!((found.log_prob - expected.log_prob).abs() <= tolerance(limits.max_len));
                prop_assert_eq!(found.score, found.log_prob);
            }
        }
    }
}

/// Puts streamed choices together again.
fn collect(rows: usize, steps: &[Vec<Choice>]) -> Vec<Hypothesis> {
    let empty = Hypothesis { tokens: vec![], score: 0.0, log_prob: 0.0, finished: false };
    let mut hypotheses = vec![empty; rows];
    for choice in steps.iter().flatten() {
        let hypothesis = &mut hypotheses[choice.row];
        hypothesis.log_prob += choice.log_prob;
        hypothesis.score = hypothesis.log_prob;
        match choice.finish {
            Some(Finish::End) => hypothesis.finished = true,
            Some(Finish::Length) | None => hypothesis.tokens.push(choice.token),
        }
    }
    hypotheses
}

#[test]
fn what_is_streamed_is_what_is_collected() {
    let limits = Limits::new(END, 6);
    for device in devices() {
        let model = TableModel::new(VOCAB, 12, &device);
        let firsts: Vec<_> = (FIRST..).take(11).collect();
        let all = || greedy(&model, start(&model, &firsts), limits).unwrap();
        let steps: Vec<_> = all().map(Result::unwrap).collect();
        assert_eq!(collect(11, &steps), all().hypotheses().unwrap());

        // Rows end for both reasons, once each, and are not heard of afterwards.
        for row in 0..11 {
            let heard: Vec<_> = steps.iter().flatten().filter(|choice| choice.row == row).collect();
            let (last, before) = heard.split_last().unwrap();
            assert!(last.finish.is_some() && before.iter().all(|choice| choice.finish.is_none()));
        }
        let reasons = |reason| steps.iter().flatten().any(|choice| choice.finish == Some(reason));
        assert!(reasons(Finish::End) && reasons(Finish::Length));

        // Half by iteration and half by collection is the same again.
        let mut half: Generation<_> = all();
        half.by_ref().take(2).for_each(|step| drop(step.unwrap()));
        assert_eq!(half.hypotheses().unwrap(), all().hypotheses().unwrap());
    }
}

/// Each step computes the rows that are still open, and nothing ahead of what was asked for.
#[test]
fn rows_that_are_done_leave_the_state() {
    let [device, _] = devices();
    let model = TableModel::new(VOCAB, 3, &device);
    let limits = Limits { end: None, min_len: 0, max_len: 7 };
    let start = start(&model, &[FIRST; 4]).with_max_lens(vec![3, 1, 9, 3]);
    let mut steps = greedy(&model, start, limits).unwrap();
    let rows = |step: Vec<Choice>| step.iter().map(|choice| choice.row).collect::<Vec<_>>();
    assert_eq!(rows(steps.next().unwrap().unwrap()), [0, 1, 2, 3]);
    assert_eq!(rows(steps.next().unwrap().unwrap()), [0, 2, 3]);
    assert_eq!(*model.steps.borrow(), [4, 3]);
    let found = steps.hypotheses().unwrap();
    assert_eq!(*model.steps.borrow(), [4, 3, 3, 1, 1, 1, 1]);
    assert_eq!(found.iter().map(|it| it.tokens.len()).collect::<Vec<_>>(), [3, 1, 7, 3]);
}

#[test]
fn a_start_from_logits_is_the_start_one_step_later() {
    for device in devices() {
        let model = TableModel::new(VOCAB, 5, &device);
        let limits = Limits::new(END, 6);
        let firsts = [FIRST, FIRST + 1, FIRST + 2];
        let expected =
            greedy(&model, start(&model, &firsts), limits).unwrap().hypotheses().unwrap();
        let (logits, state) = model.step(model.empty(3), &firsts);
        let found = greedy(&model, Start::logits(state, logits), limits).unwrap();
        assert_eq!(found.hypotheses().unwrap(), expected);
    }
}

#[test]
fn no_rows_give_no_steps() {
    let [device, _] = devices();
    let model = TableModel::new(VOCAB, 1, &device);
    let limits = Limits::new(END, 5);
    assert_eq!(greedy(&model, start(&model, &[]), limits).unwrap().count(), 0);
    assert!(greedy(&model, start(&model, &[]), limits).unwrap().hypotheses().unwrap().is_empty());
}

/// A model whose state cannot be reordered.
struct Fixed(TableModel);

impl StepDecoder for Fixed {
    type State = Vec<Vec<u32>>;

    fn step(&self, state: Self::State, tokens: &[u32]) -> (burn::tensor::Tensor<2>, Self::State) {
        self.0.step(state, tokens)
    }

    fn reorder(&self, _: Self::State, rows: &[usize]) -> Self::State {
        panic!("reordered to {rows:?}")
    }
}

#[test]
fn rows_that_all_go_on_are_not_reordered() {
    for device in devices() {
        let model = Fixed(TableModel::new(VOCAB, 3, &device));
        let limits = Limits { end: None, min_len: 0, max_len: 4 };
        let steps = greedy(&model, start(&model.0, &[FIRST, FIRST + 1]), limits).unwrap();
        let shown = format!("{steps:?}");
        assert!(shown.contains("live: [0, 1]") && shown.contains("step: 0"), "{shown}");
        assert_eq!(steps.hypotheses().unwrap().len(), 2);
    }
}
