//! Recurrent layers over batches of sequences of different length.
//!
//! | cell | paper |
//! |---|---|
//! | [`LstmCell`] | Hochreiter & Schmidhuber 1997; Gers et al. 2000 |
//! | [`GruCell`] | Cho et al. 2014 |
//! | [`LstmnCell`] | Cheng et al. 2016 |
//!
//! [`Recurrent`] stacks any of them, in one direction or both.

mod cell;
mod config;
mod dropout;
mod gru;
mod init;
mod layers;
mod lstm;
mod lstmn;
mod packing;
mod projection;
mod run;
mod state;
mod tape;

pub use cell::{Cell, CellKind};
pub use config::RecurrentConfig;
pub use dropout::RecurrentDropout;
pub use gru::GruCell;
pub use layers::{Layer, Recurrent, RecurrentOutput};
pub use lstm::{CellNorm, LstmCell};
pub use lstmn::{LstmnCell, LstmnStep};
pub(crate) use packing::index;
pub use projection::Projection;
pub use state::State;
pub use tape::Tape;
