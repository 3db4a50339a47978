//! The law of attention as a suite that runs on any device.
//!
//! [`run`] asks [`attend`](crate::attend) and its kin many small questions and compares what a
//! device answers, and the gradients, with an [oracle] of plain f64 loops; one line of the
//! [`Report`] for each rule of the [law](crate#the-law-of-attention).
//!
//! ```
//! use attn_core::conformance::{Options, run};
//! use burn::tensor::Device;
//!
//! let options = Options { cases: 1, ..Options::default() };
//! let report = run(&Device::default(), &options);
//! assert!(report.is_success(), "{report}");
//! ```
//!
//! Questions come from proptest strategies, seeded, so that a run can be repeated: all sizes
//! differ, masks are of every kind and combination, numbers follow from the case's seed. A case
//! that fails is shrunk, and the smallest that still fails is in the report. Tolerances are not
//! tuned: each expected number carries a bound on what the device's arithmetic may do to it.
//!
//! An attention of your own is checked with [`run_with`], by implementing [`Attention`].

mod approx;
mod array;
mod attention;
mod cases;
mod masks;
mod noise;
pub mod oracle;
mod report;
mod rules;
mod run;
mod subject;
mod verdict;

pub use approx::Approx;
pub use array::Array;
pub use attention::{Attention, Library};
pub use report::{Report, RuleReport};
pub use rules::{RULES, Rule};
pub use run::{Options, run, run_with};
