//! What a module computes, as numbers to compare.

use crate::{random_weights_by_name, values, weights_by_name};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What `compute` makes of a module, or the message of its panic: a size is refused where it meets a
/// tensor that it does not fit.
///
/// Without autodiff and with it, with [`weights_by_name`] and with the constants that the module
/// starts with ([`random_weights_by_name`]); with autodiff also the gradient of each weight, and
/// whether it has one. So `compute` must work on a tensor that autodiff follows where the device does,
/// see [`tracked`](crate::tracked), and seed what it draws.
///
/// # Errors
/// The message of a panic.
pub fn module_answer<M: Module, const D: usize>(
    init: impl Fn(&Device) -> M,
    compute: impl Fn(&M, &Device) -> Tensor<D>,
) -> Result<Vec<f64>, String> {
    or_refused(|| {
        let plain = Device::flex();
        let training = plain.clone().autodiff();
        let mut all = values(&compute(&weights_by_name(init(&plain)), &plain));
        let modules =
            [weights_by_name(init(&training)), random_weights_by_name(|| init(&training))];
        for module in modules {
            let output = compute(&module, &training);
            all.extend(values(&output));
            // Of a sum that weighs each number differently.
            let count = output.shape().num_elements() as i64;
            let factors = Tensor::arange(1..count + 1, &training).float().log();
            let gradients = (output.flatten::<1>(0, D - 1) * factors).sum().backward();
            all.extend(gradients_of(&module, &gradients));
        }
        all
    })
}

/// What `compute` gives, or the message of its panic.
///
/// # Errors
/// The message of a panic.
pub fn or_refused<T>(compute: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(compute)).map_err(|panic| match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => panic.downcast_ref::<&str>().copied().unwrap_or("a panic").to_owned(),
    })
}

/// Of each weight whether it has a gradient, and that.
fn gradients_of(module: &impl Module, gradients: &Gradients) -> Vec<f64> {
    struct Read<'a> {
        gradients: &'a Gradients,
        found: Vec<f64>,
    }
    impl ModuleVisitor for Read<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = param.val().grad(self.gradients);
            self.found.push(f64::from(u8::from(gradient.is_some())));
            self.found.extend(gradient.map(|gradient| values(&gradient)).unwrap_or_default());
        }
    }
    let mut read = Read { gradients, found: Vec::new() };
    module.visit(&mut read);
    read.found
}
