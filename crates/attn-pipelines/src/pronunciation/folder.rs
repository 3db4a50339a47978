//! A folder of words to train on, to validate and to test with, and of the runs on them.

use std::path::{Path, PathBuf};

use attn_train::data::Pair;

use super::{Dictionary, DictionaryError, letters};
use crate::translation::{Architecture, Corpus, Settings};
use crate::{Error, IoError, RunDir};

/// The words of a dictionary in three parts, in a folder that is held by this process.
#[derive(Debug)]
pub struct WordFolder {
    folder: RunDir,
    /// The words to test with.
    pub test: Dictionary,
}

impl WordFolder {
    /// Writes the parts into a new folder, and with `settings` whatever else is to be there.
    ///
    /// # Errors
    ///
    /// Fails if the system refuses; then nothing is left behind.
    pub fn create(
        folder: RunDir,
        [train, valid, test]: [Dictionary; 3],
        settings: impl FnOnce(&Path) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let folder = folder.fill(|folder| {
            let write = |path: PathBuf, text: String| {
                attn_files::write(&path, text.as_bytes()).map_err(IoError::writing(&path))
            };
            let [train_pairs, valid_pairs] = pair_files(folder.path());
            write(train_pairs, lines(&train.pairs()))?;
            write(valid_pairs, lines(&valid.pairs()))?;
            settings(folder.path())?;
            // The last one, because it is what can be gone on with.
            Ok(write(test_words(folder.path()), test.text())?)
        })?;
        Ok(Self { folder, test })
    }

    /// The words of an earlier run.
    ///
    /// # Errors
    ///
    /// [`Error::NoWords`] if there are none; fails also if another process trains on them.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = test_words(path);
        if !file.is_file() {
            return Err(Error::NoWords { path: path.into() });
        }
        let folder = RunDir::claim(path)?;
        // The digits of the stress were left out when it was written, if they were.
        let test = Dictionary::read(&file, true)?;
        if test.is_empty() {
            return Err(DictionaryError::TooFew { path: file, words: 0 }.into());
        }
        Ok(Self { folder, test })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of a model's run.
    pub fn run(&self, model: &str) -> PathBuf {
        self.path().join(model)
    }

    /// The settings that a model's run was, or is to be, begun with.
    ///
    /// # Errors
    ///
    /// Fails if the file is missing, damaged or holds nonsense.
    pub fn settings<C: Architecture>(&self, model: &str) -> Result<Settings<C>, Error> {
        Ok(Settings::load(&Self::settings_file(self.path(), model))?)
    }

    /// The file of these settings in a folder.
    pub fn settings_file(folder: &Path, model: &str) -> PathBuf {
        folder.join(format!("{model}.json"))
    }

    /// What is trained on and validated with.
    pub fn corpus(&self) -> Corpus {
        let [train, valid] = pair_files(self.path());
        Corpus::Pairs { train, valid }
    }

    /// The words to test with, as sources of pairs whose targets are not known.
    pub fn questions(&self) -> Vec<Pair> {
        let question = |word: &String| Pair { source: letters(word), target: String::new() };
        self.test.0.keys().map(question).collect()
    }

    /// The file of the words to test with, for errors.
    pub fn test_file(&self) -> PathBuf {
        test_words(self.path())
    }
}

fn test_words(folder: &Path) -> PathBuf {
    folder.join("test.dict")
}

fn pair_files(folder: &Path) -> [PathBuf; 2] {
    ["train.tsv", "valid.tsv"].map(|name| folder.join(name))
}

fn lines(pairs: &[Pair]) -> String {
    pairs.iter().map(|Pair { source, target }| format!("{source}\t{target}\n")).collect()
}
