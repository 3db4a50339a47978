//! A function in f32 and in twice the precision.

use crate::cases::assert_close;
use crate::cases::matrices::answer;
use burn::tensor::{DType, Device, Tensor};

pub const EPSILON: f64 = f32::EPSILON as f64;

#[allow(deprecated)] // ndarray, in favor of flex.
pub fn devices() -> [Device; 2] {
    [Device::ndarray(), Device::flex()]
}

/// `terms`: of the longest sum; each is off by that many epsilons at most, relative to the sum of the
/// magnitudes, which is `size` at most.
pub fn check(
    what: &str,
    shapes: &[[usize; 2]],
    [terms, size]: [f64; 2],
    function: impl Fn(&[Tensor<2>]) -> Tensor<2>,
) {
    for device in devices() {
        let found = answer(&function, shapes, &device, DType::F32);
        let expected = answer(&function, shapes, &device, DType::F64);
        for (part, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let what = format!("{what} {shapes:?} on {device:?}, part {part}");
            assert_close(&what, found, expected, terms * size * EPSILON);
        }
    }
}
