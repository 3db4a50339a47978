//! Scores: how well a key matches a query, before masking and softmax.
//!
//! | score | equation | paper |
//! |---|---|---|
//! | [`Dot`] | `s · h` | Luong et al. 2015, equation 8 |
//! | [`ScaledDot`] | `s · h / sqrt(d)` | Vaswani et al. 2017, equation 1 |
//! | [`General`] | `s · W h` | Luong et al. 2015, equation 8 |
//! | [`Additive`] | `v · tanh(W s + U h)` | Bahdanau et al. 2015, appendix A.1.2 |
//! | [`Concat`] | `v · tanh(W [s; h])` | Luong et al. 2015, equation 8 |
//! | [`Cosine`] | `cos(s, h) / τ` | Liu et al. 2022, equation 2 |
//! | [`Location`] | `(W s)_j` | Luong et al. 2015, section 3.1 |
//! | [`LocationAware`] | `w · tanh(W s + V h_j + U (F * α)_j + b)` | Chorowski et al. 2015, equations 8–9 |
//! | [`L2`] | `-\|s - h\|² / sqrt(d)` | Kim et al. 2021, section 3.2 |
//! | [`Gaussian`] | `-\|s - h\|² / 2σ²` | Nadaraya 1964; Watson 1964 |
//! | [`Coverage`] | `v · tanh(W_h h_j + W_s s + w_c c_j + b)` | See et al. 2017, equation 11 |
//!
//! `s` is a query (a decoder state) and `h` a key (an encoder state). A score is a module, made by
//! its config; [`ScoreConfig`] chooses one by name, as a file does. [`align`](crate::align) turns
//! scores into weights and a context.
//!
//! # A score of your own
//!
//! is one function. Its gradient comes from autodiff, its parameters from `derive(Module)`.
//!
//! ```
//! use attn_core::score::{Score, grouped};
//! use attn_core::{Mask, align};
//! use burn::tensor::{Device, Tensor};
//!
//! /// Minus half the squared distance: its softmax is a Gaussian kernel.
//! struct Distance;
//!
//! impl Score for Distance {
//!     fn score(&self, query: Tensor<4>, key: Tensor<4>) -> Tensor<4> {
//!         grouped(query, key, |query, key| {
//!             let squares = query.clone().square().sum_dim(3); // [b, h, q, 1]
//!             let squares = squares + key.clone().square().sum_dim(3).transpose(); // [b, h, q, k]
//!             query.matmul(key.transpose()) - squares * 0.5
//!         })
//!     }
//! }
//!
//! let device = Device::default();
//! let [b, h, q, k, d] = [1, 2, 3, 5, 4];
//! let (query, key) = (Tensor::ones([b, h, q, d], &device), Tensor::ones([b, h, k, d], &device));
//! let keys = Distance.project_keys(key.clone()); // once per sequence
//! let scores = Distance.score(query, keys); // once per step
//! let attended = align(scores, key, &Mask::open(), None);
//! assert_eq!(attended.context.dims(), [b, h, q, d]);
//! ```

mod additive;
mod any;
mod concat;
mod cosine;
mod coverage;
mod distance;
mod dot;
mod error;
mod gaussian;
mod general;
mod groups;
mod l2;
mod location;
mod location_aware;
mod looking_back;
mod scaled_dot;

pub use additive::{Additive, AdditiveConfig};
pub use any::{AnyScore, ScoreConfig};
pub use concat::{Concat, ConcatConfig};
pub(crate) use cosine::normalize;
pub use cosine::{Cosine, CosineConfig};
pub use coverage::{Coverage, CoverageConfig};
pub use dot::{Dot, DotConfig};
pub use error::ScoreError;
pub use gaussian::{Gaussian, GaussianConfig};
pub use general::{General, GeneralConfig};
pub use groups::grouped;
pub use l2::{L2, L2Config};
pub use location::{Location, LocationConfig};
pub use location_aware::{Convolved, LocationAware, LocationAwareConfig};
pub use scaled_dot::{ScaledDot, ScaledDotConfig};

use crate::alignment::Past;
use burn::tensor::Tensor;

/// How queries and keys become scores; masking and softmax follow later.
pub trait Score {
    /// The part of the score that depends on the keys alone, computed once per sequence and then used
    /// for every query. The identity, unless a score has such a part.
    ///
    /// # Shapes
    /// - `key`: `[batch, kv_heads, keys, key width]`
    /// - result: `[batch, kv_heads, keys, projected width]`
    fn project_keys(&self, key: Tensor<4>) -> Tensor<4> {
        key
    }

    /// Scores of all pairs. `key` are the **projected** keys, the result of
    /// [`project_keys`](Self::project_keys).
    ///
    /// Query head `h` reads key head `h / (heads / kv_heads)`, which [`grouped`] takes care of.
    ///
    /// # Shapes
    /// - `query`: `[batch, heads, queries, query width]`
    /// - `key`: `[batch, kv_heads, keys, projected width]`
    /// - result: `[batch, heads, queries, keys]`
    ///
    /// # Panics
    /// If the shapes do not fit each other or the score.
    fn score(&self, query: Tensor<4>, key: Tensor<4>) -> Tensor<4>;

    /// Scores of queries that follow those of `past`. The same as [`score`](Self::score), unless a
    /// score looks back.
    ///
    /// # Panics
    /// As [`score`](Self::score), or if `past` is of another shape.
    fn score_after(&self, query: Tensor<4>, key: Tensor<4>, past: &Past) -> Tensor<4> {
        let _ = past;
        self.score(query, key)
    }

    /// Whether the score of a query depends on the weights of the query before it: then queries
    /// must be scored one after another, by [`score_after`](Self::score_after).
    fn looks_back(&self) -> bool {
        false
    }
}

/// # Panics
/// If the tensor is not `expected` wide.
#[track_caller]
fn assert_width(score: &str, what: &str, tensor: &Tensor<4>, expected: usize) {
    let [.., found] = tensor.dims();
    assert_eq!(
        found,
        expected,
        "{score} score: {what} {:?} has width {found}, expected {expected}",
        tensor.dims()
    );
}
