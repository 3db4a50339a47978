//! Files, JSON and locks through the public interface.

mod json;
mod lock;
#[cfg(unix)]
mod unix;
mod write;
