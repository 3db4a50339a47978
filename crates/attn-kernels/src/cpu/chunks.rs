//! Slices that tasks work on part by part, and vectors of rows that end anywhere.

use super::pages;
use super::schedule::{SharedPtr, run_tasks};
use super::simd::Simd;
use std::mem::MaybeUninit;

/// Memory that is about to be written.
pub(super) type Uninit = [MaybeUninit<f32>];

/// Gives slices to tasks, on all threads: task `i` gets the elements from `i * sizes[k]` on of slice
/// `k`, `sizes[k]` or what is left. `work` is about how many operations all of them take.
///
/// # Panics
/// If the slices are not of as many parts.
pub(super) fn for_each_chunk<T: Send, const N: usize>(
    slices: [&mut [T]; N],
    sizes: [usize; N],
    work: usize,
    task: impl Fn(usize, [&mut [T]; N]) + Sync,
) {
    let lengths = slices.each_ref().map(|slice| slice.len());
    let tasks = lengths[0].div_ceil(sizes[0].max(1));
    let fits = |k: usize| lengths[k].div_ceil(sizes[k].max(1)) == tasks;
    assert!((0..N).all(fits), "{lengths:?} elements in parts of {sizes:?}");
    let starts = slices.map(|slice| SharedPtr(slice.as_mut_ptr()));
    run_tasks(
        tasks,
        work,
        || (),
        |(), index| {
            let parts = std::array::from_fn(|k| {
                let first = index * sizes[k];
                let count = sizes[k].min(lengths[k] - first);
                // SAFETY: within the slice, which is lent to this call, and in no other task's part.
                unsafe { std::slice::from_raw_parts_mut(starts[k].at(first), count) }
            });
            task(index, parts);
        },
    );
}

/// [`for_each_chunk`] of new vectors of `lengths` elements.
///
/// # Safety
/// A task must write all elements that it gets.
pub(super) unsafe fn fill_chunks<const N: usize>(
    lengths: [usize; N],
    sizes: [usize; N],
    work: usize,
    task: impl Fn(usize, [&mut Uninit; N]) + Sync,
) -> [Vec<f32>; N] {
    let mut outputs = lengths.map(|length| {
        let output = Vec::<f32>::with_capacity(length);
        pages::prefer_large_pages(output.as_ptr(), length);
        output
    });
    let mut lengths_left = lengths.into_iter();
    let slices = outputs.each_mut().map(|output| {
        let length = lengths_left.next().expect("a length for each");
        &mut output.spare_capacity_mut()[..length]
    });
    for_each_chunk(slices, sizes, work, task);
    for (output, length) in outputs.iter_mut().zip(lengths) {
        // SAFETY: that capacity was allocated, and the caller promises that the tasks have written it.
        unsafe { output.set_len(length) };
    }
    outputs
}

/// The vector from `at` on; elements behind the end are 0.
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
pub(super) fn store<S: Simd<T = f32>>(simd: S, to: &mut Uninit, at: usize, v: S::V) {
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

/// [`store`] over what was there.
#[inline(always)]
pub(super) fn overwrite<S: Simd<T = f32>>(simd: S, to: &mut [f32], at: usize, v: S::V) {
    // SAFETY: `store` writes numbers.
    store(simd, unsafe { as_uninit(to) }, at, v);
}

/// Numbers that are about to be written over.
///
/// # Safety
/// Nothing but numbers may be written through it.
#[inline(always)]
pub(super) unsafe fn as_uninit(written: &mut [f32]) -> &mut Uninit {
    // SAFETY: of one layout, and the caller's promise.
    unsafe { &mut *(std::ptr::from_mut(written) as *mut Uninit) }
}

/// What has been written.
///
/// # Safety
/// All of it must have been.
#[inline(always)]
pub(super) unsafe fn assume_init(fresh: &Uninit) -> &[f32] {
    // SAFETY: of one layout, and the caller's promise.
    unsafe { &*(std::ptr::from_ref(fresh) as *const [f32]) }
}

/// `v` in the first `count` lanes, `other` in those behind.
#[inline(always)]
pub(super) fn select_first<S: Simd<T = f32>>(simd: S, count: usize, v: S::V, other: S::V) -> S::V {
    if count >= S::LANES { v } else { simd.select(simd.mask((1 << count) - 1), v, other) }
}
