//! Both writing models as step decoders.

use crate::support::{assert_close, devices, ids, random_ids, rng, seeded, values};
use attn_core::Mask;
use attn_generate::{
    BeamConfig, CoveragePenalty, GenerateError, Limits, StepDecoder, beam_search, greedy,
};
use attn_transformer::{
    BlockConfig, DecoderOnly, DecoderOnlyConfig, EncoderDecoderConfig, EncoderDecoderState, Layout,
};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, s};

const VOCAB: u32 = 11;
/// Two blocks of width 12 and 48 inside, with cross-attention, over at most 9 keys; twice.
const TERMS: usize = 4 * (2 * (8 * 12 + 4 * 9 + 3 * 12 + 12 + 48) + 12 + 12);

/// One step after the other, with rows that repeat, vanish and change their order in between, gives
/// the logits that each row's own history gives.
#[test]
fn steps_of_an_encoder_decoder_follow_each_row_of_a_search() {
    for device in &devices() {
        let config = EncoderDecoderConfig {
            encoder_layers: 1,
            decoder_layers: 2,
            ..EncoderDecoderConfig::new(VOCAB as usize, VOCAB as usize, BlockConfig::new(12, 3))
        };
        let model = seeded(config.init(device), 20);
        let source = random_ids(&mut rng(21), [2, 5], VOCAB);
        let lengths = [5, 3];
        let memory = model.memory(ids(&source, device), &Mask::padding(lengths));

        let mut state = EncoderDecoderState::new(memory);
        // The sentence and the tokens so far of each row.
        let mut rows: Vec<(usize, Vec<u32>)> = vec![(0, vec![]), (1, vec![])];
        let orders: [&[usize]; 4] = [&[0, 0, 1, 1], &[2, 0, 3], &[0, 1, 2], &[2, 1]];
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
                let source = &source[*sentence][..lengths[*sentence]];
                let at_once = model.forward(
                    ids(&[source.to_vec()], device),
                    &Mask::open(),
                    ids(std::slice::from_ref(history), device),
                );
                let expected: Tensor<2> = at_once.slice([0..1, turn..turn + 1]).squeeze_dim(1);
                let actual = logits.clone().slice_dim(0, s![row..row + 1]);
                assert_close(&actual, &expected, TERMS, &format!("turn {turn}, row {row}"));
            }
        }
        assert_eq!(state.len(), orders.len());
    }
}

fn writer(device: &Device) -> DecoderOnly {
    let config = DecoderOnlyConfig {
        layers: 2,
        ..DecoderOnlyConfig::new(VOCAB as usize, BlockConfig::new(12, 3))
    };
    seeded(config.init(device), 20)
}

fn prompts() -> Vec<Vec<u32>> {
    vec![vec![1, 2, 3, 4], vec![5], vec![6, 7]]
}

/// Each token is the most probable one after all before it, by a single pass over them alone; so
/// neither the cache nor the padding of shorter prompts leaves a trace.
#[test]
fn prompts_of_different_length_go_on_as_if_alone() {
    let limits = Limits { end: None, min_len: 0, max_len: 5 };
    for device in &devices() {
        let model = writer(device);
        let generation = greedy(&model, model.start(prompts()), limits).unwrap();
        for (prompt, hypothesis) in prompts().into_iter().zip(generation.hypotheses().unwrap()) {
            let mut sequence = prompt;
            let mut log_prob = 0.0;
            assert_eq!(hypothesis.tokens.len(), limits.max_len);
            for token in hypothesis.tokens {
                let length = sequence.len();
                let tokens = ids(std::slice::from_ref(&sequence), device);
                let logits = model.forward(tokens, &Layout::causal(), None);
                let logits = logits.slice([0..1, length - 1..length]); // [1, 1, v]
                let log_probs = values(&log_softmax(logits, 2));
                let best = log_probs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                assert_eq!(log_probs[token as usize], best);
                log_prob += f64::from(best);
                sequence.push(token);
            }
            // Logits are below ten, and there are five of them.
            let tolerance = 5.0 * 10.0 * TERMS as f64 * f64::from(f32::EPSILON);
            assert!((hypothesis.log_prob - log_prob).abs() < tolerance);
        }
    }
}

#[test]
fn a_beam_over_prompts_finds_for_each_what_it_finds_alone() {
    let limits = Limits { end: Some(0), min_len: 1, max_len: 6 };
    let config = BeamConfig { beams: 3, ..BeamConfig::new(limits) };
    for device in &devices() {
        let model = writer(device);
        let together = beam_search(&model, model.start(prompts()), &config).unwrap();
        for (prompt, together) in prompts().into_iter().zip(together) {
            let alone = beam_search(&model, model.start(vec![prompt]), &config).unwrap();
            assert_eq!(together[0].tokens, alone[0][0].tokens);
        }
    }
}

