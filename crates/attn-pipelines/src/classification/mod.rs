//! Classification of sentences: labelled sentences in, a recurrent classifier that attends out.
//!
//! ```text
//! reviews     sentences with labels      grammar     sentences that are made up
//! words       sentences to words         parts       training, validation and test
//! log_ratios  what words say             naive_bayes the baseline
//! features    what models read           batch       a few sentences of them
//! model       what is trained            training    how
//! settings    what can be set            classifier  a trained model
//! comparison  all models on the same splits
//! table       numbers for people         page        what models attended to
//! ```

mod batch;
mod classifier;
mod comparison;
mod features;
mod grammar;
mod log_ratios;
mod model;
mod naive_bayes;
mod page;
mod parts;
mod reviews;
mod settings;
mod table;
mod training;
mod words;

pub use classifier::Classifier;
pub use comparison::{Comparison, ModelResult, SplitResult};
pub use grammar::{SENTENCES, sentences as made_up_reviews};
pub use log_ratios::LogRatios;
pub use model::{ModelError, ModelSettings};
pub use naive_bayes::NaiveBayes;
pub use page::write as write_page;
pub use parts::Parts;
pub use reviews::{Review, ReviewError, check as check_reviews, read as read_reviews, summary};
pub use settings::{Settings, SettingsError as ClassifierSettingsError, TrainingSettings};
pub use table::{best_model, table};
pub use training::Prediction;
pub use words::{Word, words};
