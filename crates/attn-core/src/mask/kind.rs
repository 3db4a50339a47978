//! The mask itself: its kinds and their constructors.

use super::algebra::Operands;
use super::blocks::Blocks;
use super::columns::Columns;
use super::constant::Constant;
use super::dilated::Dilated;
use super::documents::Documents;
use super::explicit::Explicit;
use super::global::Global;
use super::lengths::{LeftPadding, Padding};
use super::local_blocks::LocalBlocks;
use super::pattern::Pattern;
use super::window::{Causal, Window};
use burn::tensor::{Bool, Tensor};
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;

/// Which query may look at which key: data, not a closure and not a tensor.
///
/// [`is_visible`](Self::is_visible) is what a mask means; [`lower`](Self::lower),
/// [`tile`](Self::tile) and [`art`](Self::art) say the same faster, coarser and for the eye. The
/// [module](crate::mask) has the table of kinds and the rule of alignment.
///
/// Printing a mask gives its expression and its picture, `{:?}` the expression alone:
///
/// ```
/// use attn_core::Mask;
///
/// let mask = Mask::prefix([3]);
/// assert_eq!(format!("{mask:?}"), "causal | padding(3)");
/// assert_eq!(
///     mask.to_string(),
///     "\
/// causal | padding(3)
/// ■■■·····
/// ■■■·····
/// ■■■·····
/// ■■■■····
/// ■■■■■···
/// ■■■■■■··
/// ■■■■■■■·
/// ■■■■■■■■
/// "
/// );
/// ```
///
/// Lists with an entry per batch row may have one entry for all rows instead. A list or matrix that
/// does not fit the shape is found when mask and shape meet, and then panics with both.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mask(pub(super) Kind);

/// Its serialised form is the file format: `"causal"`, `{"padding":[3,5]}`, `{"not":"causal"}`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Open,
    Nothing,
    Causal,
    Window(Window),
    Dilated(Dilated),
    Padding(Padding),
    LeftPadding(LeftPadding),
    Documents(Documents),
    Global(Global),
    LocalBlocks(LocalBlocks),
    Columns(Columns),
    Blocks(Blocks),
    Explicit(Explicit),
    Not(Box<Mask>),
    And(Operands),
    Or(Operands),
}

