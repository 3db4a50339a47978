//! Python's `tokenizers` and this crate give a text the same ids.

use std::fs;

use attn_train::tokenizer::{Tokenizer, TokenizerKind};
use serde::Deserialize;
use serde_json::Value;

/// Printed by `data/python_ids.py`.
#[derive(Deserialize)]
struct Reference {
    train: Vec<String>,
    texts: Vec<String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    kind: TokenizerKind,
    file: Value,
    /// Of each text.
    ids: Vec<Vec<u32>>,
}

/// `</s>` in a text among them, which is no end of a sentence.
#[test]
fn ids_are_those_of_python() {
    let reference = include_str!("../data/python_ids.json");
    let Reference { train, texts, cases } = serde_json::from_str(reference).unwrap();
    assert_eq!(cases.len(), 3);
    let folder = tempfile::tempdir().unwrap();
    for Case { kind, file, ids } in cases {
        let tokenizer = Tokenizer::train(kind, &train).unwrap();
        let path = folder.path().join("tokenizer.json");
        tokenizer.save(&path).unwrap();
        let saved: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        assert!(saved == file, "{kind:?}: the reference is of another tokenizer");
        assert_eq!(ids.len(), texts.len());
        for (text, ids) in texts.iter().zip(ids) {
            assert_eq!(tokenizer.encode(text).unwrap(), ids, "{kind:?}: {text}");
        }
    }
}
