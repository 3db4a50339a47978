//! The body of the example `mechanisms`.

pub mod mechanisms;

pub(crate) use attn_pipelines::cli as exit;
pub(crate) use attn_pipelines::device;
