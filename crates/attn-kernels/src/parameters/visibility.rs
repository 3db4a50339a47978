//! A mask, as kernels read it.

use std::fmt::Debug;
use std::ops::Range;

/// How much of a tile, some rows and columns of the score matrix, is visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tile {
    /// Nothing: need not be computed.
    Empty,
    /// Everything: need not be masked.
    Full,
    /// Some of it, or unknown: each pair is tested.
    Partial,
}

/// Which query sees which key, for sizes that are known: a mask as kernels read it.
///
/// The three methods must agree with each other; then nothing of size queries × keys need ever exist.
///
/// ```
/// use attn_kernels::attention::{Options, attention};
/// use attn_kernels::{Tile, Visibility};
/// use burn::tensor::{Device, Tensor};
/// use std::ops::Range;
/// use std::sync::Arc;
///
/// /// Every query sees the first so many keys.
/// #[derive(Debug)]
/// struct FirstKeys(usize);
///
/// impl Visibility for FirstKeys {
///     fn dims(&self) -> [usize; 4] {
///         [1, 1, 1, 5]
///     }
///
///     fn tile(&self, _: usize, _: usize, _: Range<usize>, keys: Range<usize>) -> Tile {
///         match () {
///             () if keys.end <= self.0 => Tile::Full,
///             () if keys.start >= self.0 => Tile::Empty,
///             () => Tile::Partial,
///         }
///     }
///
///     fn bits(&self, _: usize, _: usize, _: usize, first: usize) -> u64 {
///         (first..self.0.min(first + 64)).map(|key| 1 << (key - first)).sum()
///     }
/// }
///
/// let device = Device::default();
/// let [query, key] = [3, 5].map(|steps| Tensor::<4>::ones([1, 2, steps, 4], &device));
/// let value = Tensor::<1>::from_floats([1.0, 3.0, 9.0, 9.0, 9.0], &device);
/// let value = value.reshape([1, 1, 5, 1]).expand([1, 2, 5, 1]);
/// let options = Options { mask: Some(Arc::new(FirstKeys(2))), ..Options::new(1.0) };
/// let context = attention(query, key, value, None, None, &options);
/// assert!(context.into_data().iter::<f32>().all(|x| (x - 2.0).abs() < 1e-6));
/// ```
pub trait Visibility: Debug + Send + Sync {
    /// `[batch, heads, queries, keys]`, with 1 for each size that the answers do not depend on.
    fn dims(&self) -> [usize; 4];

    /// Class of the tile `rows` × `cols` (queries and keys), neither of them empty, of head `head`
    /// in batch row `batch`. `Empty` and `Full` must be true, `Partial` may mean "unknown".
    fn tile(&self, batch: usize, head: usize, rows: Range<usize>, cols: Range<usize>) -> Tile;

    /// Bit `k` is set if query `query` sees key `first + k`; bits of keys that do not exist are 0.
    fn bits(&self, batch: usize, head: usize, query: usize, first: usize) -> u64;
}
