//! Modules depend one way: what a file uses is below it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// From the lowest to the highest. A module uses those before it, and none behind it; of `cpu` and of
/// `attention` each part has its place.
const ORDER: &[&str] = &[
    "random",
    "parameters",
    "layout",
    "cpu::simd",
    "cpu::pages",
    "cpu::work_sharing",
    "cpu::schedule",
    "cpu::chunks",
    "cpu::pack",
    "cpu::product",
    "cpu::problem",
    "cpu::scores",
    "cpu::cells",
    "cpu::pairwise",
    "cpu::forward",
    "cpu::backward",
    "cpu::elementwise",
    "cpu::activation",
    "cpu::adamw",
    "cpu::cross_entropy",
    "cpu::dropout",
    "cpu::embedding",
    "cpu::norm",
    "cpu::rotary",
    "cpu::sum_of_squares",
    "cpu::transpose",
    "cpu::matrix",
    "cpu::linear",
    "cpu::additive",
    "cpu::linear_cross_entropy",
    "cpu::recurrent",
    "cpu::sequence",
    "cpu",
    "maybe",
    "slices",
    "kernels",
    "operation",
    "gradient_accumulator",
    "activation",
    "adamw",
    "additive",
    "dropout",
    "embedding",
    "linear",
    "cross_entropy",
    "narrow",
    "norm",
    "recurrent",
    "rotary",
    "sum_of_squares",
    "attention::tensors",
    "attention::precision",
    "attention::sizes",
    "attention::fallback",
    "attention::ops",
    "attention::slices",
    "attention::autodiff",
    "attention::unfused",
    "attention::twin",
    "attention",
];

#[test]
fn modules_use_only_those_below_them() {
    let place = |node: &str| ORDER.iter().position(|&other| other == node);
    let modules = modules();
    let nodes: BTreeSet<_> = modules.keys().map(|module| node(module)).collect();
    for node in &nodes {
        assert!(place(node).is_some(), "the module {node} has no place in the order");
    }
    for node in ORDER {
        assert!(nodes.contains(*node), "there is no module {node}");
    }
    for (module, source) in &modules {
        let user = node(module);
        for path in used_paths(source) {
            let Some(used) = resolve(module, &path, &modules).map(|used| node(&used)) else {
                continue;
            };
            assert!(
                used == user || place(&used) < place(&user),
                "{module} uses {path}, and {used} is not below {user}"
            );
        }
    }
}

/// A part of the order that a module belongs to.
fn node(module: &str) -> String {
    let mut parts = module.split("::");
    let first = parts.next().expect("a path has a first part");
    match (first, parts.next()) {
        ("cpu" | "attention", Some(second)) => format!("{first}::{second}"),
        _ => first.to_string(),
    }
}

/// The code of each module, without comments and tests.
fn modules() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut modules = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).expect("a folder of sources");
        let mut paths: Vec<PathBuf> =
            entries.map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        for path in paths {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            if ["tests", "isa_tests", "model"].contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let mut module = path.strip_prefix(&root).expect("below the root").with_extension("");
            if name == "mod" {
                module.pop();
            }
            let module: Vec<_> = module.iter().map(|part| part.to_string_lossy()).collect();
            if module != ["lib"] {
                let source = fs::read_to_string(&path).expect("a source");
                modules.insert(module.join("::"), code(&source));
            }
        }
    }
    modules
}

fn code(source: &str) -> String {
    let end = source.find("\nmod tests {").unwrap_or(source.len());
    let without_comment =
        |line: &str| line.split("//").next().unwrap_or_default().to_string() + "\n";
    source[..end].lines().map(without_comment).collect()
}

/// All paths of `use` items, and all others that begin with `crate` or `super`.
fn used_paths(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            let is_in_path = before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':');
            if is_in_path || code[..at].ends_with("pub(in ") {
                continue;
            }
            let is_path = |c: char| c.is_alphanumeric() || "_:{}, \n*".contains(c);
            let rest = &code[at..];
            // A tree of a `use` ends at its semicolon; what else is a path ends where it does.
            let end = rest.find(';').filter(|&end| rest[..end].chars().all(is_path));
            let end =
                end.or_else(|| rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')));
            expand("", &rest[..end.unwrap_or(rest.len())], &mut paths);
        }
    }
    paths
}

/// The paths of a tree such as `a::{b, c::d}`.
fn expand(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let path = tree.split_whitespace().next().unwrap_or_default();
        paths.push(format!("{prefix}{path}"));
        return;
    };
    let prefix = format!("{prefix}{}", &tree[..open]);
    let inner = tree[open + 1..].trim_end();
    let inner = inner.strip_suffix('}').unwrap_or(inner);
    let (mut depth, mut start) = (0, 0);
    for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !inner[start..at].trim().is_empty() {
                    expand(&prefix, &inner[start..at], paths);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// The module that a path leads to, if it is one of this crate.
fn resolve(module: &str, path: &str, modules: &BTreeMap<String, String>) -> Option<String> {
    let mut at: Vec<&str> = module.split("::").collect();
    for part in path.split("::") {
        match part {
            "crate" => at.clear(),
            "super" => _ = at.pop(),
            "self" => {}
            other => at.push(other),
        }
    }
    // What stands behind the module is an item of it; `crate::Item` is an item of no module.
    while !at.is_empty() {
        let candidate = at.join("::");
        if modules.contains_key(&candidate) {
            return Some(candidate);
        }
        at.pop();
    }
    None
}

/// Trees of uses are read as they are meant.
#[test]
fn paths_of_nested_uses_are_found() {
    let code = "use crate::{a::B, c::{self, D}};\nuse super::super::e::F;\nlet x = super::g::h(1);";
    let expected =
        ["crate::a::B", "crate::c::self", "crate::c::D", "super::super::e::F", "super::g::h"];
    assert_eq!(used_paths(code), expected);
}
