//! Vectors of memory that tasks fill, and reading and writing rows that end anywhere.

use super::pages;
use super::schedule::{Shared, each};
use super::simd::Simd;
use std::mem::MaybeUninit;

/// Memory that is about to be written.
pub(super) type Fresh = [MaybeUninit<f32>];

/// Fills vectors of `lengths` elements chunk by chunk, on all threads: task `i` gets the elements from
/// `i * chunks[k]` on of vector `k`, `chunks[k]` or what is left.
///
/// # Panics
/// If the vectors are not of as many chunks.
///
/// # Safety
/// A task must write all elements that it gets.
pub(super) unsafe fn fill<const N: usize, S>(
    lengths: [usize; N],
    chunks: [usize; N],
    work: usize,
    scratch: impl Fn() -> S + Sync,
    task: impl Fn(&mut S, usize, [&mut Fresh; N]) + Sync,
) -> [Vec<f32>; N] {
    let tasks = lengths[0].div_ceil(chunks[0].max(1));
    let mut outputs = lengths.map(|length| {
        let output = Vec::<f32>::with_capacity(length);
        pages::prefer_large(output.as_ptr(), length);
        output
    });
    let starts = outputs.each_mut().map(|output| Shared(output.as_mut_ptr().cast()));
    let fits = |k: usize| lengths[k].div_ceil(chunks[k].max(1)) == tasks;
    assert!((0..N).all(fits), "{lengths:?} elements in chunks of {chunks:?}");
    each(tasks, work, scratch, |scratch, index| {
        let parts = std::array::from_fn(|k| {
            let first = index * chunks[k];
            let count = chunks[k].min(lengths[k] - first);
            // SAFETY: within what the vector has room for, and in no other task's part.
            unsafe { std::slice::from_raw_parts_mut(starts[k].at(first), count) }
        });
        task(scratch, index, parts);
    });
    for (output, length) in outputs.iter_mut().zip(lengths) {
        // SAFETY: that much was asked for, and the caller promises that the tasks have written it.
        unsafe { output.set_len(length) };
    }
    outputs
}

/// The vector from `at` on; 0 behind the end.
#[inline(always)]
pub(super) fn load<S: Simd<T = f32>>(simd: S, from: &[f32], at: usize) -> S::V {
    let from = &from[at..];
    if from.len() >= S::LANES {
        // SAFETY: that many are there.
        return unsafe { simd.load(from.as_ptr()) };
    }
    let mut lanes = [0.0; 16];
    lanes[..from.len()].copy_from_slice(from);
    // SAFETY: a vector has at most 16 lanes.
    unsafe { simd.load(lanes.as_ptr()) }
}

/// Writes the vector from `at` on, up to the end.
#[inline(always)]
pub(super) fn store<S: Simd<T = f32>>(simd: S, to: &mut Fresh, at: usize, v: S::V) {
    let to = &mut to[at..];
    if to.len() >= S::LANES {
        // SAFETY: that many are there.
        return unsafe { simd.store(to.as_mut_ptr().cast(), v) };
    }
    let mut lanes = [0.0_f32; 16];
    // SAFETY: a vector has at most 16 lanes.
    unsafe { simd.store(lanes.as_mut_ptr(), v) };
    to.iter_mut().zip(lanes).for_each(|(to, lane)| _ = to.write(lane));
}

/// `v` in the first `count` lanes, `other` in those behind.
#[inline(always)]
pub(super) fn first<S: Simd<T = f32>>(simd: S, count: usize, v: S::V, other: S::V) -> S::V {
    if count >= S::LANES { v } else { simd.select(simd.mask((1 << count) - 1), v, other) }
}

/// All of it written.
#[inline(always)]
pub(super) fn filled(fresh: &mut Fresh, value: f32) -> &mut [f32] {
    fresh.iter_mut().for_each(|to| _ = to.write(value));
    // SAFETY: all of it has been written.
    unsafe { &mut *(std::ptr::from_mut(fresh) as *mut [f32]) }
}
