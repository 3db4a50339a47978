//! The fallback against the twin. The processor backends have kernels, so it is called directly;
//! and by [`SCORES`](super::chunk) in several chunks.

#[path = "../../../tests/cases/mod.rs"]
mod cases;

use super::{Saved, backward, forward};
use crate::attention::tensors::Inputs;
use crate::attention::{Options, twin};
use crate::maybe::Maybe;
use burn::backend::tensor::FloatTensor;
use burn::backend::{BackendTensor, DispatchTensor, DispatchTensorKind, Flex};
use burn::tensor::{DType, Device, Tensor};
use cases::{EPSILONS, Tensors, assert_close, cases, mask, noise, numbers, tolerance};

fn into_flex<const D: usize>(tensor: Tensor<D>) -> FloatTensor<Flex> {
    match tensor.into_dispatch().kind {
        DispatchTensorKind::Flex(tensor) => tensor.float(),
        other => panic!("not on flex: {other:?}"),
    }
}

fn from_flex<const D: usize>(tensor: FloatTensor<Flex>) -> Tensor<D> {
    let kind = DispatchTensorKind::Flex(BackendTensor::Float(tensor));
    Tensor::from_dispatch(DispatchTensor { kind, autodiff: Default::default() })
}

/// Context, log-sum-exp, and the gradients of query, key, value, bias and sink.
fn answer(tensors: &Tensors, options: &Options) -> [Vec<f64>; 7] {
    let tensors = tensors.clone();
    let inputs = Inputs::<Flex> {
        query: into_flex(tensors.query),
        key: into_flex(tensors.key),
        value: into_flex(tensors.value),
        bias: Maybe::from_option(tensors.bias.map(into_flex)),
        sink: Maybe::from_option(tensors.sink.map(into_flex)),
    };
    let (context, statistics) = forward(inputs.clone(), options);
    let saved = Saved {
        context: context.clone(),
        statistics: statistics.clone(),
        grad_context: Maybe::Present(into_flex(tensors.grad_context)),
        grad_log_sum_exp: Maybe::Present(into_flex(tensors.grad_log_sum_exp)),
    };
    let gradients = backward(inputs, saved, true, options);
    let of = |tensor| numbers(from_flex::<4>(tensor));
    [
        of(context),
        numbers(from_flex::<4>(statistics).narrow(0, 0, 1)),
        of(gradients.query),
        of(gradients.key),
        of(gradients.value),
        gradients.bias.into_option().map(of).unwrap_or_default(),
        gradients.sink.into_option().map(|t| numbers(from_flex::<1>(t))).unwrap_or_default(),
    ]
}

fn twin_answer(tensors: &Tensors, options: &Options) -> [Vec<f64>; 7] {
    let leaf = |tensor: &Tensor<4>| tensor.clone().autodiff().require_grad();
    let (query, key, value) = (leaf(&tensors.query), leaf(&tensors.key), leaf(&tensors.value));
    let bias = tensors.bias.as_ref().map(leaf);
    let sink = tensors.sink.clone().map(|sink| sink.autodiff().require_grad());
    let (context, lse) = twin::attention(
        query.clone(),
        key.clone(),
        value.clone(),
        bias.clone(),
        sink.clone(),
        options,
    );
    let loss = (context.clone() * tensors.grad_context.clone()).sum()
        + (lse.clone() * tensors.grad_log_sum_exp.clone()).sum();
    let grads = loss.backward();
    let of = |leaf: Tensor<4>| numbers(leaf.grad(&grads).expect("a gradient"));
    [
        numbers(context.inner()),
        numbers(lse.inner()),
        of(query),
        of(key),
        of(value),
        bias.map(of).unwrap_or_default(),
        sink.map(|sink| numbers(sink.grad(&grads).expect("a gradient"))).unwrap_or_default(),
    ]
}

#[test]
fn values_and_gradients_are_those_of_the_twin() {
    for (dtype, epsilon) in EPSILONS {
        for case in cases() {
            let tensors = case.tensors(&Device::flex(), dtype);
            let found = answer(&tensors, &case.options);
            let expected = twin_answer(&tensors, &case.options);
            for (part, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let what = format!("{} {:?} {dtype:?}: part {part}", case.name, case.sizes);
                assert_close(&what, found, expected, case.tolerance(epsilon));
            }
        }
    }
}

/// Bad queries, keys and values reach the queries that see them, as NaN, and whatever gets a
/// gradient from those; nothing else, not even where the gradient of such a query is NaN.
#[test]
fn not_a_number_reaches_only_what_sees_it() {
    let device = Device::flex();
    let sizes @ [b, h, g, q, k, d, v] = [2, 6, 3, 5, 7, 4, 9];
    let pairs = [1, 1, q, k];
    // Query 1 sees key 2, and no other query does; it sees keys 0 to 2.
    let sees = |[_, _, i, j]: [usize; 4]| if i == 1 { j < 3 } else { j != 2 && i != 3 };
    for softcap in [None, Some(0.8)] {
        let options = Options { mask: Some(mask(pairs, sees)), softcap, ..Options::new(0.5) };
        let noise = |dims, seed| noise::<4>(dims, seed, &device, DType::F64);
        let row = |tensor: Tensor<4>, row: usize, poison: f64| {
            let [b, h, _, d] = tensor.dims();
            let poison = Tensor::full([b, h, 1, d], poison, (&device, DType::F64));
            tensor.slice_assign([0..b, 0..h, row..row + 1, 0..d], poison)
        };
        let of = |poison: f64, bad: usize| {
            let pick =
                |part, tensor, at| if part == bad { row(tensor, at, poison) } else { tensor };
            Tensors {
                query: pick(0, noise([b, h, q, d], 1), 1),
                key: pick(1, noise([b, g, k, d], 2), 2),
                value: pick(2, noise([b, g, k, v], 3), 2),
                bias: None,
                sink: None,
                grad_context: pick(3, noise([b, h, q, v], 6), 1),
                grad_log_sum_exp: noise([b, h, q, 1], 7).squeeze_dim(3),
            }
        };
        let clean = answer(&of(0.0, 4), &options);
        let tolerance = tolerance(sizes, f64::EPSILON);
        for bad in 0..4 {
            for poison in [f64::NAN, f64::INFINITY] {
                let found = answer(&of(poison, bad), &options);
                // Of each part: width of its rows, number of them, and which may notice.
                let query: &dyn Fn(usize) -> bool = &|i| i == 1;
                let key: &dyn Fn(usize) -> bool = &|j| j < 3;
                let parts = [(v, q, query), (1, q, query), (d, q, query), (d, k, key), (v, k, key)];
                for (part, (width, rows, may)) in parts.into_iter().enumerate() {
                    for (i, (a, b)) in found[part].iter().zip(&clean[part]).enumerate() {
                        let row = i / width % rows;
                        let what = format!("bad {bad} {poison}: part {part} row {row}");
                        if !may(row) {
                            assert_close(&what, &[*a], &[*b], tolerance);
                        } else if part == 0 && (bad == 2 || bad < 2 && poison.is_nan()) {
                            // An infinite key may have a score of −∞, which is no weight.
                            assert!(a.is_nan(), "{what}: {a}");
                        }
                    }
                }
            }
        }
    }
}
