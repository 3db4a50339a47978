//! Masks as data: which query may look at which key.
//!
//! A [`Mask`] is a value that is built, combined with `&`, `|` and `!`, saved as JSON, printed, cut
//! to tiles and lowered to a tensor. Nothing of size queries × keys exists until
//! [`Mask::lower`] is called, except for the matrices that a caller brings.
//!
//! # Alignment
//! Queries and keys may differ in number, as they do with a cache, where a few new queries meet all
//! the keys so far. The last query then belongs to the last key: query `i` of `queries` has the
//! position `p = i + keys - queries` among the keys, as a signed number. Since every mask is a
//! statement about positions, one mask serves a whole sequence and each chunk of it.
//!
//! | mask | key `j` is visible to position `p` iff | at `p < 0` (more queries than keys) |
//! |---|---|---|
//! | [`open`](Mask::open) | always | everything |
//! | [`nothing`](Mask::nothing) | never | nothing |
//! | [`causal`](Mask::causal) | `j <= p` | nothing |
//! | [`window(left, right)`](Mask::window) | `p - left <= j <= p + right` | what is left of the window |
//! | [`prefix(lengths)`](Mask::prefix) | `j <= p` or `j < lengths[batch]` | the prefix |
//! | [`dilated(step)`](Mask::dilated) | `step` divides `p - j` | every `step`-th key, as elsewhere |
//! | [`padding(lengths)`](Mask::padding) | `j < lengths[batch]` | the same keys |
//! | [`left_padding(pads)`](Mask::left_padding) | `j >= pads[batch]` | the same keys |
//! | [`documents(lengths)`](Mask::documents) | `p` and `j` are in one document | nothing |
//! | [`global(positions)`](Mask::global) | `p` or `j` is one of `positions[batch]` | the global keys |
//! | [`local_blocks(size)`](Mask::local_blocks) | `p / size == j / size` | nothing |
//! | [`columns(step, width)`](Mask::columns) | `j % step >= step - width` | the same keys |
//! | [`blocks(size, visible)`](Mask::blocks) | `visible[p / size][j / size]` | a panic, if the grid is square |
//! | [`visible`](Mask::visible), [`hidden`](Mask::hidden) | the matrix says so | a panic, if the matrix is square |
//!
//! Sparse attentions of the literature are combinations of these, and have names:
//! [`longformer`](Mask::longformer), [`big_bird`](Mask::big_bird), [`strided`](Mask::strided) and
//! [`fixed`](Mask::fixed); [`random_blocks`](Mask::random_blocks) draws a grid of blocks from a seed.
//!
//! # Examples
//! A causal window of four keys over two packed documents:
//!
//! ```
//! use attn_core::{AttentionShape, Mask};
//!
//! let mask = Mask::window(Some(3), Some(0)) & Mask::documents(vec![vec![5, 3]]);
//! let shape = AttentionShape { batch: 1, heads: 1, queries: 8, keys: 8 };
//! let art = "\
//! ■·······
//! ■■······
//! ■■■·····
//! ■■■■····
//! ·■■■■···
//! ·····■··
//! ·····■■·
//! ·····■■■
//! ";
//! assert_eq!(mask.art(&shape).to_string(), art);
//!
//! // The last two queries alone, as a decoder with a cache asks for them.
//! let chunk = AttentionShape { queries: 2, ..shape };
//! assert_eq!(mask.art(&chunk).to_string(), "·····■■·\n·····■■■\n");
//!
//! let json = r#"{"and":[{"window":{"left":3,"right":0}},{"documents":[[5,3]]}]}"#;
//! assert_eq!(serde_json::to_string(&mask).unwrap(), json);
//! assert_eq!(serde_json::from_str::<Mask>(json).unwrap(), mask);
//! ```

mod algebra;
mod art;
mod bits;
mod blocks;
mod bound;
mod cells;
mod columns;
mod constant;
mod dilated;
mod documents;
mod error;
mod explicit;
mod factor;
mod global;
mod kind;
mod lengths;
mod local_blocks;
mod lower;
mod pattern;
mod select;
mod shape;
mod sparse;
mod tile;
mod visible;
mod window;

pub use art::Art;
pub use attn_kernels::Tile;
pub use bound::Bound;
pub(crate) use factor::Factored;
pub use kind::Mask;
pub use shape::AttentionShape;
pub use sparse::BigBird;
