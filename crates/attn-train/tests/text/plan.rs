//! Batch plans: every example once, within the budget, in an order that can be had again.

use std::num::NonZeroUsize;

use attn_train::batch::{BatchError, BatchPlan, BatchPlanConfig};
use proptest::prelude::*;

fn config(tokens: usize, seed: Option<u64>) -> BatchPlanConfig {
    BatchPlanConfig { tokens, seed, ..BatchPlanConfig::default() }
}

/// Lengths as natural text has them: many short, few long, the two sides alike.
fn lengths(examples: usize) -> Vec<[usize; 2]> {
    use rand::{RngExt, SeedableRng, rngs::StdRng};
    let mut random = StdRng::seed_from_u64(3);
    let mut pair = || {
        let source = 2 + random.random_range(0.0_f64..4.0).exp() as usize;
        [source, source + random.random_range(0..4)]
    };
    (0..examples).map(|_| pair()).collect()
}

fn batches(plan: &BatchPlan) -> Vec<Vec<usize>> {
    plan.iter().map(<[usize]>::to_vec).collect()
}

/// Size of each side of a batch, padding included.
fn cells(rows: &[[usize; 2]]) -> [usize; 2] {
    [0, 1].map(|side| rows.len() * rows.iter().map(|steps| steps[side]).max().unwrap())
}

/// Padding of both sides of a batch.
fn padding(rows: &[[usize; 2]]) -> usize {
    cells(rows).iter().sum::<usize>() - rows.iter().flatten().sum::<usize>()
}

proptest! {
    #[test]
    fn every_example_comes_once_and_no_batch_overflows(
        lengths in prop::collection::vec((1_usize..30, 0_usize..30).prop_map(|(s, t)| [s, t]), 1..80),
        tokens in 30_usize..200,
        max_rows in prop::option::of(1_usize..9),
        seed in prop::option::of(any::<u64>()),
        epoch in any::<u64>(),
    ) {
        let max_rows = max_rows.and_then(NonZeroUsize::new);
        let config = BatchPlanConfig { tokens, max_rows, seed };
        let plan = BatchPlan::new(&lengths, &config, epoch).unwrap();
        for batch in plan.iter() {
            prop_assert!(!batch.is_empty());
            prop_assert!(batch.len() <= max_rows.map_or(usize::MAX, NonZeroUsize::get));
            let rows: Vec<[usize; 2]> = batch.iter().map(|&example| lengths[example]).collect();
            prop_assert!(cells(&rows).into_iter().all(|cells| cells <= tokens));
        }
        let padding: usize = batches(&plan)
            .iter()
            .map(|batch| padding(&batch.iter().map(|&e| lengths[e]).collect::<Vec<_>>()))
            .sum();
        prop_assert_eq!(plan.padding(), padding);
        let mut seen = batches(&plan).concat();
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..lengths.len()).collect::<Vec<_>>());
        // No state: made again, it is the same.
        prop_assert_eq!(BatchPlan::new(&lengths, &config, epoch).unwrap(), plan);
    }
}

#[test]
fn seed_and_epoch_change_the_order() {
    let lengths = lengths(300);
    let plan = |seed, epoch| BatchPlan::new(&lengths, &config(500, Some(seed)), epoch).unwrap();
    let first = plan(1, 0);
    assert_ne!(batches(&first), batches(&plan(1, 1)));
    assert_ne!(batches(&first), batches(&plan(2, 0)));
    // Seed and epoch are not added up: the next seed is not this one an epoch later.
    assert_ne!(batches(&plan(1, 1)), batches(&plan(2, 0)));
}

/// Resuming after an upgrade needs today's order for ever.
#[test]
fn the_order_is_the_one_of_the_first_release() {
    let lengths: Vec<[usize; 1]> = [3, 1, 2, 3, 1, 2, 3, 1].map(|n| [n]).to_vec();
    let plan = BatchPlan::new(&lengths, &config(4, Some(7)), 2).unwrap();
    assert_eq!(batches(&plan), ORDER);
}

const ORDER: [&[usize]; 5] = [&[5, 2], &[3], &[0], &[4, 1, 7], &[6]];

#[test]
fn batches_come_neither_by_length_nor_with_the_same_neighbors() {
    let lengths = lengths(2000);
    let plan = BatchPlan::new(&lengths, &config(1000, Some(1)), 0).unwrap();
    let longest: Vec<usize> =
        plan.iter().map(|batch| batch.iter().map(|&i| lengths[i][0]).max().unwrap()).collect();
    assert!(!longest.is_sorted());
    let next = BatchPlan::new(&lengths, &config(1000, Some(1)), 1).unwrap();
    let neighbors = |plan: &BatchPlan| {
        let mut batch = plan.iter().find(|batch| batch.contains(&0)).unwrap().to_vec();
        batch.sort_unstable();
        batch
    };
    assert_ne!(neighbors(&plan), neighbors(&next));
}

#[test]
fn without_a_seed_batches_are_sorted_by_length() {
    let lengths = lengths(500);
    let plan = BatchPlan::new(&lengths, &config(300, None), 4).unwrap();
    assert!(batches(&plan).concat().is_sorted_by_key(|&example| lengths[example]));
}

#[test]
fn like_lengths_share_a_batch_so_that_little_is_padded() {
    let lengths = lengths(2000);
    let plan = BatchPlan::new(&lengths, &config(2000, Some(1)), 0).unwrap();
    // As many examples a batch, but in the order of the data, which is random.
    let mut rest = &lengths[..];
    let mut unsorted = 0;
    for batch in plan.iter() {
        let (rows, others) = rest.split_at(batch.len());
        unsorted += padding(rows);
        rest = others;
    }
    assert!(plan.padding() * 10 < unsorted, "{} against {unsorted}", plan.padding());
}

#[test]
fn an_example_longer_than_a_batch_is_refused() {
    let error = BatchPlan::new(&[[3, 4], [5, 9]], &config(8, None), 0).unwrap_err();
    assert_eq!(error, BatchError::OverBudget { example: 2, steps: 9, tokens: 8 });
    assert_eq!(error.to_string(), "example 2 has 9 steps but a batch has room for 8 tokens");
}

#[test]
fn no_examples_are_refused() {
    let error = BatchPlan::new::<2>(&[], &config(8, None), 0).unwrap_err();
    assert_eq!(error, BatchError::NoExamples);
}

#[test]
#[should_panic(expected = "batch 2 of a plan of 2 batches")]
fn a_batch_past_the_end_is_refused() {
    BatchPlan::new(&[[4], [5]], &config(8, None), 0).unwrap().batch(2);
}

#[test]
fn a_config_fills_in_defaults_and_refuses_what_it_does_not_know() {
    let read = serde_json::from_str::<BatchPlanConfig>;
    assert_eq!(read(r#"{"tokens": 99}"#).unwrap(), config(99, Some(0)));
    assert!(read(r#"{"token": 99}"#).unwrap_err().to_string().contains("unknown field `token`"));
    assert!(read(r#"{"max_rows": 0}"#).is_err());
}
