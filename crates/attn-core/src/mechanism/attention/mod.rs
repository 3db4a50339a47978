//! Attention of any score and any alignment.

mod config;
mod memory;
mod state;

pub use config::AttentionConfig;
pub use memory::{AttentionOutput, KeyValueMemory};
pub use state::AttentionState;

use super::Mechanism;
use super::finite::{columns_of_heads, finite_rows};
use crate::alignment::{Aligned, AnyAlignment, Draw, Past, weigh_visible};
use crate::attend::bind;
use crate::explain::{self, Summary};
use crate::half::at_least_f32;
use crate::score::{AnyScore, Score};
use crate::talking_heads::TalkingHeads;
use crate::{AttendOptions, AttentionShape, Dropout, Mask, attend, attend_with_weights};
use attn_kernels::attention::unfused::{VisiblePairs, empty_attention};
use burn::module::Module;
use burn::tensor::{Bool, Device, FloatDType, Tensor};

/// Attention in its general form (Luong et al. 2015, equations 7–8): score → mask → align →
/// context.
#[derive(Module, Debug)]
pub struct Attention {
    /// How well a key answers a query.
    pub score: AnyScore,
    /// Scores `s` become `c · tanh(s / c)`.
    pub softcap: Option<f64>,
    /// How scores become weights.
    pub alignment: AnyAlignment,
    /// Acts on the weights.
    pub dropout: Dropout,
    /// Around the alignment, where heads talk. What [`Past`] keeps are the weights that the
    /// alignment gave, before they are mixed.
    pub talking_heads: Option<TalkingHeads>,
}

impl Attention {
    /// Keys and values as [`cross_attend`](Self::cross_attend) takes them.
    ///
    /// # Shapes
    /// - `key`: `[batch, kv_heads, keys, d]`
    /// - `value`: `[batch, kv_heads, keys, value_dim]`
    ///
    /// # Panics
    /// If they differ in batch, heads or number, or the score does not fit the keys.
    pub fn project_memory(&self, key: Tensor<4>, value: Tensor<4>) -> KeyValueMemory {
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
            return KeyValueMemory { key, broken: Some(broken), value };
        }
        let (key, broken) = finite_rows(key);
        KeyValueMemory { key: self.score.project_keys(key), broken: Some(broken), value }
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
    pub fn cross_attend(
        &self,
        query: Tensor<4>,
        memory: &KeyValueMemory,
        mask: &Mask,
        past: &mut Past,
    ) -> AttentionOutput {
        let [batch, heads, queries, _] = query.dims();
        let [_, _, keys, value_dim] = memory.value.dims();
        let dims = [batch, heads, queries, keys];
        let bound = bind(mask, &AttentionShape { batch, heads, queries, keys });
        let device = query.device();
        let nothing =
            dims.contains(&0).then(|| empty_attention(query.clone(), keys, value_dim, None).0);
        let (weights, draw) = self.align(query, memory, mask, past);
        let context = nothing.unwrap_or_else(|| {
            let visible = VisiblePairs::new(bound.as_deref(), dims, &device);
            let dropout = self.dropout.draw(&device);
            visible.weighted_sum(weights.clone(), memory.value.clone(), dropout)
        });
        AttentionOutput { context, weights, draw }
    }

