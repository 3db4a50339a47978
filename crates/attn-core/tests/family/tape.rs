//! Attention over a tape of states.

use super::support::{
    Sample, assert_close, check_module_gradients, devices, values, weights_of, with_weights,
};
use attn_core::tape::{Tape, TapeCell, TapeCellConfig};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};

const BATCH: usize = 2;
const STEPS: usize = 6;
const D_INPUT: usize = 3;
const D_HIDDEN: usize = 4;
const D_ATTENTION: usize = 5;

fn cell(device: &Device) -> TapeCell {
    let config = TapeCellConfig::new(D_INPUT, D_HIDDEN).with_d_attention(D_ATTENTION);
    with_weights(config.init(device), 20)
}

fn input(seed: u64) -> Sample {
    Sample::random([1, BATCH, STEPS, D_INPUT], seed).scaled(2.0)
}

fn sequences(sample: &Tensor<4>) -> Tensor<3> {
    sample.clone().squeeze_dim(0)
}

/// `x W`, for a `W` of `[inputs, outputs]`.
fn linear(x: &[f64], layer: &Linear) -> Vec<f64> {
    let w = values(&layer.weight.val());
    let outputs = w.len() / x.len();
    let bias = layer.bias.as_ref().map_or_else(|| vec![0.0; outputs], |b| values(&b.val()));
    (0..outputs)
        .map(|o| bias[o] + (0..x.len()).map(|i| x[i] * w[i * outputs + o]).sum::<f64>())
        .collect()
}

fn add(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Hidden states and weights, `[steps][d_hidden]` and `[steps][steps before]`, of one sequence.
fn lstmn(cell: &TapeCell, input: &[&[f64]]) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let (mut hidden, mut memory) = (Vec::<Vec<f64>>::new(), Vec::<Vec<f64>>::new());
    let (mut weights, mut summary) = (Vec::new(), vec![0.0; D_HIDDEN]);
    for x in input {
        let scores: Vec<f64> = hidden
            .iter()
            .map(|h| {
                let step =
                    add(&linear(x, &cell.attend_input), &linear(&summary, &cell.attend_summary));
                let sum = add(&linear(h, &cell.attend_hidden), &step);
                let hidden: Vec<f64> = sum.iter().map(|x| x.tanh()).collect();
                linear(&hidden, &cell.energy)[0].exp()
            })
            .collect();
        let row: Vec<f64> = scores.iter().map(|s| s / scores.iter().sum::<f64>()).collect();
        let average = |tape: &[Vec<f64>]| {
            tape.iter().zip(&row).fold(vec![0.0; D_HIDDEN], |sum, (state, weight)| {
                add(&sum, &state.iter().map(|x| weight * x).collect::<Vec<_>>())
            })
        };
        summary = average(&hidden);
        let before = average(&memory);
        let gates = add(&linear(x, &cell.gates_input), &linear(&summary, &cell.gates_summary));
        let gate = |n: usize, d: usize| gates[n * D_HIDDEN + d];
        let c: Vec<f64> = (0..D_HIDDEN)
            .map(|d| sigmoid(gate(1, d)) * before[d] + sigmoid(gate(0, d)) * gate(3, d).tanh())
            .collect();
        hidden.push((0..D_HIDDEN).map(|d| sigmoid(gate(2, d)) * c[d].tanh()).collect());
        memory.push(c);
        weights.push(row);
    }
    (hidden, weights)
}

