//! Who checks the checker: the oracle against hand-made answers and finite differences of itself.

use attn_core::conformance::oracle::{Cotangents, Problem, Sink};
use attn_core::conformance::{Approx, Array};
use attn_core::{DropoutMask, Mask};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const EPSILON: f64 = f32::EPSILON as f64;

fn random(dims: [usize; 4], rng: &mut StdRng) -> Array<f64> {
    Array::from_fn(dims, |_| rng.random_range(-1.0_f32..1.0).into())
}

/// Two query heads for each key head, more keys than queries, and all else that attention has.
fn problem(seed: u64) -> Problem {
    let rng = &mut StdRng::seed_from_u64(seed);
    let [b, h, g, q, k, d, e] = [2, 4, 2, 3, 5, 6, 7];
    let mut array = |dims| random(dims, rng);
    let plain = Problem::new(
        array([b, h, q, d]),
        array([b, g, k, d]),
        array([b, g, k, e]),
        Mask::causal() & Mask::left_padding([4, 1]),
    );
    Problem {
        scale: Some(1.3),
        softcap: Some(0.9),
        bias: Some(array([1, h, 1, k])),
        sink: Some(Sink::Learned(array([1, h, 1, 1]))),
        dropout: Some(DropoutMask::new(0.4, seed)),
        ..plain
    }
}

fn cotangents(problem: &Problem, seed: u64) -> Cotangents {
    let rng = &mut StdRng::seed_from_u64(seed);
    let answer = problem.answer(EPSILON);
    Cotangents {
        context: random(answer.context.dims(), rng),
        weights: random(answer.weights.dims(), rng),
        log_sum_exp: random(answer.log_sum_exp.dims(), rng),
    }
}

/// What the cotangents are the gradients of.
fn loss(problem: &Problem, upstream: &Cotangents) -> f64 {
    let answer = problem.answer(EPSILON);
    [
        (&answer.context, &upstream.context),
        (&answer.weights, &upstream.weights),
        (&answer.log_sum_exp, &upstream.log_sum_exp),
    ]
    .into_iter()
    .flat_map(|(part, upstream)| part.iter().map(move |(at, x)| x.value * upstream[at]))
    // The log-sum-exp of an empty row is no part of a loss that has differences.
    .filter(|term| term.is_finite())
    .sum()
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let problem = problem(11);
    let upstream = cotangents(&problem, 12);
    let gradients = problem.gradients(&upstream, EPSILON);
    type Part = fn(&mut Problem) -> &mut Array<f64>;
    let parts: [(Array<Approx>, Part); 5] = [
        (gradients.query, |problem| &mut problem.query),
        (gradients.key, |problem| &mut problem.key),
        (gradients.value, |problem| &mut problem.value),
        (gradients.bias.unwrap(), |problem| problem.bias.as_mut().unwrap()),
        (gradients.sink.unwrap(), |problem| match &mut problem.sink {
            Some(Sink::Learned(logits)) => logits,
            _ => panic!("a learned sink"),
        }),
    ];
    let mut nonzero = 0;
    for (gradient, part) in parts {
        for (at, expected) in gradient.iter() {
            let step = 1e-5;
            let moved = |by: f64| {
                let mut moved = problem.clone();
                part(&mut moved)[at] += by;
                loss(&moved, &upstream)
            };
            let difference = (moved(step) - moved(-step)) / (2.0 * step);
            // step²/6 of a third derivative, some tens; and 2⁻⁵³ of a loss of some tens, over step.
            assert!((difference - expected.value).abs() < 1e-8, "{difference} {expected:?}");
            nonzero += usize::from(expected.value != 0.0);
        }
    }
    assert!(nonzero > 200, "{nonzero} gradients are not zero");
}

#[test]
fn of_two_keys_one_gets_the_sigmoid_of_the_difference() {
    let one = |value: f64| Array::filled([1, 1, 1, 1], value);
    let two = |first, second| Array::from_fn([1, 1, 2, 1], |[.., j, _]| [first, second][j]);
    let problem = Problem::new(one(2.0), two(0.5, 0.25), two(3.0, 5.0), Mask::open());
    let answer = problem.answer(EPSILON);
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let close = |found: f64, expected: f64| (found - expected).abs() < 1e-15;
    assert!(close(answer.weights[[0, 0, 0, 0]].value, sigmoid(0.5)));
    assert!(close(answer.context[[0, 0, 0, 0]].value, 3.0 * sigmoid(0.5) + 5.0 * sigmoid(-0.5)));
    assert!(close(answer.log_sum_exp[[0, 0, 0, 0]].value, (1_f64.exp() + 0.5_f64.exp()).ln()));
}

#[test]
fn a_sink_is_a_key_without_a_value() {
    let one = |value: f64| Array::filled([1, 1, 1, 1], value);
    let keys = |dims| Array::from_fn(dims, |[.., j, _]| [1.5, 0.25][j]);
    let with_key = Problem::new(one(1.0), keys([1, 1, 2, 1]), one(0.0), Mask::open());
    let value = Array::from_fn([1, 1, 2, 1], |[.., j, _]| [0.0, 3.0][j]);
    let with_key = Problem { value, ..with_key }.answer(EPSILON);
    for (sink, logit) in [(Sink::Learned(one(1.5)), 1.5), (Sink::Zero, 0.0)] {
        let alone = Problem::new(one(1.0), one(0.25 - 1.5 + logit), one(3.0), Mask::open());
        let answer = Problem { sink: Some(sink), ..alone }.answer(EPSILON);
        let close = |found: Approx, expected: Approx| {
            assert!((found.value - expected.value).abs() < 1e-15, "{found:?} {expected:?}");
        };
        let first = [0, 0, 0, 0];
        close(answer.context[first], with_key.context[first]);
        close(answer.weights[first], with_key.weights[[0, 0, 0, 1]]);
        close(answer.sink_weight[first], with_key.weights[first]);
        let lse = answer.log_sum_exp[first].value - logit + 1.5;
        assert!((lse - with_key.log_sum_exp[first].value).abs() < 1e-15);
    }
}

#[test]
fn a_query_that_sees_nothing_but_a_sink_gets_nothing() {
    let problem = problem(3).with_mask(Mask::nothing());
    let Some(Sink::Learned(logits)) = problem.sink.clone() else { panic!("a learned sink") };
    let answer = problem.answer(EPSILON);
    assert!(answer.context.iter().all(|(_, x)| x.value == 0.0));
    assert!(answer.log_sum_exp.iter().all(|([_, h, ..], x)| x.value == logits[[0, h, 0, 0]]));
}

#[test]
fn a_query_that_sees_nothing_gets_nothing() {
    let problem = Problem { sink: None, ..problem(3).with_mask(Mask::nothing()) };
    let answer = problem.answer(EPSILON);
    assert!(answer.context.iter().chain(answer.weights.iter()).all(|(_, x)| x.value == 0.0));
    assert!(answer.log_sum_exp.iter().all(|(_, x)| x.value == f64::NEG_INFINITY));
}

/// The bounds are those of the worst case, and still those of f32: numbers up to 1, sums of 7.
#[test]
fn tolerances_are_a_few_epsilons() {
    let problem = problem(5);
    let answer = problem.answer(EPSILON);
    let gradients = problem.gradients(&cotangents(&problem, 6), EPSILON);
    let largest = |array: &Array<Approx>| {
        array.iter().map(|(_, x)| x.tolerance(EPSILON)).fold(0.0, f64::max) / EPSILON
    };
    assert!(largest(&answer.weights) < 100.0);
    assert!(largest(&answer.context) < 300.0);
    assert!(largest(&gradients.query) < 3000.0);
}
