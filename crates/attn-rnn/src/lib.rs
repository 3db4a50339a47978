#![doc = include_str!("../README.md")]

mod bridge;
mod classifier;
pub mod config;
mod copying;
mod decoder;
mod encoder;
mod flow;
mod linear;
pub mod pointer;
mod recurrent;
mod seq2seq;
mod teacher_forcing;

pub use bridge::{Bridge, BridgeKind, DenseBridge};
pub use classifier::{Classified, Classifier, ClassifierConfig, PoolingConfig};
pub use config::{ConfigError, ConfigFileError, ValueError};
pub use copying::{CopyConfig, Copying};
pub use decoder::{Decoded, Decoder, DecoderConfig, DecoderMemory, DecoderState, Hidden};
pub use encoder::{Annotations, Encoder, EncoderConfig};
pub use flow::{AnyFlow, Bahdanau, BahdanauConfig, FlowConfig, Luong, LuongConfig, Plain};
pub use recurrent::{
    Cell, CellKind, CellNorm, GruCell, Layer, LstmCell, LstmnCell, LstmnStep, Projection,
    Recurrent, RecurrentConfig, RecurrentDropout, RecurrentOutput, State, Tape,
};
pub use seq2seq::{Seq2Seq, Seq2SeqConfig, Seq2SeqState};
