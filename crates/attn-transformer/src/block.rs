//! The block of self-attention and feed-forward, and stacks of it.

use crate::config::{ConfigError, check_nonzero, check_positive, check_probability};
use crate::norm::default_epsilon;
use crate::watch::Watch;
use crate::{
    Activation, DecoderCache, FeedForward, FeedForwardConfig, MultiHeadAttention,
    MultiHeadAttentionConfig, Norm, NormConfig, NormKind, NormOrder, Residual, Scope,
};
use attn_core::explain::Summary;
use attn_core::mechanism::{AnyState, AttentionConfig, MechanismConfig};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of the blocks of a model; all its blocks are alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "crate::earlier::BlockFile")]
pub struct BlockConfig {
    /// Width of the model.
    pub d_model: usize,
    /// Number of query heads.
    pub heads: usize,
    /// Number of key/value heads; `None`, as many as there are query heads.
    pub kv_heads: Option<usize>,
    /// Width of a head; `None` is `d_model / heads`.
    pub d_head: Option<usize>,
    /// Inner width of the feed-forward layer; `None` is `4 · d_model`, as in the paper.
    pub d_ff: Option<usize>,
    /// Activation of the feed-forward layer, plain or gated.
    pub activation: Activation,
    /// Whether projections and feed-forward layers have biases.
    pub bias: bool,
    /// Which norm.
    pub norm: NormKind,
    /// `ε` of the norms.
    pub norm_epsilon: f64,
    /// Whether the norms stand before or after the sub-layers.
    pub norm_order: NormOrder,
    /// Whether queries and keys are normed before they meet.
    pub query_key_norm: bool,
    /// Probability to drop an element of what a sub-layer adds, and of the model's input.
    pub dropout: f64,
    /// Probability to drop an element inside the feed-forward layer.
    pub feed_forward_dropout: f64,
    /// What self-attention attends with; by default scaled dot-product attention.
    pub mechanism: MechanismConfig,
    /// What cross-attention, of a block that has it, attends with; by default scaled dot-product
    /// attention.
    pub cross_mechanism: MechanismConfig,
}

pub(crate) fn default_dropout() -> f64 {
    0.1
}

impl BlockConfig {
    /// The paper's block (Vaswani et al. 2017, section 3.1) but for its norms, which stand before
    /// the sub-layers: `d_ff = 4 · d_model`, ReLU, biases, dropout of 0.1.
    pub fn new(d_model: usize, heads: usize) -> Self {
        Self {
            d_model,
            heads,
            kv_heads: None,
            d_head: None,
            d_ff: None,
            activation: Activation::default(),
            bias: true,
            norm: NormKind::default(),
            norm_epsilon: default_epsilon(),
            norm_order: NormOrder::default(),
            query_key_norm: false,
            dropout: default_dropout(),
            feed_forward_dropout: 0.0,
            mechanism: MechanismConfig::default(),
            cross_mechanism: MechanismConfig::default(),
        }
    }

    /// Another mechanism of self-attention.
    pub fn with_mechanism(self, mechanism: MechanismConfig) -> Self {
        Self { mechanism, ..self }
    }

    /// Another mechanism of cross-attention.
    pub fn with_cross_mechanism(self, cross_mechanism: MechanismConfig) -> Self {
        Self { cross_mechanism, ..self }
    }

    /// Attention weights are dropped with this probability, in self- and cross-attention.
    ///
    /// # Panics
    /// If either mechanism is not [`AttentionConfig`], which has the weights.
    pub fn with_attention_dropout(self, dropout: f64) -> Self {
        self.map_attention(|attention| attention.with_dropout(dropout))
    }

    /// Attention scores `s` become `c · tanh(s / c)`, in self- and cross-attention.
    ///
    /// # Panics
    /// If either mechanism is not [`AttentionConfig`], which has the scores.
    pub fn with_softcap(self, softcap: f64) -> Self {
        self.map_attention(|attention| attention.with_softcap(softcap))
    }

