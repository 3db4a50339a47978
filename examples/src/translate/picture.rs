//! The attention of a translation as a picture.

use std::path::Path;

use super::{Error, Translator};

/// Draws nothing yet.
pub fn draw(_translator: &Translator, _source: &[u32], _path: &Path) -> Result<(), Error> {
    Ok(())
}
