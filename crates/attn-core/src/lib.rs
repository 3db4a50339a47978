#![doc = include_str!("../README.md")]

mod attend;
#[cfg(feature = "conformance")]
pub mod conformance;
mod dropout;
pub mod mask;
mod options;
pub mod random;
pub mod score;

pub use attend::{Attended, align, attend, attend_with_lse, attend_with_weights};
pub use dropout::{Dropout, DropoutConfig, DropoutMask};
pub use mask::{AttentionShape, Mask, Tile};
pub use options::AttendOptions;
pub use score::Score;

/// The chapter of the book, so that its examples are run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/src/masks.md")]
struct Book;
