//! Rule 4: a hidden key never leaks.

use crate::Mask;
use crate::conformance::array::Array;
use crate::conformance::cases::Case;
use crate::conformance::noise::Noise;
use crate::conformance::subject::Subject;
use crate::conformance::verdict::Verdict;

/// What must not get out.
const POISONS: [f64; 3] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];

/// The oracle visits visible pairs only, so what it says is a number wherever no poison is seen;
/// and where it is not a number, anything goes.
pub fn check(subject: &Subject, case: &Case) -> Verdict {
    let upstream = case.cotangents();
    let mut noise = case.noise("poison");
    let [batch, _, _, keys] = case.sizes.pairs();

    // Keys that no query sees.
    let hidden = Array::from_fn([batch, 1, 1, keys], |_| noise.one_in(3));
    let mask = case.mask.clone() & Mask::hidden(hidden.tensor(&subject.device));
    let mut problem = case.problem().with_mask(mask);
    poison(&mut problem.key, &mut noise, |[b, _, j, _]| hidden[[b, 0, 0, j]]);
    poison(&mut problem.value, &mut noise, |[b, _, j, _]| hidden[[b, 0, 0, j]]);
    if let Some(bias) = problem.bias.as_mut().filter(|bias| bias.dims() == case.sizes.pairs()) {
        let visible = &problem.visible;
        poison(bias, &mut noise, |at| !visible[at]);
    }
    subject.check_answer(&problem)?;
    subject.check_gradients(&problem, &upstream)?;

    // Keys and queries that see some of each other: none but those that do may notice.
    let mut rows = || {
        let rows: Vec<bool> = (0..keys.max(case.sizes.queries)).map(|_| noise.one_in(4)).collect();
        rows
    };
    let (bad_queries, bad_keys, bad_values) = (rows(), rows(), rows());
    let mut problem = case.problem();
    poison(&mut problem.query, &mut noise, |[_, _, i, _]| bad_queries[i]);
    subject.check_answer(&problem).map_err(|error| format!("bad queries: {error}"))?;
    subject.check_gradients(&problem, &upstream)?;
    let mut problem = case.problem();
    poison(&mut problem.key, &mut noise, |[_, _, j, _]| bad_keys[j]);
    poison(&mut problem.value, &mut noise, |[_, _, j, _]| bad_values[j]);
    subject.check_answer(&problem).map_err(|error| format!("bad keys: {error}"))?;
    subject.check_gradients(&problem, &upstream)
}

/// Replaces the elements of which `bad` speaks.
fn poison(array: &mut Array<f64>, noise: &mut Noise, bad: impl Fn([usize; 4]) -> bool) {
    *array = Array::from_fn(array.dims(), |at| {
        if bad(at) { POISONS[noise.below(POISONS.len())] } else { array[at] }
    });
}
