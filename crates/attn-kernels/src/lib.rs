#![doc = include_str!("../README.md")]

// So that the cases of the tests can be shared with those inside.
#[cfg(test)]
extern crate self as attn_kernels;

pub mod activation;
pub mod adamw;
pub mod additive;
pub mod attention;
#[cfg_attr(not(any(feature = "ndarray", feature = "flex")), allow(dead_code, unused_imports))]
mod cpu;
pub mod cross_entropy;
mod dropout;
pub mod embedding;
#[cfg(any(feature = "ndarray", feature = "flex"))]
mod gradient_accumulator;
#[cfg(any(feature = "ndarray", feature = "flex"))]
mod kernels;
mod layout;
pub mod linear;
mod maybe;
pub mod narrow;
pub mod norm;
#[cfg(any(feature = "ndarray", feature = "flex"))]
mod operation;
mod parameters;
mod random;
pub mod recurrent;
pub mod rotary;
#[cfg(any(feature = "ndarray", feature = "flex"))]
mod slices;
pub mod sum_of_squares;

pub use cpu::{instruction_set, keep_freed_memory};
pub use parameters::{DropoutMask, Tile, Visibility};
pub use random::{GOLDEN_GAMMA, combine, mix};
