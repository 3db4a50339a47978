//! The LSTMN: an LSTM that attends to all of its previous states.

use crate::support::{
    assert_close, check_weight_gradients, devices, f64s, floats, ids, numbers, rng, seeded, values,
};
use attn_rnn::{
    Cell, ClassifierConfig, LstmnCell, Recurrent, RecurrentConfig, Seq2SeqConfig, State, Tape,
};
use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};

const BATCH: usize = 2;
const STEPS: usize = 6;
const D_INPUT: usize = 3;
const D_HIDDEN: usize = 4;

fn layer(device: &Device) -> Recurrent {
    seeded(RecurrentConfig::lstmn(D_INPUT, D_HIDDEN).init(device), 20)
}

fn cell(layer: &Recurrent) -> &LstmnCell {
    let Cell::Lstmn(cell) = &layer.layers[0].forward else { panic!("{layer:?}") };
    cell
}

fn start(rows: usize, device: &Device) -> Tape {
    let zeros = || Tensor::zeros([rows, D_HIDDEN], device);
    Tape::start(State { hidden: zeros(), cell: Some(zeros()) })
}

/// `x W`, for a `W` of `[inputs, outputs]`.
fn times(x: &[f64], weight: &Param<Tensor<2>>) -> Vec<f64> {
    let weight = values(&weight.val());
    let outputs = weight.len() / x.len();
    (0..outputs).map(|o| (0..x.len()).map(|i| x[i] * weight[i * outputs + o]).sum()).collect()
}

fn add(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Cheng et al. (2016), section 3.2, plainly: hidden states and weights, `[steps][d_hidden]` and
/// `[steps][steps before]`, of one sequence. Gates in the order `i f g o`.
fn lstmn(cell: &LstmnCell, input: &[&[f64]]) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let bias = values(&cell.lstm.input.bias.as_ref().unwrap().val());
    let (mut hidden, mut memory) = (Vec::<Vec<f64>>::new(), Vec::<Vec<f64>>::new());
    let (mut weights, mut summary) = (Vec::new(), vec![0.0; D_HIDDEN]);
    for x in input {
        let score = |h: &Vec<f64>| {
            let step = add(
                &times(x, &cell.attend_input.weight),
                &times(&summary, &cell.attend_summary.weight),
            );
            let sum = add(&times(h, &cell.attend_hidden.weight), &step);
            let layer: Vec<f64> = sum.iter().map(|x| x.tanh()).collect();
            times(&layer, &cell.energy.weight)[0].exp()
        };
        let scores: Vec<f64> = hidden.iter().map(score).collect();
        let row: Vec<f64> = scores.iter().map(|s| s / scores.iter().sum::<f64>()).collect();
        let average = |tape: &[Vec<f64>]| {
            tape.iter().zip(&row).fold(vec![0.0; D_HIDDEN], |sum, (state, weight)| {
                add(&sum, &state.iter().map(|x| weight * x).collect::<Vec<_>>())
            })
        };
        summary = average(&hidden);
        let before = average(&memory);
        let gates = add(&times(x, &cell.lstm.input.weight), &bias);
        let gates = add(&gates, &times(&summary, &cell.lstm.recurrent.weight));
        let gate = |n: usize, d: usize| gates[n * D_HIDDEN + d];
        let c: Vec<f64> = (0..D_HIDDEN)
            .map(|d| sigmoid(gate(1, d)) * before[d] + sigmoid(gate(0, d)) * gate(2, d).tanh())
            .collect();
        hidden.push((0..D_HIDDEN).map(|d| sigmoid(gate(3, d)) * c[d].tanh()).collect());
        memory.push(c);
        weights.push(row);
    }
    (hidden, weights)
}

#[test]
fn it_is_its_equation_at_once_and_step_by_step() {
    let input = numbers(&mut rng(1), BATCH * STEPS * D_INPUT);
    let rows: Vec<Vec<&[f64]>> =
        input.chunks(STEPS * D_INPUT).map(|row| row.chunks(D_INPUT).collect()).collect();
    for device in devices() {
        let layer = layer(&device);
        let cell = cell(&layer);
        let data =
            TensorData::new(input.iter().map(|&x| x as f32).collect(), [BATCH, STEPS, D_INPUT]);
        let input = Tensor::<3>::from_data(data, &device);
        let whole = layer.forward(input.clone(), &[STEPS; BATCH], None);
        let expected: Vec<_> = rows.iter().map(|row| lstmn(cell, row)).collect();
        let hidden: Vec<f64> = expected.iter().flat_map(|(hidden, _)| hidden.concat()).collect();
        // Six steps, each of a few roundings of numbers of about 1, which gates do not enlarge.
        assert_close("hidden", &values(&whole.outputs), &hidden, 3e-6);

        let mut tape = start(BATCH, &device);
        for step in 0..STEPS {
            let x = input.clone().slice_dim(1, step..step + 1).squeeze_dim::<2>(1);
            let found = cell.step(x, &mut tape);
            let at_once = whole.outputs.clone().slice_dim(1, step..step + 1);
            assert_eq!(values(&found.state.hidden), values(&at_once), "step {step}");
            let Some(weights) = found.weights else {
                assert_eq!(step, 0);
                continue;
            };
            assert_eq!(weights.dims(), [BATCH, step]);
            let expected: Vec<f64> =
                expected.iter().flat_map(|(_, weights)| weights[step].clone()).collect();
            assert_close("weights", &values(&weights), &expected, 3e-6);
        }
        assert_eq!(tape.steps(), STEPS);
        assert_eq!(values(&tape.hidden().unwrap()), values(&whole.outputs));
        let last = tape.memory().unwrap().slice_dim(1, STEPS - 1..STEPS);
        assert_eq!(values(whole.states[0].cell.as_ref().unwrap()), values(&last));
    }
}

