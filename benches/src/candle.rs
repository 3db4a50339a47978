//! The decoder-only model out of candle's operations, on the CPU.
//!
//! Linear maps, embeddings and AdamW are candle's layers. Norm and softmax are written in operations
//! for training, as candle's fused ones have no gradient; without one, the fused ones are taken.

use crate::contest::{Side, SideError, Work};
use crate::setting::{Batch, Setting};
use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::ops::{Dropout, layer_norm, layer_norm_slow, softmax, softmax_last_dim};
use candle_nn::{
    AdamW, Embedding, Init, Linear, Module, Optimizer, ParamsAdamW, VarBuilder, VarMap, embedding,
    linear, linear_no_bias, loss,
};
use std::fmt;
use std::time::{Duration, Instant};

const NAME: &str = "candle 0.11, CPU";

/// A model, its optimizer and its batch.
pub struct Candle {
    model: Model,
    variables: VarMap,
    optimizer: AdamW,
    /// `[b, s]`
    ids: Tensor,
    /// `[b · s]`
    next: Tensor,
}

impl fmt::Debug for Candle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candle").finish_non_exhaustive()
    }
}

impl Candle {
    /// # Errors
    /// If candle refuses.
    pub fn new(setting: &Setting) -> std::result::Result<Self, SideError> {
        Self::build(setting).map_err(failed)
    }

    fn build(setting: &Setting) -> Result<Self> {
        let variables = VarMap::new();
        let builder = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
        let model = Model::new(setting, builder)?;
        let parameters = ParamsAdamW {
            lr: Setting::LEARNING_RATE,
            beta1: 0.9,
            beta2: 0.999,
            eps: Setting::EPSILON.into(),
            weight_decay: Setting::WEIGHT_DECAY.into(),
        };
        let optimizer = AdamW::new(variables.all_vars(), parameters)?;
        let Batch { rows, ids, next, .. } = setting.draw_batch();
        let [ids, next] = [
            Tensor::from_vec(ids, (rows, setting.steps), &Device::Cpu)?,
            Tensor::from_vec(next, rows * setting.steps, &Device::Cpu)?,
        ];
        Ok(Self { model, variables, optimizer, ids, next })
    }

    fn work(&mut self, work: Work) -> Result<()> {
        match work {
            Work::Train => {
                let logits = self.model.logits(&self.ids, true)?.flatten_to(1)?; // [b · s, v]
                let loss = loss::cross_entropy(&logits, &self.next)?;
                self.optimizer.backward_step(&loss)?;
                let loss = loss.to_scalar::<f32>()?;
                if !loss.is_finite() {
                    candle_core::bail!("the loss is {loss}");
                }
                Ok(())
            }
            Work::Forward => self.model.logits(&self.ids, false).map(drop),
            Work::Decode => self.model.decode(&self.ids),
        }
    }
}

impl Side for Candle {
    fn name(&self) -> String {
        NAME.into()
    }

    fn parameters(&self) -> usize {
        self.variables.all_vars().iter().map(|variable| variable.elem_count()).sum()
    }

    fn run(&mut self, work: Work) -> std::result::Result<Duration, SideError> {
        let start = Instant::now();
        self.work(work).map_err(failed)?;
        Ok(start.elapsed())
    }
}

fn failed(error: candle_core::Error) -> SideError {
    SideError { side: NAME.into(), reason: error.to_string() }
}

/// Keys and values so far, `[b, h, s, d]`.
type Cache = Option<(Tensor, Tensor)>;

struct Model {
    tokens: Embedding,
    positions: Embedding,
    dropout: Dropout,
    blocks: Vec<Block>,
    norm: Norm,
    head: Linear,
}

impl Model {
    fn new(setting: &Setting, builder: VarBuilder<'_>) -> Result<Self> {
        let Setting { layers, width, vocabulary, dropout, gpt2, .. } = *setting;
        let tokens = embedding(vocabulary, width, builder.pp("tokens"))?;
        let head = if gpt2 {
            Linear::new(tokens.embeddings().clone(), None)
        } else {
            linear_no_bias(width, vocabulary, builder.pp("head"))?
        };
        let block = |layer| Block::new(setting, builder.pp(format!("block{layer}")));
        Ok(Self {
            tokens,
            positions: embedding(setting.positions(), width, builder.pp("positions"))?,
            dropout: Dropout::new(dropout as f32),
            blocks: (0..layers).map(block).collect::<Result<_>>()?,
            norm: Norm::new(width, builder.pp("norm"))?,
            head,
        })
    }

    /// `[b, s]` → `[b, s, v]`
    fn logits(&self, ids: &Tensor, train: bool) -> Result<Tensor> {
        let (_, steps) = ids.dims2()?;
        let hidden: Vec<f32> = (0..steps)
            .flat_map(|query| (0..steps).map(move |key| key > query))
            .map(|hidden| if hidden { f32::NEG_INFINITY } else { 0.0 })
            .collect();
        let hidden = Tensor::from_vec(hidden, (steps, steps), &Device::Cpu)?;
        let mut x = self.embed(ids, 0, train)?;
        for block in &self.blocks {
            x = block.forward(&x, Some(&hidden), &mut None, train)?;
        }
        self.head.forward(&self.norm.forward(&x, train)?)
    }

