//! Graph attention.

use super::heads::{assert_features, attend_edges, check_slope, finite_nodes};
use super::{CombineHeads, Graph, GraphAttentionOutput};
use attn_core::mechanism::MechanismError;
use attn_core::{Dropout, DropoutConfig};
use burn::module::{Module, Param};
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::activation::leaky_relu;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// The slope of Veličković et al. (2018), section 2.1.
pub(super) const PAPER_NEGATIVE_SLOPE: f64 = 0.2;

pub(super) fn paper_negative_slope() -> f64 {
    PAPER_NEGATIVE_SLOPE
}

/// Configuration of a [`Gat`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatConfig {
    /// Width of a node's features.
    pub d_input: usize,
    /// Width of what one head returns.
    pub d_head: usize,
    /// Number of heads.
    pub heads: usize,
    /// How the heads become one.
    #[serde(default)]
    pub combine: CombineHeads,
    /// What a negative score is multiplied with, before softmax.
    #[serde(default = "paper_negative_slope")]
    pub negative_slope: f64,
    /// Probability to drop a weight.
    #[serde(default)]
    pub dropout: f64,
}

impl GatConfig {
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
        MechanismError::check_sizes("gat", &sizes)?;
        let fields = "d_input, d_head and heads";
        MechanismError::check_product("gat", fields, &[d_input.max(2), d_head, heads])?;
        check_slope("gat", self.negative_slope)?;
        MechanismError::check_probability("gat", "dropout", self.dropout)
    }

    /// The layer, with random weights (Glorot and Bengio 2010, as in the paper).
    ///
    /// # Panics
    /// With the message of [`validate`](Self::validate) if that refuses.
    pub fn init(&self, device: &Device) -> Gat {
        self.validate().unwrap_or_else(|error| panic!("{error}"));
        let glorot = Initializer::XavierUniform { gain: 1.0 };
        let half = || {
            let (from, to) = (Some(2 * self.d_head), Some(1));
            glorot.init_with([1, self.heads, self.d_head], from, to, device)
        };
        Gat {
            project: LinearConfig::new(self.d_input, self.heads * self.d_head)
                .with_bias(false)
                .with_initializer(glorot.clone())
                .init(device),
            score_target: half(),
            score_source: half(),
            dropout: DropoutConfig::new(self.dropout).init(),
            combine: self.combine,
            negative_slope: self.negative_slope,
        }
    }
}

/// Graph attention, Veličković et al. (2018), equations 1–6, without the non-linearity `σ` of
/// equations 4–6, which is the caller's:
///
/// ```text
/// e_ij = LeakyReLU(a · [W h_i ‖ W h_j])     for each edge j → i
/// α_ij = exp(e_ij) / Σ_k exp(e_ik)          k over the sources of the edges into i
/// h'_i = Σ_j α_ij W h_j                     of each head, concatenated or averaged
/// ```
///
/// `a · [x ‖ y]` is `a₁ · x + a₂ · y`, so that a score costs two numbers for each node and one
/// addition for each edge. Time is nodes · d_input · heads · d_head + edges · heads · d_head, and so
/// is memory but for the first `d_input`.
///
/// What it gives up: all nodes rank their neighbours alike, for `a₁ · W h_i` moves all scores of node
/// `i` together and LeakyReLU keeps their order. [`GatV2`](super::GatV2) does not.
#[derive(Module, Debug)]
pub struct Gat {
    /// `W`, without bias, all heads behind each other.
    pub project: Linear,
    /// The first half of `a`, `[1, heads, d_head]`.
    pub score_target: Param<Tensor<3>>,
    /// The second half of `a`, `[1, heads, d_head]`.
    pub score_source: Param<Tensor<3>>,
    dropout: Dropout,
    #[module(skip)]
    combine: CombineHeads,
    negative_slope: f64,
}

impl Gat {
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
        assert_features("gat", &features, graph, self.project.weight.dims()[0]);
        let [_, heads, d_head] = self.score_target.dims();
        let (features, broken) = finite_nodes(features);
        let values = self.project.forward(features).reshape([graph.nodes(), heads, d_head]);
        let halves =
            [&self.score_target, &self.score_source].map(|a| (values.clone() * a.val()).sum_dim(2)); // [nodes, heads, 1]
        let (heads, weights) =
            attend_edges(graph, halves, values, broken, &self.dropout, |scores| {
                leaky_relu(scores.squeeze_dim(2), self.negative_slope) // [edges, heads]
            });
        GraphAttentionOutput { features: self.combine.combine(heads), weights }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EdgeList;

    #[test]
    #[should_panic(expected = "gat: heads must be at least 1, got 0")]
    fn no_head_is_refused() {
        GatConfig::new(4, 5, 0).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "gat: negative_slope must be in [0, 1], got -0.5")]
    fn a_slope_that_folds_is_refused() {
        GatConfig::new(4, 5, 2).with_negative_slope(-0.5).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "gat: dropout must be in [0, 1), got 1")]
    fn to_drop_everything_is_refused() {
        GatConfig::new(4, 5, 2).with_dropout(1.0).init(&Device::flex());
    }

    #[test]
    #[should_panic(expected = "gat: features [3, 5] are not of 2 nodes of width 4")]
    fn features_are_of_the_nodes() {
        let device = Device::flex();
        let graph = EdgeList::new(vec![0], vec![1], 2).unwrap().to_device(&device);
        GatConfig::new(4, 5, 2).init(&device).forward(Tensor::ones([3, 5], &device), &graph);
    }

    #[test]
    fn a_file_needs_only_the_sizes() {
        let text = r#"{ "d_input": 4, "d_head": 5, "heads": 2 }"#;
        let config: GatConfig = serde_json::from_str(text).unwrap();
        assert_eq!(config, GatConfig::new(4, 5, 2));
        let text = r#"{ "d_input": 4, "d_head": 5, "heads": 2, "combine": "mean", "slope": 1 }"#;
        assert!(serde_json::from_str::<GatConfig>(text).is_err());
    }
}
