//! Both flows against the papers' equations, in loops over f64.

use crate::support::{assert_close, devices, ids, seeded, values};
use attn_core::mechanism::{Attention, AttentionConfig};
use attn_core::score::{AdditiveConfig, AnyScore, GeneralConfig, ScoreConfig};
use attn_rnn::pointer::SourceWords;
use attn_rnn::{
    AnyFlow, BahdanauConfig, Cell, CopyConfig, DecoderConfig, EncoderConfig, FlowConfig,
    LuongConfig, Projection, RecurrentConfig, Seq2Seq, Seq2SeqConfig,
};
use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};

/// `x W`, with `W` row-major.
fn times(x: &[f64], weight: &Param<Tensor<2>>) -> Vec<f64> {
    let [rows, columns] = weight.dims();
    assert_eq!(x.len(), rows);
    let weight = values(&weight.val());
    (0..columns)
        .map(|j| x.iter().zip(weight.chunks(columns)).map(|(x, row)| x * row[j]).sum())
        .collect()
}

fn plus(a: &[f64], b: &[f64]) -> Vec<f64> {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

fn linear(layer: &Linear, x: &[f64]) -> Vec<f64> {
    let y = times(x, &layer.weight);
    layer.bias.as_ref().map_or(y.clone(), |bias| plus(&y, &values(&bias.val())))
}

fn project(projection: &Projection, x: &[f64]) -> Vec<f64> {
    let y = times(x, &projection.weight);
    projection.bias.as_ref().map_or(y.clone(), |bias| plus(&y, &values(&bias.val())))
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn gru(cell: &Cell, x: &[f64], h: &[f64]) -> Vec<f64> {
    let Cell::Gru(cell) = cell else { panic!() };
    let (x, u, d) = (project(&cell.input, x), project(&cell.recurrent, h), h.len());
    (0..d)
        .map(|j| {
            let r = sigmoid(x[j] + u[j]);
            let z = sigmoid(x[d + j] + u[d + j]);
            let n = (x[2 * d + j] + r * u[2 * d + j]).tanh();
            (1.0 - z) * n + z * h[j]
        })
        .collect()
}

fn row(table: &Param<Tensor<2>>, token: u32) -> Vec<f64> {
    let [_, width] = table.dims();
    values(&table.val())[token as usize * width..][..width].to_vec()
}

/// Annotations, and the last states of both directions.
fn encode(model: &Seq2Seq, source: &[u32], d: usize) -> (Vec<Vec<f64>>, Vec<f64>) {
    let layer = &model.encoder.recurrent.layers[0];
    let read = |cell: &Cell, tokens: &mut dyn Iterator<Item = &u32>| -> Vec<Vec<f64>> {
        let mut h = vec![0.0; d];
        tokens
            .map(|&token| {
                h = gru(cell, &row(&model.encoder.embedding.weight, token), &h);
                h.clone()
            })
            .collect()
    };
    let forward = read(&layer.forward, &mut source.iter());
    let mut reverse = read(layer.reverse.as_ref().unwrap(), &mut source.iter().rev());
    let last = [forward[source.len() - 1].clone(), reverse[source.len() - 1].clone()].concat();
    reverse.reverse();
    (forward.iter().zip(&reverse).map(|(f, r)| [f.clone(), r.clone()].concat()).collect(), last)
}

/// Weights and context.
fn attend(attention: &Attention, query: &[f64], keys: &[Vec<f64>]) -> (Vec<f64>, Vec<f64>) {
    let score = |key: &Vec<f64>| -> f64 {
        match &attention.score {
            AnyScore::Additive(score) => {
                let hidden = plus(&linear(&score.query, query), &linear(&score.key, key));
                linear(&score.energy, &hidden.iter().map(|x| x.tanh()).collect::<Vec<_>>())[0]
            }
            AnyScore::General(score) => {
                linear(&score.key, key).iter().zip(query).map(|(k, q)| k * q).sum()
            }
            _ => panic!("no reference"),
        }
    };
    let powers: Vec<f64> = keys.iter().map(|key| score(key).exp()).collect();
    let sum: f64 = powers.iter().sum();
    let weights: Vec<f64> = powers.iter().map(|power| power / sum).collect();
    let mut context = vec![0.0; keys[0].len()];
    for (weight, key) in weights.iter().zip(keys) {
        context = plus(&context, &key.iter().map(|x| weight * x).collect::<Vec<_>>());
    }
    (weights, context)
}

fn model(flow: FlowConfig, copy: Option<CopyConfig>, device: &Device) -> Seq2Seq {
    let reader = RecurrentConfig { bidirectional: true, ..RecurrentConfig::gru(3, 4) };
    let config = Seq2SeqConfig::new(
        EncoderConfig::new(13, reader),
        DecoderConfig { copy, ..DecoderConfig::new(11, RecurrentConfig::gru(5, 7), flow) },
    );
    seeded(config.init(device), 30)
}

const SOURCE: [u32; 4] = [3, 12, 0, 7];
const TARGET: [u32; 3] = [1, 9, 4];

/// f32 against f64 through seven cells, sums of up to 20 terms each.
const CLOSE: f64 = 1e-5;

/// One target step of a reference.
struct Step {
    embedded: Vec<f64>,
    state: Vec<f64>,
    context: Vec<f64>,
    weights: Vec<f64>,
    logits: Vec<f64>,
}

fn first_state(model: &Seq2Seq, last: &[f64]) -> Vec<f64> {
    linear(&model.bridge.dense[0].hidden, last).iter().map(|x| x.tanh()).collect()
}

fn bahdanau(model: &Seq2Seq, target: &[u32]) -> Vec<Step> {
    let AnyFlow::Bahdanau(flow) = &model.decoder.flow else { panic!() };
    let (keys, last) = encode(model, &SOURCE, 4);
    let mut state = first_state(model, &last);
    let step = |&token: &u32| {
        let embedded = row(&model.decoder.embedding.weight, token);
        let (weights, context) = attend(&flow.attention, &state, &keys);
        let input = [embedded.clone(), context.clone()].concat();
        state = gru(&model.decoder.recurrent.layers[0].forward, &input, &state);
        let u = plus(
            &plus(&linear(&flow.state, &state), &linear(&flow.embedding, &embedded)),
            &linear(&flow.context, &context),
        );
        let deep: Vec<f64> = u.chunks(2).map(|pair| pair[0].max(pair[1])).collect();
        let logits = linear(&model.decoder.head, &deep);
        Step { embedded, state: state.clone(), context, weights, logits }
    };
    target.iter().map(step).collect()
}

fn luong(model: &Seq2Seq, target: &[u32]) -> Vec<Step> {
    let AnyFlow::Luong(flow) = &model.decoder.flow else { panic!() };
    let (keys, last) = encode(model, &SOURCE, 4);
    let mut state = first_state(model, &last);
    let mut attentional = vec![0.0; 7];
    let step = |&token: &u32| {
        let embedded = row(&model.decoder.embedding.weight, token);
        let mut input = embedded.clone();
        if flow.feeds_input() {
            input.extend(&attentional);
        }
        state = gru(&model.decoder.recurrent.layers[0].forward, &input, &state);
        let (weights, context) = attend(&flow.attention, &state, &keys);
        let joined = [context.clone(), state.clone()].concat();
        attentional = linear(&flow.combine, &joined).iter().map(|x| x.tanh()).collect();
        let logits = linear(&model.decoder.head, &attentional);
        Step { embedded, state: state.clone(), context, weights, logits }
    };
    target.iter().map(step).collect()
}

type Reference = fn(&Seq2Seq, &[u32]) -> Vec<Step>;

fn flows() -> Vec<(FlowConfig, Reference)> {
    let attention = |score| AttentionConfig::new().with_score(score);
    let additive = attention(ScoreConfig::Additive(AdditiveConfig::new(7, 8, 6)));
    let general = LuongConfig::new(attention(ScoreConfig::General(GeneralConfig::new(7, 8))));
    vec![
        (FlowConfig::Bahdanau(BahdanauConfig::new(additive, 5)), bahdanau),
        (FlowConfig::Luong(general.clone()), luong),
        (FlowConfig::Luong(LuongConfig { input_feeding: true, ..general }), luong),
    ]
}

fn all(steps: &[Step], of: impl Fn(&Step) -> &Vec<f64>) -> Vec<f64> {
    steps.iter().flat_map(|step| of(step).clone()).collect()
}

#[test]
fn both_flows_are_the_papers() {
    for device in devices() {
        for (flow, reference) in flows() {
            let model = model(flow, None, &device);
            let source = ids(&[SOURCE.to_vec()], &device);
            let found = model.decode(source, &[4], ids(&[TARGET.to_vec()], &device));
            let expected = reference(&model, &TARGET);
            let logits = all(&expected, |step| &step.logits);
            assert_close("logits", &values(&found.logits), &logits, CLOSE);
            let weights = all(&expected, |step| &step.weights);
            assert_close("weights", &values(&found.weights.unwrap()), &weights, CLOSE);
        }
    }
}

/// See et al. (2017), equations 8 and 9: with a word that is there twice, and two that the vocabulary
/// of 11 lacks, of which one was said and is read as token 2.
#[test]
fn copying_is_the_paper() {
    const WORDS: [usize; 4] = [12, 9, 12, 11];
    for device in devices() {
        for (flow, reference) in flows() {
            let model = model(flow, Some(CopyConfig::new().with_unknown(2)), &device);
            let words = ids(&[WORDS.map(|word| word as u32).to_vec()], &device);
            let source = ids(&[SOURCE.to_vec()], &device);
            let memory = model.memory_to_copy(source, &[4], SourceWords::new(words, 13).unwrap());
            let target = ids(&[vec![1, 12, 4]], &device);
            let decoder = &model.decoder;
            let found = decoder.decode(target, &memory, &mut decoder.begin(&memory));

            let pointer = &decoder.copy.as_ref().unwrap().pointer;
            let (mut p_gen, mut probabilities) = (Vec::new(), Vec::new());
            for step in reference(&model, &[1, 2, 4]) {
                let gate = linear(&pointer.context, &step.context)[0]
                    + linear(&pointer.state, &step.state)[0]
                    + linear(&pointer.input, &step.embedded)[0];
                let p = sigmoid(gate);
                let sum: f64 = step.logits.iter().map(|x| x.exp()).sum();
                probabilities.extend((0..13).map(|word| {
                    let known = step.logits.get(word).map_or(0.0, |x| x.exp() / sum);
                    let of_word = |(&other, weight): (&usize, &f64)| {
                        if other == word { *weight } else { 0.0 }
                    };
                    let copied: f64 = WORDS.iter().zip(&step.weights).map(of_word).sum();
                    p * known + (1.0 - p) * copied
                }));
                p_gen.push(p);
            }
            assert_close("p_gen", &values(&found.p_gen.unwrap()), &p_gen, CLOSE);
            assert_eq!(found.logits.dims(), [1, 3, 13]);
            assert_close("P(w)", &values(&found.logits.exp()), &probabilities, CLOSE);
        }
    }
}
