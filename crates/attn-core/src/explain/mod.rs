//! Explanations: what queries look at, in numbers that are small where the weights are not.
//!
//! The weights of an attention are queries × keys, which are too many to be read, and a long sequence cannot
//! hold. These functions compute them in tiles of queries, as [`attend`](crate::attend) weighs its
//! values, and keep what is asked for. They are not differentiable, and the dropout of the options
//! has no part in them: weights are those before dropout.
//!
//! | function | what | size | memory beside it |
//! |---|---|---|---|
//! | [`top_k`] | the keys of most weight, and their weights | `queries · k` | a tile |
//! | [`entropy`] | how spread a query's attention is, in nats | `queries` | a tile |
//! | [`received`] | how much attention a key receives | `keys` | a tile |
//! | [`summary`] | the three of them, in one pass | the three of them | a tile |
//! | [`of_weights`] | the same of weights that there are, of any mechanism | the same | nothing |
//! | [`rollout`] | where the tokens of the last layer come from, of weights that there are | `n · n` | `n · n` |
//! | [`rollout_rows`], [`rollout_tokens`] | the same of a few tokens | `tokens · n` | a tile |
//!
//! Under the [law of attention](crate#the-law-of-attention): a hidden key is never listed, receives
//! nothing and does not leak; a query that sees no key lists none and has the entropy 0. A
//! [`Sink`](crate::Sink) is no key: what it takes is missing from the weights.
//!
//! ```
//! use attn_core::{AttendOptions, Mask, explain};
//! use burn::tensor::{Device, Tensor};
//!
//! // Every key is as good as any other, so each query spreads its attention over what it sees.
//! let query = Tensor::<4>::ones([1, 1, 4, 2], &Device::default());
//! let mask = Mask::window(Some(1), Some(0));
//! let options = AttendOptions::default();
//! let summary = explain::summary(query.clone(), query, &mask, &options, 3);
//! let lists = summary.top_k.lists();
//! assert_eq!(lists[0], [(0, 1.0)]);
//! assert_eq!(lists[3], [(2, 0.5), (3, 0.5)]);
//! assert_eq!(summary.received.try_into_vec_as::<f32>().unwrap(), [1.5, 1.0, 1.0, 0.5]);
//! ```

mod entropy;
mod received;
mod rollout;
mod summary;
mod tiles;
mod top_k;

pub use entropy::{Entropy, entropy};
pub use received::received;
pub use rollout::{Layer, rollout, rollout_rows, rollout_tokens};
pub use summary::{Summary, of_weights, summary};
pub use top_k::{TopK, top_k};
