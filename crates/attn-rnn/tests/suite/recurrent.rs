//! Recurrent layers and the ends of their sequences.

use crate::support::{
    assert_close, check_weight_gradients, devices, f64s, floats, numbers, rng, seeded, values,
    weights_of,
};
use attn_rnn::{CellKind, Recurrent, RecurrentConfig, RecurrentOutput, State};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use proptest::prelude::*;

const CELLS: [CellKind; 3] = [CellKind::Lstm, CellKind::Gru, CellKind::Lstmn];

fn stack(cell: CellKind, d_input: usize, d_hidden: usize) -> RecurrentConfig {
    RecurrentConfig {
        layers: 2,
        bidirectional: true,
        ..RecurrentConfig::new(cell, d_input, d_hidden)
    }
}

/// Rows of `[s, d]` in a batch `[b, steps, d]`, with `filling` for padding.
fn padded(rows: &[Vec<f64>], d: usize, steps: usize, filling: f64, device: &Device) -> Tensor<3> {
    let mut data = Vec::new();
    for row in rows {
        data.extend(row.iter().map(|&x| x as f32));
        data.extend(std::iter::repeat_n(filling as f32, steps * d - row.len()));
    }
    Tensor::from_data(TensorData::new(data, [rows.len(), steps, d]), device)
}

fn state_bits(state: &State, row: usize) -> Vec<f64> {
    let of = |tensor: &Tensor<2>| values(&tensor.clone().slice_dim(0, row..row + 1));
    let mut bits = of(&state.hidden);
    bits.extend(state.cell.iter().flat_map(of));
    bits
}

/// Outputs and states of row `row`, up to its end.
fn bits(output: &RecurrentOutput, row: usize, length: usize) -> Vec<f64> {
    let mut bits = Vec::new();
    if length > 0 {
        bits = values(&output.outputs.clone().slice([row..row + 1, 0..length]));
    }
    bits.extend(output.states.iter().flat_map(|state| state_bits(state, row)));
    bits
}

