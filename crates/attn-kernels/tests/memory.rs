//! What is never held whole: anything of size queries × keys, or of rows × vocabulary.

use attn_kernels::attention::{Options, attention};
use attn_kernels::cross_entropy::linear_cross_entropy;
use attn_kernels::{Tile, Visibility};
use burn::tensor::{Device, Distribution, Tensor};
use std::alloc::{GlobalAlloc, Layout, System};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

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

/// What is counted is the whole process: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Debug)]
struct Causal(usize);

impl Visibility for Causal {
    fn dims(&self) -> [usize; 4] {
        [1, 1, self.0, self.0]
    }

    fn tile(&self, _: usize, _: usize, rows: Range<usize>, cols: Range<usize>) -> Tile {
        match () {
            () if cols.end <= rows.start + 1 => Tile::Full,
            () if cols.start >= rows.end => Tile::Empty,
            () => Tile::Partial,
        }
    }

    fn bits(&self, _: usize, _: usize, query: usize, first: usize) -> u64 {
        let seen = (query + 1).saturating_sub(first).min(64);
        if seen == 0 { 0 } else { u64::MAX >> (64 - seen) }
    }
}

/// Forward and backward of 4,096 queries and keys, of which one matrix of scores takes 64 MiB. What
/// is allowed are the tensors (eight of 0.5 MiB, and copies of some on the way) and the scratch space
/// of each thread, below 2 MiB.
#[test]
#[allow(deprecated)]
fn no_matrix_of_scores_is_ever_allocated() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (n, d) = (4096, 32);
    for device in [Device::ndarray(), Device::flex()] {
        for mask in [None, Some(Arc::new(Causal(n)) as Arc<dyn Visibility>)] {
            let device = device.clone().autodiff();
            let random = || {
                let shape = [1, 1, n, d];
                Tensor::<4>::random(shape, Distribution::Default, &device).require_grad()
            };
            let (query, key, value) = (random(), random(), random());
            let options = Options { scale: 0.2, softcap: None, dropout: None, mask };
            MOST.store(NOW.load(Relaxed), Relaxed);
            let before = NOW.load(Relaxed);
            let context =
                attention(query.clone(), key.clone(), value.clone(), None, None, &options);
            let gradients = context.sum().backward();
            assert!([&query, &key, &value].iter().all(|input| input.grad(&gradients).is_some()));
            let most = MOST.load(Relaxed) - before;
            let allowed = (24 * n * d * 4) + rayon::current_num_threads() * (2 << 20);
            assert!(most < allowed.min(n * n * 4 / 2), "{most} bytes at once, {allowed} allowed");
        }
    }
}

/// Forward and backward of 12,288 rows over 512 tokens, whose logits take 24 MiB. What is allowed are a
/// chunk of 1,024 rows of them (2 MiB), the tensors and their gradients (0.4 MiB each for rows), and the
/// scratch space of each thread, below 2 MiB.
#[test]
#[allow(deprecated)]
fn no_matrix_of_logits_is_ever_allocated() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (n, d, v) = (12_288, 8, 512);
    for device in [Device::ndarray(), Device::flex()] {
        let device = device.autodiff();
        let random =
            |dims| Tensor::<2>::random(dims, Distribution::Default, &device).require_grad();
        let (x, weight) = (random([n, d]), random([d, v]));
        let labels: Vec<_> = (0..n as u32).map(|row| Some(row % v as u32)).collect();
        MOST.store(NOW.load(Relaxed), Relaxed);
        let before = NOW.load(Relaxed);
        let loss = linear_cross_entropy(x.clone(), weight.clone(), None, &labels, 0.1);
        let gradients = loss.backward();
        assert!([&x, &weight].iter().all(|input| input.grad(&gradients).is_some()));
        let most = MOST.load(Relaxed) - before;
        let chunk = 1024 * v * 4;
        let allowed = chunk + 8 * n * d * 4 + rayon::current_num_threads() * (2 << 20);
        assert!(most < allowed.min(n * v * 4 / 2), "{most} bytes at once, {allowed} allowed");
    }
}
