//! Pointer-generator.

use crate::support::{
    assert_close, check_weight_gradients, devices, numbers, rng, values, weights_of,
};
use attn_rnn::pointer::{
    IMPOSSIBLE, PointerGenerator, PointerGeneratorConfig, SourceWords, mixture,
};
use burn::module::{Module, Param};
use burn::tensor::{DType, Device, FloatDType, Int, Tensor, TensorData};

const BATCH: usize = 2;
const STEPS: usize = 3;
const KEYS: usize = 5;
const VOCABULARY: usize = 7;
const EXTENDED: usize = 9;
/// Widths of context, state and input.
const WIDTHS: [usize; 3] = [4, 6, 8];

/// Repeated words, words that the vocabulary lacks, and padding in the second row.
const IDS: [[i64; KEYS]; BATCH] = [[3, 8, 3, 0, 8], [7, 6, 2, 0, 0]];
const LENGTHS: [usize; BATCH] = [5, 3];

fn ids(device: &Device) -> Tensor<2, Int> {
    Tensor::from_data(IDS, device)
}

/// `[batch, steps, keys]`: rows that sum to 1, with 0 for padding.
fn weights() -> Vec<f64> {
    let mut data = Vec::new();
    for (n, row) in numbers(&mut rng(1), BATCH * STEPS * KEYS).chunks(KEYS).enumerate() {
        let exp = |j: usize| if j < LENGTHS[n / STEPS] { row[j].exp() } else { 0.0 };
        let sum: f64 = (0..KEYS).map(exp).sum();
        data.extend((0..KEYS).map(|j| f64::from((exp(j) / sum) as f32)));
    }
    data
}

/// `[batch, steps, vocabulary]`
fn logits() -> Vec<f64> {
    let logits = numbers(&mut rng(2), BATCH * STEPS * VOCABULARY);
    logits.into_iter().map(|x| f64::from((3.0 * x) as f32)).collect()
}

/// Context, state and input, each `[batch, steps, width]`.
fn parts() -> [Vec<f64>; 3] {
    [0, 1, 2].map(|n| numbers(&mut rng(3 + n as u64), BATCH * STEPS * WIDTHS[n]))
}

/// `[batch, steps, ..]`
fn tensor(data: &[f64], device: &Device) -> Tensor<3> {
    let width = data.len() / (BATCH * STEPS);
    Tensor::from_data(TensorData::new(data.to_vec(), [BATCH, STEPS, width]), (device, DType::F32))
}

/// See et al. (2017), equations 8–9, plainly: probabilities of all words.
fn probabilities(gates: &[f64], logits: &[f64], weights: &[f64]) -> Vec<f64> {
    let mut found = Vec::new();
    for (b, ids) in IDS.iter().enumerate() {
        for t in 0..STEPS {
            let n = b * STEPS + t;
            let p_gen = 1.0 / (1.0 + (-gates[n]).exp());
            let row = &logits[n * VOCABULARY..][..VOCABULARY];
            let sum: f64 = row.iter().map(|x| x.exp()).sum();
            found.extend((0..EXTENDED).map(|word| {
                let known = row.get(word).map_or(0.0, |x| x.exp() / sum);
                let copied: f64 = (0..KEYS)
                    .filter(|&j| ids[j] == word as i64)
                    .map(|j| weights[n * KEYS + j])
                    .sum();
                p_gen * known + (1.0 - p_gen) * copied
            }));
        }
    }
    found
}

