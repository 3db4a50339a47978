//! Rule 5: weights are those before dropout, and each row sums to one, less what a sink has of it,
//! or to nothing.

use crate::conformance::array::{At, indices};
use crate::conformance::cases::Case;
use crate::conformance::subject::{Entry, Subject};
use crate::conformance::verdict::Verdict;

pub fn check(subject: &Subject, case: &Case) -> Verdict {
    let problem = case.problem();
    let [batch, heads, queries, keys] = case.sizes.pairs();
    let found = subject.answer(&problem, Entry::WithWeights);
    let weights = found.weights.expect("the entry returns weights");
    let lse = found.log_sum_exp.expect("the entry returns a log-sum-exp");

    let expected = problem.answer(subject.epsilon);
    let weight = |at: At| f64::from(weights[at]);
    for [b, h, i, _] in indices([batch, heads, queries, 1]) {
        let row = |j| [b, h, i, j];
        if let Some(j) = (0..keys).find(|&j| !problem.visible[row(j)] && weight(row(j)) != 0.0) {
            return Err(format!("hidden {:?} has weight {}", row(j), weight(row(j))));
        }
        let sum: f64 = (0..keys).map(|j| weight(row(j))).sum();
        let sees = (0..keys).any(|j| problem.visible[row(j)]);
        let sink = expected.sink_weight[[b, h, i, 0]];
        let share = if sees { 1.0 - sink.value } else { 0.0 };
        // One division for each weight, and half an epsilon for each term of the sum they share.
        let division = (4.0 + 0.5 * keys as f64) * subject.epsilon;
        if (sum - share).abs() > division + sink.tolerance(subject.epsilon) {
            return Err(format!("weights of row {:?} sum to {sum}, not {share}", [b, h, i]));
        }
    }

    // What weights and log-sum-exp say of a score, w = exp(s - lse), is one thing.
    for (at, w) in expected.weights.iter() {
        let [b, h, i, _] = at;
        let row = [b, h, i, 0];
        let error = expected.log_sum_exp[row].tolerance(subject.epsilon);
        let shift = f64::from(lse[row]) - expected.log_sum_exp[row].value;
        let implied = w.value * (-shift).exp();
        let tolerance = w.tolerance(subject.epsilon) + w.value * error.exp_m1();
        if problem.visible[at] && (weight(at) - implied).abs() > tolerance {
            return Err(format!("weight{at:?} is {}, exp(score - lse) {implied}", weight(at)));
        }
    }

    let undropped = crate::conformance::oracle::Problem { dropout: None, ..problem };
    let undropped = subject.answer(&undropped, Entry::WithWeights);
    match undropped.weights {
        Some(undropped) if undropped.same_bits(&weights) => Ok(()),
        _ => Err("dropout changes the weights".to_owned()),
    }
}
