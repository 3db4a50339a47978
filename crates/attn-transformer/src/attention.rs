//! Multi-head attention: self, cross, grouped.

use crate::config::{ConfigError, check_nonzero};
use crate::linear::{apply, apply_all};
use crate::{Norm, NormConfig, NormKind, Rotation, init};
use attn_core::alignment::Past;
use attn_core::explain::Summary;
use attn_core::mechanism::{AnyMechanism, AnyState, KeyValueMemory, MechanismConfig};
use attn_core::{Mask, Mechanism, Stepwise};
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, assert_shape};
use serde::{Deserialize, Serialize};

/// Configuration of [`MultiHeadAttention`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "crate::earlier::AttentionFile")]
pub struct MultiHeadAttentionConfig {
    /// Width of input and output.
    pub d_model: usize,
    /// Number of query heads.
    pub heads: usize,
    /// Number of key/value heads, each read by `heads / kv_heads` query heads (Ainslie et al.
    /// 2023): one is multi-query attention; `None`, as many as there are query heads, the paper's.
    pub kv_heads: Option<usize>,
    /// Width of a head; `None` is `d_model / heads`.
    pub d_head: Option<usize>,
    /// Width of what keys and values are made of; `None` is `d_model`.
    pub d_memory: Option<usize>,
    /// Whether the four projections have biases.
    pub bias: bool,
    /// Whether queries and keys are normed by root mean square, head by head, before they meet
    /// (Henry et al. 2020; in this form in Qwen 3). Keeps scores bounded.
    pub query_key_norm: bool,
    /// What the heads attend with: by default scaled dot-product attention, the paper's.
    pub mechanism: MechanismConfig,
}

impl MultiHeadAttentionConfig {
    /// The paper's: as many key/value heads as query heads, of width `d_model / heads`, biases.
    pub fn new(d_model: usize, heads: usize) -> Self {
        Self {
            d_model,
            heads,
            kv_heads: None,
            d_head: None,
            d_memory: None,
            bias: true,
            query_key_norm: false,
            mechanism: MechanismConfig::default(),
        }
    }

    /// Another mechanism.
    pub fn with_mechanism(self, mechanism: MechanismConfig) -> Self {
        Self { mechanism, ..self }
    }

    /// Number of key/value heads.
    pub fn kv_heads(&self) -> usize {
        self.kv_heads.unwrap_or(self.heads)
    }

    /// Width of a head; exact, because [`validate`](Self::validate) refuses a remainder.
    pub fn d_head(&self) -> usize {
        self.d_head.unwrap_or_else(|| self.d_model / self.heads)
    }

    /// # Errors
    /// If heads do not split evenly, a size is zero, a number is out of its range, or the mechanism
    /// is invalid or made for other heads.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let Self { d_model, heads, .. } = *self;
        check_nonzero("d_model", d_model)?;
        check_nonzero("heads", heads)?;
        check_nonzero("kv_heads", self.kv_heads())?;
        if self.d_head.is_none() && !d_model.is_multiple_of(heads) {
            return Err(ConfigError::UnevenHeads { d_model, heads });
        }
        if !heads.is_multiple_of(self.kv_heads()) {
            return Err(ConfigError::UnevenGroups { heads, kv_heads: self.kv_heads() });
        }
        check_nonzero("d_head", self.d_head())?;
        check_nonzero("d_memory", self.d_memory.unwrap_or(d_model))?;
        let fits = |()| self.mechanism.check_heads(heads, self.kv_heads(), self.d_head());
        let valid = self.mechanism.validate().and_then(fits);
        valid.map_err(|source| ConfigError::Mechanism { key: "mechanism", source })
    }

    /// # Panics
    /// If [`validate`](Self::validate) refuses the configuration.
    pub fn init(&self, device: &Device) -> MultiHeadAttention {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let Self { d_model, heads, bias, .. } = *self;
        let (kv_heads, d_head) = (self.kv_heads(), self.d_head());
        let d_memory = self.d_memory.unwrap_or(d_model);
        let project =
            |d_in, heads| init::linear([d_in, heads * d_head], bias, init::GAIN_PACKED, device);
        let norm = || NormConfig { kind: NormKind::Rms, ..NormConfig::new(d_head) }.init(device);
        MultiHeadAttention {
            query: project(d_model, heads),
            key: project(d_memory, kv_heads),
            value: project(d_memory, kv_heads),
            output: init::linear([heads * d_head, d_model], bias, 1.0, device),
            norm_query: self.query_key_norm.then(norm),
            norm_key: self.query_key_norm.then(norm),
            heads,
            kv_heads,
            d_head,
            mechanism: self.mechanism.init(device),
        }
    }
}

