//! `attention` is what its twin says, values and gradients, on every processor backend.

use super::cases::{
    EPSILONS, Tensors, assert_close, cases, causal, mask, noise, numbers, tolerance,
};
use attn_kernels::attention::{Options, attention, attention_with_lse, twin};
use burn::tensor::{DType, Device, Tensor};

type Attention = fn(
    Tensor<4>,
    Tensor<4>,
    Tensor<4>,
    Option<Tensor<4>>,
    Option<Tensor<1>>,
    &Options,
) -> (Tensor<4>, Tensor<3>);

#[allow(deprecated)] // ndarray, in favor of flex.
fn devices() -> [Device; 2] {
    [Device::ndarray(), Device::flex()]
}

/// Context, log-sum-exp, and the gradients of query, key, value, bias and sink.
#[derive(Debug)]
struct Answer([Vec<f64>; 7]);

const PARTS: [&str; 7] = ["context", "log-sum-exp", "dquery", "dkey", "dvalue", "dbias", "dsink"];

/// Of tensors, all of which become leaves of a graph.
fn answer(attention: Attention, tensors: &Tensors, options: &Options) -> Answer {
    let leaf4 = |tensor: &Tensor<4>| tensor.clone().autodiff().require_grad();
    let query = leaf4(&tensors.query);
    let key = leaf4(&tensors.key);
    let value = leaf4(&tensors.value);
    let bias = tensors.bias.as_ref().map(leaf4);
    let sink = tensors.sink.clone().map(|sink| sink.autodiff().require_grad());
    let (context, lse) =
        attention(query.clone(), key.clone(), value.clone(), bias.clone(), sink.clone(), options);
    // The log-sum-exp is wider than a narrow context.
    let loss = (context.clone() * tensors.grad_context.clone()).cast(lse.dtype()).sum()
        + (lse.clone() * tensors.grad_log_sum_exp.clone()).sum();
    let grads = loss.backward();
    let grad4 = |leaf: &Tensor<4>| numbers(leaf.grad(&grads).expect("a gradient"));
    Answer([
        numbers(context.inner()),
        numbers(lse.inner()),
        grad4(&query),
        grad4(&key),
        grad4(&value),
        bias.as_ref().map(grad4).unwrap_or_default(),
        sink.map(|sink| numbers(sink.grad(&grads).expect("a gradient"))).unwrap_or_default(),
    ])
}

fn assert_same(what: &str, found: &Answer, expected: &Answer, tolerance: f64) {
    for (part, (found, expected)) in PARTS.iter().zip(found.0.iter().zip(&expected.0)) {
        assert_close(&format!("{what}: {part}"), found, expected, tolerance);
    }
}

#[test]
fn values_and_gradients_are_those_of_the_twin() {
    for device in devices() {
        for (dtype, epsilon) in EPSILONS {
            for case in cases() {
                let tensors = case.tensors(&device, dtype);
                let what = format!("{} {:?} {dtype:?} {device:?}", case.name, case.sizes);
                let expected = answer(twin::attention, &tensors, &case.options);
                let found = answer(attention_with_lse, &tensors, &case.options);
                assert_same(&what, &found, &expected, case.tolerance(epsilon));
                // And of the twin itself, that nothing is not a number.
                let finite = |part: &Vec<f64>| part.iter().all(|x| x.is_finite());
                assert!(finite(&expected.0[0]) && expected.0[2..].iter().all(finite), "{what}");
            }
        }
    }
}

/// The context alone takes another way through the graph.
#[test]
fn the_context_alone_has_the_same_gradients() {
    fn alone(
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        bias: Option<Tensor<4>>,
        sink: Option<Tensor<1>>,
        options: &Options,
    ) -> (Tensor<4>, Tensor<3>) {
        let [b, h, q, _] = query.dims();
        let lse = Tensor::zeros([b, h, q], (&query.device(), query.dtype()));
        (attention(query, key, value, bias, sink, options), lse)
    }
    fn without_lse(
        query: Tensor<4>,
        key: Tensor<4>,
        value: Tensor<4>,
        bias: Option<Tensor<4>>,
        sink: Option<Tensor<1>>,
        options: &Options,
    ) -> (Tensor<4>, Tensor<3>) {
        let (context, lse) = twin::attention(query, key, value, bias, sink, options);
        (context, lse.zeros_like())
    }
    for device in devices() {
        for case in cases() {
            let tensors = case.tensors(&device, DType::F64);
            let expected = answer(without_lse, &tensors, &case.options);
            let found = answer(alone, &tensors, &case.options);
            assert_same(case.name, &found, &expected, case.tolerance(f64::EPSILON));
        }
    }
}

