//! The weights of a module, read and changed.

use crate::{floats, rng, values};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{FloatDType, Gradients, Tensor, TensorData};
use rand::RngExt;
use rand::rngs::StdRng;

/// The module with its weights in f64.
pub fn in_f64<M: Module>(module: M) -> M {
    struct Widen;
    impl ModuleMapper for Widen {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|tensor| tensor.detach().cast(FloatDType::F64).detach().require_grad())
        }
    }
    module.map(&mut Widen)
}

/// The module with weights in `[-1, 1)` that are the same in every run, so that none of them is at a
/// kink one time in a thousand.
pub fn with_weights<M: Module>(module: M, seed: u64) -> M {
    struct Fill(StdRng);
    impl ModuleMapper for Fill {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|tensor| {
                let (dims, options) = (tensor.dims(), (&tensor.device(), tensor.dtype()));
                let count = dims.iter().product();
                let data: Vec<f32> = (0..count).map(|_| self.0.random_range(-1.0..1.0)).collect();
                let filled = Tensor::from_data(TensorData::new(data, dims), options);
                if tensor.is_require_grad() { filled.require_grad() } else { filled }
            })
        }
    }
    module.map(&mut Fill(rng(seed)))
}

/// The weights of a module, or their gradients, row-major in the order of its fields.
pub fn weights_of(module: &impl Module, gradients: Option<&Gradients>) -> Vec<f64> {
    struct Read<'a> {
        gradients: Option<&'a Gradients>,
        found: Vec<f64>,
    }
    impl ModuleVisitor for Read<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let tensor = param.val();
            self.found.extend(match self.gradients {
                None => values(&tensor),
                // A weight that the answer does not depend on has none.
                Some(gradients) => match tensor.grad(gradients) {
                    Some(gradient) => values(&gradient),
                    None => vec![0.0; tensor.shape().num_elements()],
                },
            });
        }
    }
    let mut read = Read { gradients, found: Vec::new() };
    module.visit(&mut read);
    read.found
}

/// The module with number `index` of its weights moved by `by`.
pub fn nudged<M: Module>(module: &M, index: usize, by: f64) -> M {
    struct Nudge {
        index: usize,
        seen: usize,
        by: f64,
    }
    impl ModuleMapper for Nudge {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|tensor| {
                let (dims, first) = (tensor.dims(), self.seen);
                self.seen += dims.iter().product::<usize>();
                if !(first..self.seen).contains(&self.index) {
                    return tensor;
                }
                let (device, dtype) = (tensor.device(), tensor.dtype());
                let mut data = values(&tensor);
                data[self.index - first] += self.by;
                Tensor::from_data(TensorData::new(data, dims), (&device, dtype))
            })
        }
    }
    module.clone().map(&mut Nudge { index, seen: 0, by })
}

/// The module with every parameter drawn anew on the host: weights such that they keep the variance
/// of what they are fed, scales and biases of order one, so that a missing or swapped one shows.
pub fn seeded<M: Module>(module: M, seed: u64) -> M {
    struct Draw(StdRng);
    impl ModuleMapper for Draw {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let dims = param.dims();
            let bound = if D == 1 { 1.0 } else { (3.0 / dims[0] as f64).sqrt() };
            param.map(|old| {
                let drawn = floats(&mut self.0, dims, &old.device()) * bound;
                drawn.set_require_grad(old.is_require_grad())
            })
        }
    }
    module.map(&mut Draw(rng(seed)))
}
