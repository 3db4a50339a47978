//! What a run was begun with.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::CheckpointError;

/// What gives the weights of a run their meaning, besides its trainer's config and its data: the config
/// of its model, its tokenizers.
///
/// It is kept in every checkpoint. [`Trainer::resume_from`](crate::Trainer::resume_from) and
/// [`Checkpoint::check`](super::Checkpoint::check) compare it, and name what has changed.
///
/// ```no_run
/// use attn_train::{Checkpoint, RunRecord};
/// use attn_transformer::DecoderOnlyConfig;
///
/// let model = DecoderOnlyConfig::load("runs/novel/model.json")?;
/// let record = RunRecord::new().with_config("model", &model);
/// let checkpoint = Checkpoint::best("runs/novel")?;
/// checkpoint.check(&record)?; // "model.block.heads has changed since the run was begun: it was 2, …"
/// let model = checkpoint.load_model(model.init(&Default::default()))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct RunRecord(BTreeMap<String, Entry>);

#[derive(Debug, Clone)]
struct Entry {
    value: Value,
    /// What is written today for a value of before: in the meantime keys may have got other names, and
    /// defaults.
    rewrite: fn(&Value) -> Option<Value>,
}

impl RunRecord {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a config, of which the key that has changed can be named. Keys that end in `dropout` may
    /// change: they are about how a model is trained, not what its weights mean.
    ///
    /// # Panics
    /// If the config has no JSON form.
    pub fn with_config<C: Serialize + DeserializeOwned>(
        mut self,
        name: impl Into<String>,
        config: &C,
    ) -> Self {
        fn rewrite<C: Serialize + DeserializeOwned>(saved: &Value) -> Option<Value> {
            let mut value = serde_json::to_value(C::deserialize(saved).ok()?).ok()?;
            drop_dropout(&mut value);
            Some(value)
        }
        let mut value = serde_json::to_value(config).expect("a config is plain data");
        drop_dropout(&mut value);
        self.0.insert(name.into(), Entry { value, rewrite: rewrite::<C> });
        self
    }

    /// Adds the content of a file, whose length and checksum are kept.
    pub fn with_content(mut self, name: impl Into<String>, content: &[u8]) -> Self {
        let checksum = crc32fast::hash(content);
        let value = format!("{} bytes with checksum {checksum:08x}", content.len()).into();
        self.0.insert(name.into(), Entry { value, rewrite: |saved| Some(saved.clone()) });
        self
    }

    /// The record as a checkpoint keeps it.
    pub(crate) fn values(&self) -> BTreeMap<String, Value> {
        self.0.iter().map(|(name, entry)| (name.clone(), entry.value.clone())).collect()
    }

    /// Refuses what is not as it was saved. What was not saved, by an earlier version, cannot be compared.
    pub(crate) fn compare(&self, saved: &BTreeMap<String, Value>) -> Result<(), CheckpointError> {
        for (name, given) in &self.0 {
            let Some(saved) = saved.get(name) else { continue };
            let saved = (given.rewrite)(saved).unwrap_or_else(|| saved.clone());
            if let Some(changed) = first_change(name, &saved, &given.value) {
                return Err(changed);
            }
        }
        Ok(())
    }
}

/// Removes the probabilities of dropout from a config.
fn drop_dropout(config: &mut Value) {
    match config {
        Value::Object(options) => {
            options.retain(|key, _| !key.ends_with("dropout"));
            options.values_mut().for_each(drop_dropout);
        }
        Value::Array(parts) => parts.iter_mut().for_each(drop_dropout),
        _ => {}
    }
}

/// The first place where two values differ.
fn first_change(place: &str, saved: &Value, given: &Value) -> Option<CheckpointError> {
    if saved == given {
        return None;
    }
    if let (Value::Object(old), Value::Object(new)) = (saved, given) {
        let keys = old.keys().chain(new.keys().filter(|key| !old.contains_key(*key)));
        let value = |fields: &serde_json::Map<_, _>, key| fields.get(key).cloned();
        return keys
            .filter_map(|key| {
                let [old, new] = [old, new].map(|fields| value(fields, key).unwrap_or(Value::Null));
                first_change(&format!("{place}.{key}"), &old, &new)
            })
            .next();
    }
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    Some(CheckpointError::Changed {
        what: place.to_owned(),
        saved: text(saved),
        given: text(given),
    })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Block {
        #[serde(alias = "n_heads")]
        heads: usize,
        #[serde(default)]
        width: usize,
        #[serde(default)]
        attention_dropout: f64,
    }

    #[derive(Serialize, Deserialize)]
    struct Model {
        vocab: usize,
        block: Block,
    }

    fn model(heads: usize) -> Model {
        Model { vocab: 7, block: Block { heads, width: 0, attention_dropout: 0.0 } }
    }

    fn record(heads: usize) -> RunRecord {
        RunRecord::new().with_config("model", &model(heads))
    }

    #[test]
    fn the_key_that_has_changed_is_named_with_both_values() {
        let saved = record(2).values();
        record(2).compare(&saved).unwrap();
        let error = record(4).compare(&saved).unwrap_err().to_string();
        assert_eq!(
            error,
            "model.block.heads has changed since the run was begun: it was 2, now it is 4"
        );
    }

    /// Renamed and new keys are no change of the model; a key that is gone is one.
    #[test]
    fn a_record_of_an_earlier_version_is_read_as_its_config_would_be() {
        let text = r#"{"model": {"vocab": 7, "block": {"n_heads": 2}}}"#;
        let saved: BTreeMap<String, Value> = serde_json::from_str(text).unwrap();
        record(2).compare(&saved).unwrap();
        assert!(record(3).compare(&saved).is_err());
        let text = r#"{"model": {"vocab": 7, "block": {"depth": 3}}}"#;
        let saved: BTreeMap<String, Value> = serde_json::from_str(text).unwrap();
        assert!(record(2).compare(&saved).is_err());
    }

    #[test]
    fn dropout_may_change() {
        let mut config = model(2);
        config.block.attention_dropout = 0.5;
        let changed = RunRecord::new().with_config("model", &config);
        changed.compare(&record(2).values()).unwrap();
    }

    #[test]
    fn content_is_told_apart_and_what_was_not_saved_is_not_compared() {
        let of = |content| RunRecord::new().with_content("tokenizer", content);
        let saved = of(b"123456789").values();
        of(b"123456789").compare(&saved).unwrap();
        let error = of(b"123456780").compare(&saved).unwrap_err().to_string();
        // The check value of CRC-32/ISO-HDLC.
        assert!(error.contains("tokenizer has changed"), "{error}");
        assert!(error.contains("it was 9 bytes with checksum cbf43926, now"), "{error}");
        of(b"other").compare(&BTreeMap::new()).unwrap();
    }
}
