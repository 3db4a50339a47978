//! What the layers of graph attention share: values averaged along edges, and heads put together.

use super::{Graph, segment_softmax};
use attn_core::Dropout;
use attn_core::mechanism::MechanismError;
use burn::tensor::{Bool, Tensor};
use serde::{Deserialize, Serialize};

/// How the heads of a layer become one feature vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CombineHeads {
    /// Behind each other, Veličković et al. (2018), equation 5: for hidden layers.
    #[default]
    Concat,
    /// Averaged, Veličković et al. (2018), equation 6: for the last layer.
    Mean,
}

impl CombineHeads {
    /// `[nodes, heads, d_head]` → `[nodes, heads · d_head]` or `[nodes, d_head]`
    pub(super) fn combine(self, heads: Tensor<3>) -> Tensor<2> {
        let [nodes, n_heads, d_head] = heads.dims();
        match self {
            Self::Concat => heads.reshape([nodes, n_heads * d_head]),
            Self::Mean => heads.mean_dim(1).reshape([nodes, d_head]),
        }
    }
}

/// What nodes gathered from their neighbours, and how much from each.
#[derive(Clone, Debug)]
pub struct GraphAttentionOutput {
    /// `[nodes, heads · d_head]`, or `[nodes, d_head]` where heads are averaged.
    pub features: Tensor<2>,
    /// `[edges, heads]`, in the order of the edge list, before dropout: those into one node sum to 1.
    pub weights: Tensor<2>,
}

/// Refuses a slope that would turn a large negative score into a large one.
pub(super) fn check_slope(mechanism: &'static str, value: f64) -> Result<(), MechanismError> {
    if (0.0..=1.0).contains(&value) {
        Ok(())
    } else {
        Err(MechanismError::Range { mechanism, field: "negative_slope", range: "in [0, 1]", value })
    }
}

/// The check that each layer makes of its features.
#[track_caller]
pub(super) fn assert_features(layer: &str, features: &Tensor<2>, graph: &Graph, d_input: usize) {
    assert!(graph.nodes() > 0, "{layer}: a graph without any node");
    assert_eq!(
        features.dims(),
        [graph.nodes(), d_input],
        "{layer}: features {:?} are not of {} nodes of width {d_input}",
        features.dims(),
        graph.nodes()
    );
}

/// Features with 0 for what is NaN or infinite, and which nodes held such, `[nodes, 1]`.
pub(super) fn finite_nodes(features: Tensor<2>) -> (Tensor<2>, Tensor<2, Bool>) {
    let broken = features.clone().detach().is_finite().bool_not();
    (features.mask_fill(broken.clone(), 0.0), broken.any_dim(1))
}

/// The average of the sources' values, for each target.
///
/// `score` makes the scores of edges, `[edges, heads]`, from rows of `of_target` and `of_source`.
///
/// # Shapes
/// - `of_target`, `of_source`: `[nodes, heads, any]`
/// - `values`: `[nodes, heads, d_head]`
/// - `broken`: `[nodes, 1]`
/// - result: `[nodes, heads, d_head]`, and the weights, `[edges, heads]`
pub(super) fn attend_edges(
    graph: &Graph,
    [of_target, of_source]: [Tensor<3>; 2],
    values: Tensor<3>,
    broken: Tensor<2, Bool>,
    dropout: &Dropout,
    score: impl FnOnce(Tensor<3>) -> Tensor<2>,
) -> (Tensor<3>, Tensor<2>) {
    let [nodes, heads, d_head] = values.dims();
    let (edges, segments) = (graph.edges(), &graph.segments);
    let (Some(sources), Some(targets)) = (&graph.sources, segments.ids()) else {
        // Of the values, so that a loss of this alone has its gradients: zeros.
        let all = broken.clone().bool_or(broken.bool_not()).reshape([nodes, 1, 1]);
        let empty = Tensor::zeros([0, heads], (&values.device(), values.dtype()));
        return (values.mask_fill(all.expand([nodes, heads, d_head]), 0.0), empty);
    };
    let scores = score(of_target.select(0, targets.clone()) + of_source.select(0, sources.clone()));
    let broken =
        broken.clone().select(0, sources.clone()).bool_or(broken.select(0, targets.clone()));
    let scores = scores.mask_fill(broken.expand([edges, heads]), f32::NAN);
    let weights = segment_softmax(scores, segments);
    let kept = dropout.forward(weights.clone()).unsqueeze_dim::<3>(2); // [edges, heads, 1]
    let messages = values.select(0, sources.clone()) * kept; // [edges, heads, d_head]
    let sums = segments.sum(messages.reshape([edges, heads * d_head]));
    (sums.reshape([nodes, heads, d_head]), weights)
}
