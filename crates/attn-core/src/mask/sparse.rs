//! The sparse patterns of the literature, by name: each a combination of kinds.

use super::Mask;
use super::error::MaskError;
use attn_kernels::combine;

/// The sizes of a [`Mask::big_bird`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BigBird {
    /// Positions of a block.
    pub size: usize,
    /// Blocks, of queries and of keys: what the mask covers is at most `size · blocks` long.
    pub blocks: usize,
    /// Keys on each side of a query that it sees.
    pub window: usize,
    /// First tokens that everyone sees, and that see everyone.
    pub global: usize,
    /// Random blocks of keys that each block of queries sees.
    pub random: usize,
    /// Which ones.
    pub seed: u64,
}

impl Mask {
    /// Longformer: each query sees `side` keys on each side, with `dilation - 1` keys between them
    /// that it does not see, and global tokens (Beltagy et al. 2020, section 3.1, window
    /// `w = 2 · side`): `window | global`, with a dilation `window & dilated | global`. A dilation of
    /// 1 is none.
    ///
    /// ```
    /// # use attn_core::{AttentionShape, Mask};
    /// let square = AttentionShape { batch: 1, heads: 1, queries: 7, keys: 7 };
    /// let mask = Mask::longformer(1, 2, vec![vec![3]]);
    /// assert_eq!(format!("{mask:?}"), "(window(left 2, right 2) & dilated(2)) | global(3)");
    /// let art = "\
    /// ■·■■···
    /// ·■·■···
    /// ■·■■■··
    /// ■■■■■■■
    /// ··■■■·■
    /// ···■·■·
    /// ···■■·■
    /// ";
    /// assert_eq!(mask.art(&square).to_string(), art);
    /// ```
    ///
    /// # Panics
    /// If the dilation is 0.
    #[track_caller]
    pub fn longformer(side: usize, dilation: usize, global: Vec<Vec<usize>>) -> Self {
        assert!(dilation > 0, "longformer mask of dilation 0, needs at least 1");
        let reach = Some(side.saturating_mul(dilation));
        let window = Self::window(reach, reach);
        let near = if dilation == 1 { window } else { window & Self::dilated(dilation) };
        near | Self::global(global)
    }

    /// BigBird: a window, global tokens and random blocks (Zaheer et al. 2020, section 2; in its
    /// internal construction, the global tokens are the first of the sequence):
    /// `window | global | random_blocks`.
    ///
    /// ```
    /// # use attn_core::{AttentionShape, Mask};
    /// use attn_core::mask::BigBird;
    ///
    /// let sizes = BigBird { size: 2, blocks: 4, window: 1, global: 1, random: 1, seed: 3 };
    /// let mask = Mask::big_bird(sizes);
    /// let expression = "window(left 1, right 1) | global(0) | blocks(4 × 4 of size 2)";
    /// assert_eq!(format!("{mask:?}"), expression);
    /// ```
    ///
    /// # Panics
    /// As [`random_blocks`](Self::random_blocks).
    #[track_caller]
    pub fn big_bird(sizes: BigBird) -> Self {
        let BigBird { size, blocks, window, global, random, seed } = sizes;
        Self::window(Some(window), Some(window))
            | Self::global(vec![(0..global).collect()])
            | Self::random_blocks(size, blocks, random, seed)
    }

    /// The strided pattern of Sparse Transformers (Child et al. 2019, section 4.3): the query's own key
    /// and the `stride` before it, and of all before these each that is a multiple of `stride` away.
    /// Both in one mask, as a merged head has them (section 5.1).
    ///
    /// ```
    /// # use attn_core::{AttentionShape, Mask};
    /// let square = AttentionShape { batch: 1, heads: 1, queries: 6, keys: 6 };
    /// let art = "\
    /// ■·····
    /// ■■····
    /// ■■■···
    /// ·■■■··
    /// ■·■■■·
    /// ·■·■■■
    /// ";
    /// assert_eq!(Mask::strided(2).art(&square).to_string(), art);
    /// ```
    ///
    /// # Panics
    /// If `stride` is 0.
    #[track_caller]
    pub fn strided(stride: usize) -> Self {
        assert!(stride > 0, "strided mask of stride 0, needs at least 1");
        Self::window(Some(stride), Some(0)) | (Self::causal() & Self::dilated(stride))
    }

    /// The fixed pattern of Sparse Transformers (Child et al. 2019, section 4.3): the keys so far of
    /// the query's own block of `stride`, and the last `summary` keys of each block before it. Both
    /// in one mask, as a merged head has them (section 5.1):
    /// `causal & (local_blocks | columns)`.
    ///
    /// ```
    /// # use attn_core::{AttentionShape, Mask};
    /// let square = AttentionShape { batch: 1, heads: 1, queries: 6, keys: 6 };
    /// let art = "\
    /// ■·····
    /// ■■····
    /// ■■■···
    /// ··■■··
    /// ··■■■·
    /// ··■■■■
    /// ";
    /// assert_eq!(Mask::fixed(3, 1).art(&square).to_string(), art);
    /// ```
    ///
    /// # Panics
    /// If `stride` or `summary` is 0, or `summary` is more than `stride`.
    #[track_caller]
    pub fn fixed(stride: usize, summary: usize) -> Self {
        let columns = Self::columns(stride, summary);
        Self::causal() & (Self::local_blocks(stride) | columns)
    }

    /// Random block sparsity (Zaheer et al. 2020, appendix D): [`blocks`](Self::blocks) of `size`
    /// positions, `blocks` in each direction, where each block of queries sees `per_row` blocks of
    /// keys. Which ones is a function of `seed` and of the numbers of the blocks alone.
    ///
    /// ```
    /// # use attn_core::Mask;
    /// let mask = Mask::random_blocks(16, 8, 3, 7);
    /// assert_eq!(mask, Mask::random_blocks(16, 8, 3, 7));
    /// assert_ne!(mask, Mask::random_blocks(16, 8, 3, 8));
    /// ```
    ///
    /// # Panics
    /// If `size` is 0, or `per_row` is more than `blocks`.
    #[track_caller]
    pub fn random_blocks(size: usize, blocks: usize, per_row: usize, seed: u64) -> Self {
        if per_row > blocks {
            panic!("random blocks: {}", MaskError::RandomBlocks { per_row, blocks });
        }
        let row = |row: usize| {
            let key = combine(seed, row as u64);
            let mut order: Vec<usize> = (0..blocks).collect();
            order.sort_by_key(|&col| combine(key, col as u64));
            let mut visible = vec![false; blocks];
            order[..per_row].iter().for_each(|&col| visible[col] = true);
            visible
        };
        Self::blocks(size, (0..blocks).map(row).collect())
    }
}
