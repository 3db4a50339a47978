//! Recurrent layers that know where each sequence ends.
//!
//! | cell | paper |
//! |---|---|
//! | [`LstmCell`] | Hochreiter & Schmidhuber 1997; Gers et al. 2000 |
//! | [`GruCell`] | Cho et al. 2014 |
//!
//! [`Recurrent`] stacks either, in one direction or both.

mod cell;
mod config;
mod dropout;
mod gru;
mod init;
mod layers;
mod lstm;
mod packing;
mod projection;
mod run;
mod state;

pub use cell::{Cell, CellKind};
pub use config::RecurrentConfig;
pub use dropout::RecurrentDropout;
pub use gru::GruCell;
pub use layers::{Layer, Recurrent, RecurrentOutput};
pub use lstm::{CellNorm, LstmCell};
pub(crate) use packing::index;
pub use projection::Projection;
pub use state::State;
