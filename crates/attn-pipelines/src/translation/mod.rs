//! Translation: pairs of sentences in, a model that turns one into the other out.
//!
//! ```text
//! corpus       pairs, from files or built in   settings     what can be set
//! vocabulary   text to tokens                  presets      what need not be
//! architecture what a model is                 recurrent    recurrent encoder–decoders
//! record       what gives weights their meaning
//! training     a run                           translator   a trained model
//! report       numbers for people              picture      what a translation attended to
//! ```

mod architecture;
mod attention_name;
mod corpus;
mod path_record;
mod picture;
mod presets;
mod record;
mod recurrent;
pub mod report;
mod settings;
mod training;
mod translator;
mod vocabulary;

pub use architecture::{Alignments, Architecture, ArchitectureError, TranslationModel};
pub use attention_name::AttentionName;
pub use corpus::{Corpus, CorpusError, CorpusRecord, Texts, date_pair};
pub use picture::draw;
pub use presets::{DATES_LEN, TEXT_LEN, UNKNOWN_VOCAB, VOCAB, WORDS_LEN};
pub use recurrent::RecurrentPreset;
pub use settings::{Settings, SettingsError};
pub use training::Training;
pub use translator::{Translation, Translator};
pub use vocabulary::{EncodeError, OtherVocabulary, TooLong, Vocabulary};