#[test]
fn a_beam_over_sentences_finds_for_each_what_it_finds_alone() {
    let limits = Limits { end: Some(0), min_len: 1, max_len: 6 };
    let config = BeamConfig { beams: 3, ..BeamConfig::new(limits) };
    let lengths = [5, 2, 4];
    for device in &devices() {
        let translator = EncoderDecoderConfig {
            encoder_layers: 1,
            decoder_layers: 2,
            ..EncoderDecoderConfig::new(VOCAB as usize, VOCAB as usize, BlockConfig::new(12, 3))
        };
        let model = seeded(translator.init(device), 20);
        let source = random_ids(&mut rng(21), [lengths.len(), 5], VOCAB);
        let memory = model.memory(ids(&source, device), &Mask::padding(lengths));
        let together = beam_search(&model, model.start(memory, 1), &config).unwrap();
        for ((row, length), together) in source.iter().zip(lengths).zip(together) {
            let memory = model.memory(ids(&[row[..length].to_vec()], device), &Mask::open());
            let alone = beam_search(&model, model.start(memory, 1), &config).unwrap();
            assert_eq!(together[0].tokens, alone[0][0].tokens);
        }
    }
}

/// Wu et al. (2016), equation 14, with the attention of the last block's heads on average: a beam as
/// wide as there are sequences of at most two tokens finds the best of all, which for one of the
/// sentences is another one with the penalty than without. The second sentence is padded.
#[test]
fn a_beam_search_ranks_by_coverage() {
    let (end, beta) = (0, 3.0);
    let plain = BeamConfig { beams: 111, ..BeamConfig::new(Limits::new(end, 2)) };
    let config = plain.clone().with_coverage_penalty(CoveragePenalty::Gnmt { beta });
    let lengths = [5, 3];
    for device in &devices() {
        let translator = EncoderDecoderConfig {
            encoder_layers: 1,
            decoder_layers: 2,
            ..EncoderDecoderConfig::new(VOCAB as usize, VOCAB as usize, BlockConfig::new(12, 3))
        };
        let model = seeded(translator.init(device), 20);
        let source = random_ids(&mut rng(21), [lengths.len(), 5], VOCAB);
        let memory = || model.memory(ids(&source, device), &Mask::padding(lengths));
        let found = beam_search(&model, model.start_with_attention(memory(), 1), &config).unwrap();
        let without = beam_search(&model, model.start(memory(), 1), &plain).unwrap();
        let others = found.iter().zip(&without).filter(|(a, b)| a[0].tokens != b[0].tokens);
        assert!(others.count() > 0, "the penalty changes nothing");
        let error = beam_search(&model, model.start(memory(), 1), &config).unwrap_err();
        assert_eq!(error, GenerateError::NoAttention);

        for ((row, length), found) in source.iter().zip(lengths).zip(found) {
            let memory = model.memory(ids(&[row[..length].to_vec()], device), &Mask::open());
            // All that end: at once, or after one other token.
            let mut targets = vec![vec![end]];
            targets.extend((1..VOCAB).map(|token| vec![token, end]));
            let score = |wanted: &[u32]| {
                let given = [&[1], &wanted[..wanted.len() - 1]].concat();
                let (logits, weights) =
                    model.decode_with_weights(ids(&[given], device), &memory, None);
                let log_probs = attn_testing::values(&log_softmax(logits, 2));
                let steps = wanted.iter().zip(log_probs.chunks(VOCAB as usize));
                let log_prob: f64 = steps.map(|(&token, row)| row[token as usize]).sum();
                let weights = attn_testing::values(&weights.last().unwrap().clone().mean_dim(1));
                let covered =
                    (0..length).map(|j| weights.iter().skip(j).step_by(length).sum::<f64>());
                let penalty: f64 = covered.map(|c| beta * c.min(1.0).ln()).sum();
                log_prob / ((5.0 + wanted.len() as f64) / 6.0).powf(0.6) + penalty
            };
            let best = targets.iter().max_by(|a, b| score(a).total_cmp(&score(b))).unwrap();
            assert_eq!(found[0].tokens, best[..best.len() - 1]);
            // Five logarithms of sums of weights, as far off as the log-probabilities, times beta.
            let tolerance = 5.0 * 3.0 * TERMS as f64 * f64::from(f32::EPSILON);
            attn_testing::assert_close("score", &[found[0].score], &[score(best)], tolerance);
        }
    }
}
