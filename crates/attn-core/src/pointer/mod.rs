//! Pointer-generator: words that are generated, or copied from what is attended to.
//!
//! A [`Source`] holds the words of a batch, a [`PointerGenerator`] decides between generating and
//! copying, and [`mixture`] makes one distribution of both.
//!
//! ```
//! use attn_core::pointer::{PointerGeneratorConfig, Source};
//! use burn::tensor::{Device, Tensor};
//!
//! let device = Device::default();
//! // A vocabulary of 10, and two words of this batch that it lacks: 10 and 11.
//! let source = Source::new(Tensor::from_data([[3, 10, 3], [7, 11, 0]], &device), 12)?;
//! let pointer = PointerGeneratorConfig::new(4, 5, 6).init(&device);
//! let [batch, steps] = [2, 1];
//! let of_width = |width| Tensor::<3>::ones([batch, steps, width], &device);
//! let weights = of_width(3) * (1.0 / 3.0);
//! let logits = of_width(10);
//! let pointed = pointer.forward(of_width(4), of_width(5), of_width(6), logits, weights, &source);
//! assert_eq!(pointed.log_probs.dims(), [batch, steps, 12]);
//! # Ok::<(), attn_core::pointer::PointerError>(())
//! ```

mod error;
mod generator;
mod mixture;
mod source;

pub use error::PointerError;
pub use generator::{Pointed, PointerGenerator, PointerGeneratorConfig};
pub use mixture::{IMPOSSIBLE, mixture};
pub use source::Source;
