//! A sink takes its part of the softmax and gives nothing.

use crate::Mask;
use crate::conformance::array::Array;
use crate::conformance::cases::{Case, SinkKind};
use crate::conformance::oracle::{Problem, Sink};
use crate::conformance::subject::Subject;
use crate::conformance::verdict::Verdict;

/// Of logits like these, the sink has nothing, a part, and everything.
const LOGITS: [f64; 4] = [-1e4, -1.0, 3.0, 1e4];

pub fn check(subject: &Subject, case: &Case) -> Verdict {
    let upstream = case.cotangents();
    let with = |kind| Case { sink: Some(kind), ..case.clone() }.problem();
    let check = |what: String, problem: Problem| {
        let told = |error| format!("{what}: {error}");
        subject.check_answer(&problem).map_err(told)?;
        subject.check_gradients(&problem, &upstream).map_err(told)
    };
    check("zero".to_owned(), with(SinkKind::Zero))?;

    let learned = with(SinkKind::Learned);
    let [_, heads, ..] = case.sizes.pairs();
    for logit in LOGITS {
        // Different in each head, so that heads cannot be mistaken for each other.
        let logits = Array::from_fn([1, heads, 1, 1], |[_, h, ..]| logit + h as f64);
        let sink = Some(Sink::Learned(logits));
        check(format!("logit {logit:e}"), Problem { sink, ..learned.clone() })?;
    }
    // Nothing to attend to but the sink: context 0, log-sum-exp its logit.
    check("no key is seen".to_owned(), learned.with_mask(Mask::nothing()))
}
