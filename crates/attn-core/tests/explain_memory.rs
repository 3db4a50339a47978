//! Explanations of a long sequence hold a tile, and nothing of size queries × keys.

// What the allocator counts can only be had by being it.
#![allow(unsafe_code)]

use attn_core::{AttendOptions, Mask, explain};
use burn::tensor::{Device, Distribution, Tensor};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Counts what is allocated, and the most that was at once.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is left to the system's allocator; only numbers are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Relaxed) + layout.size();
        MOST.fetch_max(now, Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// 16,384 queries and keys, of which one matrix of weights takes 1 GiB, by one test of one thread so
/// that nothing else is counted. What is allowed are sixteen tiles of 4 MiB: scores, their mask,
/// exponentials, weights, what entropy makes of these, and as many on their way to the next.
#[test]
fn no_matrix_of_weights_is_ever_held() {
    let (n, d) = (16_384, 32);
    let device = Device::flex();
    let random = || Tensor::<4>::random([1, 1, n, d], Distribution::Default, &device);
    let (query, key) = (random(), random());
    let (mask, options) = (Mask::causal(), AttendOptions::default());
    let before = NOW.load(Relaxed);
    MOST.store(before, Relaxed);
    let summary = explain::summary(query, key, &mask, &options, 8);
    let most = MOST.load(Relaxed) - before;
    assert_eq!(summary.top_k.indices.dims(), [1, 1, n, 8]);
    let allowed = 16 * (4 << 20);
    assert!(most < allowed, "{most} bytes at once, {allowed} allowed");
}
