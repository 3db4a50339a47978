//! Properties of layers and models, and numbers of PyTorch, through the public entry points alone.

mod attention;
mod cache;
mod config_file;
mod config_keys;
mod decoding;
mod gradients;
mod layout;
mod mechanism_table;
mod mechanisms;
mod panics;
mod parity_torch;
mod records;
mod rotary;
mod states;
mod summaries;
mod support;