    fn map_attention(self, change: impl Fn(AttentionConfig) -> AttentionConfig) -> Self {
        let map = |mechanism| match mechanism {
            MechanismConfig::Attention(attention) => MechanismConfig::Attention(change(attention)),
            other => panic!("a mechanism without scores and weights of its own: {other:?}"),
        };
        let (mechanism, cross_mechanism) = (map(self.mechanism), map(self.cross_mechanism));
        Self { mechanism, cross_mechanism, ..self }
    }

    /// Width of a head.
    pub fn d_head(&self) -> usize {
        self.attention().d_head()
    }

    /// The self-attention of a block.
    pub fn attention(&self) -> MultiHeadAttentionConfig {
        self.attention_with(&self.mechanism)
    }

    /// The cross-attention of a block.
    pub fn cross_attention(&self) -> MultiHeadAttentionConfig {
        self.attention_with(&self.cross_mechanism)
    }

    fn attention_with(&self, mechanism: &MechanismConfig) -> MultiHeadAttentionConfig {
        MultiHeadAttentionConfig {
            kv_heads: self.kv_heads,
            d_head: self.d_head,
            bias: self.bias,
            query_key_norm: self.query_key_norm,
            mechanism: mechanism.clone(),
            ..MultiHeadAttentionConfig::new(self.d_model, self.heads)
        }
    }

    /// The feed-forward layer of a block.
    pub fn feed_forward(&self) -> FeedForwardConfig {
        let d_ff = self.d_ff.unwrap_or(4 * self.d_model);
        FeedForwardConfig {
            activation: self.activation,
            bias: self.bias,
            dropout: self.feed_forward_dropout,
            ..FeedForwardConfig::new(self.d_model, d_ff)
        }
    }

    /// A norm of a block.
    pub fn norm(&self) -> NormConfig {
        NormConfig { d_model: self.d_model, kind: self.norm, epsilon: self.norm_epsilon }
    }

    /// # Errors
    /// If heads do not split evenly, a size is zero, or a number is out of its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        check_probability("feed_forward_dropout", self.feed_forward_dropout)?;
        check_probability("dropout", self.dropout)?;
        check_positive("norm_epsilon", self.norm_epsilon)?;
        self.attention().validate()?;
        self.cross_attention().validate().map_err(|error| match error {
            ConfigError::Mechanism { source, .. } => {
                ConfigError::Mechanism { key: "cross_mechanism", source }
            }
            other => other,
        })?;
        self.feed_forward().validate()
    }

    /// A block of self-attention and feed-forward.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) refuses the configuration.
    pub fn init(&self, device: &Device) -> Block {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        Block {
            norm_attention: self.norm().init(device),
            attention: self.attention().init(device),
            norm_feed_forward: self.norm().init(device),
            feed_forward: self.feed_forward().init(device),
            residual: self.residual(),
        }
    }

    /// A stack of `layers` such blocks.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) refuses the configuration.
    pub fn init_stack(&self, layers: usize, device: &Device) -> Stack {
        check_nonzero("layers", layers).unwrap_or_else(|error| panic!("{error}"));
        let blocks = (0..layers).map(|_| self.init(device)).collect();
        Stack { blocks, norm: self.final_norm(device) }
    }

    pub(crate) fn residual(&self) -> Residual {
        Residual::new(self.norm_order, self.dropout)
    }

    /// The norm at the end of a stack. Post-norm blocks end in one already.
    pub(crate) fn final_norm(&self, device: &Device) -> Option<Norm> {
        (self.norm_order == NormOrder::Pre).then(|| self.norm().init(device))
    }
}

