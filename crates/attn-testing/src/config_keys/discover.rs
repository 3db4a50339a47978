//! The keys of a configuration, as serde's errors list them.

use super::json::{get, set};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What no field and no variant is called.
const NOBODY: &str = "?";

/// Names under which an object says which variant it is.
const TAGS: [&str; 3] = ["name", "kind", "type"];

#[derive(Debug, Default)]
pub(super) struct Key {
    /// Of an enum.
    pub variants: Vec<String>,
    /// Not one whose own keys say all: a plain number, an enum, or something that may be missing.
    pub needs_entry: bool,
}

/// All keys at and below `root`, by their paths.
///
/// # Panics
/// If an object accepts a key that is none of its own.
pub(super) fn keys<C: DeserializeOwned>(base: &Value, root: &str) -> BTreeMap<String, Key> {
    let mut found = BTreeMap::new();
    let document = Document { base, parse: &|json| parse::<C>(json) };
    document.walk(root, &mut found);
    found
}

fn parse<C: DeserializeOwned>(json: Value) -> Result<(), String> {
    serde_json::from_value::<C>(json).map(drop).map_err(|error| error.to_string())
}

/// Whether `value` is of the enum's variant of that name.
pub(super) fn is_variant(value: &Value, variant: &str) -> bool {
    match value {
        Value::String(name) => name == variant,
        Value::Object(content) => {
            let tagged =
                TAGS.iter().any(|tag| content.get(*tag).is_some_and(|name| name == variant));
            tagged || (content.len() == 1 && content.contains_key(variant))
        }
        _ => false,
    }
}

struct Document<'a> {
    base: &'a Value,
    parse: &'a dyn Fn(Value) -> Result<(), String>,
}

impl Document<'_> {
    /// What serde says about the document with another value at `path`.
    fn error(&self, path: &str, value: Value) -> Option<String> {
        let mut document = self.base.clone();
        set(&mut document, path, value);
        (self.parse)(document).err()
    }

    fn walk(&self, path: &str, found: &mut BTreeMap<String, Key>) {
        let value = get(self.base, path).cloned().unwrap_or(Value::Null);
        let below =
            |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        let variants = self.variants(path);
        let nullable = !path.is_empty() && self.error(path, Value::Null).is_none();
        let leaf = !value.is_object();
        let needs_entry = !path.is_empty() && (leaf || nullable || !variants.is_empty());
        let wrapped = value.as_object().filter(|content| content.len() == 1);
        let wrapped = wrapped.and_then(|content| content.keys().next().cloned());
        let wrapped = wrapped.filter(|name| variants.contains(name));
        found.insert(path.to_owned(), Key { variants, needs_entry });
        if let Some(name) = wrapped {
            // The content of a variant is not a key of its own.
            let path = below(&name);
            self.walk(&path, found);
            let content = found.get_mut(&path).expect("just walked");
            let object = get(self.base, &path).is_some_and(Value::is_object);
            content.needs_entry = !object || !content.variants.is_empty();
        } else if !leaf {
            for field in self.fields(path, &value) {
                self.walk(&below(&field), found);
            }
        }
    }

    fn fields(&self, path: &str, value: &Value) -> Vec<String> {
        let mut more = value.clone();
        more[NOBODY] = Value::Null;
        let Some(error) = self.error(path, more) else {
            panic!("`{path}` accepts a key that it does not know");
        };
        match listed(&error, "field") {
            Some(fields) => fields,
            None => panic!("`{path}` does not list its keys: {error}"),
        }
    }

    fn variants(&self, path: &str) -> Vec<String> {
        let plain = [Value::from(NOBODY)].into_iter();
        let tagged = TAGS.iter().map(|tag| json!({ *tag: NOBODY }));
        let mut errors = plain.chain(tagged).filter_map(|value| self.error(path, value));
        errors.find_map(|error| listed(&error, "variant")).unwrap_or_default()
    }
}

/// The names in ``unknown field `?`, expected one of `a`, `b` ``.
fn listed(error: &str, what: &str) -> Option<Vec<String>> {
    let names = error.strip_prefix(&format!("unknown {what} `{NOBODY}`, "))?;
    Some(names.split('`').skip(1).step_by(2).map(str::to_owned).collect())
}
