//! Rule 1: `visible` shows and `hidden` hides.

use crate::Mask;
use crate::conformance::array::Array;
use crate::conformance::cases::Case;
use crate::conformance::masks::matrix;
use crate::conformance::oracle::Problem;
use crate::conformance::subject::Subject;
use crate::conformance::verdict::Verdict;

/// The oracle is told what is visible by the matrix itself, not by the mask made of it.
pub fn check(subject: &Subject, case: &Case) -> Verdict {
    let problem = case.problem();
    let matrix = matrix(&case.sizes.shape(), case.seed);
    let tensor = matrix.tensor(&subject.device);
    let visible = Array::from_fn(case.sizes.pairs(), |at| matrix[at]);
    let hidden = Array::from_fn(case.sizes.pairs(), |at| !matrix[at]);
    for (mask, visible) in [
        (Mask::visible(tensor.clone()), &visible),
        (Mask::hidden(tensor.clone()), &hidden),
        (!Mask::visible(tensor.clone()), &hidden),
        (!Mask::hidden(tensor), &visible),
    ] {
        let problem = Problem { mask: mask.clone(), visible: visible.clone(), ..problem.clone() };
        subject.check_answer(&problem).map_err(|error| format!("{mask:?}: {error}"))?;
    }
    Ok(())
}
