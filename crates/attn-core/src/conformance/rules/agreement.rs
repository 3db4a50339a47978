//! All ways to ask answer what attention is.

use crate::conformance::array::Array;
use crate::conformance::cases::Case;
use crate::conformance::oracle::Problem;
use crate::conformance::subject::Subject;
use crate::conformance::verdict::Verdict;

pub fn check(subject: &Subject, case: &Case) -> Verdict {
    let problem = case.problem();
    subject.check_answer(&problem)?;

    // Alignment of scores of any origin is attention of which the scores are all bias; without a sink.
    let scores = case.noise("scores").array(case.sizes.pairs());
    let query = Array::filled(problem.query.dims(), 0.0);
    let bias = Some(scores.clone());
    let problem = Problem { query, scale: Some(1.0), softcap: None, bias, sink: None, ..problem };
    let expected = problem.answer(subject.epsilon);
    subject.align(&problem, &scores).compare("align", &expected, subject.epsilon)
}
