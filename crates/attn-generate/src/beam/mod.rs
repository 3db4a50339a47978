//! Beam search.

mod config;
mod search;
mod sentence;

pub use config::BeamConfig;
pub use search::beam_search;