/// Arguments that all self-attentions of a model share: which steps each step may see, and, where
/// positions are rotary, how queries and keys turn.
///
/// A mask alone converts into one, for attention without rotary positions.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Which keys each query may see.
    pub mask: &'a Mask,
    /// The rotation of the steps whose queries, and new keys, these are.
    pub rotation: Option<&'a Rotation>,
}

impl<'a> From<&'a Mask> for Scope<'a> {
    fn from(mask: &'a Mask) -> Self {
        Self { mask, rotation: None }
    }
}

/// What an attention layer returns when asked for its weights.
#[derive(Clone, Debug)]
pub struct AttentionOutput {
    /// `[b, q, m]`
    pub output: Tensor<3>,
    /// `[b, h, q, k]`, before dropout: [how much of each value is in each context](Mechanism::weights).
    /// Of scaled dot-product attention each row sums to one, or to zero if its query sees no key.
    pub weights: Tensor<4>,
}

/// Multi-head attention (Vaswani et al. 2017, section 3.2.2):
/// `MultiHead(x, y) = Concat(head₁, …, head_h) W_output`,
/// `headᵢ = attend(x W_query,ᵢ, y W_key,ᵢ, y W_value,ᵢ)`.
///
/// Self-attention, where `y` is `x` and the steps before it, is [`forward`](Self::forward).
/// Cross-attention projects `y` once, by [`project_memory`](Self::project_memory), for however many
/// calls of [`cross_attend`](Self::cross_attend).
///
/// `attend` is that of the [mechanism](MultiHeadAttentionConfig::mechanism), by default scaled
/// dot-product attention.
#[derive(Module, Debug)]
pub struct MultiHeadAttention {
    /// `W_query`, `[m, h · d]`.
    pub query: Linear,
    /// `W_key`, `[m, g · d]`.
    pub key: Linear,
    /// `W_value`, `[m, g · d]`.
    pub value: Linear,
    /// `W_output`, `[h · d, m]`.
    pub output: Linear,
    /// Norm of each query head, over its `d` features.
    pub norm_query: Option<Norm>,
    /// Norm of each key head, over its `d` features.
    pub norm_key: Option<Norm>,
    /// What the heads attend with.
    pub mechanism: AnyMechanism,
    heads: usize,
    kv_heads: usize,
    d_head: usize,
}

/// The keys and values that queries attend to.
#[allow(clippy::large_enum_variant, reason = "lives for one call")]
enum Attended<'a> {
    /// Those of the steps of the queries, added to a state where there is one.
    Own { key: Tensor<4>, value: Tensor<4>, state: Option<&'a mut AnyState> },
    /// Those of a memory.
    Memory { memory: &'a KeyValueMemory, past: Option<&'a mut Past> },
}

