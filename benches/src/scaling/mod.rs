//! How the time of attention grows with the length, beside what is claimed of it.

pub mod measure;
pub mod setting;
pub mod table;
