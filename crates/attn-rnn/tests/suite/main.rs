//! The tests of the crate.
//!
//! On ndarray and flex; with the features `wgpu` of both, but for those in f64 and those against PyTorch, there too:
//! `cargo test -p attn-rnn -p attn-testing --features attn-rnn/wgpu,attn-testing/wgpu --test suite`.

mod classifier;
mod config_file;
mod config_keys;
mod copying;
mod coverage;
mod equations;
mod invariance;
mod local_center;
mod lstmn;
mod models;
mod parity_torch;
mod pointer;
mod recurrent;
mod seq2seq;

use attn_testing as support;
