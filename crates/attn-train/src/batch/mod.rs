//! Token sequences into padded batches, in an order that a resumed run repeats.

mod blocks;
mod error;
mod limit;
mod pairs;
mod plan;
mod shuffle;
mod tokens;

pub use blocks::{BlockBatch, Blocks};
pub use error::BatchError;
pub use limit::{Lengths, Overlong, limit_lengths};
pub use pairs::{PairBatch, TokenPair};
pub use plan::{BatchPlan, BatchPlanConfig};
pub use tokens::TokenBatch;
