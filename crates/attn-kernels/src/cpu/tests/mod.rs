//! The kernels against [`pairwise`](super::pairwise), which visits pair by pair, in f64.

mod case;
mod check;
mod data;
mod mask;

use self::case::{CASES, Case, cases};
use self::check::{check, error};
use self::mask::Kind;
use super::simd::Isa;
use crate::parameters::DropoutMask;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;

/// Epsilons in f32 beyond the error of plain loops, for roundings that only the kernels have.
const ROUNDINGS: f64 = 16.0;

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..Default::default() })]

    #[test]
    #[cfg_attr(miri, ignore = "large cases")]
    fn kernels_are_as_exact_as_plain_loops(case in cases()) {
        check::<f32>(&case, ROUNDINGS)?;
    }

    #[test]
    #[cfg_attr(miri, ignore = "large cases")]
    fn kernels_of_f64_are_as_exact_as_plain_loops(case in cases()) {
        // Here the loops are what is expected, and round as much as what is found: a sum of n terms
        // by up to n / 2 epsilons (Higham 2002, section 3.1), in each of two products.
        let terms = case.keys.max(case.queries * case.group) + case.width + case.value_width;
        check::<f64>(&case, 2.0 * terms as f64)?;
    }

    /// Whole heads or parts of them, in tasks of many or few queries: as the pool's size decides.
    #[test]
    #[cfg_attr(miri, ignore = "large cases")]
    fn the_bits_do_not_depend_on_the_threads(case in cases()) {
        let data = case.data::<f32>();
        let answer = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("threads").install(|| data.answer(Some(Isa::all()[0])))
        };
        let one = answer(1);
        for threads in [2, 5] {
            for ((part, one), (_, several)) in one.iter().zip(&answer(threads)) {
                let bits = |numbers: &[f32]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                prop_assert_eq!(bits(one), bits(several), "{} with {} threads", part, threads);
            }
        }
    }
}

/// One case for each way through the kernels, so small that Miri can run them.
#[test]
fn small_cases_of_every_kind_are_as_exact() {
    let plain = Case {
        batch: 1,
        kv_heads: 1,
        group: 1,
        queries: 4,
        keys: 9,
        width: 3,
        value_width: 2,
        kind: Kind::Open,
        scale: 0.7,
        softcap: None,
        bias: None,
        sink: false,
        dropout: None,
        heads_inside: false,
    };
    let dropout = Some(DropoutMask::new(0.4, 3));
    let all = [true; 4];
    let of_keys = [false, false, false, true];
    for case in [
        Case { kind: Kind::Causal, group: 2, ..plain.clone() },
        Case { kind: Kind::Window(2), batch: 2, sink: true, ..plain.clone() },
        Case { kind: Kind::Noise(5), bias: Some(all), dropout, ..plain.clone() },
        Case { bias: Some(of_keys), softcap: Some(1.5), heads_inside: true, ..plain.clone() },
        // A whole cell and a part of one, a whole tile and a part of one; and a decoder's step.
        Case { kind: Kind::Causal, keys: 67, queries: 7, ..plain.clone() },
        Case { queries: 1, keys: 67, kv_heads: 2, dropout, ..plain.clone() },
    ] {
        check::<f32>(&case, ROUNDINGS).unwrap_or_else(|error| panic!("{case:?}: {error}"));
    }
}

/// Over many cases, the same in every run: errors at most twice those of plain loops, by their
/// geometric mean.
#[test]
#[cfg_attr(miri, ignore = "few cases say nothing of a mean")]
fn errors_are_at_most_twice_those_of_plain_loops() {
    let mut runner = TestRunner::deterministic();
    let mut logarithms = BTreeMap::<_, Vec<f64>>::new();
    for _ in 0..CASES {
        let case = cases().new_tree(&mut runner).expect("nothing is rejected").current();
        let expected = case.data::<f64>().answer(None);
        let data = case.data::<f32>();
        let plain = data.answer(None);
        for isa in Isa::all() {
            for ((found, plain), (_, expected)) in
                data.answer(Some(isa)).iter().zip(&plain).zip(&expected)
            {
                let off = |found| error(found, expected).max(0.1 * f64::from(f32::EPSILON));
                let ratio = off(&found.1) / off(&plain.1);
                logarithms.entry((isa.name(), found.0)).or_default().push(ratio.ln());
            }
        }
    }
    for ((isa, part), logarithms) in logarithms {
        let ratio = (logarithms.iter().sum::<f64>() / logarithms.len() as f64).exp();
        println!("{isa}: {part} is off by {ratio:.2} of what plain loops are");
        assert!(ratio <= 2.0, "{isa}: {part} is off by {ratio} times what plain loops are");
    }
}

