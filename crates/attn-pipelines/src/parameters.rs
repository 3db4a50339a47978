//! The weights of a new model.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// Draws the parameters of a module in the order of its fields, so that they follow from the seed of
/// the device: most are drawn when they are first used, which may be in any order.
pub(crate) fn draw(module: &impl Module) {
    struct Draw;
    impl ModuleVisitor for Draw {
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
            parameter.val();
        }
    }
    module.visit(&mut Draw);
}
