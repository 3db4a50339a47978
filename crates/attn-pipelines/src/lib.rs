#![doc = include_str!("../README.md")]

pub mod classification;
pub mod cli;
pub mod dates;
pub mod device;
mod error;
pub mod generation;
mod io_error;
mod memory;
mod parameters;
pub mod pronunciation;
mod run_dir;
mod run_record;
mod same_file;
mod settings_file;
pub mod translation;

pub use classification::Classifier;
pub use device::{DeviceError, DeviceName};
pub use error::Error;
pub use generation::TextGenerator;
pub use io_error::IoError;
pub use memory::TooLarge;
pub use run_dir::{RunDir, RunDirError, make_folder};
pub use same_file::refuse_own_input;
pub use translation::Translator;
