//! The encoder–decoder under every flow: at once, step by step, padded, and in a search.

use crate::models::{
    CLOSE, LENGTHS, SOURCE_VOCAB, VOCAB, attentions, config, few_flows, flows, flows_of, model,
    sources, targets,
};
use crate::support::{
    assert_close, check_weight_gradients, devices, ids, seeded, values, weights_of,
};
use attn_core::alignment::{AlignmentConfig, HardConfig};
use attn_core::mechanism::AttentionConfig;
use attn_core::score::{DotConfig, ScoreConfig};
use attn_generate::{BeamConfig, Limits, SamplerConfig, StepDecoder, beam_search, greedy, sample};
use attn_rnn::{BridgeKind, CellKind, FlowConfig, Seq2Seq};
use burn::module::Module;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor};

fn one_by_one(model: &Seq2Seq, source: Tensor<2, Int>, target: &[Vec<u32>]) -> Vec<Vec<f64>> {
    let mut state = model.state(model.memory(source, &LENGTHS));
    let mut all = Vec::new();
    for step in 0..target[0].len() {
        let tokens: Vec<u32> = target.iter().map(|row| row[step]).collect();
        let (logits, next) = model.step(state, &tokens);
        state = next;
        let mut found = values(&logits);
        found.extend(state.decoder().weights().iter().flat_map(values));
        all.push(found);
    }
    assert_eq!(state.decoder().len(), target[0].len());
    all
}

/// For every score and alignment: token by token is at once, and so are chunks.
#[test]
fn step_by_step_is_teacher_forcing() {
    for device in devices() {
        for flow in flows() {
            let what = format!("{flow:?} on {device:?}");
            let model = model(flow, &device);
            let (source, target) = (ids(&sources(), &device), targets());
            let at_once = model.decode(source.clone(), &LENGTHS, ids(&target, &device));
            for (step, found) in one_by_one(&model, source.clone(), &target).iter().enumerate() {
                let mut expected = values(&at_once.logits.clone().slice_dim(1, step..step + 1));
                let weights = at_once.weights.clone();
                let weights = weights.map(|weights| weights.slice_dim(1, step..step + 1));
                expected.extend(weights.iter().flat_map(values));
                assert_close(&format!("{what}, step {step}"), found, &expected, CLOSE);
            }
            let memory = model.memory(source, &LENGTHS);
            let mut state = model.decoder.begin(&memory);
            let target = ids(&target, &device);
            let chunks = [0..2, 2..5].map(|steps| {
                let chunk = target.clone().slice_dim(1, steps);
                model.decoder.decode(chunk, &memory, &mut state).logits
            });
            let found = Tensor::cat(chunks.to_vec(), 1);
            assert_close(&what, &values(&found), &values(&at_once.logits), CLOSE);
        }
    }
}

/// A hidden source step has no weight; what token stands there does not matter, to the last bit; a
/// sentence of a padded batch has the answer that it has alone; and one real step is enough.
#[test]
fn hidden_source_steps_never_leak() {
    for device in devices() {
        for flow in flows() {
            let what = format!("{flow:?} on {device:?}");
            let model = model(flow, &device);
            let (source, target) = (sources(), targets());
            let answer = |source: &[Vec<u32>]| {
                model.decode(ids(source, &device), &LENGTHS, ids(&target, &device))
            };
            let together = answer(&source);
            let mut other = source.clone();
            for (row, length) in other.iter_mut().zip(LENGTHS) {
                row[length..].iter_mut().for_each(|token| *token = (*token + 5) % SOURCE_VOCAB);
            }
            assert!(values(&answer(&other).logits) == values(&together.logits), "{what}: a leak");
            for (row, length) in LENGTHS.into_iter().enumerate() {
                let alone = model.decode(
                    ids(&[source[row][..length].to_vec()], &device),
                    &[length],
                    ids(&target[row..=row], &device),
                );
                let own = together.logits.clone().slice_dim(0, row..row + 1);
                let what = format!("{what}, row {row}");
                assert!(values(&own).iter().all(|x| x.is_finite()), "{what}");
                assert_close(&what, &values(&own), &values(&alone.logits), CLOSE);
                if let (Some(weights), Some(alone)) = (&together.weights, &alone.weights) {
                    let own = weights.clone().slice_dim(0, row..row + 1);
                    let seen = own.clone().slice_dim(2, 0..length);
                    assert_close(&what, &values(&seen), &values(alone), CLOSE);
                    if length < 7 {
                        let hidden = values(&own.slice_dim(2, length..7));
                        assert!(hidden.iter().all(|&weight| weight == 0.0), "{what}: {hidden:?}");
                    }
                }
            }
        }
    }
}

