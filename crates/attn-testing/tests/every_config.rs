//! Each type that is read from a file has its keys tested.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Types that are read from a file and are no configuration.
const NO_CONFIGURATION: [(&str, &str); 16] = [
    ("Mask", "a value with a file format of its own, which `tests/suite/mask/file.rs` tests"),
    ("Event", "a line of the metrics log"),
    ("TrainState", "what a checkpoint says of a training"),
    ("Best", "part of `TrainState`"),
    ("Window", "part of `TrainState`"),
    ("Fingerprint", "what a checkpoint says of its data"),
    ("Manifest", "the list of a checkpoint's files"),
    ("Text", "how a mask is written"),
    ("Versioned", "the version that is read before the rest"),
    ("Positions", "where the tokens of a batch stand"),
    ("Corpus", "where the text of a run is, which its `data.json` says"),
    ("CorpusRecord", "where the text of a run is, and what it was"),
    ("Record", "how a path is written"),
    ("Lexicon", "what a kept classifier knows of words"),
    ("ClassifierRecord", "the settings of a kept classifier's model"),
    ("TokenizerKind", "how a tokenizer is trained, a choice and a size; `tests/text` tests both"),
];

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The files below `part`, as `src`, of each crate.
fn of_crates(part: &str) -> Vec<PathBuf> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a folder of crates");
    let mut found = Vec::new();
    for entry in fs::read_dir(crates).expect("the folder of crates") {
        rust_files(&entry.expect("an entry").path().join(part), &mut found);
    }
    found
}

fn words(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The types that derive `Deserialize`, each with the words of its definition.
fn read_from_files() -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    for path in of_crates("src") {
        let text = fs::read_to_string(&path).expect("a source file");
        // Of each definition, up to the brace at its own indent.
        for part in text.split("\n#[derive(").skip(1) {
            let Some((derived, definition)) = part.split_once(")]") else { continue };
            if !words(derived).contains("Deserialize") {
                continue;
            }
            let definition = definition.split("\n}").next().unwrap_or(definition);
            let code: Vec<_> = definition
                .lines()
                .filter(|line| !line.trim_start().starts_with('/'))
                .flat_map(str::split_whitespace)
                .collect();
            let kind = code.iter().position(|word| ["struct", "enum"].contains(word));
            let Some(name) = kind.and_then(|at| code.get(at + 1)) else { continue };
            let name = name.split(['<', '(', '{', ';']).next().expect("a name").to_owned();
            found.insert(name, words(&code.join(" ")));
        }
    }
    found
}

#[test]
fn each_configuration_has_a_table_of_its_keys() {
    let types = read_from_files();
    assert!(types.len() > 60, "only {} types are found", types.len());
    let tested: BTreeSet<String> = of_crates("tests")
        .iter()
        .filter(|path| path.file_name().is_some_and(|name| name == "config_keys.rs"))
        .flat_map(|path| words(&fs::read_to_string(path).expect("a test file")))
        .collect();
    // What a tested type holds is walked with it.
    let mut reached = BTreeSet::new();
    let mut open: Vec<&String> = types.keys().filter(|name| tested.contains(*name)).collect();
    while let Some(name) = open.pop() {
        if reached.insert(name) {
            open.extend(types.keys().filter(|part| types[name].contains(*part)));
        }
    }
    let excused: BTreeSet<&str> = NO_CONFIGURATION.iter().map(|(name, _)| *name).collect();
    let missing: Vec<_> = types
        .keys()
        .filter(|name| !reached.contains(name) && !excused.contains(name.as_str()))
        .collect();
    assert!(missing.is_empty(), "no `config_keys.rs` has a table of {missing:?}");
    let gone: Vec<_> = excused.iter().filter(|name| !types.contains_key(**name)).collect();
    assert!(gone.is_empty(), "{gone:?} are no types (any more)");
}