#[test]
fn without_a_graph_the_values_are_the_same() {
    for device in devices() {
        for case in cases() {
            let Tensors { query, key, value, bias, sink, .. } = case.tensors(&device, DType::F64);
            let (context, lse) = attention_with_lse(
                query.clone(),
                key.clone(),
                value.clone(),
                bias.clone(),
                sink.clone(),
                &case.options,
            );
            assert!(!context.is_autodiff() && !lse.is_autodiff());
            let (expected, expected_lse) =
                twin::attention(query, key, value, bias, sink, &case.options);
            let tolerance = case.tolerance(f64::EPSILON);
            assert_close(case.name, &numbers(context), &numbers(expected), tolerance);
            assert_close(case.name, &numbers(lse), &numbers(expected_lse), tolerance);
        }
    }
}

#[test]
fn checkpointing_changes_nothing() {
    for device in devices() {
        let options = Options { mask: Some(causal(5, 7)), ..Options::new(0.5) };
        let grads = |device: &Device| {
            let query = noise::<4>([2, 6, 5, 4], 1, device, DType::F64).require_grad();
            let key = noise::<4>([2, 3, 7, 4], 2, device, DType::F64).require_grad();
            let value = noise::<4>([2, 3, 7, 9], 3, device, DType::F64);
            // Cheap operations before it, which checkpointing computes once more.
            let (q, k, v) = (query.clone() * 2.0, key.clone() + 1.0, value * 3.0);
            let (context, lse) = attention_with_lse(q, k, v, None, None, &options);
            let finite = lse.mask_fill(context.clone().any_dim(3).bool_not().squeeze_dim(3), 0.0);
            let grads = (context.sum() + finite.sum()).backward();
            [query, key].map(|leaf| numbers(leaf.grad(&grads).expect("a gradient")))
        };
        let plain = grads(&device.clone().autodiff());
        assert_eq!(grads(&device.autodiff().gradient_checkpointing()), plain);
    }
}

/// Whichever of the tensors are in a graph, those get the gradients that they get together.
#[test]
fn some_tensors_may_be_constants() {
    for device in devices() {
        let case = cases().into_iter().rfind(|case| case.name == "everything").expect("a case");
        let tensors = case.tensors(&device, DType::F64);
        let expected = answer(attention_with_lse, &tensors, &case.options);
        for tracked in 0..5 {
            let leaf = |i: usize, tensor: &Tensor<4>| match i == tracked {
                true => tensor.clone().autodiff().require_grad(),
                false => tensor.clone(),
            };
            let query = leaf(0, &tensors.query);
            let key = leaf(1, &tensors.key);
            let value = leaf(2, &tensors.value);
            let bias = tensors.bias.as_ref().map(|bias| leaf(3, bias)).expect("a bias");
            let sink = tensors.sink.clone().expect("a sink");
            let sink = if tracked == 4 { sink.autodiff().require_grad() } else { sink };
            let (context, lse) = attention_with_lse(
                query.clone(),
                key.clone(),
                value.clone(),
                Some(bias.clone()),
                Some(sink.clone()),
                &case.options,
            );
            let loss = (context * tensors.grad_context.clone()).sum()
                + (lse * tensors.grad_log_sum_exp.clone()).sum();
            let grads = loss.backward();
            let found = match tracked {
                4 => numbers(sink.grad(&grads).expect("a gradient")),
                i => numbers([query, key, value, bias][i].grad(&grads).expect("a gradient")),
            };
            let part = PARTS[2 + tracked];
            assert_close(part, &found, &expected.0[2 + tracked], case.tolerance(f64::EPSILON));
        }
    }
}