/// A mask as the algorithms see it.
pub(super) enum Node<'a> {
    Pattern(&'a dyn Pattern),
    Not(&'a Mask),
    And(&'a [Mask]),
    Or(&'a [Mask]),
}

impl Mask {
    /// Every query sees every key.
    pub fn open() -> Self {
        Self(Kind::Open)
    }

    /// No query sees any key: not of use by itself, but the neutral element of `|`.
    pub fn nothing() -> Self {
        Self(Kind::Nothing)
    }

    /// Every query sees the keys up to its own position; the last query sees every key.
    ///
    /// ```
    /// # use attn_core::{AttentionShape, Mask};
    /// let chunk = AttentionShape { batch: 1, heads: 1, queries: 3, keys: 5 };
    /// assert_eq!(Mask::causal().art(&chunk).to_string(), "■■■··\n■■■■·\n■■■■■\n");
    /// ```
    pub fn causal() -> Self {
        Self(Kind::Causal)
    }

    /// Every query sees `left` keys before its own position, its own, and `right` behind it;
    /// `None` is no bound. These are the sizes of Mistral 7B (Jiang et al. 2023, section 2) less
    /// one, and those of FlashAttention.
    ///
    /// ```
    /// # use attn_core::{AttentionShape, Mask};
    /// let square = AttentionShape { batch: 1, heads: 1, queries: 4, keys: 4 };
    /// let mask = Mask::window(Some(2), Some(1));
    /// assert_eq!(mask.art(&square).to_string(), "■■··\n■■■·\n■■■■\n·■■■\n");
    /// ```
    pub fn window(left: Option<usize>, right: Option<usize>) -> Self {
        match (left, right) {
            (None, None) => Self::open(),
            _ => Self(Kind::Window(Window { left, right })),
        }
    }

    /// A prefix of each row that everyone sees, and causal behind it (prefix language model, Raffel
    /// et al. 2020, section 3.2.1): `causal() | padding(lengths)`.
    pub fn prefix(lengths: impl Into<Vec<usize>>) -> Self {
        Self::causal() | Self::padding(lengths)
    }

    /// Every query sees the keys whose distance is a multiple of `step`, on both sides. With
    /// [`causal`](Self::causal) or a [`window`](Self::window) this is the strided pattern of Child
    /// et al. (2019), section 4.3, and dilated attention of Beltagy et al. (2020), section 3.1.
    ///
    /// ```
    /// # use attn_core::{AttentionShape, Mask};
    /// let square = AttentionShape { batch: 1, heads: 1, queries: 4, keys: 4 };
    /// let mask = Mask::causal() & Mask::dilated(2);
    /// assert_eq!(mask.art(&square).to_string(), "■···\n·■··\n■·■·\n·■·■\n");
    /// ```
    ///
    /// # Panics
    /// If `step` is 0.
    pub fn dilated(step: usize) -> Self {
        let step = NonZeroUsize::new(step);
        Self(Kind::Dilated(Dilated(step.expect("dilated mask of step 0, needs at least 1"))))
    }

    /// Every query sees the first `lengths[b]` keys of its batch row `b`: what follows is padding.
    pub fn padding(lengths: impl Into<Vec<usize>>) -> Self {
        Self(Kind::Padding(Padding(lengths.into())))
    }

    /// No query sees the first `pads[b]` keys of its batch row `b`: these are padding.
    pub fn left_padding(pads: impl Into<Vec<usize>>) -> Self {
        Self(Kind::LeftPadding(LeftPadding(pads.into())))
    }

    /// Packed sequences: `lengths[b]` are the lengths of the documents that follow each other in
    /// batch row `b`. A query sees the keys of its own document. Behind the last document is
    /// padding, which sees nothing and which nobody sees.
    ///
    /// # Panics
    /// If the lengths of a row do not add up to a `usize`.
    pub fn documents(lengths: Vec<Vec<usize>>) -> Self {
        let documents = Documents::new(&lengths);
        Self(Kind::Documents(documents.unwrap_or_else(|error| panic!("documents: {error}"))))
    }

    /// Global tokens: they see every key, and every query sees them (Beltagy et al. 2020, section
    /// 3.1; the same in ETC, Ainslie et al. 2020, and BigBird, Zaheer et al. 2020). `positions[b]`
    /// are those of batch row `b`, in any order; what lies beyond the keys does not matter.
    ///
    /// ```
    /// # use attn_core::{AttentionShape, Mask};
    /// let square = AttentionShape { batch: 1, heads: 1, queries: 4, keys: 4 };
    /// let mask = Mask::global(vec![vec![0, 2]]);
    /// assert_eq!(mask.art(&square).to_string(), "■■■■\n■·■·\n■■■■\n■·■·\n");
    /// ```
    pub fn global(positions: Vec<Vec<usize>>) -> Self {
        Self(Kind::Global(Global::from(positions)))
    }

    /// Block-local attention: the sequence is cut into blocks of `size`, and a query sees the keys
    /// of its own (the local attention of Liu et al. 2018, *Generating Wikipedia by summarizing
    /// long sequences*, section 4.2). As [`documents`](Self::documents) of one length, for any number
    /// of them.
    ///
    /// ```
    /// # use attn_core::{AttentionShape, Mask};
    /// let square = AttentionShape { batch: 1, heads: 1, queries: 4, keys: 4 };
    /// let mask = Mask::local_blocks(3);
    /// assert_eq!(mask.art(&square).to_string(), "■■■·\n■■■·\n■■■·\n···■\n");
    /// ```
    ///
    /// # Panics
    /// If `size` is 0.
    #[track_caller]
    pub fn local_blocks(size: usize) -> Self {
        let size = NonZeroUsize::new(size);
        let size = size.expect("local blocks mask of size 0, needs at least 1");
        Self(Kind::LocalBlocks(LocalBlocks(size)))
    }

    /// Summary columns: of every `step` keys, every query sees the last `width` (the second half of
    /// the fixed pattern of Child et al. 2019, section 4.3).
    ///
    /// ```
    /// # use attn_core::{AttentionShape, Mask};
    /// let shape = AttentionShape { batch: 1, heads: 1, queries: 2, keys: 8 };
    /// let mask = Mask::columns(4, 1);
    /// assert_eq!(mask.art(&shape).to_string(), "···■···■\n···■···■\n");
    /// ```
    ///
    /// # Panics
    /// If `width` is 0 or more than `step`.
    #[track_caller]
    pub fn columns(step: usize, width: usize) -> Self {
        let columns = Columns::new(step, width);
        Self(Kind::Columns(columns.unwrap_or_else(|error| panic!("columns: {error}"))))
    }

    /// Block-sparse: the position `p` sees key `j` iff `visible[p / size][j / size]`.
    ///
    /// The grid is a coarse drawing of a matrix of `rows · size` × `cols · size` positions, and is
    /// aligned and may be larger than the attention as the matrix of [`visible`](Self::visible) may.
    ///
    /// # Panics
    /// If `size` is 0 or the rows of `visible` differ in length.
    pub fn blocks(size: usize, visible: Vec<Vec<bool>>) -> Self {
        let blocks = Blocks::new(size, visible);
        Self(Kind::Blocks(blocks.unwrap_or_else(|error| panic!("blocks: {error}"))))
    }

    /// Query and key see each other where `visible` is true.
    ///
    /// The tensor is read back to the host.
    ///
    /// # Shapes
    /// - `visible`: `[batch | 1, heads | 1, rows | 1, cols | 1]`; a 1 holds for all.
    ///
    /// The matrix may be larger than the attention, so that one that was made for a whole sequence
    /// serves each chunk. It is aligned as attention is: the query at position
    /// `p = i + keys - queries` reads row `p - (cols - rows)`, and of it the first `keys` columns.
    /// That needs `keys <= cols` and a row that is not negative, `cols - rows <= keys - queries`.
    /// A matrix of one row covers any number of queries; one of one column and several rows says
    /// nothing of positions, and needs `queries == rows`. Anything else panics when the mask meets
    /// the shape.
    pub fn visible(visible: Tensor<4, Bool>) -> Self {
        Self(Kind::Explicit(Explicit::new(visible)))
    }

    /// Query and key see each other where `hidden` is false; else as [`visible`](Self::visible).
    pub fn hidden(hidden: Tensor<4, Bool>) -> Self {
        Self::visible(hidden.bool_not())
    }

    /// Whether this is [`open`](Self::open) for any shape, so that nothing needs to be masked.
    ///
    /// `false` for what merely happens to hide nothing: see [`is_open_for`](Self::is_open_for).
    pub fn is_open(&self) -> bool {
        self.0 == Kind::Open
    }

    pub(super) fn node(&self) -> Node<'_> {
        match &self.0 {
            Kind::Open => Node::Pattern(&Constant(true)),
            Kind::Nothing => Node::Pattern(&Constant(false)),
            Kind::Causal => Node::Pattern(&Causal),
            Kind::Window(window) => Node::Pattern(window),
            Kind::Dilated(dilated) => Node::Pattern(dilated),
            Kind::Padding(padding) => Node::Pattern(padding),
            Kind::LeftPadding(padding) => Node::Pattern(padding),
            Kind::Documents(documents) => Node::Pattern(documents),
            Kind::Global(global) => Node::Pattern(global),
            Kind::LocalBlocks(blocks) => Node::Pattern(blocks),
            Kind::Columns(columns) => Node::Pattern(columns),
            Kind::Blocks(blocks) => Node::Pattern(blocks),
            Kind::Explicit(explicit) => Node::Pattern(explicit),
            Kind::Not(mask) => Node::Not(mask),
            Kind::And(masks) => Node::And(masks.as_slice()),
            Kind::Or(masks) => Node::Or(masks.as_slice()),
        }
    }
}
