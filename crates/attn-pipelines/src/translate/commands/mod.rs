//! The two things that the program does.

mod train;
mod translate;

pub use train::train;
pub use translate::translate;
