//! Runs that version 0.1.0 wrote still load and translate as they did.
//!
//! The folders in `kept` were written by the programs of commit d22784b: a Transformer with a
//! soft-cap, dropout of weights and grouped queries, and a recurrent model with Bahdanau's
//! attention, each with the translations that its program printed. Both are too small and too
//! briefly trained to be right; their mistakes depend on every weight.

use std::fs;
use std::path::{Path, PathBuf};

use attn_pipelines::Translator;
use burn::tensor::Device;

fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kept").join(name)
}

fn lines(path: PathBuf) -> Vec<String> {
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    text.lines().map(String::from).collect()
}

fn translates_as_it_did(run: &str) {
    let sources = lines(kept("sources.txt"));
    let expected = lines(kept(run).join("expected.txt"));
    assert_eq!(sources.len(), expected.len());
    let translator = Translator::load(kept(run), &Device::flex()).expect("a run that loads");
    let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
    let found = translator.translate(&sources).expect("sentences that can be translated");
    let found: Vec<&str> = found.iter().map(|translation| translation.text.as_str()).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_transformer_of_version_0_1_translates_as_it_did() {
    translates_as_it_did("transformer");
}

#[test]
fn a_recurrent_model_of_version_0_1_translates_as_it_did() {
    translates_as_it_did("recurrent");
}
