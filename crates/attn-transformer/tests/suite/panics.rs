//! A wrong shape or option is refused at the door, with both values.

use crate::support::{floats, ids, panic_message, random_ids, rng};
use attn_core::Mask;
use attn_generate::StepDecoder;
use attn_transformer::{
    AnyState, BlockConfig, DecoderCache, DecoderOnly, DecoderOnlyConfig, DecoderOnlyState,
    EncoderDecoder, EncoderDecoderConfig, EncoderDecoderState, FeedForwardConfig, Layout,
    MultiHeadAttentionConfig, NormConfig, PositionConfig, Positions, sinusoids,
};
use burn::tensor::{Device, Int, Tensor};

fn device() -> Device {
    Device::flex()
}

fn tokens(dims: [usize; 2]) -> Tensor<2, Int> {
    ids(&random_ids(&mut rng(1), dims, 5), &device())
}

fn x(dims: [usize; 3]) -> Tensor<3> {
    floats(&mut rng(1), dims, &device())
}

fn translator() -> EncoderDecoder {
    let config = EncoderDecoderConfig {
        encoder_layers: 1,
        decoder_layers: 1,
        positions: PositionConfig::Learned { max_len: 4 },
        ..EncoderDecoderConfig::new(5, 7, BlockConfig::new(6, 2))
    };
    config.init(&device())
}

fn writer() -> DecoderOnly {
    let config = DecoderOnlyConfig {
        layers: 1,
        positions: PositionConfig::Learned { max_len: 4 },
        ..DecoderOnlyConfig::new(5, BlockConfig::new(6, 2))
    };
    config.init(&device())
}

#[track_caller]
fn refuses(message: &str, work: impl FnOnce() + std::panic::UnwindSafe) {
    let actual = panic_message(work);
    assert!(actual.contains(message), "the panic says {actual:?}, not {message:?}");
}

#[test]
fn a_configuration_that_is_not_valid_does_not_init() {
    refuses("d_model = 6 does not split into heads = 4 equal parts", || {
        BlockConfig::new(6, 4).init(&device());
    });
    refuses("layers is 0, must be at least 1", || {
        BlockConfig::new(6, 2).init_stack(0, &device());
    });
    refuses("target_vocab is 0", || {
        EncoderDecoderConfig::new(5, 0, BlockConfig::new(6, 2)).init(&device());
    });
}

#[test]
fn another_width_is_refused() {
    refuses("axis 2 expected 6, got 5", || {
        FeedForwardConfig::new(6, 8).init(&device()).forward(x([2, 3, 5]));
    });
    refuses("axis 2 expected 6, got 5", || {
        NormConfig::new(6).init(&device()).forward(x([2, 3, 5]));
    });
    refuses("axis 2 expected 6, got 5", || {
        let attention = MultiHeadAttentionConfig::new(6, 2).init(&device());
        attention.forward(x([2, 3, 5]), &Mask::open(), None);
    });
    refuses("axis 2 expected 9, got 6", || {
        let config =
            MultiHeadAttentionConfig { d_memory: Some(9), ..MultiHeadAttentionConfig::new(6, 2) };
        config.init(&device()).project_memory(x([2, 3, 6]), None);
    });
}

#[test]
fn batches_that_differ_are_refused() {
    refuses("axis 0 expected 3, got 2", || {
        let model = translator();
        let memory = model.memory(tokens([3, 4]), &Mask::open());
        model.decode(tokens([2, 4]), &memory, None);
    });
    refuses("batch, heads and head width must agree", || {
        let attention = MultiHeadAttentionConfig::new(6, 2).init(&device());
        let mut cache = AnyState::default();
        attention.forward(x([2, 3, 6]), &Mask::open(), Some(&mut cache));
        attention.forward(x([4, 3, 6]), &Mask::open(), Some(&mut cache));
    });
    refuses("positions are given for 3 sequences, the batch has 2", || {
        writer().forward(tokens([2, 4]), &Layout::left_padded([0, 1, 2]), None);
    });
}

#[test]
fn a_sequence_beyond_the_learned_positions_is_refused() {
    assert_eq!(writer().max_len(), Some(4));
    assert_eq!(translator().max_len(), Some(4));
    refuses("position 4 is out of range: the model has learned 4 positions", || {
        writer().forward(tokens([2, 5]), &Layout::causal(), None);
    });
    refuses("position 4 is out of range: the model has learned 4 positions", || {
        let mut cache = DecoderCache::new();
        writer().forward(tokens([2, 3]), &Layout::causal(), Some(&mut cache));
        writer().forward(tokens([2, 2]), &Layout::causal(), Some(&mut cache));
    });
    refuses("position 5 is out of range: the model has learned 4 positions", || {
        let positions = Positions::Rows(vec![vec![0, 5, 1]]);
        let layout = Layout { mask: Mask::causal(), positions };
        writer().forward(tokens([2, 3]), &layout, None);
    });
    refuses("positions are given for 3 steps, got 0..4", || {
        let positions = Positions::Rows(vec![vec![0, 1, 2]]);
        let layout = Layout { mask: Mask::causal(), positions };
        writer().forward(tokens([2, 4]), &layout, None);
    });
}

#[test]
fn a_token_that_the_model_does_not_know_is_refused() {
    refuses("token 7 is out of range, the vocabulary has 7", || {
        let model = translator();
        let memory = model.memory(tokens([2, 4]), &Mask::open());
        model.step(EncoderDecoderState::new(memory), &[6, 7]);
    });
    refuses("token 5 is out of range, the vocabulary has 5", || {
        writer().step(DecoderOnlyState::new(Layout::causal()), &[5]);
    });
    refuses("token 9 is out of range, the vocabulary has 5", || {
        writer().start(vec![vec![1, 9, 2]]);
    });
    refuses("a prompt has at least one token", || {
        writer().start(vec![vec![1], vec![]]);
    });
}

#[test]
fn a_cache_or_rotation_of_something_else_is_refused() {
    refuses("the cache is that of a stack of another depth", || {
        let block = BlockConfig::new(6, 2);
        let mut cache = DecoderCache::new();
        let stack = block.init_stack(1, &device());
        stack.forward(x([2, 3, 6]), &Mask::causal(), Some(&mut cache));
        let deeper = block.init_stack(2, &device());
        deeper.forward(x([2, 3, 6]), &Mask::causal(), Some(&mut cache));
    });
    refuses("row 2 is out of range, the batch has 2", || {
        let mut cache = DecoderCache::new();
        writer().forward(tokens([2, 3]), &Layout::causal(), Some(&mut cache));
        cache.reorder(&[0, 2]);
    });
    refuses("axis 2 expected 3, got 4", || {
        let rotary = attn_transformer::RotaryConfig::default();
        let dtype = burn::tensor::DType::F32;
        let rotation = rotary.rotation(&[vec![0, 1, 2]], 6, &device(), dtype);
        rotation.forward(floats(&mut rng(1), [2, 3, 4, 6], &device()));
    });
    refuses("sinusoids come in pairs, d_model = 5 is odd", || {
        sinusoids(&[vec![0]], 5, &device());
    });
}