/// Views of other tensors: transposed, flipped, sliced and broadcast.
#[test]
fn the_memory_layout_does_not_change_the_result() {
    for device in devices() {
        let [b, h, g, q, k, d, v] = [2, 6, 3, 5, 7, 4, 9];
        let noise = |dims, seed| noise::<4>(dims, seed, &device, DType::F64);
        let of = |view: Tensor<4>| {
            let copy = Tensor::from_data(view.to_data(), (&device, DType::F64));
            (view, copy)
        };
        let queries = [
            of(noise([b, q, h, d], 1).swap_dims(1, 2)),
            of(noise([b, h, q, d], 1).flip([2])),
            of(noise([b, h, q, d], 1).flip([3])),
            of(noise([b, h, d, q], 1).swap_dims(2, 3)),
            of(noise([b, h, q + 2, d + 1], 1).slice([0..b, 0..h, 1..q + 1, 1..d + 1])),
            of(noise([1, 1, q, d], 1).expand([b, h, q, d])),
        ];
        let keys = [
            of(noise([b, k, g, d], 2).swap_dims(1, 2)),
            of(noise([b, 1, k, d], 2).expand([b, g, k, d])),
            of(noise([b, g, k, d], 2).flip([0, 1, 2])),
        ];
        let values = [
            of(noise([b, k, g, v], 3).swap_dims(1, 2)),
            of(noise([b, 1, k, v], 3).expand([b, g, k, v])),
            of(noise([b, g, k, v], 3).flip([3])),
        ];
        let biases = [
            of(noise([1, 1, k, q], 4).swap_dims(2, 3)),
            of(noise([1, 1, q, 1], 4).expand([1, 1, q, k])),
            of(noise([b, h, q, k], 4).flip([2])),
        ];
        let options = Options { mask: Some(causal(q, k)), ..Options::new(0.5) };
        let tolerance = tolerance([b, h, g, q, k, d, v], f64::EPSILON);
        for (i, query) in queries.iter().enumerate() {
            let (key, value, bias) = (&keys[i % 3], &values[i % 3], &biases[i % 3]);
            let run = |query: &Tensor<4>, key: &Tensor<4>, value: &Tensor<4>, bias: &Tensor<4>| {
                let tensors = Tensors {
                    query: query.clone(),
                    key: key.clone(),
                    value: value.clone(),
                    bias: Some(bias.clone()),
                    sink: None,
                    grad_context: noise([b, q, h, v], 6).swap_dims(1, 2),
                    grad_log_sum_exp: noise([b, h, q, 1], 7).squeeze_dim(3),
                };
                answer(attention_with_lse, &tensors, &options)
            };
            let viewed = run(&query.0, &key.0, &value.0, &bias.0);
            let copied = run(&query.1, &key.1, &value.1, &bias.1);
            assert_same(&format!("view {i} on {device:?}"), &viewed, &copied, tolerance);
        }
    }
}

#[test]
fn attention_over_no_keys_is_zero_and_differentiable() {
    for device in devices() {
        let [b, h, g, q, d, v] = [2, 6, 3, 5, 4, 9];
        for (dims, sink) in
            [([b, q, 0], false), ([b, q, 0], true), ([b, 0, 7], true), ([0, q, 7], true)]
        {
            let [b, q, k] = dims;
            let of = |dims: [usize; 4]| {
                Tensor::<4>::zeros(dims, (&device, DType::F64)).autodiff().require_grad()
            };
            let (query, key, value) = (of([b, h, q, d]), of([b, g, k, d]), of([b, g, k, v]));
            let sink =
                sink.then(|| noise::<1>([h], 5, &device, DType::F64).autodiff().require_grad());
            for run in [attention_with_lse, twin::attention] as [Attention; 2] {
                let (context, lse) = run(
                    query.clone(),
                    key.clone(),
                    value.clone(),
                    None,
                    sink.clone(),
                    &Options { mask: Some(mask([1; 4], |_| true)), ..Options::new(0.5) },
                );
                assert_eq!((context.dims(), lse.dims()), ([b, h, q, v], [b, h, q]));
                if b * q == 0 {
                    continue;
                }
                assert!(numbers(context.clone().inner()).iter().all(|&x| x == 0.0));
                let grads = (context.sum() + lse.clone().sum()).backward();
                let query_grad = numbers(query.grad(&grads).expect("a gradient"));
                assert!(query_grad.iter().all(|&x| x == 0.0));
                let lse = numbers(lse.inner());
                match &sink {
                    None => assert!(lse.iter().all(|&x| x == f64::NEG_INFINITY)),
                    Some(sink) => {
                        let logits = numbers(sink.clone().inner());
                        assert!(lse.iter().enumerate().all(|(i, &x)| x == logits[i / q % h]));
                        // Each of b · q rows is its sink.
                        let gradient = numbers(sink.grad(&grads).expect("a gradient"));
                        assert_eq!(gradient, vec![(b * q) as f64; h]);
                    }
                }
            }
        }
    }
}

