//! The tests of the crate, but for those against PyTorch.

mod classifier;
mod config_file;
mod equations;
mod recurrent;
mod seq2seq;
mod support;
