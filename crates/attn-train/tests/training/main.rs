//! The trainer through its public face: a user's own small module, and the encoder–decoder.

mod accumulate;
mod checkpoints;
mod config_keys;
mod fit;
mod record;
mod recurrent;
mod resume;
mod sequence;
mod stream;
mod telling;
mod tiny;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};

/// The processors that tests run on, with autodiff.
#[allow(deprecated)] // `Device::ndarray` goes with burn 0.23
fn devices() -> [Device; 2] {
    [Device::ndarray().autodiff(), Device::flex().autodiff()]
}

/// Every parameter of a module, in order, as bits.
fn bits<M: Module>(model: &M) -> Vec<Vec<u32>> {
    struct Bits(Vec<Vec<u32>>);
    impl ModuleVisitor for Bits {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(param.val().into_data().iter::<f32>().map(f32::to_bits).collect());
        }
    }
    let mut bits = Bits(Vec::new());
    model.visit(&mut bits);
    bits.0
}

/// Every parameter of a module, in order, in one line.
fn values<M: Module>(model: &M) -> Vec<f32> {
    bits(model).into_iter().flatten().map(f32::from_bits).collect()
}
