//! The tests of the crate, but for those against PyTorch.

mod classifier;
mod config_file;
mod copying;
mod coverage;
mod equations;
mod invariance;
mod local_centre;
mod models;
mod recurrent;
mod seq2seq;
mod support;
