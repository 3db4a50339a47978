//! What a mechanism keeps of the steps so far: whole, in chunks and step by step are one sequence, and
//! the linear forms keep no more of a long one than of a short one.

use crate::mechanism_table::{DECODING, ENCODING, is_linear};
use crate::support::{assert_close, devices, ids, panic_message, random_ids, rng, seeded};
use attn_core::Mask;
use attn_core::mechanism::MechanismState;
use attn_generate::StepDecoder;
use attn_transformer::{
    BlockConfig, DecoderCache, DecoderOnly, DecoderOnlyConfig, EncodedSource, EncoderDecoder,
    EncoderDecoderConfig, EncoderDecoderState, Layout, Positions,
};
use burn::tensor::{Device, Int, Tensor};

const VOCAB: u32 = 11;
const STEPS: usize = 9;
const BATCH: usize = 3;

/// Two blocks of width 24, at most 96 inside, over 9 keys, both ways to compute; and for features and
/// states, which are sums over keys and then over features, eight times that. Alignments that choose
/// keys are not continuous: the numbers here are such that no two choices are that close.
const TERMS: usize = 8 * 2 * 2 * (4 * 24 + 2 * 9 + 2 * 24 + 96 + 24);

fn block() -> BlockConfig {
    BlockConfig { kv_heads: Some(2), dropout: 0.0, ..BlockConfig::new(24, 4) }
}

fn model(mechanism: &str, device: &Device) -> DecoderOnly {
    let mechanism = serde_json::from_str(mechanism).unwrap_or_else(|e| panic!("{mechanism}: {e}"));
    let block = block().with_mechanism(mechanism);
    let config = DecoderOnlyConfig { layers: 2, ..DecoderOnlyConfig::new(VOCAB as usize, block) };
    seeded(config.init(device), 5)
}

fn tokens(seed: u64) -> Vec<Vec<u32>> {
    random_ids(&mut rng(seed), [BATCH, STEPS], VOCAB)
}

/// Feeds `tokens` in chunks that end at `ends`.
fn in_chunks(
    tokens: &Tensor<2, Int>,
    ends: &[usize],
    mut step: impl FnMut(Tensor<2, Int>) -> Tensor<3>,
) -> Tensor<3> {
    let starts = std::iter::once(&0).chain(ends);
    let chunks = starts.zip(ends).map(|(&from, &to)| step(tokens.clone().slice_dim(1, from..to)));
    Tensor::cat(chunks.collect(), 1)
}

const CUTS: [&[usize]; 3] = [&[9], &[4, 5, 9], &[1, 2, 3, 4, 5, 6, 7, 8, 9]];

fn check_chunks(mechanism: &str, layouts: &[Layout]) {
    for device in devices() {
        let model = model(mechanism, &device);
        let tokens = ids(&tokens(7), &device);
        for layout in layouts {
            let whole = model.forward(tokens.clone(), layout, None);
            for ends in CUTS {
                let mut cache = DecoderCache::new();
                let parts = in_chunks(&tokens, ends, |tokens| {
                    model.forward(tokens, layout, Some(&mut cache))
                });
                assert_eq!(cache.len(), STEPS);
                let what = format!("{mechanism}, {:?}, {ends:?}", layout.mask);
                assert_close(&parts, &whole, TERMS, &what);
            }
        }
    }
}

#[test]
fn every_mechanism_takes_a_sequence_whole_in_chunks_and_step_by_step() {
    for mechanism in DECODING {
        check_chunks(mechanism, &[Layout::causal(), Layout::left_padded([0, 2, 5])]);
    }
}

