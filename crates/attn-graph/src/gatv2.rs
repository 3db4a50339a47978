//! Graph attention whose ranking of neighbours depends on who asks.

use super::gat::{PAPER_NEGATIVE_SLOPE, paper_negative_slope};
use super::heads::{assert_features, attend_edges, check_slope, finite_nodes};
use super::{CombineHeads, Graph, GraphAttentionOutput};
use attn_core::mechanism::MechanismError;
use attn_core::{Dropout, DropoutConfig};
use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::activation::leaky_relu;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Configuration of a [`GatV2`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatV2Config {
    /// Width of a node's features.
    pub d_input: usize,
    /// Width of what one head returns, and of the layer in which its pairs meet.
    pub d_head: usize,
    /// Number of heads.
    pub heads: usize,
    /// How the heads become one.
    #[serde(default)]
    pub combine: CombineHeads,
    /// What the negative part of a pair is multiplied with.
    #[serde(default = "paper_negative_slope")]
    pub negative_slope: f64,
    /// Probability to drop a weight.
    #[serde(default)]
    pub dropout: f64,
}

impl GatV2Config {
    /// Heads that are concatenated, a slope of 0.2, no dropout.
    pub fn new(d_input: usize, d_head: usize, heads: usize) -> Self {
        Self {
            d_input,
            d_head,
            heads,
            combine: CombineHeads::Concat,
            negative_slope: PAPER_NEGATIVE_SLOPE,
            dropout: 0.0,
        }
    }

    /// Another way to put heads together.
    pub fn with_combine(self, combine: CombineHeads) -> Self {
        Self { combine, ..self }
    }

    /// Another slope.
    pub fn with_negative_slope(self, negative_slope: f64) -> Self {
        Self { negative_slope, ..self }
    }

    /// Dropout on the weights.
    pub fn with_dropout(self, dropout: f64) -> Self {
        Self { dropout, ..self }
    }

    /// # Errors
    /// If a size is zero, the matrices are more than memory could hold, the slope is not in `[0, 1]`, or the dropout is not in `[0, 1)`.
    pub fn validate(&self) -> Result<(), MechanismError> {
        let Self { d_input, d_head, heads, .. } = *self;
        let sizes = [("d_input", d_input), ("d_head", d_head), ("heads", heads)];
        MechanismError::check_sizes("gatv2", &sizes)?;
        let fields = "d_input, d_head and heads";
        MechanismError::check_product("gatv2", fields, &[d_input.max(2), d_head, heads])?;
        check_slope("gatv2", self.negative_slope)?;
        MechanismError::check_probability("gatv2", "dropout", self.dropout)
    }

    /// The layer, with random weights (Glorot and Bengio 2010).
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> GatV2 {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let glorot = Initializer::XavierUniform { gain: 1.0 };
        let half = || {
            LinearConfig::new(self.d_input, self.heads * self.d_head)
                .with_bias(false)
                .with_initializer(glorot.clone())
                .init(device)
        };
        let (from, to) = (Some(self.d_head), Some(1));
        GatV2 {
            target: half(),
            source: half(),
            score: glorot.init_with([1, self.heads, self.d_head], from, to, device),
            dropout: DropoutConfig::new(self.dropout).init(),
            combine: self.combine,
            negative_slope: self.negative_slope,
        }
    }
}

/// Graph attention that is dynamic, Brody et al. (2022), equation 7:
///
/// ```text
/// e_ij = a · LeakyReLU(W [h_i ‖ h_j])       for each edge j → i
/// α_ij = exp(e_ij) / Σ_k exp(e_ik)          k over the sources of the edges into i
/// h'_i = Σ_j α_ij W₂ h_j                    of each head, concatenated or averaged
/// ```
///
/// `W [x ‖ y]` is `W₁ x + W₂ y`, so that matrices multiply nodes, not edges; `W₂ h_j` is the value of
/// a source too, as in the authors' code. Time and memory are those of [`Gat`](super::Gat), with
/// twice its matrices and one more tensor of edges · heads · d_head. It gives up nothing.
#[derive(Module, Debug)]
pub struct GatV2 {
    /// `W₁`, without bias, all heads behind each other.
    pub target: Linear,
    /// `W₂`, without bias, all heads behind each other.
    pub source: Linear,
    /// `a`, `[1, heads, d_head]`.
    pub score: Param<Tensor<3>>,
    dropout: Dropout,
    #[module(skip)]
    combine: CombineHeads,
    negative_slope: f64,
}

impl GatV2 {
    /// The new features.
    ///
    /// # Shapes
    /// - `features`: `[nodes, d_input]`
    /// - result: `[nodes, heads · d_head]`, or `[nodes, d_head]` where heads are averaged
    ///
    /// # Panics
    /// If the features are not of the graph's nodes, not `d_input` wide, or there is no node.
    pub fn forward(&self, features: Tensor<2>, graph: &Graph) -> Tensor<2> {
        self.forward_with_weights(features, graph).features
    }

    /// [`forward`](Self::forward), and the weights of the edges.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn forward_with_weights(&self, features: Tensor<2>, graph: &Graph) -> GraphAttentionOutput {
        assert_features("gatv2", &features, graph, self.source.weight.dims()[0]);
        let [_, heads, d_head] = self.score.dims();
        let (features, broken) = finite_nodes(features);
        let [target, source] = [&self.target, &self.source]
            .map(|half| half.forward(features.clone()).reshape([graph.nodes(), heads, d_head]));
        let halves = [target, source.clone()];
        let (heads, weights) =
            attend_edges(graph, halves, source, broken, &self.dropout, |pairs| {
                let hidden = leaky_relu(pairs, self.negative_slope); // [edges, heads, d_head]
                (hidden * self.score.val()).sum_dim(2).squeeze_dim(2) // [edges, heads]
            });
        GraphAttentionOutput { features: self.combine.combine(heads), weights }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EdgeList;

    #[test]
    #[should_panic(expected = "gatv2: d_head must be at least 1, got 0")]
    fn a_width_of_zero_is_refused() {
        GatV2Config::new(4, 0, 2).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "gatv2: negative_slope must be in [0, 1], got 2")]
    fn a_steep_slope_is_refused() {
        GatV2Config::new(4, 5, 2).with_negative_slope(2.0).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "gatv2: features [2, 3] are not of 2 nodes of width 4")]
    fn features_have_the_configured_width() {
        let device = Device::flex();
        let graph = EdgeList::new(vec![0], vec![1], 2).unwrap().to_device(&device);
        GatV2Config::new(4, 5, 2).init(&device).forward(Tensor::ones([2, 3], &device), &graph);
    }

    #[test]
    #[should_panic(expected = "gatv2: a graph without any node")]
    fn there_is_a_node() {
        let device = Device::flex();
        let graph = EdgeList::new(vec![], vec![], 0).unwrap().to_device(&device);
        GatV2Config::new(4, 5, 2).init(&device).forward(Tensor::ones([0, 4], &device), &graph);
    }
}
