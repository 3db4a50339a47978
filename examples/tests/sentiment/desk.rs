//! The program `sentiment` on a few sentences, without a process of its own.

use std::ops::Deref;

use attn_pipelines::classification::Settings;
use attn_train::StopSignal;

use crate::sentiment;
use crate::support::{Folder, Ran};

/// A folder with sentences, and a config for small models.
pub struct Desk {
    folder: Folder,
}

impl Deref for Desk {
    type Target = Folder;

    fn deref(&self) -> &Folder {
        &self.folder
    }
}

/// What HTML must not take for itself.
pub const HOSTILE: &str = "<script>alert(\"a\" & 'b')</script>";

impl Desk {
    pub fn new() -> Self {
        let desk = Self { folder: Folder::new() };
        let line = |n: usize| match n % 2 {
            0 => format!("thing {n} is good {HOSTILE}\t1\n"),
            _ => format!("thing {n} is bad\u{85}indeed\t0\n"),
        };
        desk.write("reviews.tsv", (0..40).map(line).collect::<String>());
        let mut settings = Settings::default();
        settings.training.max_epochs = 2;
        for model in &mut settings.models {
            (model.d_word, model.d_hidden) = (5, 3);
        }
        desk.write("small.json", serde_json::to_string(&settings).unwrap());
        desk
    }

    /// Calls the program.
    pub fn call(&self, command: &str) -> Ran {
        self.call_with(command, &StopSignal::new())
    }

    pub fn call_with(&self, command: &str, stop: &StopSignal) -> Ran {
        Ran::of(&self.words(command), "", stop.clone(), sentiment::run)
    }
}
