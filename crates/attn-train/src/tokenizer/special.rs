//! The four tokens that every vocabulary of this crate begins with.

/// Padding: fills the rows of a batch up to its width; never predicted, never attended to.
pub const PAD: u32 = 0;
/// Begin of sequence, `<s>`: what a decoder reads first.
pub const BOS: u32 = 1;
/// End of sequence, `</s>`: what a decoder writes last.
pub const EOS: u32 = 2;
/// Unknown: stands for what the vocabulary lacks.
pub const UNK: u32 = 3;

/// The texts of [`PAD`], [`BOS`], [`EOS`] and [`UNK`]: the token with id `i` is `SPECIALS[i]`.
pub const SPECIALS: [&str; 4] = ["<pad>", "<s>", "</s>", "<unk>"];
