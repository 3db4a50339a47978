#![doc = include_str!("../README.md")]

pub mod console;
pub mod dates;
pub mod device;
pub mod exit;
pub mod interrupt;
pub mod io_error;
pub mod logging;
mod parameters;
pub mod pronounce;
pub mod sentiment;
pub mod seq2seq;
pub mod translate;
