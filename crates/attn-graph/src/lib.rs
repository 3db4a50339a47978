#![doc = include_str!("../README.md")]

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
pub use heads::{CombineHeads, GraphAttentionOutput};
pub use segment_softmax::{Segments, segment_softmax};
