//! The entry points of attention: that they agree to the bit, and what they refuse.

use attn_core::{AttendOptions, DropoutMask, Mask, Sink};
use attn_core::{align, attend, attend_with_lse, attend_with_weights};
use burn::tensor::{Device, Distribution, Tensor};

#[allow(deprecated)] // `Device::ndarray`
fn devices() -> [Device; 2] {
    [Device::ndarray(), Device::flex()]
}

fn random(dims: [usize; 4], device: &Device) -> Tensor<4> {
    Tensor::random(dims, Distribution::Uniform(-1.0, 1.0), device)
}

fn bits<const D: usize>(tensor: Tensor<D>) -> Vec<u32> {
    tensor.try_into_vec_as::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
}

#[test]
fn requesting_weights_does_not_change_the_context() {
    for device in devices() {
        let [b, h, g, q, k, d, e] = [2, 6, 3, 21, 70, 5, 9];
        let query = random([b, h, q, d], &device);
        let (key, value) = (random([b, g, k, d], &device), random([b, g, k, e], &device));
        let mask = Mask::causal() & Mask::padding([66, 51]);
        let options = AttendOptions {
            softcap: Some(2.0),
            bias: Some(random([1, h, 1, k], &device)),
            sink: Some(Sink::Zero),
            dropout: Some(DropoutMask::new(0.3, 11)),
            ..AttendOptions::default()
        };
        let inputs = || (query.clone(), key.clone(), value.clone());
        let (query, key, value) = inputs();
        let context = bits(attend(query, key, value, &mask, &options));
        let (query, key, value) = inputs();
        let (with_lse, lse) = attend_with_lse(query, key, value, &mask, &options);
        let (query, key, value) = inputs();
        let attended = attend_with_weights(query, key, value, &mask, &options);
        assert_eq!(bits(with_lse), context);
        assert_eq!(bits(attended.context), context);
        assert_eq!(bits(attended.log_sum_exp), bits(lse));
    }
}

/// Weights are what the context is an average by, and their rows sum to one, whatever the size of the
/// scores: a score is a sum of `d` terms and may be off by `d` roundings of its size, in the kernel and
/// here, and a weight by the exponential of both; a sum of `k` weights rounds as often (Higham 2002,
/// section 3.1).
#[test]
fn weights_are_those_of_the_context_at_any_scale() {
    for device in devices() {
        let [b, h, q, k, d] = [2, 3, 5, 70, 4];
        let (query, key) = (random([b, h, q, d], &device), random([b, h, k, d], &device));
        let value = random([b, h, k, 6], &device);
        for scale in [0.0, 0.5, 30.0, 1e4, 1e12, 1e30] {
            let options = AttendOptions { scale: Some(scale), ..AttendOptions::default() };
            let (query, key) = (query.clone(), key.clone());
            let attended =
                attend_with_weights(query, key, value.clone(), &Mask::causal(), &options);
            let sums = attended.weights.clone().sum_dim(3).try_into_vec_as::<f32>().unwrap();
            let roundings = k as f32 * f32::EPSILON;
            for sum in sums {
                assert!((sum - 1.0).abs() <= roundings, "a row sums to {sum} at {scale}");
            }
            // Beyond that one score is all there is, and two that are near may change places.
            if scale <= 30.0 {
                let off = (attended.weights.matmul(value.clone()) - attended.context).abs().max();
                let off = off.into_scalar::<f32>();
                let of_scores = 2.0 * d as f32 * (scale as f32 * d as f32) * f32::EPSILON;
                assert!(off <= 2.0 * (of_scores + 2.0 * roundings), "off by {off} at {scale}");
            }
        }
    }
}

#[test]
fn a_zero_sink_is_a_learned_one_of_zeros() {
    for device in devices() {
        let [b, h, q, k, d] = [2, 3, 5, 7, 4];
        let (query, key) = (random([b, h, q, d], &device), random([b, h, k, d], &device));
        let answer = |sink| {
            let options = AttendOptions { sink: Some(sink), ..AttendOptions::default() };
            let mask = Mask::causal();
            attend_with_weights(query.clone(), key.clone(), key.clone(), &mask, &options)
        };
        let zero = answer(Sink::Zero);
        let learned = answer(Sink::Learned(Tensor::zeros([h], &device)));
        assert_eq!(bits(zero.context), bits(learned.context));
        assert_eq!(bits(zero.weights), bits(learned.weights));
        assert_eq!(bits(zero.log_sum_exp), bits(learned.log_sum_exp));
    }
}

/// Attention over tensors of these sizes.
fn asked(
    query: [usize; 4],
    key: [usize; 4],
    value: [usize; 4],
    mask: Mask,
    options: AttendOptions,
) {
    let ones = |dims| Tensor::ones(dims, &Device::flex());
    attend(ones(query), ones(key), ones(value), &mask, &options);
}

#[test]
#[should_panic(expected = "padding has 3 entries, but the batch has 2 rows")]
fn a_mask_for_another_batch_is_refused() {
    let mask = Mask::padding([1, 2, 3]);
    asked([2, 3, 5, 4], [2, 3, 7, 4], [2, 3, 7, 6], mask, AttendOptions::default());
}

#[test]
#[should_panic(expected = "key [2, 3, 7, 5] does not fit query [2, 3, 5, 4]")]
fn keys_of_another_width_are_refused() {
    asked([2, 3, 5, 4], [2, 3, 7, 5], [2, 3, 7, 6], Mask::causal(), AttendOptions::default());
}

#[test]
#[should_panic(expected = "value [2, 3, 8, 6] does not fit key [2, 3, 7, 4]")]
fn values_of_another_number_are_refused() {
    asked([2, 3, 5, 4], [2, 3, 7, 4], [2, 3, 8, 6], Mask::causal(), AttendOptions::default());
}

#[test]
#[should_panic(expected = "sink [4] does not fit 3 query heads")]
fn a_sink_for_other_heads_is_refused() {
    let sink = Some(Sink::Learned(Tensor::zeros([4], &Device::flex())));
    let options = AttendOptions { sink, ..AttendOptions::default() };
    asked([2, 3, 5, 4], [2, 3, 7, 4], [2, 3, 7, 6], Mask::open(), options);
}

#[test]
#[should_panic(expected = "value [2, 3, 8, 6] does not fit scores [2, 3, 5, 7]")]
fn scores_for_other_values_are_refused() {
    let ones = |dims| Tensor::ones(dims, &Device::flex());
    align(ones([2, 3, 5, 7]), ones([2, 3, 8, 6]), &Mask::open(), None);
}

#[test]
#[should_panic(expected = "3 query heads do not split evenly over 2 key/value heads")]
fn scores_of_uneven_groups_are_refused() {
    let ones = |dims| Tensor::ones(dims, &Device::flex());
    align(ones([2, 3, 5, 7]), ones([2, 2, 7, 6]), &Mask::open(), None);
}
