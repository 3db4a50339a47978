//! Which features of a head rotary positions pair.

/// Which two features of a head are rotated together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pairing {
    /// Features `i` and `i + d/2`.
    HalfSplit,
    /// Features `2i` and `2i + 1`.
    Interleaved,
}
