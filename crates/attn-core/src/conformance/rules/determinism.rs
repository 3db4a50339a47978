//! Rule 7: the same question twice gets the same bits.

use crate::conformance::cases::Case;
use crate::conformance::subject::{Entry, Subject};
use crate::conformance::verdict::Verdict;

pub fn check(subject: &Subject, case: &Case) -> Verdict {
    let problem = case.problem();
    let upstream = case.cotangents();
    for entry in Entry::ALL {
        let [first, second] = [(); 2].map(|()| subject.answer(&problem, entry));
        if !first.parts().zip(second.parts()).all(|(first, second)| first.same_bits(second)) {
            return Err(format!("{entry:?}: two answers to one question"));
        }
        let first = subject.gradients(&problem, &upstream, entry)?;
        let second = subject.gradients(&problem, &upstream, entry)?;
        for ((part, first), (_, second)) in first.iter().zip(&second) {
            if !first.same_bits(second) {
                return Err(format!("{entry:?}: two gradients of one {part}"));
            }
        }
    }
    Ok(())
}