    fn decode(&self, ids: &Tensor) -> Result<()> {
        let (_, steps) = ids.dims2()?;
        let mut caches: Vec<Cache> = vec![None; self.blocks.len()];
        for step in 0..steps {
            let mut x = self.embed(&ids.narrow(1, step, 1)?, step, false)?;
            for (block, cache) in self.blocks.iter().zip(&mut caches) {
                x = block.forward(&x, None, cache, false)?;
            }
            drop(self.head.forward(&self.norm.forward(&x, false)?)?);
        }
        Ok(())
    }

    fn embed(&self, ids: &Tensor, offset: usize, train: bool) -> Result<Tensor> {
        let (_, steps) = ids.dims2()?;
        let positions = Tensor::arange(offset as u32, (offset + steps) as u32, &Device::Cpu)?;
        let positions = self.positions.forward(&positions)?; // [s, m]
        let x = self.tokens.forward(&ids.contiguous()?)?.broadcast_add(&positions)?; // [b, s, m]
        self.dropout.forward(&x, train)
    }
}

struct Norm {
    gamma: Tensor,
    beta: Tensor,
}

impl Norm {
    const EPSILON: f32 = 1e-5;

    fn new(width: usize, builder: VarBuilder<'_>) -> Result<Self> {
        let gamma = builder.get_with_hints(width, "weight", Init::Const(1.0))?;
        Ok(Self { gamma, beta: builder.get_with_hints(width, "bias", Init::Const(0.0))? })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let norm = if train { layer_norm_slow } else { layer_norm };
        norm(x, &self.gamma, &self.beta, Self::EPSILON)
    }
}

struct Block {
    norm_attention: Norm,
    packed: Linear,
    output: Linear,
    norm_feed_forward: Norm,
    up: Linear,
    down: Linear,
    dropout: Dropout,
    heads: usize,
    gpt2: bool,
}

impl Block {
    fn new(setting: &Setting, builder: VarBuilder<'_>) -> Result<Self> {
        let Setting { width, feed_forward, heads, dropout, gpt2, .. } = *setting;
        Ok(Self {
            norm_attention: Norm::new(width, builder.pp("norm_attention"))?,
            packed: linear(width, 3 * width, builder.pp("packed"))?,
            output: linear(width, width, builder.pp("output"))?,
            norm_feed_forward: Norm::new(width, builder.pp("norm_feed_forward"))?,
            up: linear(width, feed_forward, builder.pp("up"))?,
            down: linear(feed_forward, width, builder.pp("down"))?,
            dropout: Dropout::new(dropout as f32),
            heads,
            gpt2,
        })
    }

    /// `hidden` is added to the scores; a cache holds what precedes `x`.
    fn forward(
        &self,
        x: &Tensor,
        hidden: Option<&Tensor>,
        cache: &mut Cache,
        train: bool,
    ) -> Result<Tensor> {
        let attended =
            self.attend(&self.norm_attention.forward(x, train)?, hidden, cache, train)?;
        let x = (x + self.dropout.forward(&attended, train)?)?;
        let inner = self.up.forward(&self.norm_feed_forward.forward(&x, train)?)?;
        let inner = if self.gpt2 { inner.gelu()? } else { inner.gelu_erf()? };
        let inner = self.down.forward(&self.dropout.forward(&inner, train)?)?;
        &x + self.dropout.forward(&inner, train)?
    }

    fn attend(
        &self,
        x: &Tensor,
        hidden: Option<&Tensor>,
        cache: &mut Cache,
        train: bool,
    ) -> Result<Tensor> {
        let (batch, steps, width) = x.dims3()?;
        let head = width / self.heads;
        let packed = self.packed.forward(x)?.reshape((batch, steps, 3, self.heads, head))?;
        let part = |index| packed.narrow(2, index, 1)?.squeeze(2)?.transpose(1, 2)?.contiguous();
        let (query, mut key, mut value) = (part(0)?, part(1)?, part(2)?); // [b, h, s, d]
        if let Some((keys, values)) = cache.take() {
            key = Tensor::cat(&[keys, key], 2)?;
            value = Tensor::cat(&[values, value], 2)?;
        }
        if hidden.is_none() {
            *cache = Some((key.clone(), value.clone()));
        }
        let scores = (query.matmul(&key.t()?)? * (head as f64).powf(-0.5))?; // [b, h, q, k]
        let scores = match hidden {
            Some(hidden) => scores.broadcast_add(hidden)?,
            None => scores,
        };
        let weights = if train { softmax(&scores, D::Minus1)? } else { softmax_last_dim(&scores)? };
        let context = self.dropout.forward(&weights, train)?.matmul(&value)?; // [b, h, q, d]
        self.output.forward(&context.transpose(1, 2)?.reshape((batch, steps, width))?)
    }
}