/// The embedding of a token that only padding has, has no gradient.
#[test]
fn hidden_source_steps_have_no_gradient() {
    for device in devices() {
        let device = device.autodiff();
        for flow in few_flows() {
            let model = model(flow, &device);
            let source = ids(&[vec![1, 2, 9, 9], vec![3, 4, 5, 6]], &device);
            let target = ids(&[vec![1, 2, 3], vec![4, 5, 6]], &device);
            let gradients = model.forward(source, &[2, 4], target).square().sum().backward();
            assert!(weights_of(&model, Some(&gradients)).iter().all(|x| x.is_finite()));
            let table = model.encoder.embedding.weight.val().grad(&gradients).unwrap();
            let of = |token: usize| values(&table.clone().slice_dim(0, token..token + 1));
            assert_eq!(of(9), [0.0; 3]);
            assert_ne!(of(6), [0.0; 3]);
        }
    }
}

/// Off by the difference's own error: 1e-10 of third derivatives, which through eight cells one
/// after the other reach some hundreds.
#[test]
fn gradients_are_those_of_differences() {
    for (cell, bridge) in [(CellKind::Gru, BridgeKind::Last), (CellKind::Lstm, BridgeKind::Dense)] {
        for flow in few_flows() {
            let what = format!("{flow:?}, {cell:?}");
            check_weight_gradients(
                &what,
                |device| seeded(config(flow.clone(), cell, bridge).init(device), 23),
                10,
                1e-6,
                |model| {
                    let device = Device::flex().autodiff();
                    let (source, target) = (ids(&sources(), &device), ids(&targets(), &device));
                    log_softmax(model.forward(source, &LENGTHS, target), 2).square().sum()
                },
            );
        }
    }
}

/// Drawn weights are told, with what learning by them needs.
#[test]
fn draws_are_handed_out() {
    let attention = AttentionConfig::new()
        .with_score(ScoreConfig::Dot(DotConfig::new()))
        .with_alignment(AlignmentConfig::Hard(HardConfig::new()));
    for device in devices() {
        // Outside of training the best key is taken, not drawn.
        let device = device.autodiff();
        for flow in flows_of(&attention) {
            let model = model(flow, &device);
            let (source, target) = (ids(&sources(), &device), ids(&targets(), &device));
            let decoded = model.decode(source, &LENGTHS, target);
            let draw = decoded.draw.unwrap();
            assert_eq!(draw.log_prob.dims(), [3, 1, 5]);
            assert_eq!(draw.entropy.dims(), [3, 1, 5]);
            let weights = values(&decoded.weights.unwrap());
            assert!(weights.chunks(7).all(|row| row.iter().sum::<f64>() == 1.0));
        }
    }
}

