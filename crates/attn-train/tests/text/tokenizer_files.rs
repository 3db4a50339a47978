//! `tokenizer.json`: what is written is read back, and whatever else is read gets an error.

use std::fs;
use std::path::PathBuf;

use attn_train::tokenizer::{Tokenizer, TokenizerError, TokenizerKind};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

const TEXTS: [&str; 2] = ["the cat sat on the mat, the end.", "<s> l'été à la plage </s>"];

const KINDS: [TokenizerKind; 3] = [
    TokenizerKind::Characters,
    TokenizerKind::Words { vocab_size: 1000 },
    TokenizerKind::Bpe { vocab_size: 280 },
];

fn saved(kind: TokenizerKind) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    Tokenizer::train(kind, TEXTS).unwrap().save(&path).unwrap();
    (folder, path)
}

/// The error of loading a saved tokenizer after `change`.
fn error_after(kind: TokenizerKind, change: impl FnOnce(&mut Value)) -> TokenizerError {
    let (_folder, path) = saved(kind);
    let mut json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut json);
    fs::write(&path, json.to_string()).unwrap();
    Tokenizer::load(&path).expect_err("the changed file was accepted")
}

#[test]
fn a_saved_tokenizer_is_the_same_when_loaded() {
    for kind in KINDS {
        let before = Tokenizer::train(kind, TEXTS).unwrap();
        let (_folder, path) = saved(kind);
        let after = Tokenizer::load(&path).unwrap();
        assert_eq!(after.vocab_size(), before.vocab_size());
        for text in ["the cat, the été", "</s> <unk> ☃", ""] {
            let ids = before.encode(text).unwrap();
            assert_eq!(after.encode(text).unwrap(), ids, "{kind:?}: {text}");
            assert_eq!(after.decode(&ids).unwrap(), before.decode(&ids).unwrap());
            assert_eq!(after.labels(&ids).unwrap(), before.labels(&ids).unwrap());
        }
        // Saving what was loaded changes nothing.
        let text = fs::read_to_string(&path).unwrap();
        after.save(&path).unwrap();
        assert!(fs::read_to_string(&path).unwrap() == text, "{kind:?}");
    }
}

/// As this library wrote words before: a space is `▁`, and the special tokens are added tokens.
#[test]
fn a_file_of_before_reads_as_it_did() {
    let (_folder, path) = saved(TokenizerKind::Words { vocab_size: 1000 });
    let new = Tokenizer::load(&path).unwrap();
    let mut json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let mark = json!("▁");
    json["pre_tokenizer"]["pretokenizers"][0]["replacement"] = mark.clone();
    json["decoder"]["replacement"] = mark;
    let vocab = json["model"]["vocab"].as_object_mut().unwrap();
    *vocab = vocab.iter().map(|(word, id)| (word.replace(' ', "▁"), id.clone())).collect();
    let added = |(id, content): (usize, &str)| {
        json!({
            "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true,
        })
    };
    let specials = ["<pad>", "<s>", "</s>", "<unk>"].into_iter().enumerate().map(added);
    json["added_tokens"] = specials.collect();
    fs::write(&path, json.to_string()).unwrap();

    let old = Tokenizer::load(&path).unwrap();
    assert_eq!(old.vocab_size(), new.vocab_size());
    for text in ["the cat, the été.", "a </s> <unk> ☃ the", "e\u{301}t"] {
        let ids = old.encode(text).unwrap();
        assert_eq!(ids, new.encode(text).unwrap());
        assert_eq!(old.decode(&ids).unwrap(), new.decode(&ids).unwrap());
        assert_eq!(old.labels(&ids).unwrap(), new.labels(&ids).unwrap());
    }
    // Saved again it is what it was.
    old.save(&path).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&fs::read(&path).unwrap()).unwrap(), json);
}

#[test]
fn a_length_set_elsewhere_does_not_cut_or_fill_texts() {
    let (_folder, path) = saved(TokenizerKind::Characters);
    let plain = Tokenizer::load(&path).unwrap().encode("the cat").unwrap();
    let mut json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    json["truncation"] = json!({
        "direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0
    });
    json["padding"] = json!({
        "strategy": {"Fixed": 20}, "direction": "Right", "pad_to_multiple_of": null,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "<pad>"
    });
    fs::write(&path, json.to_string()).unwrap();
    assert_eq!(Tokenizer::load(&path).unwrap().encode("the cat").unwrap(), plain);
}

