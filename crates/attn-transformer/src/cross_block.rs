//! The block that also reads a memory, and stacks of it.

use crate::config::check_nonzero;
use crate::{
    BlockConfig, DecoderCache, FeedForward, KeyValue, KvCache, Memory, MultiHeadAttention, Norm,
    Residual, Scope,
};
use attn_core::Mask;
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
    /// Cross-attention: reads the memory.
    pub cross: MultiHeadAttention,
    /// Norm of the feed-forward layer.
    pub norm_feed_forward: Norm,
    /// Feed-forward layer.
    pub feed_forward: FeedForward,
    /// Wires norm and sub-layer.
    pub residual: Residual,
}

impl CrossBlock {
    /// # Shapes
    /// - `x` and result: `[b, t, m]`
    /// - `memory`: of `s` keys, from [`MultiHeadAttention::project`] of `self.cross`
    /// - `memory_mask`: `t` queries and `s` keys
    ///
    /// # Panics
    /// As [`MultiHeadAttention::forward`].
    pub fn forward<'a>(
        &self,
        x: Tensor<3>,
        scope: impl Into<Scope<'a>>,
        memory: KeyValue,
        memory_mask: &Mask,
        cache: Option<&mut KvCache>,
    ) -> Tensor<3> {
        self.run(x, scope.into(), memory, memory_mask, cache, None)
    }

    fn run(
        &self,
        x: Tensor<3>,
        scope: Scope<'_>,
        memory: KeyValue,
        memory_mask: &Mask,
        cache: Option<&mut KvCache>,
        weights: Option<&mut Vec<Tensor<4>>>,
    ) -> Tensor<3> {
        let x = self
            .residual
            .around(x, &self.norm_attention, |x| self.attention.forward(x, scope, cache));
        let x = self.residual.around(x, &self.norm_cross, |x| match weights {
            None => self.cross.read(x, memory, memory_mask),
            Some(weights) => {
                let read = self.cross.read_with_weights(x, memory, memory_mask);
                weights.push(read.weights);
                read.output
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
        memory: &Memory,
        cache: Option<&mut DecoderCache>,
    ) -> Tensor<3> {
        self.run(x, scope.into(), memory, cache, None)
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
        memory: &Memory,
        cache: Option<&mut DecoderCache>,
    ) -> (Tensor<3>, Vec<Tensor<4>>) {
        let mut weights = Vec::with_capacity(self.blocks.len());
        let x = self.run(x, scope.into(), memory, cache, Some(&mut weights));
        (x, weights)
    }

    fn run(
        &self,
        mut x: Tensor<3>,
        scope: Scope<'_>,
        memory: &Memory,
        mut cache: Option<&mut DecoderCache>,
        mut weights: Option<&mut Vec<Tensor<4>>>,
    ) -> Tensor<3> {
        let projected = self.project(memory, cache.as_deref_mut());
        let mut layers = cache.map(|cache| cache.layers(self.blocks.len()).iter_mut());
        for (block, projected) in self.blocks.iter().zip(projected) {
            let cache = layers.as_mut().and_then(Iterator::next);
            x = block.run(x, scope, projected, &memory.mask, cache, weights.as_deref_mut());
        }
        match &self.norm {
            None => x,
            Some(norm) => norm.forward(x),
        }
    }

    /// The memory's keys and values for each block; with a cache, projected in its first use alone.
    fn project(&self, memory: &Memory, cache: Option<&mut DecoderCache>) -> Vec<KeyValue> {
        let project = || {
            let one = |block: &CrossBlock| block.cross.project(memory.encoded.clone(), None);
            self.blocks.iter().map(one).collect()
        };
        match cache {
            None => project(),
            Some(cache) => {
                if cache.memory.is_empty() {
                    cache.memory = project();
                }
                cache.memory.clone()
            }
        }
    }
}
