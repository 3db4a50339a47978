//! A bias is added to the scores, and its gradient summed over where it was broadcast.

use crate::conformance::cases::Case;
use crate::conformance::subject::Subject;
use crate::conformance::verdict::Verdict;

pub fn check(subject: &Subject, case: &Case) -> Verdict {
    let mut noise = case.noise("bias dims");
    let full = std::array::from_fn(|_| noise.one_in(2));
    let problem = Case { bias: Some(full), ..case.clone() }.problem();
    subject.check_answer(&problem)?;
    subject.check_gradients(&problem, &case.cotangents())
}
