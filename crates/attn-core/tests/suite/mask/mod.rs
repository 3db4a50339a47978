//! Masks: `is_visible` agrees with each kind's formula, and everything else with `is_visible`.

mod algebra;
mod art;
mod bits;
mod chunks;
mod file;
mod kinds;
mod lowering;
mod misfits;
mod selection;
mod sparse;
mod strategy;
mod tiles;
