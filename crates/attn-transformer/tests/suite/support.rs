//! What the tests share, beside what all crates' tests do.

pub use attn_testing::{
    assert_sums_close as assert_close, floats, ids, panic_message, precise_devices as devices,
    random_ids, rng, seeded,
};
use burn::tensor::Tensor;

pub fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.to_data().try_to_vec().expect("tests compute in f32")
}
