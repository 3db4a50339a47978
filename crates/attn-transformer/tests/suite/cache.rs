//! A cache changes nothing: decoding at once, in any chunks and step by step give the same logits.

use crate::support::{assert_close, devices, ids, random_ids, rng, seeded};
use attn_core::Mask;
use attn_transformer::{
    BlockConfig, DecoderCache, DecoderOnly, DecoderOnlyConfig, EncodedSource, EncoderDecoderConfig,
    FrequencyScaling, Layout, NormKind, NormOrder, Pairing, PositionConfig, Positions,
    RotaryConfig,
};
use burn::tensor::{Device, Int, Tensor, TensorData, s};
use proptest::prelude::*;
use proptest::sample::select;

const VOCAB: u32 = 11;
const STEPS: usize = 9;
const BATCH: usize = 3;

/// Two blocks, each of two sub-layers with a norm, of width at most 24, at most 48 inside, over at
/// most 9 keys; then the output layer. Both ways to compute have the same terms, hence twice.
const TERMS: usize = 2 * (2 * (4 * 24 + 2 * 9 + 2 * 24 + 24 + 48) + 24 + 24);

fn position_kinds() -> Vec<PositionConfig> {
    let rotary = |pairing, scaling| {
        PositionConfig::Rotary(RotaryConfig { pairing, scaling, ..RotaryConfig::default() })
    };
    vec![
        PositionConfig::None,
        PositionConfig::Sinusoidal,
        PositionConfig::Learned { max_len: STEPS },
        rotary(Pairing::HalfSplit, None),
        rotary(Pairing::Interleaved, None),
        rotary(Pairing::HalfSplit, Some(FrequencyScaling::Linear { factor: 2.0 })),
        rotary(Pairing::HalfSplit, Some(FrequencyScaling::Ntk { factor: 2.0 })),
        rotary(
            Pairing::HalfSplit,
            Some(FrequencyScaling::Llama3 {
                factor: 2.0,
                low_frequency_factor: 1.0,
                high_frequency_factor: 4.0,
                original_len: 5,
            }),
        ),
        rotary(
            Pairing::Interleaved,
            Some(FrequencyScaling::Yarn {
                factor: 2.0,
                original_len: 5,
                beta_fast: 32.0,
                beta_slow: 1.0,
            }),
        ),
    ]
}

/// A layout of each family that sees nothing ahead of a chunk; and the length of its first chunk,
/// since a prefix sees itself as a whole.
fn layouts() -> Vec<(Layout, usize)> {
    let matrix: Vec<bool> = (0..STEPS * STEPS)
        .map(|cell| {
            let (query, key) = (cell / STEPS, cell % STEPS);
            key <= query && (query * 7 + key * 3) % 5 != 0
        })
        .collect();
    let matrix = TensorData::new(matrix, [1, 1, STEPS, STEPS]);
    let matrix = Tensor::from_data(matrix, &Device::flex());
    let explicit = Positions::Rows(vec![
        vec![4, 3, 2, 1, 0, 1, 2, 3, 4],
        (0..STEPS).rev().collect(),
        vec![0; STEPS],
    ]);
    vec![
        (Layout::causal(), 1),
        (Mask::window(Some(2), Some(0)).into(), 1),
        ((Mask::causal() & Mask::dilated(2)).into(), 1),
        (Mask::prefix([4, 1, 3]).into(), 4),
        (Layout::left_padded([0, 2, 5]), 1),
        (Layout::packed(vec![vec![4, 5], vec![2, 3, 4], vec![9]]), 1),
        (Mask::visible(matrix).into(), 1),
        (Layout { mask: Mask::causal(), positions: explicit }, 1),
    ]
}

/// Splits `steps` into chunks, the first at least `first` long, by the bits of `cuts`.
fn chunks(steps: usize, first: usize, cuts: usize) -> Vec<usize> {
    let mut chunks = vec![first];
    for step in first..steps {
        if cuts >> step & 1 == 1 {
            chunks.push(0);
        }
        *chunks.last_mut().expect("there is a first chunk") += 1;
    }
    chunks
}

/// Runs `step` on the chunks of `tokens` and joins what it returns.
fn in_chunks(
    tokens: &Tensor<2, Int>,
    chunks: &[usize],
    mut step: impl FnMut(Tensor<2, Int>) -> Tensor<3>,
) -> Tensor<3> {
    let parts = tokens.clone().split_with_sizes(chunks.to_vec(), 1);
    Tensor::cat(parts.into_iter().map(&mut step).collect(), 1)
}

fn decode(
    model: &DecoderOnly,
    tokens: &Tensor<2, Int>,
    layout: &Layout,
    chunks: &[usize],
) -> Tensor<3> {
    let mut cache = DecoderCache::new();
    let logits = in_chunks(tokens, chunks, |chunk| model.forward(chunk, layout, Some(&mut cache)));
    assert_eq!(cache.len(), tokens.dims()[1]);
    logits
}

