//! What the program `mechanisms` compares, and how.

mod args;
pub mod contest;
pub mod decode;
pub mod family;
pub mod memory;
mod model;
pub mod table;
mod task;

pub use args::Args;
