//! The operations on every processor backend, and how the modules of this crate depend on each other.

mod attention;
#[path = "../cases/mod.rs"]
mod cases;
mod layers;
mod modules;
mod sequences;