prop_compose! {
    /// Blocks that differ in all that attention depends on.
    fn blocks()(
        (heads, kv_heads) in select(vec![(1, 1), (3, 3), (4, 2), (6, 1)]),
        d_head in select(vec![None, Some(2), Some(6)]),
        norm_order in select(vec![NormOrder::Pre, NormOrder::Post]),
        norm in select(vec![NormKind::Layer, NormKind::Rms]),
        query_key_norm in any::<bool>(),
        softcap in select(vec![None, Some(2.0)]),
    ) -> BlockConfig {
        let block = BlockConfig {
            kv_heads: Some(kv_heads),
            d_head,
            d_ff: Some(10),
            norm,
            norm_order,
            query_key_norm,
            // Heads of 24 / 3, 24 / 4 and 24 / 6 features are all even, as rotary positions ask.
            ..BlockConfig::new(24, heads)
        };
        match softcap {
            None => block,
            Some(cap) => block.with_softcap(cap),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn a_decoder_only_model_does_not_notice_its_cache(
        block in blocks(),
        cuts in 0..1_usize << STEPS,
        seed in any::<u64>(),
    ) {
        let rows = random_ids(&mut rng(seed), [BATCH, STEPS], VOCAB);
        for (device, positions) in devices().iter().cycle().zip(position_kinds()) {
            let config = DecoderOnlyConfig {
                layers: 2,
                positions,
                ..DecoderOnlyConfig::new(VOCAB as usize, block.clone())
            };
            let model = seeded(config.init(device), seed);
            let tokens = ids(&rows, device);
            for (layout, first) in layouts() {
                let at_once = model.forward(tokens.clone(), &layout, None);
                for cuts in [0, cuts, usize::MAX] {
                    let chunks = chunks(STEPS, first, cuts);
                    let what = format!("{:?}, {}, {chunks:?}", config.positions, layout.mask);
                    let chunked = decode(&model, &tokens, &layout, &chunks);
                    assert_close(&chunked, &at_once, TERMS, &what);
                }
            }
        }
    }

    #[test]
    fn an_encoder_decoder_does_not_notice_its_cache(
        block in blocks(),
        cuts in 0..1_usize << STEPS,
        seed in any::<u64>(),
    ) {
        let mut rng = rng(seed);
        let source = random_ids(&mut rng, [BATCH, 5], VOCAB);
        let target = random_ids(&mut rng, [BATCH, STEPS], VOCAB);
        for (device, positions) in devices().iter().cycle().zip(position_kinds()) {
            let config = EncoderDecoderConfig {
                encoder_layers: 1,
                decoder_layers: 2,
                positions,
                ..EncoderDecoderConfig::new(VOCAB as usize, VOCAB as usize, block.clone())
            };
            let model = seeded(config.init(device), seed);
            let (source, target) = (ids(&source, device), ids(&target, device));
            let mask = Mask::padding([5, 2, 3]);
            let at_once = model.forward(source.clone(), &mask, target.clone());
            let memory = model.memory(source, &mask);
            for cuts in [0, cuts, usize::MAX] {
                let chunks = chunks(STEPS, 1, cuts);
                let mut cache = DecoderCache::new();
                let chunked = in_chunks(&target, &chunks, |chunk| {
                    model.decode(chunk, &memory, Some(&mut cache))
                });
                let what = format!("{:?}, {chunks:?}", config.positions);
                assert_close(&chunked, &at_once, 2 * TERMS, &what);
            }
        }
    }
}

#[test]
fn a_cache_reordered_is_the_cache_of_sequences_reordered() {
    let rows = [2, 0, 2, 1, 1];
    let pick = |of: &[Vec<u32>]| rows.map(|row| of[row].clone()).to_vec();
    for device in &devices() {
        let block = BlockConfig { kv_heads: Some(2), ..BlockConfig::new(24, 4) };
        let vocab = VOCAB as usize;
        let config = EncoderDecoderConfig {
            encoder_layers: 1,
            decoder_layers: 2,
            ..EncoderDecoderConfig::new(vocab, vocab, block)
        };
        let model = seeded(config.init(device), 3);
        let mut rng = rng(4);
        let source = random_ids(&mut rng, [BATCH, 5], VOCAB);
        let before = random_ids(&mut rng, [BATCH, 4], VOCAB);
        let after = random_ids(&mut rng, [rows.len(), 3], VOCAB);
        let lengths = [5, 2, 3];

        let mask = Mask::padding(lengths);
        let memory = model.memory(ids(&source, device), &mask);
        let mut cache = DecoderCache::new();
        model.decode(ids(&before, device), &memory, Some(&mut cache));
        cache.reorder(&rows);
        let memory = EncodedSource {
            encoded: Tensor::cat(
                rows.map(|row| memory.encoded.clone().slice_dim(0, s![row..row + 1])).to_vec(),
                0,
            ),
            mask: mask.select_rows(&rows),
        };
        let reordered = model.decode(ids(&after, device), &memory, Some(&mut cache));

        let whole: Vec<Vec<u32>> = pick(&before)
            .into_iter()
            .zip(&after)
            .map(|(head, tail)| [head, tail.clone()].concat())
            .collect();
        let mask = Mask::padding(rows.map(|row| lengths[row]));
        let at_once = model.forward(ids(&pick(&source), device), &mask, ids(&whole, device));
        let expected = at_once.slice([0..rows.len(), 4..7]);
        assert_close(&reordered, &expected, 2 * TERMS, "logits after the reordering");
    }
}

#[test]
fn an_empty_cache_may_be_reordered() {
    let mut cache = DecoderCache::new();
    cache.reorder(&[0, 0, 1]);
    assert!(cache.is_empty());
}
