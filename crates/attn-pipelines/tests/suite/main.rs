//! Runs that were kept, and what each key of the settings does.

mod config_keys;
mod kept;
