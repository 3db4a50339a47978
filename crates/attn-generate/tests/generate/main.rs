//! Decoding, tested through the public functions on a model small enough to enumerate.

mod beam;
mod config_keys;
mod greedy;
mod model;
mod refusals;
mod sampling;
