//! Who attends to whom.

use super::{GraphError, Segments};
use crate::segment_softmax::indices;
use burn::tensor::{Device, Int, Tensor};
use std::collections::HashSet;

/// The edges of a graph: edge `e` goes from `sources[e]` to `targets[e]`, and lets the target attend
/// to the source.
///
/// Their order is the order of the weights. An edge that is listed twice counts twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeList {
    sources: Vec<usize>,
    targets: Vec<usize>,
    nodes: usize,
}

impl EdgeList {
    /// Edges among `nodes` nodes; there may be no edge.
    ///
    /// # Errors
    /// If there are not as many targets as sources, or an end is not one of the nodes.
    pub fn new(sources: Vec<usize>, targets: Vec<usize>, nodes: usize) -> Result<Self, GraphError> {
        if sources.len() != targets.len() {
            return Err(GraphError::Lengths { sources: sources.len(), targets: targets.len() });
        }
        for (end, ids) in [("source", &sources), ("target", &targets)] {
            if let Some((edge, &id)) = ids.iter().enumerate().find(|(_, id)| **id >= nodes) {
                return Err(GraphError::Node { edge, end, id, nodes });
            }
        }
        Ok(Self { sources, targets, nodes })
    }

    /// Every node also sees itself, as in Veličković et al. (2018); behind the other edges, for
    /// each node that does not yet.
    pub fn with_self_loops(mut self) -> Self {
        let mut missing = vec![true; self.nodes];
        for (&source, &target) in self.sources.iter().zip(&self.targets) {
            missing[source] &= source != target;
        }
        for node in (0..self.nodes).filter(|&node| missing[node]) {
            self.sources.push(node);
            self.targets.push(node);
        }
        self
    }

    /// Every edge also goes the other way; behind the other edges, for each pair of nodes of which
    /// one does not yet see the other.
    pub fn undirected(mut self) -> Self {
        let mut known: HashSet<_> = self.iter().collect();
        for edge in 0..self.len() {
            let (source, target) = (self.sources[edge], self.targets[edge]);
            if known.insert((target, source)) {
                self.sources.push(target);
                self.targets.push(source);
            }
        }
        self
    }

    /// Number of edges.
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// Whether there is no edge.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.nodes
    }

    /// Source and target of each edge.
    pub fn iter(&self) -> impl Iterator<Item = (usize, usize)> {
        self.sources.iter().copied().zip(self.targets.iter().copied())
    }

    /// The graph as layers take it, uploaded once.
    pub fn to_device(&self, device: &Device) -> Graph {
        let segments = Segments::new(&self.targets, self.nodes, device)
            .unwrap_or_else(|error| panic!("targets were checked: {error}"));
        let sources = (!self.is_empty()).then(|| indices(&self.sources, device));
        Graph { sources, segments }
    }
}

/// An [`EdgeList`] on a device. Of size edges · log(largest number of edges into one node).
#[derive(Clone, Debug)]
pub struct Graph {
    /// `[edges]`; none without an edge, for not all devices have empty tensors.
    pub(super) sources: Option<Tensor<1, Int>>,
    /// The edges by their targets.
    pub(super) segments: Segments,
}

impl Graph {
    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.segments.count()
    }

    /// Number of edges.
    pub fn edges(&self) -> usize {
        self.segments.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_must_pair_up() {
        let error = EdgeList::new(vec![0, 1], vec![1], 3).unwrap_err();
        assert_eq!(error, GraphError::Lengths { sources: 2, targets: 1 });
        assert_eq!(error.to_string(), "2 sources and 1 targets do not make edges");
    }

    #[test]
    fn ends_must_be_nodes() {
        let error = EdgeList::new(vec![0, 3], vec![1, 2], 3).unwrap_err();
        assert_eq!(error.to_string(), "edge 1: source 3 is not one of 3 nodes");
        let error = EdgeList::new(vec![0], vec![0], 0).unwrap_err();
        assert_eq!(error.to_string(), "edge 0: source 0 is not one of 0 nodes");
        let error = EdgeList::new(vec![0, 1, 2], vec![5, 1, 2], 3).unwrap_err();
        assert_eq!(error.to_string(), "edge 0: target 5 is not one of 3 nodes");
    }

    #[test]
    fn only_missing_edges_are_added() {
        let edges = EdgeList::new(vec![0, 1, 2, 1], vec![1, 0, 1, 1], 3).unwrap();
        let pairs = |edges: &EdgeList| edges.iter().collect::<Vec<_>>();
        let listed = [(0, 1), (1, 0), (2, 1), (1, 1)];
        assert_eq!(
            pairs(&edges.clone().with_self_loops()),
            [&listed[..], &[(0, 0), (2, 2)]].concat()
        );
        assert_eq!(pairs(&edges.undirected()), [&listed[..], &[(1, 2)]].concat());
    }
}
