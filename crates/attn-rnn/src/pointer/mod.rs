//! Pointer-generator: words are generated, or copied from source positions that are attended to.
//!
//! A [`SourceWords`] holds the words of a batch, a [`PointerGenerator`] computes the probability to generate,
//! and [`mixture`] combines the two distributions.
//!
//! ```
//! use attn_rnn::pointer::{PointerGeneratorConfig, SourceWords, mixture};
//! use burn::tensor::{Device, Tensor};
//!
//! let device = Device::default();
//! // A vocabulary of 10, and two words of this batch that it lacks: 10 and 11.
//! let source = SourceWords::new(Tensor::from_data([[3, 10, 3], [7, 11, 0]], &device), 12)?;
//! let pointer = PointerGeneratorConfig::new(4, 5, 6).init(&device);
//! let [batch, steps] = [2, 1];
//! let of_width = |width| Tensor::<3>::ones([batch, steps, width], &device);
//! let gate = pointer.gate(of_width(4), of_width(5), of_width(6));
//! let weights = of_width(3) * (1.0 / 3.0);
//! let log_probs = mixture(gate, of_width(10), weights, &source);
//! assert_eq!(log_probs.dims(), [batch, steps, 12]);
//! # Ok::<(), attn_rnn::pointer::PointerError>(())
//! ```

mod error;
mod generator;
mod mixture;
mod source;

pub use error::PointerError;
pub use generator::{PointerGenerator, PointerGeneratorConfig};
pub use mixture::{IMPOSSIBLE, mixture};
pub use source::SourceWords;
