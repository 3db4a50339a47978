#![doc = include_str!("../README.md")]

mod close;
mod devices;
mod gradients;
mod panics;
mod sample;
mod tensors;
mod weights;

pub use close::{assert_close, assert_sums_close};
pub use devices::{devices, precise_devices};
pub use gradients::{check_gradients, check_module_gradients, check_weight_gradients};
pub use panics::panic_message;
pub use sample::Sample;
pub use tensors::{f64s, floats, ids, numbers, random_ids, rng, values};
pub use weights::{in_f64, nudged, seeded, weights_of, with_weights};
