//! Gradients against finite differences.

use crate::{Sample, assert_close, in_f64, nudged, precise_devices, values, weights_of};
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// Gradients of `f` in its inputs against central differences of `f` itself, both in f64, on every
/// device that has it. The loss is a random combination of what `f` returns.
#[track_caller]
pub fn check_gradients(
    what: &str,
    inputs: &[Sample],
    tolerance: f64,
    f: impl Fn(&[Tensor<4>]) -> Tensor<4>,
) {
    check_module_gradients(what, |_| NoWeights, inputs, tolerance, |_, inputs| f(inputs));
}

/// A module without weights.
#[derive(Module, Debug)]
struct NoWeights;

/// As [`check_gradients`], also in the weights of a module.
#[track_caller]
pub fn check_module_gradients<M: Module>(
    what: &str,
    init: impl Fn(&Device) -> M,
    inputs: &[Sample],
    tolerance: f64,
    f: impl Fn(&M, &[Tensor<4>]) -> Tensor<4>,
) {
    for plain in precise_devices() {
        let device = plain.clone().autodiff();
        let module = in_f64(init(&device));
        let leaves: Vec<_> =
            inputs.iter().map(|sample| sample.f64(&device).require_grad()).collect();
        let output = f(&module, &leaves);
        let upstream = Sample::random(output.dims(), 0xD0);
        let gradients = (output * upstream.f64(&device)).sum().backward();

        let loss = |module: &M, inputs: &[Sample]| {
            let inputs: Vec<_> = inputs.iter().map(|sample| sample.f64(&device)).collect();
            values(&(f(module, &inputs) * upstream.f64(&device)).sum())[0]
        };
        let step = 1e-5;
        let difference = |at: &dyn Fn(f64) -> f64| (at(step) - at(-step)) / (2.0 * step);
        for (which, leaf) in leaves.iter().enumerate() {
            let gradient = leaf.grad(&gradients);
            let found =
                gradient.map_or_else(|| vec![0.0; inputs[which].data.len()], |g| values(&g));
            let expected: Vec<f64> = (0..found.len())
                .map(|n| {
                    difference(&|by| {
                        let mut moved = inputs.to_vec();
                        moved[which].data[n] += by;
                        loss(&module, &moved)
                    })
                })
                .collect();
            let moves = expected.iter().any(|slope| slope.abs() > 10.0 * tolerance);
            assert!(
                moves,
                "{what}, {plain:?}: input {which} changes nothing that could be compared"
            );
            assert_close(
                &format!("{what}, {plain:?}: d input {which}"),
                &found,
                &expected,
                tolerance,
            );
        }
        let found = weights_of(&module, Some(&gradients));
        let expected: Vec<f64> = (0..found.len())
            .map(|n| difference(&|by| loss(&nudged(&module, n, by), inputs)))
            .collect();
        let moves = expected.iter().any(|slope| slope.abs() > 10.0 * tolerance);
        assert!(moves || expected.is_empty(), "{what}, {plain:?}: no weight changes anything");
        assert_close(&format!("{what}, {plain:?}: d weights"), &found, &expected, tolerance);
    }
}

/// Gradients of the loss in the weights of a module against central differences, in f64 on flex.
///
/// The difference of a smooth function with step 1e-5 is off by 1e-10 of its third derivative, and by
/// 1e-16 / 1e-5 of its value. `count` weights, spread over all of them, are checked.
#[track_caller]
pub fn check_weight_gradients<M: Module>(
    what: &str,
    init: impl Fn(&Device) -> M,
    count: usize,
    tolerance: f64,
    loss: impl Fn(&M) -> Tensor<1>,
) {
    let device = Device::flex().autodiff();
    let module = in_f64(init(&device));
    let gradients = loss(&module).backward();
    let found = weights_of(&module, Some(&gradients));
    let step = 1e-5;
    let stride = (found.len() / count).max(1);
    for n in (0..found.len()).step_by(stride) {
        let at = |by: f64| values(&loss(&nudged(&module, n, by)))[0];
        let expected = (at(step) - at(-step)) / (2.0 * step);
        assert_close(&format!("{what}: d weight {n}"), &[found[n]], &[expected], tolerance);
    }
}
