#![doc = include_str!("../README.md")]

// So that the cases of the tests can be shared with those inside.
#[cfg(test)]
extern crate self as attn_kernels;

pub mod attention;
#[cfg_attr(not(any(feature = "ndarray", feature = "flex")), allow(dead_code, unused_imports))]
mod cpu;
mod dropout;
mod random;
mod visibility;

pub use cpu::instruction_set;
pub use dropout::DropoutMask;
pub use random::{GOLDEN_GAMMA, combine, mix};
pub use visibility::{Tile, Visibility};
