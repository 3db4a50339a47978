//! The rules, each a function that is given one case.

mod agreement;
mod alignment;
mod bias;
mod determinism;
mod dropout;
mod empty_rows;
mod gradients;
mod leaks;
mod magnitudes;
mod polarity;
mod sink;
mod softcap;
mod weights;

use super::cases::Case;
use super::subject::Subject;
use super::verdict::Verdict;

/// A rule of the law.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Short name.
    pub name: &'static str,
    /// What it demands.
    pub law: &'static str,
    /// Whether it holds in a case.
    pub(super) check: fn(&Subject, &Case) -> Verdict,
}

/// All rules, the simplest first.
pub static RULES: [Rule; 13] = [
    Rule {
        name: "agreement",
        law: "every entry point answers what attention is",
        check: agreement::check,
    },
    Rule {
        name: "polarity",
        law: "`visible` shows what is true and `hidden` hides it",
        check: polarity::check,
    },
    Rule {
        name: "alignment",
        law: "positions are bottom-right: the last query belongs to the last key",
        check: alignment::check,
    },
    Rule {
        name: "empty rows",
        law: "a query that sees no key gets 0, log-sum-exp -inf, and gradients of 0",
        check: empty_rows::check,
    },
    Rule {
        name: "leaks",
        law: "a hidden key never leaks, not even NaN or infinity, and its gradient is 0",
        check: leaks::check,
    },
    Rule {
        name: "weights",
        law: "weights are those before dropout, sum to 1 less the sink's, and match the log-sum-exp",
        check: weights::check,
    },
    Rule {
        name: "magnitudes",
        law: "queries, keys and values of 0, 1e-30, 1, 1e4 and 1e30 give right numbers",
        check: magnitudes::check,
    },
    Rule {
        name: "bias",
        law: "a bias broadcasts, and its gradient is summed over where it did",
        check: bias::check,
    },
    Rule {
        name: "soft-cap",
        law: "the cap acts on the scaled score, before bias and mask",
        check: softcap::check,
    },
    Rule {
        name: "sink",
        law: "a sink is one more score, of the value 0; context 0 if no key is seen beside it",
        check: sink::check,
    },
    Rule {
        name: "dropout",
        law: "what is dropped follows from seed and position, on every device, without bias",
        check: dropout::check,
    },
    Rule {
        name: "determinism",
        law: "the same question twice gets the same bits",
        check: determinism::check,
    },
    Rule {
        name: "gradients",
        law: "gradients of context, weights and log-sum-exp are those of the oracle",
        check: gradients::check,
    },
];