#[test]
fn a_missing_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = Tokenizer::load(folder.path().join("tokenizer.json")).unwrap_err();
    assert!(matches!(error, TokenizerError::Read { .. }), "{error}");
    assert!(error.to_string().ends_with("tokenizer.json"), "{error}");
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = Tokenizer::train(TokenizerKind::Characters, TEXTS).unwrap();
    let error = tokenizer.save(folder.path().join("nowhere/tokenizer.json")).unwrap_err();
    assert!(matches!(error, TokenizerError::Write { .. }), "{error}");
}

#[test]
fn a_file_that_is_not_json_is_refused_with_line_and_column() {
    let (_folder, path) = saved(TokenizerKind::Characters);
    fs::write(&path, "{\n  \"version\": \"1.0\",\n  oops").unwrap();
    let message = Tokenizer::load(&path).unwrap_err().to_string();
    assert!(message.contains("is not a tokenizer") && message.contains("line 3"), "{message}");
}

#[test]
fn json_that_is_no_tokenizer_is_refused() {
    let (_folder, path) = saved(TokenizerKind::Characters);
    for json in ["{}", "[]", "7", "{\"version\": \"9.9\"}", "{\"model\": {\"type\": \"LSTM\"}}"] {
        fs::write(&path, json).unwrap();
        let error = Tokenizer::load(&path).unwrap_err();
        assert!(matches!(error, TokenizerError::Broken { .. }), "{json}: {error}");
    }
}

#[test]
fn a_vocabulary_without_the_special_tokens_is_refused() {
    // Exchanged with another token, so that nothing else is wrong with the file.
    let error = error_after(TokenizerKind::Words { vocab_size: 99 }, |json| {
        let vocab = json["model"]["vocab"].as_object_mut().unwrap();
        let last = vocab.len() - 1;
        let other = vocab.iter().find(|(_, id)| **id == json!(last)).unwrap().0.clone();
        vocab["</s>"] = json!(last);
        vocab[&other] = json!(2);
    });
    let message = error.to_string();
    assert!(message.contains("lacks the special token </s> as id 2"), "{message}");
    assert!(matches!(error, TokenizerError::MissingSpecial { id: 2, found: Some(_), .. }));
}

#[test]
fn ids_with_a_gap_are_refused() {
    let error = error_after(TokenizerKind::Characters, |json| {
        json["model"]["vocab"]["a"] = json!(4_000_000_000_u32);
    });
    assert!(error.to_string().contains("none has the id"), "{error}");
}

#[test]
fn a_merge_that_makes_no_token_is_refused() {
    let kind = TokenizerKind::Bpe { vocab_size: 280 };
    // Longer than any token: `tokenizers` 0.23 would write past the end of a buffer.
    let longest = "Ġthe".to_owned();
    for merge in [json!([longest, longest]), json!("Ġthe Ġthe"), json!(["a"]), json!(3)] {
        let error = error_after(kind, |json| {
            json["model"]["merges"].as_array_mut().unwrap().push(merge.clone());
        });
        assert!(error.to_string().contains("makes no token"), "{merge}: {error}");
    }
    let error = error_after(kind, |json| {
        json["model"]["continuing_subword_prefix"] = json!("a prefix longer than every token");
    });
    assert!(error.to_string().contains("makes no token"), "{error}");
}

#[test]
fn a_precompiled_normalizer_is_refused() {
    let error = error_after(TokenizerKind::Characters, |json| {
        let broken = json!({"type": "Precompiled", "precompiled_charsmap": "AAAA"});
        json["normalizer"] = json!({"type": "Sequence", "normalizers": [broken]});
    });
    assert!(error.to_string().contains("precompiled"), "{error}");
}

#[test]
fn a_file_cut_short_is_refused_wherever_it_is_cut() {
    let (_folder, path) = saved(TokenizerKind::Words { vocab_size: 9 });
    let bytes = fs::read(&path).unwrap();
    for end in 0..bytes.len() {
        fs::write(&path, &bytes[..end]).unwrap();
        let error = Tokenizer::load(&path).unwrap_err();
        assert!(matches!(error, TokenizerError::Broken { .. }), "cut at {end}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_file_gets_an_answer(
        kind in prop::sample::select(KINDS.to_vec()),
        place in any::<prop::sample::Index>(),
        byte in prop_oneof![any::<u8>(), prop::sample::select(br#"{}[]",:0129tfn"#.to_vec())],
    ) {
        let (_folder, path) = saved(kind);
        let mut bytes = fs::read(&path).unwrap();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        fs::write(&path, bytes).unwrap();
        if let Ok(tokenizer) = Tokenizer::load(&path) {
            // Whatever was accepted can be used without a panic.
            if let Ok(ids) = tokenizer.encode("the cat à </s>") {
                let _ = tokenizer.decode(&ids);
                let _ = tokenizer.labels(&ids);
            }
        }
    }
}