#[test]
fn narrow_tensors_are_computed_in_f32() {
    let device = Device::flex();
    for dtype in [DType::F16, DType::BF16] {
        let epsilon = if dtype == DType::F16 { 2f64.powi(-10) } else { 2f64.powi(-7) };
        for case in cases() {
            let narrow = case.tensors(&device, dtype);
            let wide = |tensor: &Tensor<4>| tensor.clone().cast(DType::F32);
            let tensors = Tensors {
                query: wide(&narrow.query),
                key: wide(&narrow.key),
                value: wide(&narrow.value),
                bias: narrow.bias.as_ref().map(wide),
                sink: narrow.sink.clone().map(|sink| sink.cast(DType::F32)),
                grad_context: wide(&narrow.grad_context),
                grad_log_sum_exp: narrow.grad_log_sum_exp.clone().cast(DType::F32),
            };
            let expected = answer(attention_with_lse, &tensors, &case.options);
            let narrow = Tensors { grad_log_sum_exp: tensors.grad_log_sum_exp, ..narrow };
            let found = answer(attention_with_lse, &narrow, &case.options);
            // One rounding of the result, and one of the context that the gradients start from.
            let largest = expected.0.iter().flatten().filter(|x| x.is_finite());
            let largest = largest.fold(1.0, |max: f64, x| max.max(x.abs()));
            let sums = case.sizes[3] * case.sizes[1] / case.sizes[2];
            let tolerance = (2 + sums) as f64 * epsilon * largest;
            assert_same(case.name, &found, &expected, tolerance);

            let (query, key, value) = (narrow.query, narrow.key, narrow.value);
            let options = Options::new(1.0);
            let (context, lse) = attention_with_lse(query, key, value, None, None, &options);
            assert_eq!((context.dtype(), lse.dtype()), (dtype, DType::F32));
        }
    }
}

/// Keys and values that no query sees may hold anything, and so may a bias for hidden pairs.
#[test]
fn a_hidden_key_never_leaks() {
    for device in devices() {
        let [b, h, g, q, k, d, v] = [2, 6, 3, 5, 7, 4, 9];
        for softcap in [None, Some(0.8)] {
            let visible = mask([1, 1, 1, k], |[_, _, _, j]| j % 3 == 1);
            let options = Options { mask: Some(visible), softcap, ..Options::new(0.5) };
            let hidden = Tensor::<1>::from_data(
                (0..k).map(|j| f32::from(j % 3 != 1)).collect::<Vec<_>>().as_slice(),
                &device,
            );
            let hidden = hidden.bool().reshape([1, 1, k, 1]);
            let of = |poison: f32| {
                let noise = |dims, seed| noise::<4>(dims, seed, &device, DType::F64);
                let fill = |tensor: Tensor<4>| {
                    tensor.clone().mask_fill(hidden.clone().expand(tensor.dims()), poison)
                };
                let bias = noise([b, h, q, k], 4).swap_dims(2, 3);
                Tensors {
                    query: noise([b, h, q, d], 1),
                    key: fill(noise([b, g, k, d], 2)),
                    value: fill(noise([b, g, k, v], 3)),
                    bias: Some(fill(bias).swap_dims(2, 3)),
                    sink: None,
                    grad_context: noise([b, h, q, v], 6),
                    grad_log_sum_exp: noise([b, h, q, 1], 7).squeeze_dim(3),
                }
            };
            let clean = answer(attention_with_lse, &of(0.0), &options);
            for poison in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let found = answer(attention_with_lse, &of(poison), &options);
                let what = format!("{poison} on {device:?}");
                let tolerance = tolerance([b, h, g, q, k, d, v], f64::EPSILON);
                assert_same(&what, &found, &clean, tolerance);
            }
        }
    }
}

