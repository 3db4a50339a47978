//! Both writing models as step decoders.

use crate::support::{assert_close, devices, ids, random_ids, rng, seeded};
use attn_core::Mask;
use attn_generate::StepDecoder;
use attn_transformer::{
    BlockConfig, DecoderOnlyConfig, EncoderDecoderConfig, EncoderDecoderState, Layout,
};
use burn::tensor::Tensor;

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
                let actual = logits.clone().slice([row..row + 1]);
                assert_close(&actual, &expected, TERMS, &format!("turn {turn}, row {row}"));
            }
        }
        assert_eq!(state.len(), orders.len());
    }
}

#[test]
fn prompts_of_different_length_go_on_as_if_alone() {
    for device in &devices() {
        let config = DecoderOnlyConfig {
            layers: 2,
            ..DecoderOnlyConfig::new(VOCAB as usize, BlockConfig::new(12, 3))
        };
        let model = seeded(config.init(device), 20);
        let prompts = [vec![1, 2, 3, 4], vec![5], vec![6, 7]];
        let (state, lasts) = model.prompt(&prompts);
        assert_eq!(lasts, [4, 5, 7]);
        assert_eq!(state.len(), 3);
        let (logits, state) = model.step(state, &lasts);
        let order = [1, 2, 2, 0];
        let state = model.reorder(state, &order);
        let next = [8, 9, 10, 0];
        let (logits_next, _) = model.step(state, &next);

        let alone = |tokens: &[u32]| -> Tensor<2> {
            let length = tokens.len();
            let logits = model.forward(ids(&[tokens.to_vec()], device), &Layout::causal(), None);
            logits.slice([0..1, length - 1..length]).squeeze_dim(1)
        };
        for (row, prompt) in prompts.iter().enumerate() {
            let actual = logits.clone().slice([row..row + 1]);
            assert_close(&actual, &alone(prompt), TERMS, &format!("prompt {row}"));
        }
        for (row, (&from, &token)) in order.iter().zip(&next).enumerate() {
            let actual = logits_next.clone().slice([row..row + 1]);
            let expected = alone(&[prompts[from].clone(), vec![token]].concat());
            assert_close(&actual, &expected, TERMS, &format!("row {row}"));
        }
    }
}

#[test]
fn prompts_of_one_token_need_no_reading() {
    let device = &devices()[1];
    let config = DecoderOnlyConfig::new(VOCAB as usize, BlockConfig::new(12, 3));
    let (state, lasts) = config.init(device).prompt(&[vec![3], vec![4]]);
    assert!(state.is_empty());
    assert_eq!(lasts, [3, 4]);
}
