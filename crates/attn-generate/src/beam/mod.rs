//! Beam search.

mod config;
mod coverage;
mod search;
mod sentence;

pub use config::BeamConfig;
pub use coverage::CoveragePenalty;
pub use search::beam_search;
