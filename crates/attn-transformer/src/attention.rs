//! Multi-head attention: self, cross, grouped.

use crate::config::{ConfigError, check_nonzero, check_positive, check_probability};
use crate::linear::{apply, apply_all};
use crate::{KvCache, Norm, NormConfig, NormKind, Rotation, init};
use attn_core::mechanism::{AnyMechanism, MechanismConfig};
use attn_core::{
    AttendOptions, Dropout, DropoutConfig, Mask, Mechanism, attend, attend_with_weights,
};
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Int, Tensor, assert_shape};
use serde::{Deserialize, Serialize};

/// Configuration of [`MultiHeadAttention`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MultiHeadAttentionConfig {
    /// Width of input and output.
    pub d_model: usize,
    /// Number of query heads.
    pub heads: usize,
    /// Number of key/value heads, each read by `heads / kv_heads` query heads (Ainslie et al.
    /// 2023): one is multi-query attention; `None`, as many as there are query heads, the paper's.
    #[serde(default)]
    pub kv_heads: Option<usize>,
    /// Width of a head; `None` is `d_model / heads`.
    #[serde(default)]
    pub d_head: Option<usize>,
    /// Width of what keys and values are made of; `None` is `d_model`.
    #[serde(default)]
    pub d_memory: Option<usize>,
    /// Whether the four projections have biases.
    #[serde(default = "default_bias")]
    pub bias: bool,
    /// Whether queries and keys are normed by root mean square, head by head, before they meet
    /// (Henry et al. 2020; in this form in Qwen 3). Keeps scores bounded.
    #[serde(default)]
    pub query_key_norm: bool,
    /// Scores `s` become `c · tanh(s / c)`.
    #[serde(default)]
    pub softcap: Option<f64>,
    /// Probability to drop an attention weight.
    #[serde(default)]
    pub dropout: f64,
    /// What the heads attend with; `None` is scaled dot-product attention, the paper's. Another one
    /// brings its own dropout, and there is no soft-cap.
    #[serde(default)]
    pub mechanism: Option<MechanismConfig>,
}

fn default_bias() -> bool {
    true
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
            softcap: None,
            dropout: 0.0,
            mechanism: None,
        }
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
    /// cannot be, is made for other heads, or looks back at the queries before: a layer keeps none.
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
        check_positive("softcap", self.softcap.unwrap_or(1.0))?;
        check_probability("dropout", self.dropout)?;
        let Some(mechanism) = &self.mechanism else { return Ok(()) };
        mechanism.validate()?;
        mechanism.check_heads(heads, self.kv_heads(), self.d_head())?;
        if mechanism.looks_back() {
            return Err(ConfigError::LooksBack);
        }
        for (key, given) in [("softcap", self.softcap.is_some()), ("dropout", self.dropout > 0.0)] {
            if given {
                return Err(ConfigError::BesideMechanism { key });
            }
        }
        Ok(())
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
            dropout: DropoutConfig::new(self.dropout).init(),
            heads,
            kv_heads,
            d_head,
            softcap: self.softcap,
            mechanism: self.mechanism.as_ref().map(|mechanism| mechanism.init(device)),
        }
    }
}

/// Keys and values, projected and, where positions are rotary, turned: all that attention needs to
/// know of what it reads.
#[derive(Clone, Debug)]
pub struct KeyValue {
    /// `[b, g, k, d]`, with `g` key/value heads.
    pub key: Tensor<4>,
    /// `[b, g, k, d]`
    pub value: Tensor<4>,
}

impl KeyValue {
    /// Number of keys.
    pub fn keys(&self) -> usize {
        self.key.dims()[2]
    }

    /// The sequences `rows`, in that order; they may repeat or vanish.
    pub(crate) fn select_rows(self, rows: &Tensor<1, Int>) -> Self {
        Self { key: self.key.select(0, rows.clone()), value: self.value.select(0, rows.clone()) }
    }
}

/// What all self-attentions of a model are told alike: which steps each step may see, and, where
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
    /// `[b, h, q, k]`, before dropout: each row sums to one, or to zero if its query sees no key.
    /// Of a mechanism of its own, [what is in each context](Mechanism::weights).
    pub weights: Tensor<4>,
}

/// Multi-head attention (Vaswani et al. 2017, section 3.2.2):
/// `MultiHead(x, y) = Concat(head₁, …, head_h) W_output`,
/// `headᵢ = attend(x W_query,ᵢ, y W_key,ᵢ, y W_value,ᵢ)`.
///
/// Self-attention, where `y` is `x` and the steps before it, is [`forward`](Self::forward).
/// Cross-attention [`project`](Self::project)s `y` once and [`read`](Self::read)s it as often as it
/// likes.
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
    /// Acts on the attention weights.
    pub dropout: Dropout,
    heads: usize,
    kv_heads: usize,
    d_head: usize,
    softcap: Option<f64>,
    /// In place of scaled dot-product attention.
    pub mechanism: Option<AnyMechanism>,
}

