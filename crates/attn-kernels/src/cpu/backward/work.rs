//! How the work is cut into tasks.

use super::super::problem::Shape;
use super::super::simd::{Real, Simd};
use super::{BLOCK, Pass, QUERIES};
use std::ops::Range;

/// Which gradients a task sums, over which queries and keys.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) queries: Range<usize>,
    pub(super) keys: Range<usize>,
    pub(super) of_queries: bool,
    pub(super) of_keys: bool,
}

impl Part {
    /// Whether it is all of a head.
    pub(super) fn of_all(&self) -> bool {
        self.of_queries && self.of_keys
    }
}

/// A part of some key/value heads, `[batch row, head]`, one after the other.
pub(super) struct Work {
    pub(super) heads: Vec<[usize; 2]>,
    pub(super) part: Part,
}

impl<T: Real> Pass<'_, '_, T> {
    /// The work, cut such that no two tasks write to the same place.
    pub(super) fn tasks<S: Simd>(&self) -> Vec<Work> {
        let Shape { batch, kv_heads, queries, keys, .. } = self.shape;
        let sharing = self.sharing_heads();
        let threads = rayon::current_num_threads();
        // The cost of all tasks in a row is that of the slowest thread: whole heads cost 5 products,
        // and cut ones 7.
        let whole = 5 * sharing.len().div_ceil(threads) * threads;
        let of_bias = self.problem.bias.filter(|_| self.bias.is_some());
        let bias_over_keys = of_bias.is_some_and(|bias| bias.shape[3] == 1 && keys > 1);
        let part = |queries, keys, of_queries, of_keys| Part { queries, keys, of_queries, of_keys };
        let largest = sharing.iter().map(Vec::len).max().unwrap_or(0);
        if whole <= 7 * sharing.len() || keys <= BLOCK || bias_over_keys {
            let part = part(0..queries, 0..keys, true, true);
            return sharing.into_iter().map(|heads| Work { heads, part: part.clone() }).collect();
        }
        let parts = (4 * threads).div_ceil(batch * kv_heads.max(1)).max(largest);
        let size = |all: usize, unit: usize| all.div_ceil(parts).next_multiple_of(unit);
        let cut = |all: usize, size: usize| {
            (0..all).step_by(size).map(move |first| first..all.min(first + size))
        };
        let mut work = Vec::new();
        for of_keys in cut(keys, size(keys, BLOCK)) {
            let part = part(0..queries, of_keys, false, true);
            work.extend(
                sharing.iter().map(|heads| Work { heads: heads.clone(), part: part.clone() }),
            );
        }
        for of_queries in cut(queries, size(queries, QUERIES)) {
            let part = part(of_queries, 0..keys, true, false);
            let heads = sharing.iter().flatten();
            work.extend(heads.map(|&head| Work { heads: vec![head], part: part.clone() }));
        }
        work
    }

    /// The key/value heads, those together that a bias is broadcast over: they sum one gradient.
    fn sharing_heads(&self) -> Vec<Vec<[usize; 2]>> {
        let Shape { batch, kv_heads, .. } = self.shape;
        let of_bias = self.problem.bias.filter(|_| self.bias.is_some());
        let [rows, heads] = of_bias.map_or([batch, kv_heads], |bias| {
            let own = |size: usize, full: usize| if size == 1 { 1 } else { full };
            [own(bias.shape[0], batch), own(bias.shape[1], kv_heads)]
        });
        let mut sharing = vec![Vec::new(); rows * heads];
        for b in 0..batch {
            for g in 0..kv_heads {
                sharing[b % rows * heads + g % heads].push([b, g]);
            }
        }
        sharing
    }
}