#[test]
fn it_is_its_equation() {
    let input = input(1);
    for device in devices() {
        let cell = cell(&device);
        let (mut hidden, mut weights) = (Vec::new(), Vec::new());
        for b in 0..BATCH {
            let steps: Vec<&[f64]> = (0..STEPS).map(|t| input.row(0, b, t)).collect();
            let (states, rows) = lstmn(&cell, &steps);
            hidden.extend(states.concat());
            for mut row in rows {
                row.resize(STEPS, 0.0);
                weights.extend(row);
            }
        }
        let found = cell.forward_with_weights(sequences(&input.f32(&device)), &mut Tape::start());
        assert_eq!(found.hidden.dims(), [BATCH, STEPS, D_HIDDEN]);
        assert_eq!(found.weights.dims(), [BATCH, STEPS, STEPS]);
        // Six steps, each of a few roundings of numbers of about 1, which gates do not enlarge.
        assert_close("hidden", &values(&found.hidden), &hidden, 3e-6);
        assert_close("weights", &values(&found.weights), &weights, 3e-6);
    }
}

#[test]
fn gradients_are_those_of_differences() {
    // Smooth; four steps of gates multiply derivatives of about 1. A small cell, for each weight is
    // moved twice.
    let init = |device: &Device| {
        with_weights(TapeCellConfig::new(D_INPUT, 2).with_d_attention(4).init(device), 21)
    };
    let input = Sample::random([1, BATCH, 4, D_INPUT], 2).scaled(2.0);
    for lengths in [[4, 4], [4, 2], [0, 3]] {
        let input = std::slice::from_ref(&input);
        check_module_gradients("tape", init, input, 1e-7, |cell, inputs| {
            let mut tape = Tape::padded(lengths);
            let read = cell.forward_with_weights(sequences(&inputs[0]), &mut tape);
            let parts = vec![read.hidden, tape.memory().unwrap(), read.weights];
            Tensor::cat(parts, 2).unsqueeze()
        });
    }
}

#[test]
fn whole_in_parts_and_step_by_step_is_the_same() {
    for device in devices() {
        let cell = cell(&device);
        let input = sequences(&input(4).f32(&device));
        for lengths in [None, Some([STEPS, 3])] {
            let start = || lengths.map_or_else(Tape::start, Tape::padded);
            let whole = cell.forward(input.clone(), &mut start());
            let mut tape = start();
            let parts = [0..1, 1..4, 4..STEPS]
                .map(|part| cell.forward(input.clone().slice_dim(1, part), &mut tape));
            assert_eq!(tape.steps(), STEPS);
            let mut tape = start();
            let steps = (0..STEPS).map(|t| {
                let step = input.clone().slice_dim(1, t..t + 1).squeeze_dim::<2>(1);
                cell.step(step, &mut tape).unsqueeze_dim::<3>(1)
            });
            let steps = Tensor::cat(steps.collect(), 1);
            // Products of other numbers of rows sum in another order.
            for found in [Tensor::cat(parts.to_vec(), 1), steps] {
                assert_close("parts", &values(&found), &values(&whole), 1e-6);
            }
            assert_eq!(values(&tape.hidden().unwrap()), values(&whole.clone()));
        }
    }
}

/// The tape goes on after a part: its weights are over all steps so far.
#[test]
fn weights_are_over_the_whole_tape() {
    for device in devices() {
        let cell = cell(&device);
        let input = sequences(&input(5).f32(&device));
        let whole = cell.forward_with_weights(input.clone(), &mut Tape::start()).weights;
        let mut tape = Tape::start();
        cell.forward(input.clone().slice_dim(1, 0..2), &mut tape);
        let found = cell.forward_with_weights(input.slice_dim(1, 2..STEPS), &mut tape).weights;
        assert_eq!(found.dims(), [BATCH, STEPS - 2, STEPS]);
        assert_close("weights", &values(&found), &values(&whole.slice_dim(1, 2..STEPS)), 1e-6);
    }
}

