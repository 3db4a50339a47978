//! The program `sentiment`, called as from a command line.

mod bad_input;
mod baseline;
mod desk;
#[allow(dead_code, reason = "its main")]
#[path = "../../sentiment.rs"]
mod sentiment;
mod splits;
#[path = "../support/mod.rs"]
mod support;
mod whole;
