//! Attention of any score and any alignment.

use super::finite::{columns_of_heads, finite_rows, select_rows};
use super::{Mechanism, MechanismError};
use crate::alignment::{Aligned, AlignmentConfig, AnyAlignment, Draw, Past, weigh_visible};
use crate::attend::bind;
use crate::score::{AnyScore, ScaledDotConfig, Score, ScoreConfig};
use crate::talking_heads::{TalkingHeads, TalkingHeadsConfig};
use crate::{AttendOptions, AttentionShape, Dropout, DropoutConfig, Mask, attend};
use attn_kernels::attention::twin::{Visible, nothing_to_see};
use burn::module::Module;
use burn::tensor::{Bool, Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of an [`Attention`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttentionConfig {
    /// How well a key answers a query.
    pub score: ScoreConfig,
    /// How scores become weights.
    pub alignment: AlignmentConfig,
    /// Probability to drop a weight.
    pub dropout: f64,
    /// Number of query heads that mix their scores and weights, where they do: [`TalkingHeads`].
    pub talking_heads: Option<usize>,
}

impl Default for AttentionConfig {
    /// Scaled dot and softmax, no dropout.
    fn default() -> Self {
        Self {
            score: ScoreConfig::ScaledDot(ScaledDotConfig::new()),
            alignment: AlignmentConfig::default(),
            dropout: 0.0,
            talking_heads: None,
        }
    }
}

impl AttentionConfig {
    /// Scaled dot and softmax, no dropout.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another score.
    pub fn with_score(self, score: ScoreConfig) -> Self {
        Self { score, ..self }
    }

    /// Another alignment.
    pub fn with_alignment(self, alignment: AlignmentConfig) -> Self {
        Self { alignment, ..self }
    }

    /// Dropout on the weights.
    pub fn with_dropout(self, dropout: f64) -> Self {
        Self { dropout, ..self }
    }

    /// So many query heads, which mix their scores and weights.
    pub fn with_talking_heads(self, heads: usize) -> Self {
        Self { talking_heads: Some(heads), ..self }
    }

    fn talking(&self) -> Option<TalkingHeadsConfig> {
        self.talking_heads.map(TalkingHeadsConfig::new)
    }

    /// # Errors
    /// If score or alignment cannot be, the dropout is not in `[0, 1)`, no head is to talk, or score,
    /// alignment and talking heads are of different heads or queries.
    pub fn validate(&self) -> Result<(), MechanismError> {
        self.score.validate()?;
        self.alignment.validate()?;
        MechanismError::check_probability("attention", "dropout", self.dropout)?;
        self.talking().map_or(Ok(()), |talking| talking.validate())?;
        match (self.talking_heads, self.alignment.heads()) {
            (Some(talking), Some(alignment)) if talking != alignment => {
                return Err(MechanismError::Heads { talking, alignment });
            }
            _ => {}
        }
        match (self.score.d_query(), self.alignment.d_query()) {
            (Some(score), Some(alignment)) if score != alignment => {
                Err(MechanismError::QueryWidth { score, alignment })
            }
            _ => Ok(()),
        }
    }

    /// The attention.
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> Attention {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        Attention {
            score: self.score.init(device),
            alignment: self.alignment.init(device),
            dropout: DropoutConfig::new(self.dropout).init(),
            talking_heads: self.talking().map(|talking| talking.init(device)),
        }
    }
}

/// Attention in its general form (Luong et al. 2015, equations 7–8): score → mask → align →
/// context.
#[derive(Module, Debug)]
pub struct Attention {
    /// How well a key answers a query.
    pub score: AnyScore,
    /// How scores become weights.
    pub alignment: AnyAlignment,
    /// Acts on the weights.
    pub dropout: Dropout,
    /// Around the alignment, where heads talk. What [`Past`] keeps are the weights that the
    /// alignment gave, before they are mixed.
    pub talking_heads: Option<TalkingHeads>,
}

/// What is looked at, prepared once per sequence, however many steps then look at it.
#[derive(Clone, Debug)]
pub struct Memory {
    /// The keys, projected as the score wants them.
    key: Tensor<4>,
    /// `[b, g, k, 1]`: keys that hold what is not a number.
    broken: Tensor<4, Bool>,
    value: Tensor<4>,
}

impl Memory {
    /// `[batch, kv_heads, keys, value_dim]`
    pub fn value(&self) -> &Tensor<4> {
        &self.value
    }

    /// The memory of a batch whose row `r` was row `rows[r]`, as a beam search leaves them.
    pub fn select_rows(self, rows: &Tensor<1, burn::tensor::Int>) -> Self {
        Self {
            key: self.key.select(0, rows.clone()),
            broken: select_rows(self.broken, rows),
            value: self.value.select(0, rows.clone()),
        }
    }
}

/// What [`Attention::read`] returns.
#[derive(Clone, Debug)]
pub struct Reading {
    /// `[batch, heads, queries, value_dim]`
    pub context: Tensor<4>,
    /// `[batch, heads, queries, keys]`, before dropout; mixed, where heads talk.
    pub weights: Tensor<4>,
    /// The draw, where the weights were drawn.
    pub draw: Option<Draw>,
}

impl Attention {
    /// Keys and values as [`read`](Self::read) takes them.
    ///
    /// # Shapes
    /// - `key`: `[batch, kv_heads, keys, d]`
    /// - `value`: `[batch, kv_heads, keys, value_dim]`
    ///
    /// # Panics
    /// If they differ in batch, heads or number, or the score does not fit the keys.
    pub fn remember(&self, key: Tensor<4>, value: Tensor<4>) -> Memory {
        assert_eq!(
            key.dims()[..3],
            value.dims()[..3],
            "key {:?} does not fit value {:?}: batch, heads and keys must agree",
            key.dims(),
            value.dims()
        );
        if key.dims().contains(&0) {
            // There is nothing to project, and not every backend would.
            let [b, g, k, _] = key.dims();
            let broken = Tensor::full([b, g, k, 1], false, &key.device().without_autodiff());
            return Memory { key, broken, value };
        }
        let (key, broken) = finite_rows(key);
        Memory { key: self.score.project_keys(key), broken, value }
    }

    /// The contexts and weights of queries that follow those of `past`, which is moved on behind
    /// them.
    ///
    /// # Shapes
    /// - `query`: `[batch, heads, queries, d]`
    ///
    /// Where there is no query or no key, contexts and weights are 0, and nothing is drawn.
    ///
    /// # Panics
    /// If the shapes do not fit together, or the mask, the score or the alignment does not fit them.
    pub fn read(&self, query: Tensor<4>, memory: &Memory, mask: &Mask, past: &mut Past) -> Reading {
        let [batch, heads, queries, _] = query.dims();
        let [_, kv_heads, keys, _] = memory.value.dims();
        assert!(
            kv_heads > 0 && heads.is_multiple_of(kv_heads),
            "{heads} query heads do not split evenly over {kv_heads} key/value heads"
        );
        let shape = AttentionShape { batch, heads, queries, keys };
        let dims = [batch, heads, queries, keys];
        let bound = bind(mask, &shape);
        if dims.contains(&0) {
            past.steps += queries;
            let (context, softmax) = nothing_to_see(query, keys, memory.value.dims()[3], None);
            return Reading { context, weights: softmax.weights, draw: None };
        }
        let plain = query.device().without_autodiff();
        let visible = (!mask.is_open_for(&shape)).then(|| mask.lower(&shape, &plain).expand(dims));

        // A score that looks back needs the weights of one query before it can score the next.
        let at_once = if self.score.looks_back() { 1 } else { queries };
        let parts = (0..queries).step_by(at_once).map(|first| {
            let steps = first..(first + at_once).min(queries);
            let visible = visible.clone().map(|visible| visible.slice_dim(2, steps.clone()));
            let behind = queries - steps.end;
            let query = query.clone().slice_dim(2, steps);
            let aligned = self.weigh(query, memory, visible, past, behind);
            past.advance(&aligned);
            aligned
        });
        let Aligned { weights, draw, .. } = concatenate(parts.collect());
        let weights = match &self.talking_heads {
            None => weights,
            Some(talking) => talking.visible_weights(weights, visible.as_ref()),
        };

        let visible = Visible::new(bound.as_deref(), dims, &query.device());
        let dropout = self.dropout.draw(&query.device());
        let context = visible.average(weights.clone(), memory.value.clone(), dropout);
        Reading { context, weights, draw }
    }

    /// The weights of some queries, `[batch, heads, queries, keys]`, which `behind` others follow.
    fn weigh(
        &self,
        query: Tensor<4>,
        memory: &Memory,
        visible: Option<Tensor<4, Bool>>,
        past: &Past,
        behind: usize,
    ) -> Aligned {
        let (query, broken) = finite_rows(query);
        let group = query.dims()[1] / memory.value.dims()[1];
        let scores = self.score.score_after(query.clone(), memory.key.clone(), past);
        let dims = scores.dims();
        let broken_keys = columns_of_heads(memory.broken.clone(), group).expand(dims);
        let scores = scores.mask_fill(broken.expand(dims).bool_or(broken_keys), f32::NAN);
        let scores = match &self.talking_heads {
            None => scores,
            Some(talking) => talking.visible_scores(scores, visible.as_ref()),
        };
        weigh_visible(&self.alignment, scores, Some(&query), visible, past, behind)
    }

    /// Whether the fused kernel gives the same context: a dot product, scaled or not, and softmax.
    fn fused(&self, device: &Device) -> Option<AttendOptions> {
        if self.talking_heads.is_some() {
            return None;
        }
        let AnyAlignment::Softmax(softmax) = &self.alignment else { return None };
        let scale = match &self.score {
            AnyScore::Dot(_) => Some(1.0),
            AnyScore::ScaledDot(score) => score.scale(),
            _ => return None,
        };
        let dropout = self.dropout.draw(device);
        Some(AttendOptions { scale, sink: softmax.sink(), dropout, ..Default::default() })
    }
}

/// The parts of a reading behind each other, one or more.
fn concatenate(mut parts: Vec<Aligned>) -> Aligned {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let draws: Option<Vec<Draw>> = parts.iter().map(|part| part.draw.clone()).collect();
    let draw = draws.map(|draws| {
        let (log_prob, entropy): (Vec<_>, Vec<_>) =
            draws.into_iter().map(|draw| (draw.log_prob, draw.entropy)).unzip();
        Draw { log_prob: Tensor::cat(log_prob, 2), entropy: Tensor::cat(entropy, 2) }
    });
    let carry = parts.last().and_then(|part| part.carry.clone());
    let weights = Tensor::cat(parts.into_iter().map(|part| part.weights).collect(), 2);
    Aligned { weights, carry, draw }
}

impl Mechanism for Attention {
    fn forward(
        &self,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        mask: &Mask,
    ) -> Tensor<4> {
        match self.fused(&query.device()) {
            Some(options) => attend(query, key, value, mask, &options),
            None => {
                let memory = self.remember(key, value);
                self.read(query, &memory, mask, &mut Past::start()).context
            }
        }
    }

    fn weights(&self, query: Tensor<4>, key: Tensor<4>, mask: &Mask) -> Tensor<4> {
        let memory = self.remember(key.clone(), key);
        self.read(query, &memory, mask, &mut Past::start()).weights
    }
}