#[track_caller]
fn check_batch(layers: &Recurrent, lengths: &[usize], d: usize, extra: usize, device: &Device) {
    let mut rng = rng(7);
    let rows: Vec<Vec<f64>> = lengths.iter().map(|&length| numbers(&mut rng, length * d)).collect();
    let steps = lengths.iter().max().unwrap() + extra;
    let batch = padded(&rows, d, steps.max(1), f64::NAN, device);
    let together = layers.forward(batch, lengths, None);
    for (row, &length) in lengths.iter().enumerate() {
        let alone = padded(&rows[row..=row], d, length.max(1), 0.0, device);
        let alone = layers.forward(alone, &[length], None);
        assert!(
            bits(&together, row, length) == bits(&alone, 0, length),
            "row {row} of {lengths:?} differs from itself alone on {device:?}"
        );
        let width = together.outputs.dims()[2];
        if length < steps {
            let behind = together.outputs.clone().slice([row..row + 1, length..steps]);
            assert_eq!(values(&behind), vec![0.0; (steps - length) * width], "behind row {row}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever the sizes, the lengths, and the padding, which is NaN.
    #[test]
    fn a_padded_batch_is_bit_for_bit_its_sequences_alone(
        lengths in prop::collection::vec(0_usize..8, 1..9),
        (d_input, d_hidden) in (1_usize..20, 1_usize..40),
        extra in 0_usize..3,
        cell in prop::sample::select(CELLS.to_vec()),
        layer_norm in any::<bool>(),
    ) {
        for device in devices() {
            let config = RecurrentConfig { layer_norm, ..stack(cell, d_input, d_hidden) };
            check_batch(&seeded(config.init(&device), 3), &lengths, d_input, extra, &device);
        }
    }
}

/// Sizes at which the kernel of the product cuts its rows and columns into parts.
#[test]
fn large_batches_are_their_sequences_too() {
    let lengths: Vec<usize> = (0..65).map(|row| 1 + row % 4).collect();
    for device in devices() {
        for cell in CELLS {
            let layers = seeded(RecurrentConfig::new(cell, 33, 130).init(&device), 4);
            check_batch(&layers, &lengths, 33, 1, &device);
        }
    }
}

/// The states that go in come out for a sequence without a step, in every layer and direction.
#[test]
fn a_sequence_without_a_step_keeps_its_state() {
    for device in devices() {
        let layers = seeded(stack(CellKind::Lstm, 3, 4).init(&device), 5);
        let rng = &mut rng(6);
        let start: Vec<State> = (0..4)
            .map(|_| State {
                hidden: floats(rng, [2, 4], &device),
                cell: Some(floats(rng, [2, 4], &device)),
            })
            .collect();
        for lengths in [[0, 5], [0, 0]] {
            let x = floats(rng, [2, 5, 3], &device);
            let output = layers.forward(x, &lengths, Some(start.clone()));
            for (before, after) in start.iter().zip(&output.states) {
                assert_eq!(state_bits(before, 0), state_bits(after, 0));
            }
            assert_eq!(values(&output.outputs.slice([0..1, 0..5])), [0.0; 5 * 8]);
        }
    }
}

/// What padding holds reaches no gradient, and it has none itself.
#[test]
fn padding_has_no_gradient_and_gives_none() {
    for device in devices() {
        let device = device.autodiff();
        for cell in CELLS {
            let layers = seeded(stack(cell, 3, 4).init(&device), 8);
            let lengths = [2, 5, 3];
            let rng = &mut rng(9);
            let rows: Vec<Vec<f64>> =
                lengths.iter().map(|&length| numbers(rng, length * 3)).collect();
            let answer = |filling: f64| {
                let x = padded(&rows, 3, 6, filling, &device).require_grad();
                let output = layers.forward(x.clone(), &lengths, None);
                let last = output.states.into_iter().map(|state| state.hidden.sum());
                let loss = last.fold(output.outputs.square().sum(), |sum, more| sum + more);
                let gradients = loss.backward();
                (values(&x.grad(&gradients).unwrap()), weights_of(&layers, Some(&gradients)))
            };
            let (d_x, d_weights) = answer(0.0);
            for (row, &length) in lengths.iter().enumerate() {
                assert_eq!(
                    d_x[(row * 6 + length) * 3..(row + 1) * 6 * 3],
                    vec![0.0; (6 - length) * 3]
                );
            }
            assert!(answer(f64::NAN) == (d_x, d_weights));
        }
    }
}

/// The layers' own answer step by step is that of all steps at once.
#[test]
fn steps_are_the_whole() {
    for device in devices() {
        // Those of an LSTMN are in `lstmn.rs`.
        for cell in [CellKind::Lstm, CellKind::Gru] {
            for layer_norm in [false, true] {
                let config =
                    RecurrentConfig { layers: 3, layer_norm, ..RecurrentConfig::new(cell, 3, 5) };
                let layers = seeded(config.init(&device), 10);
                let x = floats(&mut rng(11), [2, 4, 3], &device);
                let whole = layers.forward(x.clone(), &[4, 4], None);
                let mut states = layers.start(2, &device, x.dtype().into());
                for step in 0..4 {
                    let input = x.clone().slice_dim(1, step..step + 1).squeeze_dim(1);
                    states = layers.step(input, states, None);
                    let expected = whole.outputs.clone().slice_dim(1, step..step + 1);
                    assert_eq!(values(&states[2].hidden), values(&expected), "step {step}");
                }
            }
        }
    }
}

/// Off by the difference's own error, about 1e-10 of sums of order ten.
#[test]
fn gradients_of_normalized_cells_are_those_of_differences() {
    for cell in CELLS {
        let config = RecurrentConfig { layer_norm: true, ..stack(cell, 3, 4) };
        check_weight_gradients(
            "layer norm",
            |device| seeded(config.init(device), 12),
            60,
            1e-7,
            |layers| {
                let device = Device::flex().autodiff();
                let rng = &mut rng(13);
                let x = f64s(rng, [3, 5, 3], &device);
                let output = layers.forward(x, &[2, 5, 4], None).outputs;
                let upstream = f64s(rng, output.dims(), &device);
                (output * upstream).sum()
            },
        );
    }
}

/// The equations of layer norm, with loops: one step of one row.
#[test]
fn a_normalized_lstm_is_that_of_the_paper() {
    let norm = |x: &[f64]| -> Vec<f64> {
        let n = x.len() as f64;
        let mean = x.iter().sum::<f64>() / n;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        x.iter().map(|x| (x - mean) / (variance + 1e-5).sqrt()).collect()
    };
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    for device in devices() {
        let config = RecurrentConfig { layer_norm: true, ..RecurrentConfig::lstm(3, 2) };
        let layers = seeded(config.init(&device), 14);
        let attn_rnn::Cell::Lstm(cell) = &layers.layers[0].forward else { panic!() };
        let rng = &mut rng(15);
        let (x, h, c) = (numbers(rng, 3), numbers(rng, 2), numbers(rng, 2));
        let times = |x: &[f64], weight: Vec<f64>| -> Vec<f64> {
            (0..8)
                .map(|j| x.iter().zip(weight.chunks(8)).map(|(x, row)| x * row[j]).sum())
                .collect()
        };
        let of = |param: &burn::module::Param<Tensor<1>>| values(&param.val());
        let input = norm(&times(&x, values(&cell.input.weight.val())));
        let recurrent = norm(&times(&h, values(&cell.recurrent.weight.val())));
        let gain = of(cell.input.gain.as_ref().unwrap());
        let recurrent_gain = of(cell.recurrent.gain.as_ref().unwrap());
        let bias = of(cell.input.bias.as_ref().unwrap());
        let gate = |j: usize| input[j] * gain[j] + recurrent[j] * recurrent_gain[j] + bias[j];
        let cells: Vec<f64> = (0..2)
            .map(|j| sigmoid(gate(2 + j)) * c[j] + sigmoid(gate(j)) * gate(4 + j).tanh())
            .collect();
        let cell_norm = cell.cell_norm.as_ref().unwrap();
        let (gamma, beta) = (of(&cell_norm.gamma), of(&cell_norm.beta));
        let shown: Vec<f64> =
            norm(&cells).iter().zip(&gamma).zip(&beta).map(|((x, g), b)| x * g + b).collect();
        let hidden: Vec<f64> = (0..2).map(|j| sigmoid(gate(6 + j)) * shown[j].tanh()).collect();

        let tensor =
            |x: &[f64]| padded(&[x.to_vec()], x.len(), 1, 0.0, &device).squeeze_dim::<2>(1);
        let state = State { hidden: tensor(&h), cell: Some(tensor(&c)) };
        let after = layers.step(tensor(&x), vec![state], None).remove(0);
        // Of two cells the deviation may be small, and a rounding is divided by it.
        assert_close("hidden", &values(&after.hidden), &hidden, 1e-5);
        assert_close("cell", &values(&after.cell.unwrap()), &cells, 1e-5);
    }
}

/// Gal & Ghahramani (2016): the features that are dropped are the same at all steps.
#[test]
fn recurrent_dropout_drops_the_same_features_at_all_steps() {
    let device = Device::flex().autodiff();
    let config = RecurrentConfig { recurrent_dropout: 0.5, ..RecurrentConfig::lstm(3, 16) };
    let layers = seeded(config.init(&device), 16);
    let x = floats(&mut rng(17), [2, 4, 3], &device);
    let run = || {
        attn_core::random::seed(5);
        values(&layers.forward(x.clone(), &[4, 4], None).outputs)
    };
    attn_core::random::seed(5);
    let kept = layers.draw(2, &device, x.dtype().into());
    let mut states = layers.start(2, &device, x.dtype().into());
    let mut steps = Vec::new();
    for step in 0..4 {
        let input = x.clone().slice_dim(1, step..step + 1).squeeze_dim(1);
        states = layers.step(input, states, Some(&kept));
        steps.push(states[0].hidden.clone());
    }
    assert_eq!(run(), values(&Tensor::stack::<3>(steps.clone(), 1)));
    // Whatever the order of the lengths, a row keeps its features.
    attn_core::random::seed(5);
    let shorter = layers.forward(x.clone(), &[2, 4], None).outputs;
    let whole = Tensor::stack::<3>(steps, 1);
    let row = |outputs: &Tensor<3>, row: usize, steps: usize| {
        values(&outputs.clone().slice([row..row + 1, 0..steps]))
    };
    assert_eq!(row(&shorter, 0, 2), row(&whole, 0, 2));
    assert_eq!(row(&shorter, 1, 4), row(&whole, 1, 4));
    // In evaluation nothing is dropped.
    let valid = layers.valid();
    let plain = x.clone().inner();
    let never = RecurrentConfig::lstm(3, 16).init(&Device::flex());
    let never = never.load_record(valid.clone().into_record());
    let [found, expected] =
        [valid, never].map(|layers| values(&layers.forward(plain.clone(), &[4, 4], None).outputs));
    assert_eq!(found, expected);
    assert_ne!(run(), expected);
}

#[test]
fn nonsense_is_refused_by_name() {
    let config = RecurrentConfig::lstm(3, 5);
    assert_eq!(config.validate(), Ok(()));
    let error = |config: RecurrentConfig| config.validate().unwrap_err().to_string();
    assert_eq!(error(RecurrentConfig::gru(0, 5)), "d_input is 0, must be at least 1");
    assert_eq!(error(RecurrentConfig::gru(3, 0)), "d_hidden is 0, must be at least 1");
    let none = RecurrentConfig { layers: 0, ..config.clone() };
    assert_eq!(error(none), "layers is 0, must be at least 1");
    let all = RecurrentConfig { dropout: 1.0, ..config.clone() };
    assert_eq!(error(all), "dropout = 1 is outside [0, 1)");
    let negative = RecurrentConfig { recurrent_dropout: -0.5, ..config };
    assert_eq!(error(negative), "recurrent_dropout = -0.5 is outside [0, 1)");
}

#[test]
#[should_panic(expected = "layers is 0, must be at least 1")]
fn init_refuses_what_validate_refuses() {
    RecurrentConfig { layers: 0, ..RecurrentConfig::lstm(3, 5) }.init(&Device::flex());
}

#[test]
#[should_panic(expected = "row 1 has length 5, more than its 4 steps")]
fn a_sequence_is_not_longer_than_its_row() {
    let device = Device::flex();
    let layers = RecurrentConfig::lstm(3, 5).init(&device);
    layers.forward(Tensor::ones([2, 4, 3], &device), &[4, 5], None);
}

#[test]
#[should_panic(expected = "1 states for 2 layers and directions")]
fn every_direction_has_a_state() {
    let device = Device::flex();
    let config = RecurrentConfig { bidirectional: true, ..RecurrentConfig::gru(3, 5) };
    let layers = config.init(&device);
    let state = State { hidden: Tensor::zeros([2, 5], &device), cell: None };
    layers.forward(Tensor::ones([2, 4, 3], &device), &[4, 2], Some(vec![state]));
}

#[test]
#[should_panic(expected = "what reads in both directions cannot go step by step")]
fn both_directions_do_not_go_step_by_step() {
    let device = Device::flex();
    let config = RecurrentConfig { bidirectional: true, ..RecurrentConfig::gru(3, 5) };
    config.init(&device).step(Tensor::ones([2, 3], &device), vec![], None);
}
