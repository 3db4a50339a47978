//! What a run is trained on: `data.json`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use attn_files::json::{self, JsonError};
use attn_train::data::{DataError, Pair, read_pairs, read_parallel};
use serde::{Deserialize, Serialize};

use super::path_record;
use crate::dates::{Sample, Split, samples};

/// Where pairs come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Corpus {
    /// The built-in task, see [`dates`](crate::dates).
    Dates {
        /// Number of training pairs.
        train: usize,
        /// Number of validation pairs.
        valid: usize,
        /// What they are drawn from.
        seed: u64,
    },
    /// Files of pairs with a tab between source and target.
    Pairs {
        /// Training pairs.
        #[serde(with = "path_record")]
        train: PathBuf,
        /// Validation pairs.
        #[serde(with = "path_record")]
        valid: PathBuf,
    },
    /// Files of sentences with their translations in another file, line by line.
    Parallel {
        /// Training sources.
        #[serde(with = "path_record")]
        source: PathBuf,
        /// Training targets.
        #[serde(with = "path_record")]
        target: PathBuf,
        /// Validation sources.
        #[serde(with = "path_record")]
        valid_source: PathBuf,
        /// Validation targets.
        #[serde(with = "path_record")]
        valid_target: PathBuf,
    },
}

/// The pairs of a [`Corpus`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    /// To learn from.
    pub train: Vec<Pair>,
    /// To choose the best model by.
    pub valid: Vec<Pair>,
}

/// What is recorded of the corpus of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorpusRecord {
    /// Where the pairs came from.
    pub corpus: Corpus,
    /// Hash of the training pairs: see [`Texts::fingerprint`].
    pub fingerprint: String,
    /// Hash of the validation pairs; runs of before have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_fingerprint: Option<String>,
}

/// The corpus of a run cannot be found again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CorpusError {
    /// A file of the run cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the run is not what was written.
    #[error("{} is damaged: {source}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: JsonError,
    },
    /// A file of the run cannot be written.
    #[error("cannot write {}: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The text is another one than when the run was begun.
    #[error(
        "the {part} text {} has changed since the run was begun: {consequence} (fingerprint {found} \
         in place of {expected})",
        .file.display()
    )]
    Changed {
        /// Training or validation.
        part: &'static str,
        /// What cannot be done with another text.
        consequence: &'static str,
        /// The file.
        file: PathBuf,
        /// Its fingerprint then.
        expected: String,
        /// Its fingerprint now.
        found: String,
    },
}

impl Corpus {
    /// Reads or generates the pairs.
    ///
    /// # Errors
    ///
    /// Names the file and the line that cannot be used.
    pub fn read(&self) -> Result<Texts, DataError> {
        match self {
            Self::Dates { train, valid, seed } => Ok(Texts {
                train: date_pairs(Split::Train, *train, *seed),
                valid: date_pairs(Split::Valid, *valid, *seed),
            }),
            Self::Pairs { train, valid } => {
                Ok(Texts { train: read_pairs(train)?, valid: read_pairs(valid)? })
            }
            Self::Parallel { source, target, valid_source, valid_target } => Ok(Texts {
                train: read_parallel(source, target)?,
                valid: read_parallel(valid_source, valid_target)?,
            }),
        }
    }

    /// The files that errors about training and validation pairs name.
    pub fn files(&self) -> [PathBuf; 2] {
        match self {
            Self::Dates { .. } => ["the built-in dates".into(), "the built-in dates".into()],
            Self::Pairs { train, valid } => [train.clone(), valid.clone()],
            Self::Parallel { source, valid_source, .. } => [source.clone(), valid_source.clone()],
        }
    }

    /// The files of the corpus; the built-in dates have none.
    pub(crate) fn paths(self) -> Vec<PathBuf> {
        match self {
            Self::Dates { .. } => Vec::new(),
            Self::Pairs { train, valid } => vec![train, valid],
            Self::Parallel { source, target, valid_source, valid_target } => {
                vec![source, target, valid_source, valid_target]
            }
        }
    }
}

fn date_pairs(split: Split, count: usize, seed: u64) -> Vec<Pair> {
    samples(split, count, seed).iter().map(date_pair).collect()
}

/// A date as people write it and the date.
pub fn date_pair(sample: &Sample) -> Pair {
    Pair { source: sample.text.clone(), target: sample.date.to_string() }
}

