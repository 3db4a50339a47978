//! Parts of the example `mechanisms`.

pub mod mechanisms;
