//! The block that also attends to a memory, and stacks of it.

use crate::config::check_nonzero;
use crate::watch::Watch;
use crate::{
    BlockConfig, DecoderCache, EncodedSource, FeedForward, MultiHeadAttention, Norm, Residual,
    Scope,
};
use attn_core::Mask;
use attn_core::alignment::Past;
use attn_core::explain::Summary;
use attn_core::mechanism::{AnyState, KeyValueMemory};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

impl BlockConfig {
    /// A block with cross-attention.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) refuses the configuration.
    pub fn init_cross(&self, device: &Device) -> CrossBlock {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        CrossBlock {
            norm_attention: self.norm().init(device),
            attention: self.attention().init(device),
            norm_cross: self.norm().init(device),
            cross: self.cross_attention().init(device),
            norm_feed_forward: self.norm().init(device),
            feed_forward: self.feed_forward().init(device),
            residual: self.residual(),
        }
    }

    /// A stack of `layers` blocks with cross-attention.
    ///
    /// # Panics
    /// If [`validate`](Self::validate) refuses the configuration.
    pub fn init_cross_stack(&self, layers: usize, device: &Device) -> CrossStack {
        check_nonzero("layers", layers).unwrap_or_else(|error| panic!("{error}"));
        let blocks = (0..layers).map(|_| self.init_cross(device)).collect();
        CrossStack { blocks, norm: self.final_norm(device) }
    }
}

/// Self-attention, cross-attention and feed-forward: the decoder block of Vaswani et al. (2017),
/// section 3.1.
#[derive(Module, Debug)]
pub struct CrossBlock {
    /// Norm of the self-attention.
    pub norm_attention: Norm,
    /// Self-attention.
    pub attention: MultiHeadAttention,
    /// Norm of the cross-attention.
    pub norm_cross: Norm,
    /// Cross-attention, to the memory.
    pub cross: MultiHeadAttention,
    /// Norm of the feed-forward layer.
    pub norm_feed_forward: Norm,
    /// Feed-forward layer.
    pub feed_forward: FeedForward,
    /// Wires norm and sub-layer.
    pub residual: Residual,
}

/// What a block with cross-attention attends to.
#[derive(Debug)]
pub struct CrossInputs<'a> {
    /// Of `s` keys, from [`MultiHeadAttention::project_memory`] of [`CrossBlock::cross`].
    pub memory: &'a KeyValueMemory,
    /// `t` queries and `s` keys.
    pub mask: &'a Mask,
    /// The state of self-attention, where there are steps before or after these.
    pub state: Option<&'a mut AnyState>,
    /// What earlier steps left to a cross-attention that looks back; `None` at the start.
    pub past: Option<&'a mut Past>,
}

impl CrossBlock {
    /// # Shapes
    /// - `x` and result: `[b, t, m]`
    ///
    /// # Panics
    /// As [`MultiHeadAttention::forward`] and [`MultiHeadAttention::cross_attend`].
    pub fn forward<'a>(
        &self,
        x: Tensor<3>,
        scope: impl Into<Scope<'a>>,
        inputs: CrossInputs<'_>,
    ) -> Tensor<3> {
        self.run(x, scope.into(), inputs, Watch::Nothing)
    }

    fn run(
        &self,
        x: Tensor<3>,
        scope: Scope<'_>,
        inputs: CrossInputs<'_>,
        watch: Watch<'_>,
    ) -> Tensor<3> {
        let CrossInputs { memory, mask, state, past } = inputs;
        let x = self
            .residual
            .around(x, &self.norm_attention, |x| self.attention.forward(x, scope, state));
        let x = self.residual.around(x, &self.norm_cross, |x| match watch {
            Watch::Nothing => self.cross.cross_attend(x, memory, mask, past),
            Watch::Weights(all) => {
                let attended = self.cross.cross_attend_with_weights(x, memory, mask, past);
                all.push(attended.weights);
                attended.output
            }
            Watch::Summaries(all, k) => {
                let (output, summary) = self.cross.cross_attend_with_summary(x, memory, mask, k);
                all.push(summary);
                output
            }
        });
        self.residual.around(x, &self.norm_feed_forward, |x| self.feed_forward.forward(x))
    }
}

/// Blocks with cross-attention on top of each other, and the norm at the end that pre-norm blocks
/// need.
#[derive(Module, Debug)]
pub struct CrossStack {
    /// The blocks, from input to output.
    pub blocks: Vec<CrossBlock>,
    /// The norm at the end; only of pre-norm blocks.
    pub norm: Option<Norm>,
}

impl CrossStack {
    /// # Shapes
    /// - `x` and result: `[b, t, m]`
    ///
    /// # Panics
    /// As [`MultiHeadAttention::forward`].
    pub fn forward<'a>(
        &self,
        x: Tensor<3>,
        scope: impl Into<Scope<'a>>,
        source: &EncodedSource,
        cache: Option<&mut DecoderCache>,
    ) -> Tensor<3> {
        self.run(x, scope.into(), source, cache, Watch::Nothing)
    }

    /// [`forward`](Self::forward), with the weights of each block's cross-attention,
    /// `[b, h, t, s]`.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_with_weights<'a>(
        &self,
        x: Tensor<3>,
        scope: impl Into<Scope<'a>>,
        source: &EncodedSource,
        cache: Option<&mut DecoderCache>,
    ) -> (Tensor<3>, Vec<Tensor<4>>) {
        let mut weights = Vec::with_capacity(self.blocks.len());
        let x = self.run(x, scope.into(), source, cache, Watch::Weights(&mut weights));
        (x, weights)
    }

    /// [`forward`](Self::forward) of whole targets, with what their steps look at in the source, by each
    /// block's cross-attention: see [`MultiHeadAttention::cross_attend_with_summary`].
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_with_summaries<'a>(
        &self,
        x: Tensor<3>,
        scope: impl Into<Scope<'a>>,
        source: &EncodedSource,
        k: usize,
    ) -> (Tensor<3>, Vec<Summary>) {
        let mut summaries = Vec::with_capacity(self.blocks.len());
        let x = self.run(x, scope.into(), source, None, Watch::Summaries(&mut summaries, k));
        (x, summaries)
    }

    fn run(
        &self,
        mut x: Tensor<3>,
        scope: Scope<'_>,
        source: &EncodedSource,
        cache: Option<&mut DecoderCache>,
        mut watch: Watch<'_>,
    ) -> Tensor<3> {
        let project = || {
            let one = |block: &CrossBlock| block.cross.project_memory(source.encoded.clone(), None);
            self.blocks.iter().map(one).collect::<Vec<_>>()
        };
        let mask = &source.mask;
        let memories;
        let inputs: Vec<CrossInputs<'_>> = match cache {
            None => {
                memories = project();
                let alone = |memory| CrossInputs { memory, mask, state: None, past: None };
                memories.iter().map(alone).collect()
            }
            Some(cache) => cache
                .cross_layers(self.blocks.len(), project)
                .map(|(state, memory, past)| CrossInputs {
                    memory,
                    mask,
                    state: Some(state),
                    past: Some(past),
                })
                .collect(),
        };
        for (block, inputs) in self.blocks.iter().zip(inputs) {
            x = block.run(x, scope, inputs, watch.again());
        }
        match &self.norm {
            None => x,
            Some(norm) => norm.forward(x),
        }
    }
}
