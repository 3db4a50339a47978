//! The programs `translate` and `seq2seq`, called as from a command line.

mod bad_input;
mod desk;
mod library;
mod recurrent;
#[allow(dead_code, reason = "its main")]
#[path = "../../seq2seq.rs"]
mod seq2seq;
#[path = "../support/mod.rs"]
mod support;
#[allow(dead_code, reason = "its main")]
#[path = "../../translate.rs"]
mod translate;
mod whole;
