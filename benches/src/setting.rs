//! What is run: the model, its sizes and those of its batch, the same for every side.

use crate::contest::Work;
use burn::tensor::{Device, Int, Tensor, TensorData};
use clap::{Args, ValueEnum};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;

/// What kind of Transformer.
#[derive(ValueEnum, Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    /// Writes on, as GPT does
    #[default]
    DecoderOnly,
    /// Reads a source and writes a target: the model of the example `translate`
    EncoderDecoder,
}

/// A model and one batch. The defaults are those of the published table.
#[derive(Args, Debug, Clone, PartialEq, Serialize)]
pub struct Setting {
    /// Kind of model
    #[arg(long, value_enum, default_value_t)]
    pub model: Model,
    /// Layers of the model; of an encoder-decoder so many of each
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
    /// Tokens of a row; of an encoder-decoder those of the target
    #[arg(long, default_value_t = 128)]
    pub steps: usize,
    /// Tokens of a row of an encoder-decoder's source
    #[arg(long, default_value_t = 128)]
    pub source_steps: usize,
    /// Probability of every dropout
    #[arg(long, default_value_t = 0.1)]
    pub dropout: f64,
    /// GPT-2's architecture: 1024 positions, GELU by its tanh form, the output tied to the embeddings
    #[arg(skip)]
    pub gpt2: bool,
}

/// A model with GPT-2's architecture, whose inference is measured.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Preset {
    /// The smallest that was published: 12 layers, width 768, 12 heads, vocabulary 50257
    #[value(name = "gpt2-124m")]
    #[serde(rename = "gpt2-124m")]
    Gpt2,
    /// Its architecture with the sizes of the default model: 4.5 M parameters
    #[value(name = "gpt2-4m")]
    #[serde(rename = "gpt2-4m")]
    Small,
}

impl Preset {
    /// One row at a time, and sixteen; `steps` tokens each.
    pub fn settings(self, steps: usize) -> [Setting; 2] {
        let (layers, width, heads, vocabulary) = match self {
            Self::Gpt2 => (12, 768, 12, 50_257),
            Self::Small => (4, 256, 4, 4096),
        };
        [1, 16].map(|batch| Setting {
            model: Model::DecoderOnly,
            layers,
            width,
            heads,
            feed_forward: 4 * width,
            vocabulary,
            batch,
            steps,
            source_steps: 0,
            dropout: 0.0,
            gpt2: true,
        })
    }
}

impl Setting {
    /// Learning rate of every side.
    pub const LEARNING_RATE: f64 = 3.0e-4;
    /// Weight decay of every side.
    pub const WEIGHT_DECAY: f32 = 0.01;
    /// Adam's epsilon of every side.
    pub const EPSILON: f32 = 1.0e-8;

    /// Positions that a decoder-only model learns.
    pub fn positions(&self) -> usize {
        if self.gpt2 { 1024 } else { self.steps }
    }

    /// Tokens that `work` goes through, the numerator of tokens per second: those of source and
    /// target, and of a target that is written token by token its own.
    pub fn tokens(&self, work: Work) -> usize {
        let Self { batch, steps, source_steps, .. } = *self;
        match (self.model, work) {
            (Model::EncoderDecoder, Work::Train | Work::Forward) => batch * (source_steps + steps),
            _ => batch * steps,
        }
    }

    /// What of the sizes does not fit together.
    ///
    /// # Errors
    /// If a size is zero, the heads do not split the width evenly, there are fewer positions than
    /// steps, the width of an encoder–decoder is odd or the dropout is not in `0..1`.
    pub fn validate(&self) -> Result<(), String> {
        let Self { layers, width, heads, feed_forward, vocabulary, batch, steps, .. } = *self;
        let sizes = [layers, width, heads, feed_forward, vocabulary, batch, steps];
        let sourceless = self.model == Model::EncoderDecoder && self.source_steps == 0;
        if sizes.contains(&0) || sourceless {
            return Err(format!("every size must be at least 1, got {self:?}"));
        }
        if !width.is_multiple_of(heads) {
            return Err(format!("a width of {width} does not split into {heads} equal heads"));
        }
        if self.model == Model::EncoderDecoder && !width.is_multiple_of(2) {
            return Err(format!("sinusoidal positions need an even width, got {width}"));
        }
        if steps > self.positions() {
            return Err(format!("{steps} steps, but the model has {} positions", self.positions()));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(format!("a dropout of {} is not in 0..1", self.dropout));
        }
        Ok(())
    }

    /// Random token ids, and for each of a row the token to predict.
    pub fn draw_batch(&self) -> Batch {
        let Self { batch, steps, .. } = *self;
        let mut rng = StdRng::seed_from_u64(0);
        let mut draw = |count: usize| -> Vec<u32> {
            (0..count).map(|_| rng.random_range(0..self.vocabulary as u32)).collect()
        };
        let (ids, next) = (draw(batch * steps), draw(batch * steps));
        let source = match self.model {
            Model::DecoderOnly => None,
            Model::EncoderDecoder => Some(draw(batch * self.source_steps)),
        };
        Batch { rows: batch, source, ids, next }
    }
}

/// One batch on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Rows.
    pub rows: usize,
    /// What an encoder–decoder reads, row-major `[rows, source_steps]`.
    pub source: Option<Vec<u32>>,
    /// Inputs, row-major `[rows, steps]`.
    pub ids: Vec<u32>,
    /// Targets, in the same order.
    pub next: Vec<u32>,
}

/// What a model reads of a [`Batch`], on its device.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// `[rows, source_steps]`, for an encoder–decoder.
    pub source: Option<Tensor<2, Int>>,
    /// `[rows, steps]`
    pub ids: Tensor<2, Int>,
}

impl Batch {
    /// Uploads it.
    pub fn inputs(&self, device: &Device) -> Inputs {
        let upload = |ids: &Vec<u32>| {
            let shape = [self.rows, ids.len() / self.rows];
            Tensor::from_data(TensorData::new(ids.clone(), shape), device)
        };
        Inputs { source: self.source.as_ref().map(upload), ids: upload(&self.ids) }
    }
}
