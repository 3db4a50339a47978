#![doc = include_str!("../README.md")]

mod beam;
mod error;
mod generation;
mod hypothesis;
mod limits;
mod logits;
mod random;
mod sampler;
mod start;
mod step;

pub use beam::{BeamConfig, CoveragePenalty, beam_search};
pub use error::GenerateError;
pub use generation::{Choice, Finish, Generation, greedy, sample};
pub use hypothesis::Hypothesis;
pub use limits::Limits;
pub use sampler::SamplerConfig;
pub use start::Start;
pub use step::StepDecoder;
