#![doc = include_str!("../README.md")]

mod color;
mod error;
mod label;
mod layout;
mod picture;
mod svg;
mod text;

pub use error::PictureError;
pub use picture::AlignmentPicture;
