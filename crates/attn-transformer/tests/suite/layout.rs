//! What else is in a batch, and padding, change nothing.

use crate::support::{assert_close, devices, ids, random_ids, rng, seeded};
use attn_core::Mask;
use attn_transformer::{
    BlockConfig, DecoderOnly, DecoderOnlyConfig, EncoderDecoderConfig, EncoderOnlyConfig, Layout,
    Pairing, PositionConfig, RotaryConfig,
};
use burn::tensor::{Device, Tensor};

const VOCAB: u32 = 13;
const LENGTHS: [usize; 3] = [3, 7, 5];
const WIDTH: usize = 8;

/// Two blocks of width 12 and 48 inside, over at most 15 keys, and the output layer; twice.
const TERMS: usize = 2 * (2 * (4 * 12 + 2 * 15 + 2 * 12 + 12 + 48) + 12 + 12);

fn kinds() -> Vec<PositionConfig> {
    let rotary =
        |pairing| PositionConfig::Rotary(RotaryConfig { pairing, ..RotaryConfig::default() });
    vec![
        PositionConfig::None,
        PositionConfig::Sinusoidal,
        PositionConfig::Learned { max_len: 8 },
        rotary(Pairing::HalfSplit),
        rotary(Pairing::Interleaved),
    ]
}

fn decoder_only(positions: PositionConfig, device: &Device) -> DecoderOnly {
    let block = BlockConfig::new(12, 2);
    let config =
        DecoderOnlyConfig { layers: 2, positions, ..DecoderOnlyConfig::new(VOCAB as usize, block) };
    seeded(config.init(device), 1)
}

/// Sequences of `LENGTHS`, and their logits, each computed alone.
fn alone(model: &DecoderOnly, device: &Device) -> (Vec<Vec<u32>>, Vec<Tensor<3>>) {
    let mut rng = rng(2);
    let rows = LENGTHS.map(|length| random_ids(&mut rng, [1, length], VOCAB).remove(0));
    let logits = rows
        .iter()
        .map(|row| model.forward(ids(std::slice::from_ref(row), device), &Layout::causal(), None));
    (rows.to_vec(), logits.collect())
}

#[test]
fn padding_in_front_changes_nothing() {
    for device in &devices() {
        for positions in kinds() {
            let model = decoder_only(positions.clone(), device);
            let (rows, alone) = alone(&model, device);
            let pads = LENGTHS.map(|length| WIDTH - length);
            for filler in [0, 7] {
                let padded: Vec<Vec<u32>> = rows
                    .iter()
                    .zip(pads)
                    .map(|(row, pad)| [vec![filler; pad], row.clone()].concat())
                    .collect();
                let logits = model.forward(ids(&padded, device), &Layout::left_padded(pads), None);
                for (row, (alone, pad)) in alone.iter().zip(pads).enumerate() {
                    let own = logits.clone().slice([row..row + 1, pad..WIDTH]);
                    assert_close(&own, alone, TERMS, &format!("{positions:?}, row {row}"));
                }
            }
        }
    }
}

#[test]
fn packed_documents_do_not_see_each_other() {
    for device in &devices() {
        for positions in kinds() {
            let model = decoder_only(positions.clone(), device);
            let (rows, alone) = alone(&model, device);
            let layout = Layout::packed(vec![LENGTHS.to_vec()]);
            let logits = model.forward(ids(&[rows.concat()], device), &layout, None);
            let together = logits.split_with_sizes(LENGTHS.to_vec(), 1);
            for (row, (own, alone)) in together.iter().zip(&alone).enumerate() {
                assert_close(own, alone, TERMS, &format!("{positions:?}, document {row}"));
            }
        }
    }
}

#[test]
fn padding_behind_changes_nothing_for_an_encoder() {
    for device in &devices() {
        for positions in kinds() {
            let block = BlockConfig::new(12, 2);
            let config = EncoderOnlyConfig {
                layers: 2,
                positions: positions.clone(),
                ..EncoderOnlyConfig::new(VOCAB as usize, block)
            };
            let model = seeded(config.init(device), 1);
            let mut rng = rng(2);
            let rows = random_ids(&mut rng, [LENGTHS.len(), WIDTH], VOCAB);
            let layout = Mask::padding(LENGTHS).into();
            let padded = model.forward(ids(&rows, device), &layout);
            for (row, length) in LENGTHS.into_iter().enumerate() {
                let real = ids(&[rows[row][..length].to_vec()], device);
                let alone = model.forward(real, &Mask::open().into());
                let own = padded.clone().slice([row..row + 1, 0..length]);
                assert_close(&own, &alone, TERMS, &format!("{positions:?}, row {row}"));
            }
        }
    }
}

#[test]
fn padding_of_source_and_target_changes_nothing_for_an_encoder_decoder() {
    let target_lengths = [6, 2, 4];
    for device in &devices() {
        for positions in kinds() {
            let config = EncoderDecoderConfig {
                encoder_layers: 2,
                decoder_layers: 2,
                positions: positions.clone(),
                ..EncoderDecoderConfig::new(13, 13, BlockConfig::new(12, 2))
            };
            let model = seeded(config.init(device), 1);
            let mut rng = rng(2);
            let source = random_ids(&mut rng, [LENGTHS.len(), WIDTH], VOCAB);
            let target = random_ids(&mut rng, [LENGTHS.len(), 6], VOCAB);
            let logits =
                model.forward(ids(&source, device), &Mask::padding(LENGTHS), ids(&target, device));
            for row in 0..LENGTHS.len() {
                let (s, t) = (LENGTHS[row], target_lengths[row]);
                let alone = model.forward(
                    ids(&[source[row][..s].to_vec()], device),
                    &Mask::open(),
                    ids(&[target[row][..t].to_vec()], device),
                );
                let own = logits.clone().slice([row..row + 1, 0..t]);
                assert_close(&own, &alone, 2 * TERMS, &format!("{positions:?}, row {row}"));
            }
        }
    }
}

/// Without positions, an encoder reads a set.
#[test]
fn permuting_the_source_permutes_what_is_encoded_and_leaves_the_logits() {
    let order = [3, 0, 4, 1, 2];
    for device in &devices() {
        let config = EncoderDecoderConfig {
            encoder_layers: 2,
            decoder_layers: 2,
            positions: PositionConfig::None,
            ..EncoderDecoderConfig::new(13, 13, BlockConfig::new(12, 2))
        };
        let model = seeded(config.init(device), 1);
        let mut rng = rng(2);
        let source = random_ids(&mut rng, [2, order.len()], VOCAB);
        let target = ids(&random_ids(&mut rng, [2, 4], VOCAB), device);
        let permuted: Vec<Vec<u32>> =
            source.iter().map(|row| order.map(|step| row[step]).to_vec()).collect();
        let (source, permuted) = (ids(&source, device), ids(&permuted, device));

        let encoded = model.encode(source.clone(), &Mask::open());
        let steps = order.map(|step| encoded.clone().slice([0..2, step..step + 1])).to_vec();
        let encoded_permuted = model.encode(permuted.clone(), &Mask::open());
        assert_close(&encoded_permuted, &Tensor::cat(steps, 1), TERMS, "what is encoded");

        let logits = model.forward(source, &Mask::open(), target.clone());
        let logits_permuted = model.forward(permuted, &Mask::open(), target);
        assert_close(&logits_permuted, &logits, 2 * TERMS, "the logits");
    }
}
