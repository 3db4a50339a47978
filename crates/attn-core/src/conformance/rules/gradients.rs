//! Gradients of whatever is returned, with respect to whatever is given.

use crate::conformance::cases::Case;
use crate::conformance::subject::Subject;
use crate::conformance::verdict::Verdict;

pub fn check(subject: &Subject, case: &Case) -> Verdict {
    subject.check_gradients(&case.problem(), &case.cotangents())
}
