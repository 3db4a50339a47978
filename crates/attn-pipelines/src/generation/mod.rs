//! Text generation: a text in, a decoder-only model that goes on writing it out.

mod generator;
mod settings;
mod training;

pub use generator::{TextGenerator, TextStream};
pub use settings::TextSettings;
pub use training::TextTraining;