/// A row's neighbors in its tile are others where queries are cut elsewhere.
#[test]
#[cfg_attr(miri, ignore = "too many pairs")]
fn a_row_does_not_depend_on_its_neighbors() {
    for kind in [Kind::Window(30), Kind::Causal, Kind::Noise(3)] {
        let case = Case {
            batch: 2,
            kv_heads: 1,
            group: 2,
            queries: 100,
            keys: 128,
            width: 1,
            value_width: 3,
            kind,
            scale: 1.0,
            softcap: None,
            bias: None,
            sink: false,
            dropout: None,
            heads_inside: false,
        };
        let answer = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("threads").install(|| case.data::<f32>().answer(Some(Isa::all()[0])))
        };
        assert_eq!(answer(1), answer(2));
        assert_eq!(answer(1), answer(16));
    }
}

/// Keys in several parts, each of several blocks, and queries that are few.
#[test]
#[cfg_attr(miri, ignore = "too many keys; the parts of the next test are as many")]
fn parts_of_many_keys_merge() {
    for (queries, group, kind) in
        [(1, 1, Kind::Open), (2, 3, Kind::Causal), (5, 1, Kind::Window(3))]
    {
        let case = Case {
            batch: 1,
            kv_heads: 2,
            group,
            queries,
            keys: 4500,
            width: 24,
            value_width: 20,
            kind,
            scale: 0.3,
            softcap: None,
            bias: None,
            sink: true,
            dropout: Some(DropoutMask::new(0.3, 9)),
            heads_inside: true,
        };
        check::<f32>(&case, ROUNDINGS).expect("as exact as plain loops");
    }
}

/// A query of NaN sees nothing but NaN, in each part of its keys.
#[test]
fn not_a_number_is_not_lost_between_parts() {
    let case = Case {
        batch: 1,
        kv_heads: 1,
        group: 1,
        queries: 1,
        keys: 4500,
        width: 3,
        value_width: 2,
        kind: Kind::Open,
        scale: 1.0,
        softcap: None,
        bias: None,
        sink: false,
        dropout: None,
        heads_inside: false,
    };
    let mut data = case.data::<f32>();
    data.query.fill(f32::NAN);
    let (context, statistics) = super::forward(&data.problem());
    assert!(context.data.iter().all(|x| x.is_nan()) && statistics[0].is_nan());
}

#[test]
fn not_a_number_reaches_only_queries_that_see_it() {
    let case = Case {
        batch: 1,
        kv_heads: 1,
        group: 2,
        queries: 13,
        keys: 70,
        width: 5,
        value_width: 6,
        kind: Kind::Causal,
        scale: 1.0,
        softcap: None,
        bias: None,
        sink: false,
        dropout: None,
        heads_inside: false,
    };
    let clean = case.data::<f32>();
    let mut bad = case.data::<f32>();
    // The last key, which the last query alone sees.
    bad.value[69 * 6..].fill(f32::NAN);
    let (found, expected) = (super::forward(&bad.problem()), super::forward(&clean.problem()));
    for (row, (found, expected)) in
        found.0.data.chunks(6).zip(expected.0.data.chunks(6)).enumerate()
    {
        if row % 13 == 12 {
            assert!(found.iter().all(|x| x.is_nan()), "row {row} sees it");
        } else {
            assert!(error(found, &expected.iter().map(|&x| x.into()).collect::<Vec<_>>()) < 1e-6);
        }
    }
}
