//! Sequences read whole, in chunks and step by step.

use super::{PAIRS, Sample, assert_close, devices, values, with_weights};
use attn_core::Mask;
use attn_core::alignment::{AlignmentConfig, Past};
use attn_core::mechanism::{Attention, AttentionConfig};
use burn::tensor::{Bool, Device, Tensor, TensorData};
use std::ops::Range;

/// That a sequence read whole, in chunks and step by step is the same, in training form (`autodiff`)
/// or without, under masks, with 4 heads on 2, width 8. The stream of seeds is restarted for each
/// reading, so that noise by seed and step is the same too.
#[track_caller]
pub fn check_steps(what: &str, alignment: &AlignmentConfig, autodiff: bool) {
    let config = AttentionConfig::new().with_alignment(alignment.clone());
    for plain in devices() {
        let device = if autodiff { plain.clone().autodiff() } else { plain };
        let attention = with_weights(config.init(&device), 0x5EED);
        for seed in 40..46 {
            let holes = Sample::random(PAIRS, seed ^ 3);
            let holes: Vec<bool> = holes.data.iter().map(|&x| x > -0.3).collect();
            let holes = TensorData::new(holes, PAIRS);
            let holes = Tensor::<4, Bool>::from_data(holes, &device.clone().without_autodiff());
            // Masks by position would move with the last query of a chunk.
            check_cross_attend(what, &attention, &device, seed, |_| Mask::open());
            check_cross_attend(what, &attention, &device, seed, |_| Mask::padding([5, 3]));
            check_cross_attend(what, &attention, &device, seed, |rows| {
                Mask::visible(holes.clone().slice_dim(2, rows))
            });
        }
    }
}

/// [`check_steps`] of one sequence, under the mask of each chunk, cut at random.
#[track_caller]
fn check_cross_attend(
    what: &str,
    attention: &Attention,
    device: &Device,
    seed: u64,
    mask: impl Fn(Range<usize>) -> Mask,
) {
    let [batch, heads, queries, keys] = PAIRS;
    let query = Sample::random([batch, heads, queries, 8], seed).scaled(3.0).f32(device);
    let key = Sample::random([batch, heads / 2, keys, 8], seed ^ 1).scaled(3.0);
    let value = Sample::random([batch, heads / 2, keys, 3], seed ^ 2);
    let memory = attention.project_memory(key.f32(device), value.f32(device));
    let read = |ends: &[usize]| {
        let (mut past, mut parts, mut first) = (Past::start(), Vec::new(), 0);
        for &end in ends {
            attn_core::random::seed(seed);
            let part = query.clone().slice_dim(2, first..end);
            parts.push(attention.cross_attend(part, &memory, &mask(first..end), &mut past));
            first = end;
        }
        assert_eq!(past.steps, queries);
        let (contexts, weights): (Vec<_>, Vec<_>) =
            parts.into_iter().map(|part| (part.context, part.weights)).unzip();
        let carry = past.carry.map(|carry| values(&carry));
        (values(&Tensor::cat(contexts, 2)), values(&Tensor::cat(weights, 2)), carry)
    };
    let whole = read(&[queries]);
    let cuts = Sample::random([1, 1, 1, queries], seed ^ 4).data;
    let chunks = (1..queries).filter(|&end| cuts[end] > 0.0).chain([queries]).collect();
    for ends in [chunks, (1..=queries).collect::<Vec<_>>()] {
        let what = format!("{what} read to {ends:?} on {device:?}");
        let parts = read(&ends);
        // Products of other shapes may be summed in another order.
        assert_close(&format!("{what}: context"), &parts.0, &whole.0, 1e-5);
        assert_close(&format!("{what}: weights"), &parts.1, &whole.1, 1e-5);
        assert_eq!(parts.2.is_some(), whole.2.is_some(), "{what}: carry");
        let [found, expected] = [parts.2, whole.2.clone()].map(Option::unwrap_or_default);
        assert_close(&format!("{what}: carry"), &found, &expected, 1e-5);
    }
}
