#![doc = include_str!("../README.md")]

pub mod prelude;

pub use attn_core as core;
pub use attn_generate as generate;
pub use attn_graph as graph;
pub use attn_kernels as kernels;
#[cfg(feature = "pipelines")]
pub use attn_pipelines as pipelines;
pub use attn_rnn as rnn;
pub use attn_train as train;
pub use attn_transformer as transformer;
pub use attn_vision as vision;
pub use attn_viz as viz;
pub use burn;

/// The front page of the repository, so that its examples are run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct FrontPage;
