//! Rotary positions against Hugging Face's, and their one property.

use crate::support::{assert_close, devices, floats, rng, values};
use attn_transformer::{FrequencyScaling, Pairing, RotaryConfig};
use burn::tensor::{DType, Device, Tensor, TensorData};
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    base: f64,
    width: usize,
    scalings: Vec<Case>,
    positions: Vec<Vec<usize>>,
    heads: Reference,
    half_split: Reference,
    interleaved: Reference,
}

#[derive(Deserialize)]
struct Case {
    scaling: Option<FrequencyScaling>,
    frequencies: Vec<f64>,
    amplitude: f64,
}

#[derive(Deserialize)]
struct Reference {
    shape: Vec<usize>,
    data: Vec<f64>,
}

impl Reference {
    fn tensor(&self, device: &Device) -> Tensor<4> {
        let values: Vec<f32> = self.data.iter().map(|&value| value as f32).collect();
        Tensor::from_data(TensorData::new(values, self.shape.clone()), device)
    }
}

fn file() -> File {
    serde_json::from_str(include_str!("../data/rotary.json")).unwrap()
}

/// Values from `data/rotary_reference.py`. A pair `(1, 0)` turns into the cosine and the sine.
#[test]
fn frequencies_and_amplitudes_are_those_of_hugging_face() {
    let File { base, width, scalings, .. } = file();
    let positions = vec![vec![0, 1, 7, 100]];
    for Case { scaling, frequencies, amplitude } in scalings {
        let device = Device::flex();
        let config = RotaryConfig { base, pairing: Pairing::HalfSplit, scaling };
        let rotation = config.rotation(&positions, width, &device, DType::F32);
        let ones = Tensor::<4>::ones([1, 1, 4, width / 2], &device);
        let zeros = Tensor::zeros([1, 1, 4, width / 2], &device);
        let turned = values(&rotation.forward(Tensor::cat(vec![ones, zeros], 3)));
        for (row, &position) in turned.chunks(width).zip(&positions[0]) {
            for (pair, frequency) in frequencies.iter().enumerate() {
                let angle = position as f64 * frequency;
                // The reference frequency comes from a few f32 operations, a relative error of four
                // roundings; ours and its cosine are rounded once to f32.
                let tolerance = amplitude * f64::from(f32::EPSILON) * (4.0 * angle + 1.0);
                let (sin, cos) = angle.sin_cos();
                for (actual, expected) in
                    [(row[pair], amplitude * cos), (row[pair + width / 2], amplitude * sin)]
                {
                    let error = (f64::from(actual) - expected).abs();
                    let scaling = &config.scaling;
                    assert!(error <= tolerance, "{scaling:?}, position {position}, pair {pair}");
                }
            }
        }
    }
}

/// Values from `data/rotary_reference.py`, of positions that differ by row.
#[test]
fn heads_turn_as_in_llama_and_in_gpt_j() {
    let File { base, positions, heads, half_split, interleaved, .. } = file();
    for device in &devices() {
        for (pairing, expected) in
            [(Pairing::HalfSplit, &half_split), (Pairing::Interleaved, &interleaved)]
        {
            let config = RotaryConfig { base, pairing, scaling: None };
            let rotation = config.rotation(&positions, heads.shape[3], device, DType::F32);
            let turned = rotation.forward(heads.tensor(device));
            // Two products and a sum, of factors rounded to f32.
            assert_close(&turned, &expected.tensor(device), 4, &format!("{pairing:?}"));
        }
    }
}

/// Su et al. (2021), equation 16: what two turned heads have in common depends on how far apart
/// they are, not on where.
#[test]
fn products_depend_on_distance_alone() {
    let width = 10;
    for device in &devices() {
        for pairing in [Pairing::HalfSplit, Pairing::Interleaved] {
            let config = RotaryConfig { pairing, ..RotaryConfig::default() };
            let mut rng = rng(8);
            let query = floats::<4>(&mut rng, [2, 3, 1, width], device);
            let key = floats::<4>(&mut rng, [2, 3, 1, width], device);
            let product = |query_at: usize, key_at: usize| {
                let at = |position| config.rotation(&[vec![position]], width, device, DType::F32);
                let query = at(query_at).forward(query.clone());
                (query * at(key_at).forward(key.clone())).sum_dim(3)
            };
            // Ten terms of two turned factors.
            let terms = 10 + 2 * 4;
            assert_close(&product(1007, 1002), &product(5, 0), terms, "far and near");
            assert_close(
                &product(3, 3),
                &(query.clone() * key.clone()).sum_dim(3),
                terms,
                "at once",
            );
        }
    }
}
