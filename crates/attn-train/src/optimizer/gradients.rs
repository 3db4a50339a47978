//! The length of a gradient, over all parameters together.

use attn_kernels::sum_of_squares::sum_of_squares;
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// Sum of the squares of all gradients, in f32, on the device.
///
/// The global norm of Pascanu et al. (2013), section 3.2, squared. burn's own clipping takes the
/// norm of each tensor alone, which turns the gradient.
///
/// # Shapes
/// - output: `[1]`
pub(crate) fn squared_norm<M: Module>(model: &M, gradients: &GradientsParams) -> Tensor<1> {
    let mut squares = Squares { gradients, sums: Vec::new() };
    model.visit(&mut squares);
    assert!(!squares.sums.is_empty(), "no parameter of the model has a gradient");
    Tensor::cat(squares.sums, 0).sum()
}

/// What to multiply a gradient of length `norm` by so that it is no longer than `limit`.
pub(crate) fn clip_factor(norm: f64, limit: Option<f64>) -> f64 {
    match limit {
        Some(limit) if norm > limit => limit / norm,
        _ => 1.0,
    }
}

struct Squares<'a> {
    gradients: &'a GradientsParams,
    sums: Vec<Tensor<1>>,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            self.sums.push(sum_of_squares(gradient));
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[derive(Module, Debug)]
    struct Two {
        matrix: Param<Tensor<2>>,
        vector: Param<Tensor<1>>,
        unused: Param<Tensor<1>>,
    }

    /// Gradients (3) and (0, 4), by hand: their joint norm is 5.
    #[test]
    fn the_norm_is_that_of_all_parameters_together() {
        #[allow(deprecated)] // `Device::ndarray` goes with burn 0.23
        for device in [Device::ndarray().autodiff(), Device::flex().autodiff()] {
            let two = Two {
                matrix: Param::from_data([[7.0]], &device),
                vector: Param::from_data([1.0, -2.0], &device),
                unused: Param::from_data([9.0], &device),
            };
            let along = Tensor::<1>::from_floats([0.0, -4.0], &device);
            let loss = two.matrix.val().sum() * 3.0 + (two.vector.val() * along).sum();
            let gradients = GradientsParams::from_grads(loss.backward(), &two);
            assert_eq!(squared_norm(&two, &gradients).into_scalar::<f32>(), 25.0);
        }
    }

    #[test]
    fn only_long_gradients_are_shortened() {
        assert_eq!(clip_factor(5.0, Some(2.5)), 0.5);
        assert_eq!(clip_factor(2.5, Some(2.5)), 1.0);
        assert_eq!(clip_factor(0.0, Some(2.5)), 1.0);
        assert_eq!(clip_factor(5.0, None), 1.0);
    }

    #[test]
    #[should_panic(expected = "no parameter of the model has a gradient")]
    fn a_model_without_gradients_is_refused() {
        let linear = burn::nn::LinearConfig::new(2, 3).init(&Device::flex());
        squared_norm(&linear, &GradientsParams::new());
    }
}