#[test]
fn it_is_its_equation_and_sums_to_one() {
    for device in devices() {
        let pointer = PointerGeneratorConfig::new(WIDTHS[0], WIDTHS[1], WIDTHS[2]).init(&device);
        let numbers = weights_of(&pointer, None);
        let parts = parts();
        let gates: Vec<f64> = (0..BATCH * STEPS)
            .map(|row| {
                let of = |n: usize| &parts[n][row * WIDTHS[n]..][..WIDTHS[n]];
                let all = [of(0), of(1), of(2)].concat();
                let dot: f64 = all.iter().zip(&numbers).map(|(x, w)| x * w).sum();
                dot + numbers[WIDTHS.iter().sum::<usize>()]
            })
            .collect();
        let [context, state, input] = parts.each_ref().map(|part| tensor(part, &device));
        let source = SourceWords::new(ids(&device), EXTENDED).unwrap();
        let (logits, weights) = (logits(), weights());
        let gate = pointer.gate(context, state, input);
        assert_close("gate", &values(&gate), &gates, 1e-6);
        let found = mixture(gate, tensor(&logits, &device), tensor(&weights, &device), &source);
        assert_eq!(found.dims(), [BATCH, STEPS, EXTENDED]);
        let expected = probabilities(&gates, &logits, &weights);
        let log_probs = values(&found);
        let probs: Vec<f64> = log_probs.iter().map(|x| x.exp()).collect();
        // Logarithms below 10, good to a few roundings, and their exponentials.
        assert_close("probabilities", &probs, &expected, 1e-5);
        for row in probs.chunks(EXTENDED) {
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-5, "sum of {row:?}");
        }
        // Word 8 is not in the source of the second row, and cannot be generated.
        assert_eq!(expected[EXTENDED * STEPS + 8], 0.0);
        assert_eq!(log_probs[EXTENDED * STEPS + 8], f64::from(IMPOSSIBLE));
    }
}

/// The gate and its inputs, those of the mixture included, as weights of one module.
#[derive(Module, Debug)]
struct WithInputs {
    pointer: PointerGenerator,
    parts: Vec<Param<Tensor<3>>>,
    logits: Param<Tensor<3>>,
    weights: Param<Tensor<3>>,
}

#[test]
fn it_has_its_gradients() {
    let param = |data: &[f64], device: &Device| Param::from_tensor(tensor(data, device));
    // The ids may be where there is no autodiff.
    for plain in [true, false] {
        check_weight_gradients(
            "pointer",
            |device| WithInputs {
                pointer: PointerGeneratorConfig::new(WIDTHS[0], WIDTHS[1], WIDTHS[2]).init(device),
                parts: parts().iter().map(|part| param(part, device)).collect(),
                logits: param(&logits(), device),
                // Without zeros, at which a copied probability appears out of nothing.
                weights: param(&weights().iter().map(|w| w.max(0.05)).collect::<Vec<_>>(), device),
            },
            usize::MAX,
            // Logarithms of numbers above 1e-3, whose third derivative, times step² = 1e-10, is
            // relative to the gradient below 1e-4 · 1e6 · 1e-10.
            1e-6,
            |module| {
                let logits = module.logits.val();
                let device = logits.device();
                let device = if plain { device.without_autodiff() } else { device };
                let source = SourceWords::new(ids(&device), EXTENDED).unwrap();
                let [context, state, input] = [0, 1, 2].map(|n| module.parts[n].val());
                let gate = module.pointer.gate(context, state, input);
                let found = mixture(gate, logits, module.weights.val(), &source);
                let upstream = numbers(&mut rng(9), BATCH * STEPS * EXTENDED);
                let data = TensorData::new(upstream, found.dims());
                (found * Tensor::from_data(data, (&module.logits.val().device(), DType::F64))).sum()
            },
        );
    }
}

/// A loss of any word, however improbable, is finite, and so is its gradient.
#[test]
fn extremes_have_losses_and_gradients() {
    for device in devices() {
        let device = device.autodiff();
        let source = SourceWords::new(ids(&device), EXTENDED).unwrap();
        for gate in [-200.0, 0.0, 200.0] {
            let gate = Tensor::<2>::full([BATCH, STEPS], gate, &device).require_grad();
            let logits = tensor(&logits(), &device) * 100.0;
            let logits = logits.detach().require_grad();
            let weights = tensor(&weights(), &device).require_grad();
            let found = mixture(gate.clone(), logits.clone(), weights.clone(), &source);
            assert!(values(&found).iter().all(|x| x.is_finite() && *x <= 1e-6));
            let gradients = found.sum().backward();
            for gradient in [
                values(&gate.grad(&gradients).unwrap()),
                values(&logits.grad(&gradients).unwrap()),
                values(&weights.grad(&gradients).unwrap()),
            ] {
                assert!(gradient.iter().all(|x| x.is_finite()), "{gradient:?}");
            }
        }
    }
}

