//! AdamW over the parameters of any module.

use attn_kernels::adamw;
use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::optim::{AdaptiveMomentumState, GradientsParams};
use burn::tensor::Tensor;
use burn::tensor::container::TensorContainer;
use serde::{Deserialize, Serialize};

use crate::config_error::{ConfigError, require};
use crate::with_options::with_options;

/// Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2).
///
/// Moments and epsilon default to those of Vaswani et al. (2017), section 5.3. Weight decay is for
/// matrices alone: biases and the gains of norms, which have fewer than two dimensions, are spared.
///
/// ```
/// let adamw = attn_train::AdamWConfig::new().with_beta_2(0.999);
/// assert_eq!((adamw.beta_1, adamw.beta_2), (0.9, 0.999));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamWConfig {
    /// Memory of the mean of the gradient. Default 0.9.
    pub beta_1: f32,
    /// Memory of its mean square. Default 0.98.
    pub beta_2: f32,
    /// Added to the root of the mean square. Default 1e-9.
    pub epsilon: f32,
    /// Part of a weight that a step of rate 1 would take away. Default 0.01.
    pub weight_decay: f32,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self { beta_1: 0.9, beta_2: 0.98, epsilon: 1e-9, weight_decay: 0.01 }
    }
}

with_options!(AdamWConfig {
    with_beta_1: beta_1: f32,
    with_beta_2: beta_2: f32,
    with_epsilon: epsilon: f32,
    with_weight_decay: weight_decay: f32,
});

impl AdamWConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Refuses what Adam cannot run with.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] with the key and its value.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let memory = |key, beta: f32| {
            require((0.0..1.0).contains(&beta), key, beta, "at least 0 and less than 1")
        };
        memory("adamw.beta_1", self.beta_1)?;
        memory("adamw.beta_2", self.beta_2)?;
        let positive = self.epsilon > 0.0 && self.epsilon.is_finite();
        require(positive, "adamw.epsilon", self.epsilon, "a positive number")?;
        let decay = self.weight_decay >= 0.0 && self.weight_decay.is_finite();
        require(decay, "adamw.weight_decay", self.weight_decay, "0 or a positive number")
    }
}

/// AdamW with the moments of every parameter, by [the kernel](attn_kernels::adamw).
///
/// In place of [`ModuleOptimizer`](burn::optim::ModuleOptimizer), because that restores its moments
/// on the default device, which need not work on this machine; silently forgets those that do not
/// fit; and passes over memory once for each operation of the rule, and once more to scale the
/// gradients.
pub(crate) struct AdamW {
    config: AdamWConfig,
    pub(super) states: TensorContainer<ParamId>,
}

impl AdamW {
    pub(crate) fn new(config: &AdamWConfig) -> Self {
        Self { config: *config, states: TensorContainer::new() }
    }

    /// One step at learning rate `rate` along the gradients times `scale`. A parameter without a
    /// gradient stays as it is, and so do its moments.
    pub(crate) fn step<M: Module>(
        &mut self,
        model: M,
        gradients: GradientsParams,
        scale: f64,
        rate: f64,
    ) -> M {
        model.map(&mut Step { adamw: self, gradients, scale, rate })
    }
}

struct Step<'a> {
    adamw: &'a mut AdamW,
    gradients: GradientsParams,
    scale: f64,
    rate: f64,
}

impl ModuleMapper for Step<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(gradient) = self.gradients.remove::<D>(param.id) else { return param };
        let (id, value, mapper) = param.consume();
        let strategy = value.gradient_checkpointing_strategy();
        let value = value.inner();
        let state = self.adamw.states.remove::<AdaptiveMomentumState<D>>(&id);
        let AdaptiveMomentumState { time, moment_1, moment_2, .. } = state.unwrap_or_else(|| {
            AdaptiveMomentumState::new(0, value.zeros_like(), value.zeros_like())
        });
        let AdamWConfig { beta_1, beta_2, epsilon, weight_decay } = self.adamw.config;
        let step = adamw::Step {
            beta_1: beta_1.into(),
            beta_2: beta_2.into(),
            epsilon: epsilon.into(),
            weight_decay: if D >= 2 { weight_decay.into() } else { 0.0 },
            rate: self.rate,
            scale: self.scale,
            number: time + 1,
        };
        let (value, [first, second]) = step.take(value, gradient, [moment_1, moment_2]);
        self.adamw.states.register(id, AdaptiveMomentumState::new(time + 1, first, second));

        let mut value = Tensor::from_inner(value);
        if let Some(strategy) = strategy {
            // `from_inner` gives the default strategy, and tensors of two do not mix.
            value = value.with_gradient_checkpointing_strategy(strategy);
        }
        Param::from_mapped_value(id, value.require_grad(), mapper)
    }
}

#[cfg(test)]
mod tests {
    use burn::module::ModuleVisitor;
    use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
    use burn::optim::ModuleOptimizer;
    use burn::tensor::{Device, TensorData};

    use super::*;
    use crate::optimizer::Moments;

    #[derive(Module, Debug)]
    struct Net {
        first: Linear,
        norm: LayerNorm,
        second: Linear,
    }

    impl Net {
        fn new(device: &Device) -> Self {
            Self {
                first: LinearConfig::new(3, 5).init(device),
                norm: LayerNormConfig::new(5).init(device),
                second: LinearConfig::new(5, 2).init(device),
            }
        }

