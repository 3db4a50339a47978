//! What the tests of the family share, beside what all crates' tests do.

mod law;
mod masks;
mod steps;

pub use attn_testing::{
    Sample, assert_close, check_gradients, check_module_gradients, devices, in_f64,
    precise_devices, values, weights_of, with_weights,
};
pub use law::{
    check_large_scores, check_law_of_alignment, check_law_of_alignment_without_gradient,
    check_law_of_mechanism,
};
pub use masks::{PAIRS, lowered, masks};
pub use steps::check_steps;
