#![doc = include_str!("../README.md")]

mod attention;
mod block;
mod cache;
pub mod config;
mod cross_block;
mod decoder_only;
mod earlier;
mod encoder_decoder;
mod encoder_only;
mod feed_forward;
mod init;
mod input;
mod layout;
mod linear;
mod norm;
mod positions;
mod residual;
mod step;
mod teacher_forcing;
mod watch;

// What every model takes, so that this crate is of use without naming the other.
pub use attn_core::Mask;
pub use attn_core::mechanism::{AnyState, MechanismConfig};

pub use attention::{AttentionOutput, MultiHeadAttention, MultiHeadAttentionConfig, Scope};
pub use block::{Block, BlockConfig, Stack};
pub use cache::DecoderCache;
pub use config::{ConfigError, ConfigFileError, ValueError};
pub use cross_block::{CrossBlock, CrossInputs, CrossStack};
pub use decoder_only::{DecoderOnly, DecoderOnlyConfig};
pub use encoder_decoder::{EncodedSource, EncoderDecoder, EncoderDecoderConfig, Tying};
pub use encoder_only::{EncoderOnly, EncoderOnlyConfig};
pub use feed_forward::{Activation, FeedForward, FeedForwardConfig};
pub use input::InputLayer;
pub use layout::Layout;
pub use norm::{Norm, NormConfig, NormKind};
pub use positions::{
    FrequencyScaling, Pairing, PositionConfig, Positions, RotaryConfig, Rotation, sinusoids,
};
pub use residual::{NormOrder, Residual};
pub use step::{DecoderOnlyState, EncoderDecoderState};
