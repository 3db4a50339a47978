//! How close is close.

use crate::values;
use burn::tensor::Tensor;

/// That numbers are those expected: absolute for numbers below 1, relative above. An infinite number
/// is close to itself only, NaN to nothing.
///
/// # Panics
/// If they are not, or not as many.
#[track_caller]
pub fn assert_close(what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}: another number of elements");
    for (n, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        let close = expected.is_finite() && error <= tolerance * expected.abs().max(1.0);
        assert!(
            found == expected || close,
            "{what}: element {n} is {found}, not {expected} ± {tolerance:e}"
        );
    }
}

/// That two tensors differ by no more than two ways to compute the same f32 sums may.
///
/// `terms` is the length of all sums on the way, one after the other. Each sum of n terms is exact
/// up to n roundings of its largest partial sum (Higham 2002, section 4.2), however it is ordered;
/// norms keep what is summed of order one, and the error is relative to the largest value.
///
/// # Panics
/// If they differ by more, or in shape.
#[track_caller]
pub fn assert_sums_close<const D: usize>(
    actual: &Tensor<D>,
    expected: &Tensor<D>,
    terms: usize,
    what: &str,
) {
    assert_eq!(actual.dims(), expected.dims(), "shape of {what}");
    let (actual, expected) = (values(actual), values(expected));
    let largest = expected.iter().fold(1.0_f64, |most, value| most.max(value.abs()));
    let tolerance = terms as f64 * f64::from(f32::EPSILON) * largest;
    for (index, (a, e)) in actual.iter().zip(&expected).enumerate() {
        let error = (a - e).abs();
        assert!(error <= tolerance, "{what}: element {index} is {a}, not {e}; {error:e} apart");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{panic_message, precise_devices};

    #[test]
    fn close_is_absolute_below_one_and_relative_above() {
        assert_close("small", &[0.25 + 1e-6], &[0.25], 2e-6);
        assert_close("large", &[1e6 + 1.0], &[1e6], 2e-6);
        assert_close("infinite", &[f64::INFINITY], &[f64::INFINITY], 2e-6);
        for (found, expected) in [
            (0.25 + 3e-6, 0.25),
            (1e6 + 3.0, 1e6),
            (f64::NAN, 1.0),
            (1.0, f64::INFINITY),
            (f64::NAN, f64::NAN),
        ] {
            let message = panic_message(move || assert_close("it", &[found], &[expected], 2e-6));
            assert!(message.starts_with("it: element 0 is"), "{message}");
        }
        let message = panic_message(|| assert_close("it", &[1.0], &[], 2e-6));
        assert!(message.contains("it: another number of elements"), "{message}");
    }

    #[test]
    fn sums_are_close_up_to_a_rounding_for_each_term() {
        for device in precise_devices() {
            let tensor = |off: f32| Tensor::<1>::from_floats([1.0 + off, 0.5], &device);
            assert_sums_close(&tensor(3.0 * f32::EPSILON), &tensor(0.0), 3, "three");
            let (found, expected) = (tensor(4.0 * f32::EPSILON), tensor(0.0));
            let found = panic_message(std::panic::AssertUnwindSafe(|| {
                assert_sums_close(&found, &expected, 3, "four");
            }));
            assert!(found.starts_with("four: element 0 is"), "{found}");
        }
    }
}
