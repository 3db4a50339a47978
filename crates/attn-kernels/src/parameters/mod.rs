//! The parameters of operations, which kernels and tensor operations share. Public by the module of their
//! operation.

mod activation;
mod adamw;
mod attention;
mod dropout;
mod rotary;
mod visibility;

pub use activation::Activation;
pub use adamw::Step;
pub use attention::Options;
pub use dropout::DropoutMask;
pub(crate) use dropout::{COLUMN_STEP, MULTIPLIERS};
pub use rotary::Pairing;
pub use visibility::{Tile, Visibility};
