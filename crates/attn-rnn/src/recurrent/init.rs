//! Initial values of parameters, as practised.
//!
//! Input weights are drawn from Glorot & Bengio's (2010) uniform distribution, equation 16, each gate
//! for itself; recurrent weights are orthogonal (Saxe et al. 2014), each gate for itself; biases are
//! zero, but that of the forget gate is one (Jozefowicz et al. 2015).

use burn::module::Param;
use burn::nn::Initializer;
use burn::tensor::{Device, Tensor, TensorData};

/// Input weights of some gates, `[d_input, gates · d_hidden]`.
pub(crate) fn input_weight(
    [d_input, d_hidden]: [usize; 2],
    gates: usize,
    device: &Device,
) -> Param<Tensor<2>> {
    // The fans are those of one gate.
    Initializer::XavierUniform { gain: 1.0 }.init_with(
        [d_input, gates * d_hidden],
        Some(d_input),
        Some(d_hidden),
        device,
    )
}

/// Recurrent weights of some gates, `[d_hidden, gates · d_hidden]`.
pub(crate) fn recurrent_weight(d_hidden: usize, gates: usize, device: &Device) -> Param<Tensor<2>> {
    let plain = device.clone().without_autodiff();
    let mut data = vec![0.0; d_hidden * gates * d_hidden];
    for gate in 0..gates {
        let draw = Initializer::Normal { mean: 0.0, std: 1.0 };
        let normal: Tensor<2> = draw.init([d_hidden, d_hidden], &plain).val();
        let rows = orthonormal(normal.into_data().iter::<f64>().collect(), d_hidden);
        for (row, values) in rows.chunks(d_hidden).enumerate() {
            let to = (row * gates + gate) * d_hidden;
            for (to, value) in data[to..to + d_hidden].iter_mut().zip(values) {
                *to = *value as f32;
            }
        }
    }
    let data = TensorData::new(data, [d_hidden, gates * d_hidden]);
    Param::from_tensor(Tensor::from_data(data, device))
}

/// Rows of `width` numbers made orthonormal, one after the other (Gram & Schmidt). Of a normal matrix
/// the result is uniform over all orthogonal ones (Mezzadri 2007).
fn orthonormal(mut rows: Vec<f64>, width: usize) -> Vec<f64> {
    for row in 0..rows.len() / width {
        let (done, rest) = rows.split_at_mut(row * width);
        let current = &mut rest[..width];
        // What one pass leaves by rounding, the second takes away (Giraud et al. 2005).
        for _ in 0..2 {
            for other in done.chunks(width) {
                let along: f64 = other.iter().zip(&*current).map(|(a, b)| a * b).sum();
                current.iter_mut().zip(other).for_each(|(to, other)| *to -= along * other);
            }
        }
        let norm = current.iter().map(|x| x * x).sum::<f64>().sqrt();
        current.iter_mut().for_each(|x| *x /= norm);
    }
    rows
}

/// A bias of zeros, with ones at `ones`, `[width]`.
pub(crate) fn bias(
    width: usize,
    ones: std::ops::Range<usize>,
    device: &Device,
) -> Param<Tensor<1>> {
    let data: Vec<f32> = (0..width).map(|n| f32::from(u8::from(ones.contains(&n)))).collect();
    Param::from_tensor(Tensor::from_data(TensorData::new(data, [width]), device))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounded to f32, a product of two unit rows of 7 is off by a few roundings.
    #[test]
    fn recurrent_weights_of_each_gate_are_orthogonal() {
        let device = Device::flex();
        let weight = recurrent_weight(7, 3, &device).val();
        for gate in 0..3 {
            let block = weight.clone().slice([0..7, gate * 7..gate * 7 + 7]);
            let product = block.clone().matmul(block.transpose());
            for (n, found) in product.into_data().iter::<f64>().enumerate() {
                let expected = if n % 8 == 0 { 1.0 } else { 0.0 };
                assert!((found - expected).abs() < 8.0 * f64::from(f32::EPSILON), "{n}: {found}");
            }
        }
    }

    /// Of n uniform draws, the largest misses the bound by more than 1 % with probability 0.99^n,
    /// which is 10^-26 here.
    #[test]
    fn input_weights_fill_the_bounds_of_one_gate() {
        let weight = input_weight([60, 40], 4, &Device::flex()).val();
        let largest = weight.into_data().iter::<f64>().map(f64::abs).fold(0.0, f64::max);
        let bound = (6.0 / 100.0_f64).sqrt();
        assert!((0.99 * bound..=bound * (1.0 + 1e-6)).contains(&largest), "{largest}, {bound}");
    }
}
