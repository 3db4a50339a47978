//! A tokenizer as the file `tokenizer.json`.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{SPECIALS, Tokenizer, TokenizerError};

impl Tokenizer {
    /// Reads a `tokenizer.json`, written here or by any of Hugging Face's libraries.
    ///
    /// # Errors
    /// If the file cannot be read, is no tokenizer, or its vocabulary does not begin with the
    /// special tokens of this crate.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, TokenizerError> {
        let path = path.as_ref();
        let broken = |reason: String| TokenizerError::Broken { path: path.to_owned(), reason };
        let bytes = fs::read(path)
            .map_err(|source| TokenizerError::Read { path: path.to_owned(), source })?;
        let json: Value = serde_json::from_slice(&bytes).map_err(|e| broken(e.to_string()))?;
        refuse_what_would_panic(&json).map_err(broken)?;
        let mut inner =
            tokenizers::Tokenizer::from_bytes(&bytes).map_err(|error| broken(error.to_string()))?;
        // A length is the business of batches, not of the tokenizer.
        inner.with_truncation(None).map_err(TokenizerError::Library)?.with_padding(None);

        for (id, token) in (0..).zip(SPECIALS) {
            let found = inner.token_to_id(token);
            if found != Some(id) {
                let path = path.to_owned();
                return Err(TokenizerError::MissingSpecial { path, token, id, found });
            }
        }
        let size = inner.get_vocab_size(true);
        if let Some(id) = (0..size as u32).find(|&id| inner.id_to_token(id).is_none()) {
            return Err(broken(format!("of {size} tokens none has the id {id}")));
        }
        Ok(Self::from_inner(inner))
    }

    /// Writes a `tokenizer.json` that Hugging Face's libraries read too. A file of that name is
    /// replaced only once the new one is complete.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), TokenizerError> {
        let path = path.as_ref();
        let json = self.inner.to_string(true).map_err(TokenizerError::Library)?;
        attn_files::write(path, json.as_bytes())
            .map_err(|source| TokenizerError::Write { path: path.to_owned(), source })
    }
}

/// Finds what is valid JSON but makes `tokenizers` 0.23 panic instead of refusing it.
fn refuse_what_would_panic(json: &Value) -> Result<(), String> {
    if contains_type(&json["normalizer"], "Precompiled") {
        return Err("its normalizer is precompiled, which is not supported".to_owned());
    }
    check_merges(&json["model"])
}

fn contains_type(part: &Value, name: &str) -> bool {
    match part {
        Value::Object(fields) => {
            fields.get("type").is_some_and(|kind| kind == name)
                || fields.values().any(|field| contains_type(field, name))
        }
        Value::Array(parts) => parts.iter().any(|part| contains_type(part, name)),
        _ => false,
    }
}

/// Every merge must join two tokens into a third.
fn check_merges(model: &Value) -> Result<(), String> {
    let (Some(vocab), Some(merges)) = (model["vocab"].as_object(), model["merges"].as_array())
    else {
        return Ok(());
    };
    let prefix = model["continuing_subword_prefix"].as_str().unwrap_or_default();
    for merge in merges {
        // Two forms are in use: `["a", "b"]` and `"a b"`.
        let parts = match merge {
            Value::String(line) => line.split_once(' '),
            pair => pair[0].as_str().zip(pair[1].as_str()),
        };
        let joined = parts.and_then(|(a, b)| Some(format!("{a}{}", b.strip_prefix(prefix)?)));
        if !joined.is_some_and(|token| vocab.contains_key(&token)) {
            return Err(format!("the merge {merge} makes no token of the vocabulary"));
        }
    }
    Ok(())
}
