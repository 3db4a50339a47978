//! The manifests of the workspace: what is written in each of them by hand is the same in all.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// The backends of burn, each a feature of every crate that is built on it.
const BACKENDS: [&str; 10] =
    ["ndarray", "flex", "wgpu", "vulkan", "metal", "webgpu", "cuda", "rocm", "cpu", "remote"];

struct Package {
    folder: PathBuf,
    manifest: Table,
}

impl Package {
    fn published(&self) -> bool {
        self.manifest["package"].get("publish").is_none_or(|publish| {
            publish.as_bool().unwrap_or(true) && publish.get("workspace").is_none()
        })
    }

    fn table(&self, name: &str) -> Table {
        self.manifest.get(name).and_then(Value::as_table).cloned().unwrap_or_default()
    }

    /// What a feature turns on.
    fn feature(&self, name: &str) -> Option<Vec<String>> {
        let list = self.table("features").get(name)?.as_array()?.clone();
        Some(list.iter().map(|entry| entry.as_str().unwrap().to_string()).collect())
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn parse(path: &Path) -> Table {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    text.parse().unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

fn packages() -> BTreeMap<String, Package> {
    let crates = std::fs::read_dir(root().join("crates")).unwrap();
    let crates = crates.map(|entry| entry.unwrap().path());
    let folders = crates.chain([root().join("examples"), root().join("benches")]);
    let folders = folders.filter(|folder| folder.join("Cargo.toml").exists());
    folders
        .map(|folder| {
            let manifest = parse(&folder.join("Cargo.toml"));
            let name = manifest["package"]["name"].as_str().unwrap().to_string();
            (name, Package { folder, manifest })
        })
        .collect()
}

/// Which features of which packages are not handed to a dependency that has them.
fn missing(packages: &BTreeMap<String, Package>) -> Vec<String> {
    let has_backends = |name: &str| {
        name == "burn" || packages.get(name).is_some_and(|p| depends_on_burn(name, p, packages))
    };
    let mut missing = Vec::new();
    for (name, package) in packages {
        for (dependency, value) in package.table("dependencies") {
            if !has_backends(&dependency) {
                continue;
            }
            let optional = value.get("optional").and_then(Value::as_bool).unwrap_or(false);
            let mark = if optional { "?" } else { "" };
            for backend in BACKENDS {
                let entry = format!("{dependency}{mark}/{backend}");
                if !package.feature(backend).is_some_and(|list| list.contains(&entry)) {
                    missing.push(format!("{name}: feature {backend} lacks \"{entry}\""));
                }
            }
        }
    }
    missing
}

fn depends_on_burn(name: &str, package: &Package, all: &BTreeMap<String, Package>) -> bool {
    package.table("dependencies").keys().any(|dependency| {
        dependency == "burn"
            || dependency != name
                && all.get(dependency).is_some_and(|p| depends_on_burn(dependency, p, all))
    })
}

#[test]
fn every_crate_hands_the_ten_backends_down() {
    let packages = packages();
    assert!(packages.contains_key("attn-core") && packages.contains_key("attn-examples"));
    assert_eq!(missing(&packages), Vec::<String>::new());
}

#[test]
fn a_backend_that_is_not_handed_down_is_named() {
    let mut packages = packages();
    let rnn = packages.get_mut("attn-rnn").unwrap();
    let features = rnn.manifest["features"].as_table_mut().unwrap();
    features["rocm"].as_array_mut().unwrap().retain(|entry| entry.as_str() != Some("burn/rocm"));
    features.remove("remote");
    let missing = missing(&packages);
    assert!(missing.contains(&r#"attn-rnn: feature rocm lacks "burn/rocm""#.into()), "{missing:?}");
    let remote = r#"attn-rnn: feature remote lacks "attn-core/remote""#;
    assert!(missing.contains(&remote.into()), "{missing:?}");
}

/// What `cargo package` and docs.rs need of every crate that may be published.
#[test]
fn published_crates_say_what_they_are() {
    let packages = packages();
    let workspace = parse(&root().join("Cargo.toml"));
    let inherited = &workspace["workspace"]["dependencies"];
    let mut published = 0;
    for (name, package) in packages.iter().filter(|(_, package)| package.published()) {
        published += 1;
        let about = package.manifest["package"].as_table().unwrap();
        let words = about.get("description").and_then(Value::as_str).unwrap_or_default();
        assert!(words.len() >= 20, "{name}: description {words:?}");
        for key in ["version", "edition", "rust-version", "license"] {
            assert!(about.contains_key(key), "{name}: no {key}");
        }
        let readme = about.get("readme").and_then(Value::as_str);
        let readme = readme.unwrap_or_else(|| panic!("{name}: no readme"));
        assert!(package.folder.join(readme).exists(), "{name}: no file {readme}");
        if depends_on_burn(name, package, &packages) {
            let docs = &about["metadata"]["docs"]["rs"];
            assert_eq!(docs["features"].as_array().unwrap()[0].as_str(), Some("flex"), "{name}");
            let default = package.feature("default").unwrap_or_default();
            assert_eq!(default[0], "flex", "{name}: default");
        }
        for dependency in package.table("dependencies").keys() {
            let Some(other) = packages.get(dependency) else { continue };
            assert!(other.published(), "{name} needs {dependency}, which is not published");
            let version = inherited[dependency.as_str()].get("version");
            let expected = &workspace["workspace"]["package"]["version"];
            assert_eq!(version, Some(expected), "{name}: version of {dependency}");
        }
    }
    assert!(published >= 9, "{published} crates");
}
