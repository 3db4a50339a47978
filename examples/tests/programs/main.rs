//! The programs as processes: closed pipes, full disks, signals, limits of the system.
#![cfg(unix)]

mod lines;
mod outputs;
mod program;
mod runs;
mod signals;
