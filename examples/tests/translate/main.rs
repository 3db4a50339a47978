//! The program `translate`, called as from a command line.

mod bad_input;
mod desk;
mod recurrent;
#[path = "../support/mod.rs"]
mod support;
mod whole;
