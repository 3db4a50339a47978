//! From gradients to new parameters.

mod adamw;
mod gradients;
mod moments;

pub(crate) use adamw::AdamW;
pub use adamw::AdamWConfig;
pub(crate) use gradients::{clip_factor, squared_norm};
pub(crate) use moments::Moments;
