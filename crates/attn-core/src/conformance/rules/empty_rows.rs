//! Rule 3: a query that sees no key attends to nothing.

use crate::Mask;
use crate::conformance::array::Array;
use crate::conformance::cases::{Case, Sizes};
use crate::conformance::oracle::Cotangents;
use crate::conformance::subject::{Entry, Subject};
use crate::conformance::verdict::Verdict;

/// The oracle never visits the pairs of such a query, so its context, weights and gradients are
/// exactly 0, with a tolerance of 0.
pub fn check(subject: &Subject, case: &Case) -> Verdict {
    let problem = case.problem();
    let upstream = case.cotangents();

    let blind = problem.clone().with_mask(Mask::nothing());
    subject.check_answer(&blind).map_err(|error| format!("no key at all: {error}"))?;
    subject
        .check_gradients(&blind, &upstream)
        .map_err(|error| format!("no key at all: {error}"))?;

    let [batch, heads, queries, _] = case.sizes.pairs();
    let mut noise = case.noise("empty rows");
    let empty = Array::from_fn([batch, heads, queries, 1], |_| noise.one_in(2));
    let some = problem.with_mask(case.mask.clone() & Mask::hidden(empty.tensor(&subject.device)));
    subject.check_answer(&some)?;
    subject.check_gradients(&some, &upstream)?;

    // Keys that do not exist are seen by nobody. Nothing depends on them, so there are no gradients.
    let sizes = Sizes { keys: 0, ..case.sizes };
    let keyless = Case { sizes, mask: Mask::causal(), ..case.clone() }.problem();
    subject.check_answer(&keyless).map_err(|error| format!("no keys: {error}"))?;

    // No gradient passes through an empty row, however large it is above; but one of the log-sum-exp
    // does if there is a sink, because it is the sink's.
    let louder = |array: &Array<f64>| {
        Array::from_fn(array.dims(), |at| if empty[at] { 1e30 } else { array[at] })
    };
    let loud = Cotangents {
        context: louder(&upstream.context),
        weights: louder(&upstream.weights),
        log_sum_exp: match some.sink {
            None => louder(&upstream.log_sum_exp),
            Some(_) => upstream.log_sum_exp.clone(),
        },
    };
    for entry in Entry::ALL {
        let quiet = subject.gradients(&some, &upstream, entry)?;
        let loud = subject.gradients(&some, &loud, entry)?;
        for ((part, quiet), (_, loud)) in quiet.iter().zip(&loud) {
            // Not the same bits: a zero may change its sign.
            if quiet != loud {
                return Err(format!("{entry:?}: d {part} depends on the gradient of empty rows"));
            }
        }
    }
    Ok(())
}