impl MultiHeadAttention {
    /// Self-attention. With a state, `x` are the steps that follow those in it; they are added to it,
    /// and attention is over all of them.
    ///
    /// # Shapes
    /// - `x` and result: `[b, s, m]`
    /// - mask of `scope`: `s` queries, and as many keys as there are steps, the state's included
    ///
    /// # Panics
    /// If the shapes, the mask, the rotation or the state do not fit together, or there is a state and
    /// the mechanism does not [decode](MechanismConfig::decodes).
    pub fn forward<'a>(
        &self,
        x: Tensor<3>,
        scope: impl Into<Scope<'a>>,
        state: Option<&mut AnyState>,
    ) -> Tensor<3> {
        let scope = scope.into();
        let (query, key, value) = self.project_self(x, scope.rotation);
        let own = Attended::Own { key, value, state };
        self.merge(self.attend(query, own, scope.mask, false).0)
    }

    /// [`forward`](Self::forward), with the weights.
    ///
    /// # Panics
    /// As [`forward`](Self::forward), and if there are steps in the state of a mechanism that keeps no
    /// keys.
    pub fn forward_with_weights<'a>(
        &self,
        x: Tensor<3>,
        scope: impl Into<Scope<'a>>,
        state: Option<&mut AnyState>,
    ) -> AttentionOutput {
        let scope = scope.into();
        let (query, key, value) = self.project_self(x, scope.rotation);
        let own = Attended::Own { key, value, state };
        self.output(self.attend(query, own, scope.mask, true))
    }

    /// [`forward`](Self::forward) of a whole sequence, and [what its steps look at](Mechanism::summary):
    /// the `k` keys of most weight of each, without anything of size queries × keys for scaled
    /// dot-product attention.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_with_summary<'a>(
        &self,
        x: Tensor<3>,
        scope: impl Into<Scope<'a>>,
        k: usize,
    ) -> (Tensor<3>, Summary) {
        let Scope { mask, rotation } = scope.into();
        let (query, key, value) = self.project_self(x, rotation);
        // One pass for both: a mechanism that draws its weights would draw twice.
        let own = self.mechanism.project_memory(key, value);
        let (context, summary) = self.mechanism.cross_attend_with_summary(query, &own, mask, k);
        (self.merge(context), summary)
    }

    /// The keys and values of a memory, as the mechanism wants them.
    ///
    /// # Shapes
    /// - `memory`: `[b, k, m]`, or `[b, k, d_memory]`
    ///
    /// # Panics
    /// If the width of `memory` is another, or the rotation is of other steps.
    pub fn project_memory(&self, memory: Tensor<3>, rotation: Option<&Rotation>) -> KeyValueMemory {
        let [d_memory, _] = self.key.weight.shape().dims();
        assert_shape!(memory, [_, _, d_memory]);
        let [key, value] = apply_all([&self.key, &self.value], memory); // [b, k, g · d]
        let (key, value) = self.key_value_heads(key, value, rotation);
        self.mechanism.project_memory(key, value)
    }

    /// Attention of `x` to a memory; a rotation turns the queries alone.
    ///
    /// `past` is what the queries before these left to mechanisms that look back, such as monotonic
    /// alignments; without it, `x` begins a sequence.
    ///
    /// # Shapes
    /// - `x` and result: `[b, q, m]`
    ///
    /// # Panics
    /// If the shapes, the mask, the rotation or the past do not fit together.
    pub fn cross_attend<'a>(
        &self,
        x: Tensor<3>,
        memory: &KeyValueMemory,
        scope: impl Into<Scope<'a>>,
        past: Option<&mut Past>,
    ) -> Tensor<3> {
        let scope = scope.into();
        let query = self.project_query(x, scope.rotation);
        self.merge(self.attend(query, Attended::Memory { memory, past }, scope.mask, false).0)
    }

    /// [`cross_attend`](Self::cross_attend), with the weights.
    ///
    /// # Panics
    /// As [`cross_attend`](Self::cross_attend).
    pub fn cross_attend_with_weights<'a>(
        &self,
        x: Tensor<3>,
        memory: &KeyValueMemory,
        scope: impl Into<Scope<'a>>,
        past: Option<&mut Past>,
    ) -> AttentionOutput {
        let scope = scope.into();
        let query = self.project_query(x, scope.rotation);
        self.output(self.attend(query, Attended::Memory { memory, past }, scope.mask, true))
    }

    /// [`cross_attend`](Self::cross_attend) of steps that begin a sequence, and what they look at, as
    /// [`forward_with_summary`](Self::forward_with_summary).
    ///
    /// # Panics
    /// As [`cross_attend`](Self::cross_attend).
    pub fn cross_attend_with_summary<'a>(
        &self,
        x: Tensor<3>,
        memory: &KeyValueMemory,
        scope: impl Into<Scope<'a>>,
        k: usize,
    ) -> (Tensor<3>, Summary) {
        let Scope { mask, rotation } = scope.into();
        let query = self.project_query(x, rotation);
        let (context, summary) = self.mechanism.cross_attend_with_summary(query, memory, mask, k);
        (self.merge(context), summary)
    }

    /// The one way to attend: contexts `[b, h, q, d]`, and the weights if they are asked for.
    fn attend(
        &self,
        query: Tensor<4>,
        attended: Attended<'_>,
        mask: &Mask,
        weights: bool,
    ) -> (Tensor<4>, Option<Tensor<4>>) {
        let mechanism = &self.mechanism;
        let with = |(context, weights)| (context, Some(weights));
        match attended {
            Attended::Own { key, value, state: None } if weights => {
                with(mechanism.forward_with_weights(query, key, value, mask))
            }
            Attended::Own { key, value, state: None } => {
                (mechanism.forward(query, key, value, mask), None)
            }
            Attended::Own { key, value, state: Some(state) } if weights => {
                with(mechanism.step_with_weights(state, query, key, value, mask))
            }
            Attended::Own { key, value, state: Some(state) } => {
                (mechanism.step(state, query, key, value, mask), None)
            }
            Attended::Memory { memory, past } => {
                let mut start = Past::start();
                let past = past.unwrap_or(&mut start);
                if weights {
                    with(mechanism.cross_attend_with_weights(query, memory, mask, past))
                } else {
                    (mechanism.cross_attend(query, memory, mask, past), None)
                }
            }
        }
    }

    fn output(&self, (context, weights): (Tensor<4>, Option<Tensor<4>>)) -> AttentionOutput {
        let weights = weights.expect("weights that were asked for");
        AttentionOutput { output: self.merge(context), weights }
    }

    /// Queries, keys and values of self-attention.
    fn project_self(
        &self,
        x: Tensor<3>,
        rotation: Option<&Rotation>,
    ) -> (Tensor<4>, Tensor<4>, Tensor<4>) {
        let [d_model, _] = self.query.weight.shape().dims();
        let [d_memory, _] = self.key.weight.shape().dims();
        assert_shape!(x, [_, _, d_memory]);
        assert_shape!(x, [_, _, d_model]);
        let [query, key, value] = apply_all([&self.query, &self.key, &self.value], x);
        let (key, value) = self.key_value_heads(key, value, rotation);
        (self.query_heads(query, rotation), key, value)
    }

    /// The queries `[b, h, q, d]` of `x`.
    fn project_query(&self, x: Tensor<3>, rotation: Option<&Rotation>) -> Tensor<4> {
        let [d_model, _] = self.query.weight.shape().dims();
        assert_shape!(x, [_, _, d_model]);
        self.query_heads(apply(&self.query, x), rotation)
    }

    /// `[b, q, h · d]` → `[b, h, q, d]`
    fn query_heads(&self, query: Tensor<3>, rotation: Option<&Rotation>) -> Tensor<4> {
        norm_and_rotate(self.split(query, self.heads), self.norm_query.as_ref(), rotation)
    }

    /// Twice `[b, k, g · d]` → `[b, g, k, d]`
    fn key_value_heads(
        &self,
        key: Tensor<3>,
        value: Tensor<3>,
        rotation: Option<&Rotation>,
    ) -> (Tensor<4>, Tensor<4>) {
        let [key, value] = [key, value].map(|x| self.split(x, self.kv_heads));
        (norm_and_rotate(key, self.norm_key.as_ref(), rotation), value)
    }

    /// `[b, s, heads · d]` → `[b, heads, s, d]`
    fn split(&self, x: Tensor<3>, heads: usize) -> Tensor<4> {
        let [b, s, _] = x.dims();
        x.reshape([b, s, heads, self.d_head]).swap_dims(1, 2)
    }

    /// `[b, h, q, d]` → `[b, q, m]`
    fn merge(&self, context: Tensor<4>) -> Tensor<3> {
        let [b, h, q, d] = context.dims();
        apply(&self.output, context.swap_dims(1, 2).reshape([b, q, h * d]))
    }
}

/// Norm before rotation: a rotation keeps the length that the norm gave.
fn norm_and_rotate(x: Tensor<4>, norm: Option<&Norm>, rotation: Option<&Rotation>) -> Tensor<4> {
    let x = match norm {
        None => x,
        Some(norm) => norm.forward(x),
    };
    match rotation {
        None => x,
        Some(rotation) => rotation.forward(x),
    }
}
