//! Sinusoidal positions (Vaswani et al. 2017, section 3.5).

use burn::tensor::{Tensor, TensorCreationOptions, TensorData};

/// The longest wavelength is `2π` times this.
const BASE: f64 = 10_000.0;

/// Waves of each position, in interleaved pairs as in the paper:
/// `PE[p, 2i] = sin(p / 10000^(2i/m))`, `PE[p, 2i + 1] = cos(p / 10000^(2i/m))`.
///
/// Computed in f64 on the host, so that far positions are as exact as near ones, and anew in each
/// call: next to one layer of a model this costs nothing, and leaves no table that could be too
/// short.
///
/// # Shapes
/// - `positions`: rows of equal length, `[b, s]`
/// - result: `[b, s, d_model]`
///
/// # Panics
/// If `d_model` is odd or the rows differ in length.
pub fn sinusoids(
    positions: &[Vec<usize>],
    d_model: usize,
    options: impl Into<TensorCreationOptions>,
) -> Tensor<3> {
    assert!(d_model.is_multiple_of(2), "sinusoids come in pairs, d_model = {d_model} is odd");
    let frequencies = frequencies(BASE, d_model);
    let steps = positions.first().map_or(0, Vec::len);
    let mut values = Vec::with_capacity(positions.len() * steps * d_model);
    for row in positions {
        assert_eq!(row.len(), steps, "rows of positions differ in length");
        for &position in row {
            for frequency in &frequencies {
                let (sin, cos) = (position as f64 * frequency).sin_cos();
                values.extend([sin as f32, cos as f32]);
            }
        }
    }
    Tensor::from_data(TensorData::new(values, [positions.len(), steps, d_model]), options)
}

/// `base^(-2i / width)` for the pair `i` of `width / 2`.
pub(super) fn frequencies(base: f64, width: usize) -> Vec<f64> {
    (0..width / 2).map(|i| base.powf(-2.0 * i as f64 / width as f64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    /// The equation, in f64, at near and far positions; the value is rounded once.
    #[test]
    fn waves_equal_the_equation_at_any_distance() {
        let (near, far) = (vec![0, 1, 2], vec![10_000, 999_999, 5]);
        let width = 6;
        let waves = sinusoids(&[near.clone(), far.clone()], width, &Device::flex());
        assert_eq!(waves.dims(), [2, 3, width]);
        let waves: Vec<f32> = waves.into_data().try_to_vec().unwrap();
        for (row, position) in waves.chunks(width).zip(near.into_iter().chain(far)) {
            for (pair, values) in row.chunks(2).enumerate() {
                let angle = position as f64 / 10_000_f64.powf(2.0 * pair as f64 / width as f64);
                for (actual, expected) in values.iter().zip([angle.sin(), angle.cos()]) {
                    let error = (f64::from(*actual) - expected).abs();
                    // The angle itself is known to an f64 rounding of its size.
                    let tolerance = f64::from(f32::EPSILON) + 4.0 * angle * f64::EPSILON;
                    assert!(error <= tolerance, "position {position}, pair {pair}");
                }
            }
        }
    }
}
