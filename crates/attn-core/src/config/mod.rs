//! Configurations: checks of their numbers, and the JSON files they live in.
//!
//! Each crate has its own configurations and its own error `E` for one that is not valid. What
//! may be wrong with a single number is the same in all, a [`ValueError`]; so is what may be wrong with
//! a file, a [`ConfigFileError`].
//!
//! ```
//! use attn_core::config::{self, ConfigFileError, ValueError, check_nonzero, check_version};
//! use serde::{Deserialize, Serialize};
//!
//! const VERSION: u32 = 1;
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct MapConfig {
//!     #[serde(default = "config::first_version")]
//!     version: u32,
//!     d_output: usize,
//! }
//!
//! impl MapConfig {
//!     fn validate(&self) -> Result<(), ValueError> {
//!         check_version(self.version, VERSION)?;
//!         check_nonzero("d_output", self.d_output)
//!     }
//! }
//!
//! # fn main() -> Result<(), ConfigFileError<ValueError>> {
//! # let path = std::env::temp_dir().join(format!("attn-core-config-{}.json", std::process::id()));
//! let map = MapConfig { version: VERSION, d_output: 4 };
//! config::save::<ValueError>(&map, &path)?;
//! assert_eq!(config::load(&path, VERSION, MapConfig::validate)?, map);
//! # let _ = std::fs::remove_file(&path);
//! # Ok(())
//! # }
//! ```

mod file;
mod value;

pub use file::{ConfigFileError, first_version, load, save};
pub use value::{ValueError, check_nonzero, check_positive, check_probability, check_version};
