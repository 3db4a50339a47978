#![doc = include_str!("../README.md")]

mod bridge;
mod classifier;
pub mod config;
mod copying;
mod decoder;
mod encoder;
mod flow;
mod linear;
mod recurrent;
mod seq2seq;
mod teacher_forcing;

pub use bridge::{Bridge, BridgeKind, DenseBridge};
pub use classifier::{Classified, Classifier, ClassifierConfig, PoolingConfig};
pub use config::{ConfigError, ConfigFileError, ValueError};
pub use copying::{CopyConfig, Copying};
pub use decoder::{Decoded, Decoder, DecoderConfig, DecoderState, Hidden, Memory};
pub use encoder::{Annotations, Encoder, EncoderConfig};
pub use flow::{Bahdanau, BahdanauConfig, Flow, FlowConfig, Luong, LuongConfig};
pub use recurrent::{
    Cell, CellKind, CellNorm, GruCell, Layer, LstmCell, Projection, Recurrent, RecurrentConfig,
    RecurrentDropout, RecurrentOutput, State,
};
pub use seq2seq::{Seq2Seq, Seq2SeqConfig, Seq2SeqState};