#[test]
fn without_words_to_look_at_what_is_left_is_to_generate() {
    for device in devices() {
        let source = SourceWords::new(ids(&device), EXTENDED).unwrap();
        let gate = Tensor::zeros([BATCH, STEPS], &device);
        let weights = Tensor::zeros([BATCH, STEPS, KEYS], &device);
        let found = mixture(gate, tensor(&logits(), &device), weights, &source);
        let sums = values(&found.exp().sum_dim(2));
        assert_close("sums", &sums, &[0.5; BATCH * STEPS], 1e-6);
    }
}

/// Without words that it lacks, the extended vocabulary is the vocabulary.
#[test]
fn nothing_need_be_extended() {
    for device in devices() {
        let ids = Tensor::from_data([[3, 6, 3, 0, 5], [6, 2, 0, 0, 0]], &device);
        let source = SourceWords::new(ids, VOCABULARY).unwrap();
        assert_eq!(source.extended(), VOCABULARY);
        let gate = Tensor::ones([BATCH, STEPS], &device);
        let (logits, weights) = (tensor(&logits(), &device), tensor(&weights(), &device));
        let sums = values(&mixture(gate, logits, weights, &source).exp().sum_dim(2));
        assert_close("sums", &sums, &[1.0; BATCH * STEPS], 1e-5);
    }
}

#[test]
fn a_beam_may_reorder_its_rows() {
    for device in devices() {
        let source = SourceWords::new(ids(&device), EXTENDED).unwrap();
        let weights = tensor(&weights(), &device);
        let rows = Tensor::from_data([1, 0, 1], &device);
        let whole = source.copy(weights.clone()).select(0, rows.clone());
        let reordered = source.select_rows(&rows).copy(weights.select(0, rows));
        assert_eq!(values(&reordered), values(&whole));
    }
}

/// In half precision the least probability with an inverse would be 0, and its logarithm no number.
#[test]
fn half_precision_is_computed_in_full() {
    let device = Device::flex().autodiff();
    let source = SourceWords::new(Tensor::from_data([[0, 1, 5]], &device), 6).unwrap();
    let [gate, logits, copied] =
        [vec![0.5; 1], vec![0.25, -1.0, 0.75, 0.0, 1.5], vec![0.75, 0.0, 0.25]];
    let answer = |dtype: FloatDType| {
        let leaf = |data: &[f64], width| {
            let data = TensorData::new(data.to_vec(), [1, 1, width]);
            Tensor::<3>::from_data(data, &device).cast(dtype).require_grad()
        };
        let leaves = [leaf(&gate, 1), leaf(&logits, 5), leaf(&copied, 3)];
        let [gate, logits, copied] = leaves.clone();
        let found = mixture(gate.squeeze_dim(2), logits, copied, &source);
        assert_eq!(found.dtype(), DType::from(dtype));
        let gradients = found.clone().sum().backward();
        let gradients = leaves.map(|leaf| leaf.grad(&gradients).unwrap().cast(FloatDType::F32));
        [vec![values(&found.cast(FloatDType::F32))], gradients.each_ref().map(values).to_vec()]
            .concat()
    };
    let expected = answer(FloatDType::F32);
    for half in [FloatDType::F16, FloatDType::BF16] {
        for (found, expected) in answer(half).iter().zip(&expected) {
            // The inputs are numbers of both, so that only answers and gradients are rounded.
            assert_close("half", found, expected, 1.0 / 256.0);
        }
    }
}
