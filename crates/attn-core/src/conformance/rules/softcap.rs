//! A soft-cap bounds the scores, before bias and mask.

use crate::conformance::array::Array;
use crate::conformance::cases::Case;
use crate::conformance::subject::Subject;
use crate::conformance::verdict::Verdict;

pub fn check(subject: &Subject, case: &Case) -> Verdict {
    for (cap, magnitude) in [(0.5, 1.0), (3.0, 10.0), (50.0, 1e4)] {
        let mut problem = Case { softcap: Some(cap), ..case.clone() }.problem();
        let query = &problem.query;
        problem.query =
            Array::from_fn(query.dims(), |at| f64::from((query[at] * magnitude) as f32));
        let told = |error| format!("cap {cap}, queries up to {magnitude}: {error}");
        subject.check_answer(&problem).map_err(told)?;
        subject.check_gradients(&problem, &case.cotangents()).map_err(told)?;
    }
    Ok(())
}
