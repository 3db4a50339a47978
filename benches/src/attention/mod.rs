//! Fused attention beside its peers: the bench `attention`.

pub mod burn_op;
#[cfg(feature = "candle")]
pub mod candle;
pub mod contest;
pub mod environment;
pub mod memory;
pub mod ours;
pub mod pytorch;
pub mod setting;
pub mod table;
pub mod tensors;
