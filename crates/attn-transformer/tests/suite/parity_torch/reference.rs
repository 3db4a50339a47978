//! The reference files, and how close to them is right.

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What `torch_reference.py` prints of a tensor: computed in f64, printed with nine digits.
#[derive(Clone, Debug, Deserialize)]
pub struct Reference {
    shape: Vec<usize>,
    data: Vec<f64>,
}

/// References by torch's names of parameters.
pub type References = BTreeMap<String, Reference>;

impl Reference {
    /// A single number.
    pub fn scalar(value: f64) -> Self {
        Self { shape: vec![1], data: vec![value] }
    }

    /// The values in f32. Weights and inputs were drawn in f32, so for them this is exact.
    pub fn tensor<const D: usize>(&self, device: &Device) -> Tensor<D> {
        let values: Vec<f32> = self.data.iter().map(|&value| value as f32).collect();
        Tensor::from_data(TensorData::new(values, self.shape.clone()), device)
    }

    /// Asserts that `actual` has this shape and is within `terms` roundings of these values.
    ///
    /// A value that is computed through sums of `terms` terms altogether carries an error of about
    /// `sqrt(terms)` roundings (Higham & Mary 2019, "A new approach to probabilistic rounding error
    /// analysis"), and of more than eight times that with negligible probability. Their theorems
    /// are about single sums; what the norms and softmaxes between them amplify is small beside
    /// that factor.
    ///
    /// The error is relative to the largest value, for a small one is the difference of larger
    /// ones, and at least to 1, the size of the weights and probes, for sums may cancel altogether:
    /// the gradient of a key's bias is zero, because softmax ignores what all scores share.
    #[track_caller]
    pub fn assert_close<const D: usize>(&self, actual: Tensor<D>, terms: usize, what: &str) {
        assert_eq!(actual.dims().to_vec(), self.shape, "shape of {what}");
        let largest = self.data.iter().fold(1.0, |most: f64, value| most.max(value.abs()));
        let tolerance = 8.0 * (terms as f64).sqrt() * f64::from(f32::EPSILON) / 2.0 * largest;
        let actual: Vec<f32> = actual.into_data().try_to_vec().expect("tests compute in f32");
        for (index, (&actual, &expected)) in actual.iter().zip(&self.data).enumerate() {
            let error = (f64::from(actual) - expected).abs();
            assert!(
                error <= tolerance,
                "{what}: element {index} is {actual}, torch has {expected}: off by {error:.1e}, \
                 more than {tolerance:.1e}"
            );
        }
    }
}

/// The entry `name` of `references`.
#[track_caller]
pub fn find<'a>(references: &'a References, name: &str) -> &'a Reference {
    references.get(name).unwrap_or_else(|| panic!("the reference file has no {name}"))
}

/// Copies `name.weight` into a linear layer, and `name.bias` if the layer has one.
///
/// torch keeps the weight as `[out, in]`, burn as `[in, out]`.
pub fn load_linear(linear: &mut Linear, references: &References, name: &str, device: &Device) {
    let weight = find(references, &format!("{name}.weight")).tensor(device);
    load(&mut linear.weight, weight.transpose());
    if let Some(bias) = &mut linear.bias {
        load(bias, find(references, &format!("{name}.bias")).tensor(device));
    }
}

/// Copies a tensor into a parameter of the same shape.
#[track_caller]
pub fn load<const D: usize>(parameter: &mut Param<Tensor<D>>, tensor: Tensor<D>) {
    assert_eq!(tensor.dims(), parameter.dims(), "torch's parameter has another shape");
    *parameter = Param::from_tensor(tensor);
}

/// The gradient of a parameter.
#[track_caller]
pub fn gradient<const D: usize>(parameter: &Param<Tensor<D>>, all: &Gradients) -> Tensor<D> {
    parameter.val().grad(all).expect("every parameter of the model takes part in its output")
}

/// Both CPU devices, with gradients.
pub fn devices() -> [Device; 2] {
    #[allow(deprecated)]
    let ndarray = Device::ndarray();
    [ndarray.autodiff(), Device::flex().autodiff()]
}