fn of_dims(query: [usize; 4], key: [usize; 4], value: [usize; 4], options: &Options) {
    refused(query, key, value, None, None, options);
}

fn refused(
    query: [usize; 4],
    key: [usize; 4],
    value: [usize; 4],
    bias: Option<[usize; 4]>,
    sink: Option<usize>,
    options: &Options,
) {
    let device = Device::flex();
    let zeros = |dims: [usize; 4]| Tensor::<4>::zeros(dims, &device);
    let sink = sink.map(|heads| Tensor::<1>::zeros([heads], &device));
    attention(zeros(query), zeros(key), zeros(value), bias.map(zeros), sink, options);
}

#[test]
#[should_panic(expected = "key [2, 3, 7, 5] does not fit query [2, 6, 5, 4]")]
fn a_key_of_another_width_is_refused() {
    of_dims([2, 6, 5, 4], [2, 3, 7, 5], [2, 3, 7, 9], &Options::new(1.0));
}

#[test]
#[should_panic(expected = "value [2, 3, 8, 9] does not fit key [2, 3, 7, 4]")]
fn a_value_without_key_is_refused() {
    of_dims([2, 6, 5, 4], [2, 3, 7, 4], [2, 3, 8, 9], &Options::new(1.0));
}

#[test]
#[should_panic(expected = "6 query heads do not split evenly over 4 key/value heads")]
fn an_uneven_group_is_refused() {
    of_dims([2, 6, 5, 3], [2, 4, 7, 3], [2, 4, 7, 9], &Options::new(1.0));
}

#[test]
#[should_panic(expected = "query [2, 6, 5, 0] has heads of width zero")]
fn a_query_without_width_is_refused() {
    of_dims([2, 6, 5, 0], [2, 3, 7, 0], [2, 3, 7, 9], &Options::new(1.0));
}

#[test]
#[should_panic(expected = "value [2, 3, 7, 0] has heads of width zero")]
fn a_value_without_width_is_refused() {
    of_dims([2, 6, 5, 4], [2, 3, 7, 4], [2, 3, 7, 0], &Options::new(1.0));
}

#[test]
#[should_panic(expected = "soft-cap must be positive, got 0")]
fn a_soft_cap_of_zero_is_refused() {
    let options = Options { softcap: Some(0.0), ..Options::new(1.0) };
    of_dims([2, 6, 5, 4], [2, 3, 7, 4], [2, 3, 7, 9], &options);
}

#[test]
#[should_panic(expected = "bias [1, 3, 5, 7] does not broadcast to scores [2, 6, 5, 7]")]
fn a_bias_of_other_heads_is_refused() {
    let bias = Some([1, 3, 5, 7]);
    refused([2, 6, 5, 4], [2, 3, 7, 4], [2, 3, 7, 9], bias, None, &Options::new(1.0));
}

#[test]
#[should_panic(expected = "sink [3] does not fit 6 query heads: one logit each")]
fn a_sink_of_other_heads_is_refused() {
    refused([2, 6, 5, 4], [2, 3, 7, 4], [2, 3, 7, 9], None, Some(3), &Options::new(1.0));
}

#[test]
#[should_panic(expected = "mask [1, 1, 5, 6] does not broadcast to scores [2, 6, 5, 7]")]
fn a_mask_of_other_keys_is_refused() {
    let options = Options { mask: Some(causal(5, 6)), ..Options::new(1.0) };
    of_dims([2, 6, 5, 4], [2, 3, 7, 4], [2, 3, 7, 9], &options);
}
