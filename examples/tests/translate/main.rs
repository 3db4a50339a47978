//! The program `translate`, called as from a command line.

mod bad_input;
mod desk;
mod recurrent;
mod whole;
