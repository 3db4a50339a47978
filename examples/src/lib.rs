//! What the examples share, and the body of the larger ones.
//!
//! - [`device`]: `--device NAME`
//! - [`console`], [`exit`], [`interrupt`], [`io_error`], [`logging`]: manners of a program
//! - [`dates`]: the built-in task
//! - [`mechanisms`]: the program `mechanisms`
//! - [`pronounce`]: the program `pronounce`
//! - [`sentiment`]: the program `sentiment`
//! - [`seq2seq`]: the program `seq2seq`
//! - [`translate`]: the program `translate`, and what every program has that learns from pairs

pub mod console;
pub mod dates;
pub mod device;
pub mod exit;
pub mod interrupt;
pub mod io_error;
pub mod logging;
pub mod mechanisms;
mod parameters;
pub mod pronounce;
pub mod sentiment;
pub mod seq2seq;
pub mod translate;