/// Self-attention and feed-forward: the encoder block of Vaswani et al. (2017), section 3.1, and,
/// with a causal mask, the block of a decoder-only model.
#[derive(Module, Debug)]
pub struct Block {
    /// Norm of the self-attention.
    pub norm_attention: Norm,
    /// Self-attention.
    pub attention: MultiHeadAttention,
    /// Norm of the feed-forward layer.
    pub norm_feed_forward: Norm,
    /// Feed-forward layer.
    pub feed_forward: FeedForward,
    /// Wires norm and sub-layer.
    pub residual: Residual,
}

impl Block {
    /// # Shapes
    /// - `x` and result: `[b, s, m]`
    ///
    /// # Panics
    /// As [`MultiHeadAttention::forward`].
    pub fn forward<'a>(
        &self,
        x: Tensor<3>,
        scope: impl Into<Scope<'a>>,
        state: Option<&mut AnyState>,
    ) -> Tensor<3> {
        self.run(x, scope.into(), state, Watch::Nothing)
    }

    fn run(
        &self,
        x: Tensor<3>,
        scope: Scope<'_>,
        state: Option<&mut AnyState>,
        watch: Watch<'_>,
    ) -> Tensor<3> {
        let x = self.residual.around(x, &self.norm_attention, |x| match watch {
            Watch::Nothing => self.attention.forward(x, scope, state),
            Watch::Weights(all) => {
                let attended = self.attention.forward_with_weights(x, scope, state);
                all.push(attended.weights);
                attended.output
            }
            Watch::Summaries(all, k) => {
                let (output, summary) = self.attention.forward_with_summary(x, scope, k);
                all.push(summary);
                output
            }
        });
        self.residual.around(x, &self.norm_feed_forward, |x| self.feed_forward.forward(x))
    }
}

/// Blocks on top of each other, and the norm at the end that pre-norm blocks need.
#[derive(Module, Debug)]
pub struct Stack {
    /// The blocks, from input to output.
    pub blocks: Vec<Block>,
    /// The norm at the end; only of pre-norm blocks.
    pub norm: Option<Norm>,
}

impl Stack {
    /// # Shapes
    /// - `x` and result: `[b, s, m]`
    ///
    /// # Panics
    /// As [`MultiHeadAttention::forward`].
    pub fn forward<'a>(
        &self,
        x: Tensor<3>,
        scope: impl Into<Scope<'a>>,
        cache: Option<&mut DecoderCache>,
    ) -> Tensor<3> {
        self.run(x, scope.into(), cache, Watch::Nothing)
    }

    /// [`forward`](Self::forward), with the weights of each block's attention, `[b, h, q, k]`.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_with_weights<'a>(
        &self,
        x: Tensor<3>,
        scope: impl Into<Scope<'a>>,
        cache: Option<&mut DecoderCache>,
    ) -> (Tensor<3>, Vec<Tensor<4>>) {
        let mut weights = Vec::with_capacity(self.blocks.len());
        let x = self.run(x, scope.into(), cache, Watch::Weights(&mut weights));
        (x, weights)
    }

    /// [`forward`](Self::forward) of whole sequences, with what the steps look at in each block: see
    /// [`MultiHeadAttention::forward_with_summary`].
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_with_summaries<'a>(
        &self,
        x: Tensor<3>,
        scope: impl Into<Scope<'a>>,
        k: usize,
    ) -> (Tensor<3>, Vec<Summary>) {
        let mut summaries = Vec::with_capacity(self.blocks.len());
        let x = self.run(x, scope.into(), None, Watch::Summaries(&mut summaries, k));
        (x, summaries)
    }

    fn run(
        &self,
        mut x: Tensor<3>,
        scope: Scope<'_>,
        cache: Option<&mut DecoderCache>,
        mut watch: Watch<'_>,
    ) -> Tensor<3> {
        let mut layers = cache.map(|cache| cache.layers(self.blocks.len()).iter_mut());
        for block in &self.blocks {
            let state = layers.as_mut().and_then(Iterator::next);
            x = block.run(x, scope, state, watch.again());
        }
        match &self.norm {
            None => x,
            Some(norm) => norm.forward(x),
        }
    }
}
