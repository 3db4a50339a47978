//! Weights that depend on nothing but their name and shape.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The module with each float parameter drawn anew, seeded by the parameter's path in the module.
///
/// Two modules that differ in one parameter then agree in all others: where a configuration adds a
/// parameter that is never used, the outputs stay the same to the bit, and a test can see that.
///
/// Vectors are uniform in `[-1, 1)`. Of a tensor of more dimensions the bound is `√(3 / rows)`, so that
/// a product keeps the variance of what it is given.
pub fn weights_by_name<M: Module>(module: M) -> M {
    module.map(&mut Draw { path: Vec::new() })
}

/// The module that `init` makes, with [`weights_by_name`] where its initial values are random; those
/// that are the same in two modules, as constants are, stay.
pub fn random_weights_by_name<M: Module>(init: impl Fn() -> M) -> M {
    let first = Read::of(&init()).into_iter();
    let named = Read::of(&weights_by_name(init())).into_iter();
    init().map(&mut KeepConstants { first, named })
}

/// The values of each float parameter, in order.
struct Read {
    found: Vec<TensorData>,
}

impl Read {
    fn of(module: &impl Module) -> Vec<TensorData> {
        let mut read = Self { found: Vec::new() };
        module.visit(&mut read);
        read.found
    }
}

impl ModuleVisitor for Read {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found.push(param.val().detach().into_data());
    }
}

struct KeepConstants {
    first: std::vec::IntoIter<TensorData>,
    named: std::vec::IntoIter<TensorData>,
}

impl ModuleMapper for KeepConstants {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let both = self.first.next().zip(self.named.next());
        let (first, named) = both.expect("a module has the same parameters each time");
        param.map(|tensor| {
            if tensor.clone().detach().into_data() == first {
                return tensor;
            }
            let drawn = Tensor::from_data(named, (&tensor.device(), tensor.dtype()));
            drawn.set_require_grad(tensor.is_require_grad())
        })
    }
}

struct Draw {
    path: Vec<String>,
}

impl ModuleMapper for Draw {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let mut random = StdRng::seed_from_u64(hash(&self.path.join(".")));
        param.map(|old| {
            let dims = old.dims();
            let bound = if D == 1 { 1.0 } else { (3.0 / dims[0].max(1) as f32).sqrt() };
            let count = dims.iter().product();
            let drawn: Vec<f32> = (0..count).map(|_| random.random_range(-bound..bound)).collect();
            let drawn =
                Tensor::from_data(TensorData::new(drawn, dims), (&old.device(), old.dtype()));
            drawn.set_require_grad(old.is_require_grad())
        })
    }
}

/// FNV-1a.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
