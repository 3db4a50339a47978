#![doc = include_str!("../README.md")]

mod answer;
mod close;
mod config_keys;
mod devices;
mod gradients;
mod named_weights;
mod panics;
mod sample;
mod tensors;
mod weights;

pub use answer::{module_answer, or_refused};
pub use close::{assert_close, assert_sums_close};
pub use config_keys::ConfigKeys;
pub use devices::{devices, precise_devices};
pub use gradients::{check_gradients, check_module_gradients, check_weight_gradients};
pub use named_weights::{random_weights_by_name, weights_by_name};
pub use panics::panic_message;
pub use sample::Sample;
pub use tensors::{f64s, floats, ids, numbers, random_ids, rng, tracked, values};
pub use weights::{in_f64, nudged, seeded, weights_of, with_weights};
