//! Attention along the edges of a graph.
//!
//! | type | equation | time and memory | paper |
//! |---|---|---|---|
//! | [`segment_softmax`] | `exp(s_e) / Σ exp(s_f)`, `f` over the edges of the segment of `e` | edges; the maximum edges · log(largest segment), not kept | |
//! | [`Gat`] | `LeakyReLU(a · [W h_i ‖ W h_j])` | nodes · width², edges · width | Veličković et al. 2018, equations 1–6 |
//! | [`GatV2`] | `a · LeakyReLU(W [h_i ‖ h_j])` | nodes · width², edges · width | Brody et al. 2022, equation 7 |
//!
//! An [`EdgeList`] says who attends to whom: the target of an edge is the query, its source the key.
//! It is checked on the host once, and prepared for a device once, by [`EdgeList::to_device`]. Nodes
//! have no order. Several graphs are one graph whose parts are not connected: the nodes of the second
//! are numbered behind those of the first.
//!
//! # The law
//! is that of [attention](crate#the-law-of-attention). A node without incoming edge sees nothing: it
//! gets 0, and no gradient flows through it. A node that no edge touches does not matter, whatever it
//! holds. A node that is not finite makes NaN of those that see it, and of nobody else.
//!
//! # Determinism
//! Sums over edges are `select_assign`, and so are the gradients of `select`: both add the edges of a
//! segment one after another, in the order of the list, on ndarray, flex and CubeCL (as of burn
//! 0.22). Nothing here uses atomics.
//!
//! ```
//! use attn_core::graph::{EdgeList, GatV2Config};
//! use burn::tensor::{Device, Tensor};
//!
//! // A path of four nodes, each of which sees its neighbours and itself.
//! let edges = EdgeList::new(vec![0, 1, 2], vec![1, 2, 3], 4)?.undirected().with_self_loops();
//! let device = Device::default();
//! let graph = edges.to_device(&device);
//!
//! let [d_input, d_head, heads] = [5, 3, 2];
//! let layer = GatV2Config::new(d_input, d_head, heads).init(&device);
//! let attended = layer.forward_with_weights(Tensor::ones([4, d_input], &device), &graph);
//! assert_eq!(attended.features.dims(), [4, heads * d_head]);
//! assert_eq!(attended.weights.dims(), [edges.len(), heads]);
//! # Ok::<(), attn_core::graph::GraphError>(())
//! ```

mod edges;
mod error;
mod gat;
mod gatv2;
mod heads;
mod segment_softmax;

pub use edges::{EdgeList, Graph};
pub use error::GraphError;
pub use gat::{Gat, GatConfig};
pub use gatv2::{GatV2, GatV2Config};
pub use heads::{CombineHeads, GraphAttended};
pub use segment_softmax::{Segments, segment_softmax};
