//! The same weights and inputs give the same outputs and gradients as in PyTorch.
//!
//! The reference in `tests/data` names the release of PyTorch that printed it;
//! `tests/data/torch_reference.py` prints it again.

use attn_rnn::{Cell, CellKind, Projection, Recurrent, RecurrentConfig, State};
use burn::module::Param;
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    kind: CellKind,
    d_input: usize,
    d_hidden: usize,
    layers: usize,
    bidirectional: bool,
    lengths: Vec<usize>,
    parameters: References,
    x: Reference,
    probe: Reference,
    start: References,
    state_probes: References,
    outputs: Reference,
    states: References,
    gradients: References,
}

type References = BTreeMap<String, Reference>;

/// A tensor as the script prints it.
#[derive(Clone, Deserialize)]
struct Reference {
    shape: Vec<usize>,
    data: Vec<f64>,
}

impl Reference {
    fn tensor<const D: usize>(&self, device: &Device) -> Tensor<D> {
        let values: Vec<f32> = self.data.iter().map(|&value| value as f32).collect();
        Tensor::from_data(TensorData::new(values, self.shape.clone()), device)
    }

    /// Within 1e-5 of the largest value, and at least of 1: what f32 loses on the way through two
    /// layers of six steps, each with sums of up to ten terms, and back.
    #[track_caller]
    fn assert_close<const D: usize>(&self, found: Tensor<D>, what: &str) {
        assert_eq!(found.dims().to_vec(), self.shape, "shape of {what}");
        let largest = self.data.iter().fold(1.0, |most: f64, value| most.max(value.abs()));
        for (n, (found, expected)) in found.into_data().iter::<f64>().zip(&self.data).enumerate() {
            let error = (found - expected).abs();
            assert!(
                error <= 1e-5 * largest,
                "{what}: element {n} is {found}, torch has {expected}"
            );
        }
    }
}

/// torch's suffix of each cell's parameters, in the order of states.
fn suffixes(case: &Case) -> Vec<String> {
    let sides: &[&str] = if case.bidirectional { &["", "_reverse"] } else { &[""] };
    (0..case.layers)
        .flat_map(|layer| sides.iter().map(move |side| format!("l{layer}{side}")))
        .collect()
}

fn cells(layers: &mut Recurrent) -> Vec<&mut Cell> {
    layers
        .layers
        .iter_mut()
        .flat_map(|layer| std::iter::once(&mut layer.forward).chain(&mut layer.reverse))
        .collect()
}

fn projections(cell: &mut Cell) -> [&mut Projection; 2] {
    match cell {
        Cell::Lstm(cell) => [&mut cell.input, &mut cell.recurrent],
        Cell::Gru(cell) => [&mut cell.input, &mut cell.recurrent],
        other => panic!("torch has no {other:?}"),
    }
}

/// torch keeps weights as `[out, in]`, and two biases, of which an LSTM has the sum.
fn load(layers: &mut Recurrent, case: &Case, device: &Device) {
    for (cell, suffix) in cells(layers).into_iter().zip(suffixes(case)) {
        let get = |name: &str| &case.parameters[&format!("{name}_{suffix}")];
        let is_lstm = matches!(cell, Cell::Lstm(_));
        let [input, recurrent] = projections(cell);
        input.weight = Param::from_tensor(get("weight_ih").tensor(device).transpose());
        recurrent.weight = Param::from_tensor(get("weight_hh").tensor(device).transpose());
        let [bias, recurrent_bias] = ["bias_ih", "bias_hh"].map(|name| get(name).tensor(device));
        if is_lstm {
            input.bias = Some(Param::from_tensor(bias + recurrent_bias));
        } else {
            input.bias = Some(Param::from_tensor(bias));
            recurrent.bias = Some(Param::from_tensor(recurrent_bias));
        }
    }
}

/// States as torch stacks them, `[layers · directions, b, d]`.
fn stacked(states: &[State], of: impl Fn(&State) -> Tensor<2>) -> Tensor<3> {
    Tensor::stack(states.iter().map(of).collect(), 0)
}

fn gradient<const D: usize>(parameter: &Param<Tensor<D>>, all: &Gradients) -> Tensor<D> {
    parameter.val().grad(all).expect("every parameter takes part")
}

fn check(case: &Case, device: &Device) {
    let what = |part: &str| format!("{} on {device:?}: {part}", case.name);
    let config = RecurrentConfig {
        layers: case.layers,
        bidirectional: case.bidirectional,
        ..RecurrentConfig::new(case.kind, case.d_input, case.d_hidden)
    };
    let mut layers = config.init(device);
    load(&mut layers, case, device);

    let x = case.x.tensor::<3>(device).require_grad();
    let start: BTreeMap<&str, Tensor<3>> = case
        .start
        .iter()
        .map(|(name, start)| (name.as_str(), start.tensor(device).require_grad()))
        .collect();
    let part = |name: &str, n: usize| {
        start.get(name).map(|all| all.clone().slice_dim(0, n..n + 1).squeeze_dim(0))
    };
    let states = (0..suffixes(case).len())
        .map(|n| State { hidden: part("hidden", n).unwrap(), cell: part("cell", n) })
        .collect();
    let output = layers.forward(x.clone(), &case.lengths, Some(states));
    case.outputs.assert_close(output.outputs.clone(), &what("outputs"));
    let mut loss = (output.outputs * case.probe.tensor(device)).sum();
    let hidden = stacked(&output.states, |state| state.hidden.clone());
    case.states["hidden"].assert_close(hidden.clone(), &what("hidden"));
    loss = loss + (hidden * case.state_probes["hidden"].tensor(device)).sum();
    if case.kind == CellKind::Lstm {
        let cell = stacked(&output.states, |state| state.cell.clone().unwrap());
        case.states["cell"].assert_close(cell.clone(), &what("cell"));
        loss = loss + (cell * case.state_probes["cell"].tensor(device)).sum();
    }

    let gradients = loss.backward();
    case.gradients["x"].assert_close(x.grad(&gradients).unwrap(), &what("d x"));
    for (name, start) in &start {
        let found = start.grad(&gradients).unwrap();
        case.gradients[*name].assert_close(found, &what(&format!("d start {name}")));
    }
    for (cell, suffix) in cells(&mut layers).into_iter().zip(suffixes(case)) {
        let check = |name: &str, found: Tensor<2>| {
            let name = format!("{name}_{suffix}");
            case.gradients[&name].assert_close(found.transpose(), &what(&format!("d {name}")));
        };
        let check_bias = |name: &str, found: Tensor<1>| {
            let name = format!("{name}_{suffix}");
            case.gradients[&name].assert_close(found, &what(&format!("d {name}")));
        };
        let [input, recurrent] = projections(cell);
        check("weight_ih", gradient(&input.weight, &gradients));
        check("weight_hh", gradient(&recurrent.weight, &gradients));
        check_bias("bias_ih", gradient(input.bias.as_ref().unwrap(), &gradients));
        // An LSTM's two biases have one gradient.
        let own = recurrent.bias.as_ref().or(input.bias.as_ref()).unwrap();
        check_bias("bias_hh", gradient(own, &gradients));
    }
}

#[test]
fn packed_sequences_give_what_torch_gives() {
    let file: File = serde_json::from_str(include_str!("../../data/recurrent.json")).unwrap();
    assert_eq!(file.cases.len(), 8);
    #[allow(deprecated)]
    let devices = [Device::ndarray().autodiff(), Device::flex().autodiff()];
    for device in &devices {
        for case in &file.cases {
            check(case, device);
        }
    }
}
