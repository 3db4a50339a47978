//! Pronunciation: words in, how they sound out.
//!
//! ```text
//! dictionary   words and how they sound    invented   words of no dictionary
//! folder       where they are kept         rates      how wrong models are
//! results      numbers for people
//! ```

mod dictionary;
mod folder;
mod invented;
mod rates;
mod results;

pub use dictionary::{Dictionary, DictionaryError, Part, letters};
pub use folder::WordFolder;
pub use invented::words as invented_words;
pub use rates::Rates;
pub use results::{ModelResult, samples, table};
