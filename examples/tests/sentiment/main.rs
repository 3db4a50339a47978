//! The program `sentiment`, called as from a command line.

mod bad_input;
mod baseline;
mod desk;
mod splits;
#[path = "../support/mod.rs"]
mod support;
mod whole;
