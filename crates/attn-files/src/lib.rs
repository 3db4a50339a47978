#![doc = include_str!("../README.md")]

pub mod json;
mod lock;
mod write;

pub use lock::{FolderLock, LOCK_FILE, LockError};
pub use write::{sync_directory, write};