/// One step after the other, with rows that repeat, vanish and change their order in between, gives
/// the logits that each row's own history gives.
#[test]
fn steps_follow_each_row_of_a_search() {
    for device in devices() {
        for flow in few_flows() {
            let model = model(flow, &device);
            let source = sources();
            let mut state = model.state(model.memory(ids(&source, &device), &LENGTHS));
            let mut rows: Vec<(usize, Vec<u32>)> = (0..3).map(|row| (row, vec![])).collect();
            let orders: [&[usize]; 4] = [&[0, 0, 1, 2], &[2, 0, 3], &[0, 1, 2], &[2, 1]];
            for (turn, order) in orders.into_iter().enumerate() {
                state = model.reorder(state, order);
                rows = order.iter().map(|&row| rows[row].clone()).collect();
                let tokens: Vec<u32> =
                    (0..rows.len() as u32).map(|row| 2 * row + turn as u32).collect();
                let (logits, next) = model.step(state, &tokens);
                state = next;
                for (row, &token) in tokens.iter().enumerate() {
                    let (sentence, history) = &mut rows[row];
                    history.push(token);
                    let length = LENGTHS[*sentence];
                    let at_once = model.forward(
                        ids(&[source[*sentence][..length].to_vec()], &device),
                        &[length],
                        ids(std::slice::from_ref(history), &device),
                    );
                    let expected = at_once.slice_dim(1, turn..turn + 1);
                    let found = logits.clone().slice_dim(0, row..row + 1);
                    let what = format!("turn {turn}, row {row}");
                    assert_close(&what, &values(&found), &values(&expected), CLOSE);
                }
            }
        }
    }
}

/// A beam as wide as there are sequences ranks all of them as their probabilities by teacher forcing
/// do, for each sentence of a padded batch.
#[test]
fn a_beam_finds_what_brute_force_finds() {
    let (begin, end, max_len, vocab) = (1, 0, 3, 4);
    // All that end: the end alone, behind one token, behind two.
    let others = 1..vocab;
    let mut all = vec![vec![end]];
    all.extend(others.clone().map(|a| vec![a, end]));
    all.extend(others.clone().flat_map(|a| others.clone().map(move |b| vec![a, b, end])));
    let mut flows = few_flows();
    flows.push(flows_of(&attentions()[6])[0].clone()); // a score that looks back
    for device in devices() {
        for flow in &flows {
            let mut config = config(flow.clone(), CellKind::Gru, BridgeKind::Dense);
            config.decoder.vocab = vocab as usize;
            let model = seeded(config.init(&device), 24);
            let source = sources();
            let log_prob = |row: usize, tokens: &[u32]| -> f64 {
                let given = [&[begin], &tokens[..tokens.len() - 1]].concat();
                let alone = ids(&[source[row][..LENGTHS[row]].to_vec()], &device);
                let logits = model.forward(alone, &[LENGTHS[row]], ids(&[given], &device));
                let all = values(&log_softmax(logits, 2));
                tokens.iter().enumerate().map(|(n, &t)| all[n * vocab as usize + t as usize]).sum()
            };
            let limits = Limits { end: Some(end), min_len: 0, max_len };
            // As many as there are, with those that have not ended.
            let beam = BeamConfig { beams: 64, n_best: 64, ..BeamConfig::new(limits) };
            let memory = model.memory(ids(&source, &device), &LENGTHS);
            let found = beam_search(&model, model.start(memory, begin), &beam).unwrap();
            for (row, found) in found.iter().enumerate() {
                let ranked = |tokens: &[u32]| beam.score(log_prob(row, tokens), tokens.len(), &[]);
                let mut expected = all.clone();
                expected.sort_by(|a, b| ranked(b).total_cmp(&ranked(a)));
                let finished: Vec<_> = found.iter().filter(|found| found.finished).collect();
                assert_eq!(finished.len(), expected.len(), "{flow:?}");
                for (found, expected) in finished.iter().zip(&expected) {
                    let what = format!("{flow:?}, row {row}, {expected:?}");
                    assert_eq!(found.tokens, expected[..expected.len() - 1], "{what}");
                    assert_close(&what, &[found.log_prob], &[log_prob(row, expected)], CLOSE);
                }
            }
        }
    }
}