    /// The weights of queries that follow those of `past`, which is moved on behind them.
    fn align(
        &self,
        query: Tensor<4>,
        memory: &KeyValueMemory,
        mask: &Mask,
        past: &mut Past,
    ) -> (Tensor<4>, Option<Draw>) {
        let [batch, heads, queries, _] = query.dims();
        let [_, kv_heads, keys, _] = memory.value.dims();
        assert!(
            kv_heads > 0 && heads.is_multiple_of(kv_heads),
            "{heads} query heads do not split evenly over {kv_heads} key/value heads"
        );
        let shape = AttentionShape { batch, heads, queries, keys };
        let dims = [batch, heads, queries, keys];
        if dims.contains(&0) {
            past.steps += queries;
            return (Tensor::zeros(dims, (&query.device(), query.dtype())), None);
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
        (weights, draw)
    }

    /// The weights of some queries, `[batch, heads, queries, keys]`, which `behind` others follow.
    fn weigh(
        &self,
        query: Tensor<4>,
        memory: &KeyValueMemory,
        visible: Option<Tensor<4, Bool>>,
        past: &Past,
        behind: usize,
    ) -> Aligned {
        let (query, broken) = finite_rows(query);
        let group = query.dims()[1] / memory.value.dims()[1];
        let scores = self.score.score_after(query.clone(), memory.key.clone(), past);
        let dims = scores.dims();
        let broken = match memory.broken.clone() {
            None => broken.expand(dims),
            Some(keys) => broken.expand(dims).bool_or(columns_of_heads(keys, group).expand(dims)),
        };
        let scores = scores.mask_fill(broken, f32::NAN);
        let scores = match self.softcap {
            None => scores,
            Some(cap) => {
                let storage = FloatDType::from(scores.dtype());
                ((at_least_f32(scores) / cap).tanh() * cap).cast(storage)
            }
        };
        let scores = match &self.talking_heads {
            None => scores,
            Some(talking) => talking.visible_scores(scores, visible.as_ref()),
        };
        weigh_visible(&self.alignment, scores, Some(&query), visible, past, behind)
    }

    /// Whether the fused kernel gives the same context: a dot product, scaled or not, and softmax.
    pub(crate) fn is_fused(&self) -> bool {
        matches!(self.score, AnyScore::Dot(_) | AnyScore::ScaledDot(_))
            && matches!(self.alignment, AnyAlignment::Softmax(_))
            && self.talking_heads.is_none()
    }

    /// The options of the fused kernel, where it gives the same context; but for dropout, which is
    /// drawn.
    fn fused(&self) -> Option<AttendOptions> {
        let (true, AnyAlignment::Softmax(softmax)) = (self.is_fused(), &self.alignment) else {
            return None;
        };
        let scale = match &self.score {
            AnyScore::ScaledDot(score) => score.scale(),
            _ => Some(1.0),
        };
        let Self { softcap, .. } = *self;
        Some(AttendOptions { scale, softcap, sink: softmax.sink(), ..Default::default() })
    }

    /// [`fused`](Self::fused), with dropout.
    fn fused_with_dropout(&self, device: &Device) -> Option<AttendOptions> {
        let options = self.fused()?;
        Some(AttendOptions { dropout: self.dropout.draw(device), ..options })
    }
}

/// The parts of a reading behind each other, one or more.
fn concatenate(mut parts: Vec<Aligned>) -> Aligned {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let draw = Draw::concatenate(parts.iter().map(|part| part.draw.clone()).collect());
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
        match self.fused_with_dropout(&query.device()) {
            Some(options) => attend(query, key, value, mask, &options),
            None => {
                let memory = self.project_memory(key, value);
                self.cross_attend(query, &memory, mask, &mut Past::start()).context
            }
        }
    }

    fn weights(&self, query: Tensor<4>, key: Tensor<4>, mask: &Mask) -> Tensor<4> {
        let memory = self.project_memory(key.clone(), key);
        self.align(query, &memory, mask, &mut Past::start()).0
    }

    fn summary(&self, query: Tensor<4>, key: Tensor<4>, mask: &Mask, k: usize) -> Summary {
        match self.fused() {
            Some(options) => explain::summary(query, key, mask, &options, k),
            None => explain::of_weights(self.weights(query, key, mask), k),
        }
    }

    fn forward_with_weights(
        &self,
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        mask: &Mask,
    ) -> (Tensor<4>, Tensor<4>) {
        match self.fused_with_dropout(&query.device()) {
            Some(options) => {
                let attended = attend_with_weights(query, key, value, mask, &options);
                (attended.context, attended.weights)
            }
            None => {
                let memory = self.project_memory(key, value);
                let output = self.cross_attend(query, &memory, mask, &mut Past::start());
                (output.context, output.weights)
            }
        }
    }
}
