//! Explanations of a long sequence hold a tile, mechanisms in linear time what grows with the number of
//! keys, and neither anything of size queries × keys.

// What the allocator counts can only be had by being it.
#![allow(unsafe_code)]

use attn_core::mechanism::MechanismConfig;
use attn_core::{AttendOptions, Mask, Mechanism, explain};
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
    let (most, summary) =
        most_of(|| explain::summary(query.clone(), key.clone(), &mask, &options, 8));
    assert_eq!(summary.top_k.indices.dims(), [1, 1, n, 8]);
    let allowed = 16 * (4 << 20);
    assert!(most < allowed, "{most} bytes at once, {allowed} allowed");

    // Mechanisms that claim not to need one. LSH has the most: pairs of 16,384 queries and the 128
    // keys that each meets take 8 MiB, and there are their scores and weights, who sees whom, and
    // numbers to look that up.
    let allowed = 16 * (8 << 20);
    for text in [
        r#"{ "name": "linear_attention" }"#,
        r#"{ "name": "performer", "d_head": 32, "features": 32 }"#,
        r#"{ "name": "retention" }"#,
        r#"{ "name": "gated_delta", "d_head": 32, "kv_heads": 1 }"#,
        r#"{ "name": "lsh", "d_head": 32, "buckets": 64, "rounds": 1 }"#,
    ] {
        let config: MechanismConfig = serde_json::from_str(text).unwrap();
        let mechanism = config.init(&device);
        let [query, key, value] = [&query, &key, &key].map(Clone::clone);
        let (most, context) = most_of(|| mechanism.forward(query, key, value, &mask));
        assert_eq!(context.dims(), [1, 1, n, d]);
        assert!(most < allowed, "{text}: {most} bytes at once, {allowed} allowed");
    }
}

/// The most bytes that were held at once beside those before, and the answer.
fn most_of<T>(f: impl FnOnce() -> T) -> (usize, T) {
    let before = NOW.load(Relaxed);
    MOST.store(before, Relaxed);
    let answer = f();
    (MOST.load(Relaxed) - before, answer)
}
