//! The hyperparameters of a step of AdamW.

/// The numbers of a step, the same for all elements of a parameter.
///
/// ```
/// use attn_kernels::adamw::Step;
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::default();
/// let step = Step {
///     beta_1: 0.9,
///     beta_2: 0.999,
///     epsilon: 1e-8,
///     weight_decay: 0.0,
///     rate: 0.1,
///     scale: 1.0,
///     number: 1,
/// };
/// let zeros = || Tensor::<1>::zeros([1], &device);
/// let gradient = Tensor::<1>::from_floats([5.0], &device);
/// let (parameter, _) = step.take(zeros(), gradient, [zeros(), zeros()]);
/// // The first step has the length of the rate, whatever the gradient's is.
/// assert!((parameter.into_scalar::<f32>() + 0.1).abs() < 1e-6);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Memory of the mean of the gradient.
    pub beta_1: f64,
    /// Memory of its mean square.
    pub beta_2: f64,
    /// Added to the root of the mean square.
    pub epsilon: f64,
    /// Part of a weight that a step of rate 1 would take away.
    pub weight_decay: f64,
    /// Learning rate.
    pub rate: f64,
    /// What the gradient is multiplied with first: a clipping factor.
    pub scale: f64,
    /// Number of the step of this parameter, from 1 on: young moments are corrected for having begun
    /// at 0.
    pub number: usize,
}

impl Step {
    /// What the moments are multiplied with, `1 / (1 - β^t)`.
    pub(crate) fn corrections(&self) -> [f64; 2] {
        let steps = self.number as f64;
        [self.beta_1, self.beta_2].map(|beta| 1.0 / (1.0 - beta.powf(steps)))
    }
}
