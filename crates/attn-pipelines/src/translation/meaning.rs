//! What gives the weights of a run their meaning, so that a change of it is noticed.

use std::fs;
use std::path::{Path, PathBuf};

use attn_train::batch::{Lengths, Overlong};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::corpus::hash;
use super::{Architecture, Settings};
use crate::{Error, IoError, RunDir};

/// What the weights, and the losses, of a run depend on beside its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meaning {
    /// The settings of the model: with twice the heads the same weights are another model.
    model: Value,
    /// Hash of the tokenizers: with other tokens the same ids are other words.
    vocabulary: String,
    /// The longest sentences, and what becomes of longer ones: which losses are compared.
    max_len: Lengths,
    overlong: Overlong,
}

/// A setting was changed since the weights were learned.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}: {key} is {found}, but the run was begun with {expected}: {consequence}",
    .path.display()
)]
pub struct OtherMeaning {
    /// The file with the setting.
    pub path: PathBuf,
    /// The setting with those around it.
    pub key: String,
    /// Its value now.
    pub found: String,
    /// Its value when the run was begun.
    pub expected: String,
    /// What the change would do.
    pub consequence: &'static str,
}

impl Meaning {
    /// That of a run whose vocabularies have been written.
    pub(crate) fn new<C: Architecture>(
        settings: &Settings<C>,
        run: &RunDir,
    ) -> Result<Self, Error> {
        let mut tokenizers = Vec::new();
        for path in [run.source_tokenizer(), run.target_tokenizer()] {
            let what = || format!("cannot read {}", path.display());
            let content = fs::read(&path).map_err(|source| IoError { what: what(), source })?;
            tokenizers.push(content);
        }
        let model = serde_json::to_value(&settings.model).expect("settings are plain data");
        let Settings { max_len, overlong, .. } = *settings;
        Ok(Self { model, vocabulary: hash(tokenizers), max_len, overlong })
    }

    /// Refuses weights that would mean something else now.
    pub(crate) fn check_weights<C: Architecture>(
        &self,
        now: &Self,
        path: &Path,
    ) -> Result<(), OtherMeaning> {
        let other = |(key, expected, found): (String, String, String)| OtherMeaning {
            path: path.into(),
            key,
            found,
            expected,
            consequence: "its weights would mean something else",
        };
        if let Some(difference) =
            difference("model", &of_weights::<C>(&self.model), &of_weights::<C>(&now.model))
        {
            return Err(other(difference));
        }
        if self.vocabulary != now.vocabulary {
            let key = "the fingerprint of the tokenizers".to_owned();
            return Err(other((key, self.vocabulary.clone(), now.vocabulary.clone())));
        }
        Ok(())
    }

    /// Refuses data that would be cut or left out otherwise now.
    pub(crate) fn check_data(&self, now: &Self, path: &Path) -> Result<(), OtherMeaning> {
        let of = |meaning: &Self| serde_json::json!({ "max_len": meaning.max_len, "overlong": meaning.overlong });
        match difference("", &of(self), &of(now)) {
            None => Ok(()),
            Some((key, expected, found)) => Err(OtherMeaning {
                path: path.into(),
                key,
                found,
                expected,
                consequence: "its losses could not be compared",
            }),
        }
    }
}

/// The settings of a model in today's form, without those of dropout.
fn of_weights<C: Architecture>(model: &Value) -> Value {
    // Through the type, which knows the forms of before.
    let today = serde_json::from_value::<C>(model.clone()).and_then(serde_json::to_value);
    let mut model = today.unwrap_or_else(|_| model.clone());
    forget_dropout(&mut model);
    model
}

/// Probabilities of dropout change how a model is trained, not what its weights mean.
fn forget_dropout(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !key.ends_with("dropout"));
            map.values_mut().for_each(forget_dropout);
        }
        Value::Array(values) => values.iter_mut().for_each(forget_dropout),
        _ => {}
    }
}

/// The first key whose values differ, with both. One that only `found` has is a setting that came
/// with a later version, at its default.
fn difference(place: &str, expected: &Value, found: &Value) -> Option<(String, String, String)> {
    match (expected, found) {
        (Value::Object(old), Value::Object(new)) => old.iter().find_map(|(key, expected)| {
            let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
            difference(&place, expected, new.get(key)?)
        }),
        _ if expected == found => None,
        _ => Some((place.to_owned(), expected.to_string(), found.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_key_that_differs_is_named_with_both_values() {
        let old = json!({"block": {"heads": 2, "d_ff": null}, "layers": 3});
        let new = json!({"block": {"heads": 4, "d_ff": null, "new": 1}, "layers": 3});
        let difference = super::difference("model", &old, &new);
        assert_eq!(difference, Some(("model.block.heads".into(), "2".into(), "4".into())));
        assert_eq!(super::difference("model", &old, &old), None);
        let mut value = json!({"a": [{"attention_dropout": 1}], "dropout": 2});
        forget_dropout(&mut value);
        assert_eq!(value, json!({"a": [{}]}));
    }
}