/// What no sum serves: keys and values are kept instead.
#[test]
fn linear_forms_obey_masks_of_pairs() {
    let window = || Layout::from(Mask::window(Some(2), Some(0)));
    let packed = || Layout::packed(vec![vec![4, 5], vec![2, 3, 4], vec![9]]);
    for mechanism in DECODING.into_iter().filter(|mechanism| is_linear(mechanism)) {
        if !mechanism.contains("gated_delta") {
            check_chunks(mechanism, &[window(), packed()]);
        }
    }
    let gated = DECODING.into_iter().find(|mechanism| mechanism.contains("gated_delta")).unwrap();
    let message = panic_message(|| {
        let device = Device::flex();
        let tokens = ids(&tokens(7), &device).slice_dim(1, 0..1);
        model(gated, &device).forward(tokens, &window(), Some(&mut DecoderCache::new()));
    });
    assert!(message.contains("which window(left 2, right 0) is not"), "{message}");
}

#[test]
fn a_mask_that_asks_for_keys_which_were_summed_up_is_refused() {
    let message = panic_message(|| {
        let device = Device::flex();
        let linear = model(r#"{ "name": "linear_attention" }"#, &device);
        let tokens = ids(&tokens(7), &device);
        let mut cache = DecoderCache::new();
        let first = tokens.clone().slice_dim(1, 0..4);
        linear.forward(first, &Layout::causal(), Some(&mut cache));
        let layout = Layout::from(Mask::window(Some(2), Some(0)));
        linear.forward(tokens.slice_dim(1, 4..5), &layout, Some(&mut cache));
    });
    assert!(
        message.contains(
            "linear attention: the mask window(left 2, right 0) asks for single keys, but the 4 \
             before were summed up"
        ),
        "{message}"
    );
}

#[test]
fn states_are_reordered_with_their_sequences() {
    let rows = [2, 0, 2, 1, 1];
    let pads = [0, 2, 3];
    for device in devices() {
        for mechanism in DECODING {
            let model = model(mechanism, &device);
            let (before, after) = (tokens(8), random_ids(&mut rng(9), [rows.len(), 3], VOCAB));
            let before: Vec<Vec<u32>> = before.iter().map(|row| row[..5].to_vec()).collect();
            let mut cache = DecoderCache::new();
            let layout = Layout::left_padded(pads);
            model.forward(ids(&before, &device), &layout, Some(&mut cache));
            cache.reorder(&rows);
            let layout = layout.select_rows(&rows);
            let after_rows = ids(&after, &device);
            let found = in_chunks(&after_rows, &[1, 3], |tokens| {
                model.forward(tokens, &layout, Some(&mut cache))
            });

            let whole: Vec<Vec<u32>> = rows
                .iter()
                .zip(&after)
                .map(|(&row, after)| [before[row].clone(), after.clone()].concat())
                .collect();
            let whole = model.forward(ids(&whole, &device), &layout, None);
            assert_close(&found, &whole.slice_dim(1, 5..8), TERMS, mechanism);
        }
    }
}

#[test]
fn linear_forms_keep_no_more_of_a_long_sequence_than_of_a_short_one() {
    let device = Device::flex();
    let tokens = ids(&random_ids(&mut rng(10), [2, 80], VOCAB), &device);
    for mechanism in DECODING.into_iter().filter(|name| !name.contains("location\"")) {
        let model = model(mechanism, &device);
        let mut cache = DecoderCache::new();
        let layout = Layout::left_padded([0, 3]);
        let mut bytes = vec![];
        for step in 0..80 {
            let token = tokens.clone().slice_dim(1, step..step + 1);
            model.forward(token, &layout, Some(&mut cache));
            bytes.push(cache.states().iter().map(MechanismState::bytes).sum::<usize>());
        }
        if is_linear(mechanism) {
            assert_eq!(bytes[79], bytes[7], "{mechanism}");
            assert!(bytes[79] > 0, "{mechanism}");
        } else {
            // Two layers, two batch rows, two heads, keys and values of 6 numbers of 4 bytes.
            assert!(bytes[79] >= 80 * 2 * 2 * 2 * 2 * 6 * 4, "{mechanism} keeps {}", bytes[79]);
        }
    }
}

fn translator(cross: &str, device: &Device) -> EncoderDecoder {
    let cross = serde_json::from_str(cross).unwrap();
    let vocab = VOCAB as usize;
    let config = EncoderDecoderConfig {
        encoder_layers: 1,
        decoder_layers: 2,
        ..EncoderDecoderConfig::new(vocab, vocab, block().with_cross_mechanism(cross))
    };
    seeded(config.init(device), 5)
}

/// The mechanisms that may attend to a memory.
fn crossing() -> impl Iterator<Item = &'static str> {
    let relative = ["adaptive_span", "retention", "lsh"];
    let all = DECODING.into_iter().chain(ENCODING);
    all.filter(move |mechanism| !relative.iter().any(|name| mechanism.contains(name)))
}

