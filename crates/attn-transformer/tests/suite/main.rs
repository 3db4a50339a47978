//! Properties of layers and models, through the public entry points alone.

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
mod records;
mod rotary;
mod states;
mod summaries;
mod support;
