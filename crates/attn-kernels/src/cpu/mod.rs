//! The operations on slices of memory: what the processor backends call.

pub(crate) mod activation;
pub(crate) mod adamw;
#[cfg(any(feature = "ndarray", feature = "flex"))]
pub(crate) mod additive;
mod backward;
mod cells;
mod chunks;
pub(crate) mod cross_entropy;
pub(crate) mod dropout;
mod elementwise;
#[cfg(any(feature = "ndarray", feature = "flex"))]
pub(crate) mod embedding;
mod forward;
#[cfg(test)]
mod isa_tests;
#[cfg(any(feature = "ndarray", feature = "flex"))]
pub(crate) mod linear;
#[cfg(any(feature = "ndarray", feature = "flex"))]
pub(crate) mod linear_cross_entropy;
#[cfg(any(feature = "ndarray", feature = "flex"))]
pub(crate) mod matrix;
pub(crate) mod norm;
mod pack;
mod pages;
mod pairwise;
mod problem;
mod product;
pub(crate) mod recurrent;
pub(crate) mod rotary;
mod schedule;
mod scores;
#[cfg(any(feature = "ndarray", feature = "flex"))]
pub(crate) mod sequence;
mod simd;
pub(crate) mod sum_of_squares;
#[cfg(test)]
mod tests;
#[cfg(any(feature = "ndarray", feature = "flex"))]
mod transpose;
mod work_sharing;

pub use pages::keep_freed_memory;
pub(crate) use problem::{Gradients, Problem, Saved};
pub(crate) use simd::{Real, isa};

use crate::layout::Output;

/// The context, and the statistics `[2, batch, heads, queries]`, contiguous: log-sum-exp, and what
/// rounding has left of it.
pub(crate) fn forward<T: Real>(problem: &Problem<T>) -> (Output<T>, Vec<T>) {
    forward::forward(simd::isa(), problem).unwrap_or_else(|| pairwise::forward(problem))
}

/// The gradients of what a problem is made of.
pub(crate) fn backward<T: Real>(problem: &Problem<T>, saved: &Saved<T>) -> Gradients<T> {
    let gradients = backward::backward(simd::isa(), problem, saved);
    gradients.unwrap_or_else(|| pairwise::backward(problem, saved))
}

/// Name of the instruction set that the processor's kernels use for f32: `avx512`, `avx2`, `neon`
/// or `portable`, which is what the compiler makes of plain Rust.
///
/// It is the best that the processor has, or the one that the environment variable
/// `ATTN_KERNELS_ISA` names as it is when first asked, if the processor has that.
pub fn instruction_set() -> &'static str {
    simd::isa().name()
}