#[test]
fn every_cross_mechanism_takes_a_target_whole_in_chunks_and_step_by_step() {
    for device in devices() {
        let source = ids(&random_ids(&mut rng(11), [BATCH, 7], VOCAB), &device);
        let target = ids(&tokens(12), &device);
        let mask = Mask::padding([7, 2, 5]);
        for mechanism in crossing() {
            let model = translator(mechanism, &device);
            let memory: EncodedSource = model.memory(source.clone(), &mask);
            let whole = model.decode(target.clone(), &memory, None);
            for ends in CUTS {
                let mut cache = DecoderCache::new();
                let parts = in_chunks(&target, ends, |target| {
                    model.decode(target, &memory, Some(&mut cache))
                });
                assert_close(&parts, &whole, 2 * TERMS, &format!("{mechanism}, {ends:?}"));
            }
        }
    }
}

/// The walk of a monotonic alignment follows its hypothesis when a beam search reorders them, also
/// among those of one sentence.
#[test]
fn what_cross_attention_looked_at_is_reordered_with_the_target() {
    for device in devices() {
        let source = random_ids(&mut rng(13), [2, 7], VOCAB);
        let lengths = [7, 5];
        for mechanism in crossing() {
            let model = translator(mechanism, &device);
            let memory = model.memory(ids(&source, &device), &Mask::padding(lengths));
            let mut state = EncoderDecoderState::new(memory);
            let mut rows: Vec<(usize, Vec<u32>)> = vec![(0, vec![]), (1, vec![])];
            let orders: [&[usize]; 4] = [&[0, 0, 1, 1], &[1, 0, 3, 2], &[2, 0, 3], &[2, 1]];
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
                    let at_once = model.forward(
                        ids(&source[*sentence..=*sentence], &device),
                        &Mask::padding([lengths[*sentence]]),
                        ids(std::slice::from_ref(history), &device),
                    );
                    let expected: Tensor<2> = at_once.slice([0..1, turn..turn + 1]).squeeze_dim(1);
                    let found = logits.clone().slice_dim(0, row..row + 1);
                    let what = format!("{mechanism}, turn {turn}, row {row}");
                    assert_close(&found, &expected, 2 * TERMS, &what);
                }
            }
        }
    }
}

/// Positions as in [`Layout::left_padded`], whatever a mechanism makes of them.
#[test]
fn left_padding_changes_nothing_for_mechanisms_without_positions_of_their_own() {
    // Local-m compares the number of a step with that of a key, and a location score scores places.
    let by_place = ["local_m", "location\"", "monotonic", "chunkwise"];
    let (pad, device) = (2, Device::flex());
    for mechanism in DECODING.into_iter().filter(|m| !by_place.iter().any(|name| m.contains(name)))
    {
        let model = model(mechanism, &device);
        let row = &tokens(14)[0];
        let layout = Layout {
            mask: Mask::causal() & Mask::left_padding([pad]),
            positions: Positions::LeftPadded(vec![pad]),
        };
        let padded = model.forward(ids(std::slice::from_ref(row), &device), &layout, None);
        let alone = ids(&[row[pad..].to_vec()], &device);
        let alone = model.forward(alone, &Layout::causal(), None);
        assert_close(&padded.slice_dim(1, pad..STEPS), &alone, TERMS, mechanism);
    }
}