/// The reverse direction is the forward direction on each sequence turned around.
#[test]
fn the_reverse_direction_starts_at_each_end() {
    let lengths = [4, STEPS];
    for device in devices() {
        let config = RecurrentConfig::lstmn(D_INPUT, D_HIDDEN).with_bidirectional(true);
        let layers = seeded(config.init(&device), 22);
        let Some(Cell::Lstmn(reverse)) = &layers.layers[0].reverse else { panic!() };
        let input = floats(&mut rng(3), [BATCH, STEPS, D_INPUT], &device);
        let found = layers.forward(input.clone(), &lengths, None).outputs;
        for (row, length) in lengths.into_iter().enumerate() {
            let mut tape = start(1, &device);
            for step in (0..length).rev() {
                let x = input.clone().slice([row..row + 1, step..step + 1]).squeeze_dim::<2>(1);
                let expected = reverse.step(x, &mut tape).state.hidden;
                let found =
                    found.clone().slice([row..row + 1, step..step + 1, D_HIDDEN..2 * D_HIDDEN]);
                assert_eq!(values(&found), values(&expected), "row {row}, step {step}");
            }
        }
    }
}

/// With the state that it starts from in place of the average of an empty tape: a first step is that of
/// an LSTM with the same weights.
#[test]
fn its_first_step_is_that_of_an_lstm() {
    for device in devices() {
        let layer = layer(&device);
        let mut lstm = RecurrentConfig::lstm(D_INPUT, D_HIDDEN).init(&device);
        lstm.layers[0].forward = Cell::Lstm(cell(&layer).lstm.clone());
        let rng = &mut rng(4);
        let state = State {
            hidden: floats(rng, [BATCH, D_HIDDEN], &device),
            cell: Some(floats(rng, [BATCH, D_HIDDEN], &device)),
        };
        let input = floats(rng, [BATCH, 1, D_INPUT], &device);
        let [found, expected] = [&layer, &lstm].map(|of| {
            values(&of.forward(input.clone(), &[1; BATCH], Some(vec![state.clone()])).outputs)
        });
        assert_close("first step", &found, &expected, 1e-6);
    }
}

/// Smooth: the difference is off by 1e-10 of sums of order ten.
#[test]
fn gradients_are_those_of_differences() {
    for lengths in [[4, 4], [2, 4], [3, 0]] {
        check_weight_gradients(
            "lstmn",
            |device| {
                let config = RecurrentConfig::lstmn(D_INPUT, 2).with_bidirectional(true);
                seeded(config.init(device), 21)
            },
            60,
            1e-7,
            |layer| {
                let (device, rng) = (Device::flex().autodiff(), &mut rng(2));
                let input = f64s(rng, [BATCH, 4, D_INPUT], &device);
                let found = layer.forward(input, &lengths, None);
                let memory = found.states.into_iter().map(|state| state.cell.unwrap().sum());
                let upstream = f64s(rng, [BATCH, 4, 4], &device);
                memory.fold((found.outputs * upstream).sum(), |sum, more| sum + more)
            },
        );
    }
}

#[test]
#[should_panic(expected = "an LSTMN goes on from all states so far")]
fn one_state_is_not_enough_to_go_on() {
    let device = Device::flex();
    let layer = layer(&device);
    let states = layer.start(BATCH, &device, burn::tensor::FloatDType::F32);
    layer.step(Tensor::ones([BATCH, D_INPUT], &device), states, None);
}

/// The kind of a cell is a key of a file: of a classifier, and of an encoder, whose last states an LSTM
/// goes on from. A sentence in a padded batch gets the same result as alone.
#[test]
fn a_file_chooses_it() {
    let encoder =
        r#"{ "vocab": 13, "recurrent": { "cell": "lstmn", "d_input": 3, "d_hidden": 8 } }"#;
    let classifier =
        format!(r#"{{ "encoder": {encoder}, "pooling": {{ "name": "attention" }}, "labels": 6 }}"#);
    let translator = format!(
        r#"{{ "encoder": {encoder}, "bridge": "last", "decoder": {{
            "vocab": 11, "recurrent": {{ "d_input": 5, "d_hidden": 8 }},
            "flow": {{ "name": "luong", "attention": {{}} }}
        }} }}"#
    );
    let classifier: ClassifierConfig = serde_json::from_str(&classifier).unwrap();
    let translator: Seq2SeqConfig = serde_json::from_str(&translator).unwrap();
    for device in devices() {
        let classifier = seeded(classifier.init(&device), 23);
        let translator = seeded(translator.init(&device), 24);
        let source = ids(&[vec![5, 7, 2, 9], vec![8, 3, 0, 0]], &device);
        let target = ids(&[vec![1, 4, 6], vec![1, 9, 0]], &device);
        let alone = ids(&[vec![8, 3]], &device);
        let second = |values: Vec<f64>| values[values.len() / 2..].to_vec();
        let together = second(values(&classifier.forward(source.clone(), &[4, 2]).logits));
        let expected = values(&classifier.forward(alone.clone(), &[2]).logits);
        // Products of other numbers of rows, of sums of order one.
        assert_close("label", &together, &expected, 1e-6);
        let found = second(values(&translator.forward(source, &[4, 2], target.clone())));
        let expected = values(&translator.forward(alone, &[2], target.slice_dim(0, 1..2)));
        assert_close("translation", &found, &expected, 1e-5);
    }
}
