#![doc = include_str!("../README.md")]

mod align;
pub mod alignment;
mod attend;
pub mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod coverage;
mod cut;
mod dropout;
pub mod explain;
pub mod half;
pub mod logistic;
pub mod mask;
pub mod mechanism;
mod options;
pub mod pooling;
pub mod random;
pub mod regularize;
pub mod score;
pub mod talking_heads;
pub mod teacher_forcing;

pub use align::align;
pub use alignment::Alignment;
pub use attend::{Attended, attend, attend_with_lse, attend_with_weights};
pub use attn_kernels::DropoutMask;
pub use dropout::{Dropout, DropoutConfig};
pub use mask::{AttentionShape, Mask, Tile};
pub use mechanism::{Mechanism, Stepwise};
pub use options::{AttendOptions, Sink};
pub use score::Score;

/// Chapters of the book, so that their examples are run.
#[cfg(doctest)]
mod book {
    #[doc = include_str!("../../../docs/src/masks.md")]
    struct Masks;

    #[doc = include_str!("../../../docs/src/family.md")]
    struct Family;
}