impl MultiHeadAttention {
    /// Self-attention. With a cache, `x` are the steps that follow those in the cache; they are
    /// added to it, and attention is over all of them.
    ///
    /// # Shapes
    /// - `x` and result: `[b, s, m]`
    /// - mask of `scope`: `s` queries, and as many keys as there are steps, the cache's included
    ///
    /// # Panics
    /// If the shapes, the mask, the rotation or the cache do not fit together.
    pub fn forward<'a>(
        &self,
        x: Tensor<3>,
        scope: impl Into<Scope<'a>>,
        cache: Option<&mut KvCache>,
    ) -> Tensor<3> {
        let scope = scope.into();
        let (query, seen) = self.reflect(x, scope.rotation, cache);
        self.attend(query, seen, scope.mask)
    }

    /// [`forward`](Self::forward), with the weights.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_with_weights<'a>(
        &self,
        x: Tensor<3>,
        scope: impl Into<Scope<'a>>,
        cache: Option<&mut KvCache>,
    ) -> AttentionOutput {
        let scope = scope.into();
        let (query, seen) = self.reflect(x, scope.rotation, cache);
        self.attend_with_weights(query, seen, scope.mask)
    }

    /// The keys and values of a memory.
    ///
    /// # Shapes
    /// - `memory`: `[b, k, m]`, or `[b, k, d_memory]`
    ///
    /// # Panics
    /// If the width of `memory` is another, or the rotation is of other steps.
    pub fn project(&self, memory: Tensor<3>, rotation: Option<&Rotation>) -> KeyValue {
        let [d_memory, _] = self.key.weight.shape().dims();
        assert_shape!(memory, [_, _, d_memory]);
        let [key, value] = apply_all([&self.key, &self.value], memory); // [b, k, g · d]
        self.key_value(key, value, rotation)
    }

    /// Attention of `x` to projected keys and values; a rotation turns the queries alone.
    ///
    /// # Shapes
    /// - `x` and result: `[b, q, m]`
    ///
    /// # Panics
    /// If the shapes, the mask or the rotation do not fit together.
    pub fn read<'a>(
        &self,
        x: Tensor<3>,
        memory: KeyValue,
        scope: impl Into<Scope<'a>>,
    ) -> Tensor<3> {
        let scope = scope.into();
        self.attend(self.ask(x, scope.rotation), memory, scope.mask)
    }

    /// [`read`](Self::read), with the weights.
    ///
    /// # Panics
    /// As [`read`](Self::read).
    pub fn read_with_weights<'a>(
        &self,
        x: Tensor<3>,
        memory: KeyValue,
        scope: impl Into<Scope<'a>>,
    ) -> AttentionOutput {
        let scope = scope.into();
        self.attend_with_weights(self.ask(x, scope.rotation), memory, scope.mask)
    }

    /// What the heads make of queries `[b, h, q, d]`, whoever made these and the keys: `[b, q, m]`.
    fn attend(&self, query: Tensor<4>, seen: KeyValue, mask: &Mask) -> Tensor<3> {
        let KeyValue { key, value } = seen;
        self.merge(match &self.mechanism {
            None => attend(query.clone(), key, value, mask, &self.options(&query.device())),
            Some(mechanism) => mechanism.forward(query, key, value, mask),
        })
    }

    /// [`attend`](Self::attend), with the weights.
    fn attend_with_weights(
        &self,
        query: Tensor<4>,
        seen: KeyValue,
        mask: &Mask,
    ) -> AttentionOutput {
        let KeyValue { key, value } = seen;
        let (context, weights) = match &self.mechanism {
            None => {
                let options = self.options(&query.device());
                let attended = attend_with_weights(query, key, value, mask, &options);
                (attended.context, attended.weights)
            }
            Some(mechanism) => {
                let weights = mechanism.weights(query.clone(), key.clone(), mask);
                (mechanism.forward(query, key, value, mask), weights)
            }
        };
        AttentionOutput { output: self.merge(context), weights }
    }

    /// Queries, keys and values of self-attention, with those of the steps before.
    fn reflect(
        &self,
        x: Tensor<3>,
        rotation: Option<&Rotation>,
        cache: Option<&mut KvCache>,
    ) -> (Tensor<4>, KeyValue) {
        let [d_model, _] = self.query.weight.shape().dims();
        let [d_memory, _] = self.key.weight.shape().dims();
        assert_shape!(x, [_, _, d_memory]);
        assert_shape!(x, [_, _, d_model]);
        let [query, key, value] = apply_all([&self.query, &self.key, &self.value], x);
        let own = self.key_value(key, value, rotation);
        let seen = match cache {
            None => own,
            Some(cache) => cache.append(own),
        };
        (self.heads_of(query, rotation), seen)
    }

    /// The queries `[b, h, q, d]` of `x`.
    fn ask(&self, x: Tensor<3>, rotation: Option<&Rotation>) -> Tensor<4> {
        let [d_model, _] = self.query.weight.shape().dims();
        assert_shape!(x, [_, _, d_model]);
        self.heads_of(apply(&self.query, x), rotation)
    }

    fn options(&self, device: &Device) -> AttendOptions {
        let dropout = self.dropout.draw(device);
        AttendOptions { softcap: self.softcap, dropout, ..Default::default() }
    }

    /// `[b, q, h · d]` → `[b, h, q, d]`
    fn heads_of(&self, query: Tensor<3>, rotation: Option<&Rotation>) -> Tensor<4> {
        turn(self.split(query, self.heads), self.norm_query.as_ref(), rotation)
    }

    /// Of `[b, k, g · d]`.
    fn key_value(&self, key: Tensor<3>, value: Tensor<3>, rotation: Option<&Rotation>) -> KeyValue {
        let key = self.split(key, self.kv_heads); // [b, g, k, d]
        let value = self.split(value, self.kv_heads); // [b, g, k, d]
        KeyValue { key: turn(key, self.norm_key.as_ref(), rotation), value }
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
fn turn(x: Tensor<4>, norm: Option<&Norm>, rotation: Option<&Rotation>) -> Tensor<4> {
    let x = match norm {
        None => x,
        Some(norm) => norm.forward(x),
    };
    match rotation {
        None => x,
        Some(rotation) => rotation.forward(x),
    }
}