/// Each token is the most probable one after all before it, in a padded batch.
#[test]
fn greedy_and_sampled_sentences_are_those_of_the_model() {
    let limits = Limits { end: None, min_len: 0, max_len: 4 };
    for device in devices() {
        for flow in few_flows() {
            let model = model(flow, &device);
            let source = sources();
            let start = || model.start(model.memory(ids(&source, &device), &LENGTHS), 1);
            let found = greedy(&model, start(), limits).unwrap().hypotheses().unwrap();
            for (row, hypothesis) in found.iter().enumerate() {
                let mut given = vec![1];
                given.extend(&hypothesis.tokens[..3]);
                let source = ids(&[source[row][..LENGTHS[row]].to_vec()], &device);
                let logits = model.forward(source, &[LENGTHS[row]], ids(&[given], &device));
                for (step, scores) in values(&logits).chunks(VOCAB as usize).enumerate() {
                    let best = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let chosen = scores[hypothesis.tokens[step] as usize];
                    assert!(best - chosen < CLOSE, "row {row}, step {step}");
                }
            }
            let sampler = SamplerConfig { limits, ..SamplerConfig::default() };
            let twice = [0, 1].map(|_| {
                let drawn = sample(&model, start(), sampler.clone()).unwrap();
                drawn.hypotheses().unwrap()
            });
            assert_eq!(twice[0], twice[1]);
        }
    }
}

/// Which states a bridge hands over.
#[test]
fn bridges_start_where_they_say() {
    for device in devices() {
        let plain = |bridge| {
            let config = config(FlowConfig::Plain, CellKind::Lstm, bridge);
            seeded(config.init(&device), 25)
        };
        let source = || ids(&sources(), &device);
        let target = ids(&targets(), &device);
        let with = |model: &Seq2Seq, states| {
            let embedded = model.decoder.embedding.forward(target.clone());
            let output = model.decoder.recurrent.forward(embedded, &[5; 3], states).outputs;
            values(&output.matmul(model.decoder.head.weight.val().unsqueeze()))
        };
        let found = |model: &Seq2Seq| {
            let bias = model.decoder.head.bias.as_ref().unwrap().val().unsqueeze();
            values(&(model.forward(source(), &LENGTHS, target.clone()) - bias))
        };
        let zero = plain(BridgeKind::Zero);
        assert_close("zero", &found(&zero), &with(&zero, None), CLOSE);
        let last = plain(BridgeKind::Last);
        let read = last.encoder.forward(source(), &LENGTHS).states;
        let beside = |a: &Tensor<2>, b: &Tensor<2>| Tensor::cat(vec![a.clone(), b.clone()], 1);
        let states = read.chunks(2).map(|sides| attn_rnn::State {
            hidden: beside(&sides[0].hidden, &sides[1].hidden),
            cell: Some(beside(sides[0].cell.as_ref().unwrap(), sides[1].cell.as_ref().unwrap())),
        });
        assert_close("last", &found(&last), &with(&last, Some(states.collect())), CLOSE);
    }
}

/// A checkpoint is the model.
#[test]
fn a_record_is_the_model() {
    for device in devices() {
        for flow in few_flows() {
            let saved = model(flow.clone(), &device);
            let bytes = saved.clone().into_record().into_bytes().unwrap();
            let other = config(flow, CellKind::Lstm, BridgeKind::Dense).init(&device);
            let loaded = other.load_record(burn::store::ModuleRecord::from_bytes(bytes).unwrap());
            let answer = |model: &Seq2Seq| {
                let (source, target) = (ids(&sources(), &device), ids(&targets(), &device));
                values(&model.forward(source, &LENGTHS, target))
            };
            assert!(answer(&loaded) == answer(&saved));
        }
    }
}

#[test]
#[should_panic(expected = "token 11 is out of range, the vocabulary has 11")]
fn tokens_are_of_the_vocabulary() {
    let device = Device::flex();
    let model = model(FlowConfig::Plain, &device);
    let memory = model.memory(ids(&sources(), &device), &LENGTHS);
    let _ = model.step(model.state(memory), &[1, 11, 2]);
}

#[test]
#[should_panic(expected = "row 3 is out of range, the batch has 3")]
fn rows_are_of_the_batch() {
    let device = Device::flex();
    let model = model(FlowConfig::Plain, &device);
    let memory = model.memory(ids(&sources(), &device), &LENGTHS);
    let _ = model.reorder(model.state(memory), &[3]);
}

#[test]
#[should_panic(expected = "rows of target, memory, state")]
fn every_sentence_has_a_target() {
    let device = Device::flex();
    let model = model(few_flows().remove(0), &device);
    model.forward(ids(&sources(), &device), &LENGTHS, ids(&targets()[..2], &device));
}
