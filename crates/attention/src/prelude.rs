//! What most programs name: `use attention::prelude::*`.
//!
//! Tensors and devices of burn; masks and attention; the three Transformers and the recurrent
//! encoder–decoder; tokenizers, batches and the trainer; decoding. What a program names once, such as
//! a score or an alignment, is in the crates below.

pub use attn_core::mechanism::{AttentionConfig, MechanismConfig};
pub use attn_core::{AttendOptions, Mask, attend, attend_with_weights};
pub use attn_generate::{
    BeamConfig, Hypothesis, Limits, SamplerConfig, StepDecoder, beam_search, greedy, sample,
};
pub use attn_rnn::{DecoderConfig, EncoderConfig, RecurrentConfig, Seq2Seq, Seq2SeqConfig};
pub use attn_train::batch::{Blocks, TokenPair};
pub use attn_train::tokenizer::{BOS, EOS, Tokenizer, TokenizerKind};
pub use attn_train::{
    AdamWConfig, BlockSource, Checkpoint, PairSource, Schedule, Trainer, TrainerConfig,
};
pub use attn_transformer::{
    BlockConfig, DecoderOnly, DecoderOnlyConfig, EncoderDecoder, EncoderDecoderConfig, EncoderOnly,
    EncoderOnlyConfig,
};
pub use attn_viz::AlignmentPicture;
pub use burn::module::Module;
pub use burn::tensor::{Bool, Device, Distribution, Int, Tensor, TensorData};