#[test]
fn padding_never_leaks() {
    let lengths = [STEPS, 3];
    for device in devices() {
        let device = device.autodiff();
        let cell = cell(&device);
        let answer = |sample: &Sample| {
            let leaf = sample.f32(&device).require_grad();
            let mut tape = Tape::padded(lengths);
            let read = cell.forward_with_weights(sequences(&leaf), &mut tape);
            let upstream = Sample::random([1, BATCH, STEPS, D_HIDDEN], 7).f32(&device);
            let loss = (read.hidden.clone() * sequences(&upstream)).sum()
                + tape.memory().unwrap().sum()
                + (read.weights.clone() * read.weights.clone()).sum();
            let gradients = loss.backward();
            (
                [values(&read.hidden), values(&read.weights)],
                values(&leaf.grad(&gradients).unwrap()),
                weights_of(&cell, Some(&gradients)),
            )
        };
        let clean = answer(&input(6));
        assert!(answer(&input(6)) == clean, "another answer the second time");
        let mut poisoned = input(6);
        for (n, x) in poisoned.data[(STEPS + 3) * D_INPUT..].iter_mut().enumerate() {
            *x = [f64::NAN, f64::INFINITY, 1e30][n % 3];
        }
        assert!(answer(&poisoned) == clean, "padding leaks");

        // Behind the end there is nothing.
        let ([hidden, weights], d_input, _) = &clean;
        let after = |of: &[f64], width: usize| of[(STEPS + 3) * width..].to_vec();
        assert_eq!(after(hidden, D_HIDDEN), [0.0; 3 * D_HIDDEN]);
        assert_eq!(after(weights, STEPS), [0.0; 3 * STEPS]);
        assert_eq!(after(d_input, D_INPUT), [0.0; 3 * D_INPUT]);
        for (row, weights) in weights.chunks(STEPS).enumerate() {
            let (b, t) = (row / STEPS, row % STEPS);
            let sum: f64 = weights.iter().sum();
            let expected = f64::from(t > 0 && t < lengths[b]);
            // At most five weights, each rounded.
            assert_close("sums", &[sum], &[expected], 1e-6);
            assert!(weights[t..].iter().all(|&weight| weight == 0.0), "step {t} sees what follows");
        }

        // Each sequence is what it is alone.
        for (b, length) in lengths.into_iter().enumerate() {
            let alone = sequences(&input(6).f32(&device)).slice_dim(0, b..b + 1);
            let alone = alone.slice_dim(1, 0..length);
            let expected = values(&cell.forward(alone, &mut Tape::start()));
            let found = &hidden[b * STEPS * D_HIDDEN..][..length * D_HIDDEN];
            // A product of another number of rows may sum in another order.
            assert_close("alone", found, &expected, 1e-6);
        }
    }
}

#[test]
fn a_batch_that_is_all_padding_is_nothing() {
    for device in devices() {
        let device = device.autodiff();
        let cell = cell(&device);
        let leaf = input(8).f32(&device).require_grad();
        let mut tape = Tape::padded([0, 0]);
        let read = cell.forward_with_weights(sequences(&leaf), &mut tape);
        let gradients = (read.hidden.clone().sum() + tape.memory().unwrap().sum()).backward();
        let found = [
            values(&read.hidden),
            values(&read.weights),
            values(&leaf.grad(&gradients).unwrap()),
            weights_of(&cell, Some(&gradients)),
        ];
        assert!(found.concat().iter().all(|&x| x == 0.0));
    }
}

#[test]
fn a_detached_tape_has_no_past() {
    let device = Device::flex().autodiff();
    let cell = cell(&device);
    let leaf = input(9).f32(&device).require_grad();
    let (mut tape, last) = (Tape::start(), STEPS - 1);
    cell.forward(sequences(&leaf).slice_dim(1, 0..last), &mut tape);
    let mut tape = tape.detach();
    let hidden = cell.forward(sequences(&leaf).slice_dim(1, last..STEPS), &mut tape);
    let gradient = values(&leaf.grad(&hidden.sum().backward()).unwrap());
    for (step, gradient) in gradient.chunks(D_INPUT).enumerate() {
        assert_eq!(gradient.iter().any(|&x| x != 0.0), step % STEPS == last, "step {step}");
    }
}
