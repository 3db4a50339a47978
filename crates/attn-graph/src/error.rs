//! What can be wrong with a graph.

/// Edges that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// Ends of edges that do not pair up.
    #[error("{sources} sources and {targets} targets do not make edges")]
    Lengths {
        /// Number of sources.
        sources: usize,
        /// Number of targets.
        targets: usize,
    },
    /// An edge from or to a node that is not there.
    #[error("edge {edge}: {end} {id} is not one of {nodes} nodes")]
    Node {
        /// Which edge.
        edge: usize,
        /// Which end of it.
        end: &'static str,
        /// The node that is not there.
        id: usize,
        /// Number of nodes.
        nodes: usize,
    },
    /// An element of a segment that is not there.
    #[error("element {element}: {id} is not one of {count} segments")]
    Segment {
        /// Which element.
        element: usize,
        /// The segment that is not there.
        id: usize,
        /// Number of segments.
        count: usize,
    },
}