        /// Gradients of some loss that differs from step to step.
        fn gradients(&self, step: usize, device: &Device) -> GradientsParams {
            let input: Vec<f32> = (0..12).map(|i| ((i * 7 + step * 3) as f32).sin()).collect();
            let input = Tensor::<2>::from_data(TensorData::new(input, [4, 3]), device);
            let output = self.second.forward(self.norm.forward(self.first.forward(input)).tanh());
            GradientsParams::from_grads(output.square().sum().backward(), self)
        }
    }

    #[allow(deprecated)] // `Device::ndarray` goes with burn 0.23
    fn devices() -> [Device; 2] {
        [Device::ndarray().autodiff(), Device::flex().autodiff()]
    }

    fn bits(net: &Net) -> Vec<u32> {
        struct Bits(Vec<u32>);
        impl ModuleVisitor for Bits {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                self.0.extend(param.val().into_data().iter::<f32>().map(f32::to_bits));
            }
        }
        let mut bits = Bits(Vec::new());
        net.visit(&mut bits);
        bits.0
    }

    const NO_DECAY: AdamWConfig =
        AdamWConfig { beta_1: 0.9, beta_2: 0.98, epsilon: 1e-9, weight_decay: 0.0 };

    /// burn's optimizer is the reference. A rate of 0.01 moves weights of at most 1 by as much, and
    /// what it moves them by is the quotient of numbers that are each rounded a few times; an epsilon
    /// of the weight itself comes on top, at each of five steps.
    #[test]
    fn steps_are_those_of_burn() {
        for device in devices() {
            let mut ours = Net::new(&device);
            let mut theirs = ours.clone();
            let mut adamw = AdamW::new(&NO_DECAY);
            let mut reference: ModuleOptimizer = burn::optim::AdamWConfig::new()
                .with_beta_1(NO_DECAY.beta_1)
                .with_beta_2(NO_DECAY.beta_2)
                .with_epsilon(NO_DECAY.epsilon)
                .with_weight_decay(0.0)
                .init();
            for step in 1..6 {
                let rate = 0.01 / step as f64;
                // Of one of the two: a gradient near 0 may turn its sign where parameters differ.
                let gradients = ours.gradients(step, &device);
                let same = ours.gradients(step, &device);
                ours = adamw.step(ours, gradients, 1.0, rate);
                theirs = reference.step(rate, theirs, same);
                for (ours, theirs) in bits(&ours).into_iter().zip(bits(&theirs)) {
                    let (ours, theirs) = (f32::from_bits(ours), f32::from_bits(theirs));
                    let limit = step as f32 * (1.0 + 0.01 * 16.0) * f32::EPSILON;
                    assert!((ours - theirs).abs() <= limit, "step {step}: {ours} {theirs}");
                }
            }
        }
    }

    #[test]
    fn moments_that_went_through_a_record_make_the_same_steps() {
        for device in devices() {
            let start = Net::new(&device);
            let mut straight = start.clone();
            let mut adamw = AdamW::new(&AdamWConfig::default());
            for step in 1..4 {
                let gradients = straight.gradients(step, &device);
                straight = adamw.step(straight, gradients, 0.5, 0.02);
            }
            let Moments { first, second, steps } = adamw.moments(&straight);
            assert_eq!(steps, [3; 6]);
            let loaded = |record| straight.valid().try_load_record(record).unwrap();
            let mut resumed = AdamW::new(&AdamWConfig::default());
            resumed.load_moments(&straight, &loaded(first), &loaded(second), &steps).unwrap();

            let gradients = || straight.gradients(9, &device);
            let a = adamw.step(straight.clone(), gradients(), 0.5, 0.02);
            let b = resumed.step(straight.clone(), gradients(), 0.5, 0.02);
            assert_eq!(bits(&a), bits(&b));
        }
    }

    /// Each parameter counts its own steps: Adam corrects the bias of young moments.
    #[test]
    fn a_parameter_without_a_gradient_is_not_updated() {
        let device = &devices()[0];
        let mut net = Net::new(device);
        let mut adamw = AdamW::new(&AdamWConfig::default());
        for step in 1..4 {
            let mut gradients = net.gradients(step, device);
            if step < 3 {
                gradients.remove::<2>(net.second.weight.id);
            }
            let before = net.second.weight.val().into_data();
            net = adamw.step(net, gradients, 1.0, 0.02);
            let after = net.second.weight.val().into_data();
            assert_eq!(before == after, step < 3);
        }
        assert_eq!(adamw.moments(&net).steps, [3, 3, 3, 3, 1, 3]);
    }

    #[test]
    fn moments_for_too_few_parameters_are_refused() {
        let device = &devices()[0];
        let net = Net::new(device);
        let mut adamw = AdamW::new(&NO_DECAY);
        let error = adamw.load_moments(&net, &net, &net, &[1, 2]).unwrap_err();
        assert_eq!(error.to_string(), "it counts the steps of 2 parameters in place of 6");
    }

    /// With a gradient of zero a step is the decay alone: `w · (1 - rate · decay)`.
    #[test]
    fn weight_decay_shrinks_matrices_and_spares_the_rest() {
        for device in devices() {
            let net = Net::new(&device);
            let config = AdamWConfig { weight_decay: 0.5, ..NO_DECAY };
            let gradients = net.gradients(1, &device);
            let stepped = AdamW::new(&config).step(net.clone(), gradients, 0.0, 0.5);

            let old = net.first.weight.val().into_data();
            let new = stepped.first.weight.val().into_data();
            for (old, new) in old.iter::<f32>().zip(new.iter::<f32>()) {
                assert_eq!(new, old * 0.75);
            }
            let norm = |net: &Net| net.norm.gamma.val().into_data();
            assert_eq!(norm(&stepped), norm(&net));
        }
    }
}