impl Texts {
    /// A hash of the training pairs in their order.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.train)
    }

    /// A hash of the validation pairs in their order.
    pub fn valid_fingerprint(&self) -> String {
        fingerprint(&self.valid)
    }
}

fn fingerprint(pairs: &[Pair]) -> String {
    // FNV-1a: the same on every machine and in every version, which std's hashes are not.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for pair in pairs {
        for byte in [pair.source.as_bytes(), b"\t", pair.target.as_bytes(), b"\n"].concat() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

impl CorpusRecord {
    /// The record of a corpus.
    pub fn new(corpus: Corpus, texts: &Texts) -> Self {
        let valid_fingerprint = Some(texts.valid_fingerprint());
        Self { corpus, fingerprint: texts.fingerprint(), valid_fingerprint }
    }

    /// Reads what was recorded.
    ///
    /// # Errors
    ///
    /// Fails if the file is missing or damaged.
    pub fn load(path: &Path) -> Result<Self, CorpusError> {
        let bytes =
            fs::read(path).map_err(|source| CorpusError::Read { path: path.into(), source })?;
        json::parse(&bytes).map_err(|source| CorpusError::Damaged { path: path.into(), source })
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    ///
    /// Fails if the system refuses.
    pub fn save(&self, path: &Path) -> Result<(), CorpusError> {
        json::write(path, self).map_err(|source| CorpusError::Write { path: path.into(), source })
    }

    /// Refuses another text than the one recorded.
    ///
    /// # Errors
    ///
    /// [`CorpusError::Changed`] if it is another.
    pub fn check(&self, texts: &Texts) -> Result<(), CorpusError> {
        let [train, valid] = self.corpus.files();
        let (expected, found) = (self.fingerprint.clone(), texts.fingerprint());
        if found != expected {
            let (part, consequence) = ("training", "its order cannot be gone on with");
            return Err(CorpusError::Changed { part, consequence, file: train, expected, found });
        }
        let Some(expected) = self.valid_fingerprint.clone() else { return Ok(()) };
        let found = texts.valid_fingerprint();
        if found != expected {
            let (part, consequence) = ("validation", "its losses cannot be compared");
            return Err(CorpusError::Changed { part, consequence, file: valid, expected, found });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(source: &str, target: &str) -> Pair {
        Pair { source: source.into(), target: target.into() }
    }

    #[test]
    fn a_fingerprint_tells_order_and_sides_apart() {
        let of = |train: Vec<Pair>| Texts { train, valid: Vec::new() }.fingerprint();
        let (a, b) = (pair("ab", "c"), pair("d", "e"));
        assert_eq!(of(vec![a.clone(), b.clone()]), of(vec![a.clone(), b.clone()]));
        assert_ne!(of(vec![a.clone(), b.clone()]), of(vec![b, a.clone()]));
        assert_ne!(of(vec![a]), of(vec![pair("a", "bc")]));
    }

    /// Computed with Python from the definition of FNV-1a, for the bytes `a\tb\n`.
    #[test]
    fn a_fingerprint_is_that_of_every_other_machine() {
        let texts = Texts { train: vec![pair("a", "b")], valid: Vec::new() };
        assert_eq!(texts.fingerprint(), "6e90e881eadd0757");
    }

    #[test]
    fn a_record_survives_its_file_and_knows_its_text() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.json");
        let corpus = Corpus::Dates { train: 7, valid: 3, seed: 5 };
        let texts = corpus.read().unwrap();
        let record = CorpusRecord::new(corpus, &texts);
        record.save(&path).unwrap();
        let loaded = CorpusRecord::load(&path).unwrap();
        assert_eq!(loaded, record);
        loaded.check(&texts).unwrap();
        let other = Corpus::Dates { train: 7, valid: 3, seed: 6 }.read().unwrap();
        let error = loaded.check(&other).unwrap_err().to_string();
        assert!(error.contains("the training text"), "{error}");
        assert!(error.contains("has changed since the run was begun"), "{error}");
        let cut = Texts { valid: texts.valid[..2].to_vec(), train: texts.train.clone() };
        let error = loaded.check(&cut).unwrap_err().to_string();
        assert!(error.contains("the validation text"), "{error}");
        // A run of before, which knows nothing of its validation text.
        let old = std::fs::read_to_string(&path).unwrap();
        let old =
            old.lines().filter(|line| !line.contains("valid_fingerprint")).collect::<String>();
        std::fs::write(&path, old.replace(",}", "}")).unwrap();
        CorpusRecord::load(&path).unwrap().check(&cut).unwrap();
    }
}
