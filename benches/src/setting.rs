//! What is run: the sizes of the model and of its batch, the same for every side.

use clap::Args;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;

/// Sizes of a decoder-only model and of one batch. The defaults are those of the published table.
#[derive(Args, Debug, Clone, PartialEq, Serialize)]
pub struct Setting {
    /// Layers of the model
    #[arg(long, default_value_t = 4)]
    pub layers: usize,
    /// Width of the model
    #[arg(long, default_value_t = 256)]
    pub width: usize,
    /// Attention heads of a layer
    #[arg(long, default_value_t = 4)]
    pub heads: usize,
    /// Inner width of the feed-forward layers
    #[arg(long, default_value_t = 1024)]
    pub feed_forward: usize,
    /// Tokens of the vocabulary
    #[arg(long, default_value_t = 4096)]
    pub vocabulary: usize,
    /// Rows of a batch
    #[arg(long, default_value_t = 16)]
    pub batch: usize,
    /// Tokens of a row
    #[arg(long, default_value_t = 128)]
    pub steps: usize,
    /// Probability of every dropout
    #[arg(long, default_value_t = 0.1)]
    pub dropout: f64,
}

impl Setting {
    /// Learning rate of every side.
    pub const LEARNING_RATE: f64 = 3.0e-4;
    /// Weight decay of every side.
    pub const WEIGHT_DECAY: f32 = 0.01;
    /// Adam's epsilon of every side.
    pub const EPSILON: f32 = 1.0e-8;

    /// Tokens of one batch, the numerator of tokens per second.
    pub fn tokens(&self) -> usize {
        self.batch * self.steps
    }

    /// What of the sizes does not fit together.
    ///
    /// # Errors
    /// If a size is zero, the heads do not split the width evenly or the dropout is not in `0..1`.
    pub fn validate(&self) -> Result<(), String> {
        let Self { layers, width, heads, feed_forward, vocabulary, batch, steps, dropout } = *self;
        let sizes = [layers, width, heads, feed_forward, vocabulary, batch, steps];
        if sizes.contains(&0) {
            return Err(format!("every size must be at least 1, got {self:?}"));
        }
        if !width.is_multiple_of(heads) {
            return Err(format!("a width of {width} does not split into {heads} equal heads"));
        }
        if !(0.0..1.0).contains(&dropout) {
            return Err(format!("a dropout of {dropout} is not in 0..1"));
        }
        Ok(())
    }

    /// Random token ids, row-major `[batch, steps]`, and for each the token to predict.
    pub fn draw_batch(&self) -> Batch {
        let mut rng = StdRng::seed_from_u64(0);
        let mut draw = |_| rng.random_range(0..self.vocabulary as u32);
        let ids = (0..self.tokens()).map(&mut draw).collect();
        let next = (0..self.tokens()).map(&mut draw).collect();
        Batch { ids, next }
    }
}

/// One batch on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Inputs, row-major `[batch, steps]`.
    pub ids: Vec<u32>,
    /// Targets, in the same order.
    pub next: Vec<u32>,
}
