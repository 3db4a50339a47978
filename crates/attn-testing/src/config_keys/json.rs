//! Values at dotted paths of a JSON document.

use serde_json::{Map, Value};

/// The value at `path`; the whole document at the empty one.
pub(super) fn get<'a>(document: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').filter(|key| !key.is_empty()).try_fold(document, |value, key| value.get(key))
}

/// Puts `value` at `path`, whose parents are objects.
///
/// # Panics
/// If a parent is no object.
pub(super) fn set(document: &mut Value, path: &str, value: Value) {
    let mut place = document;
    for key in path.split('.').filter(|key| !key.is_empty()) {
        let parent = place.as_object_mut();
        let parent = parent.unwrap_or_else(|| panic!("`{path}`: what holds `{key}` is no object"));
        place = parent.entry(key).or_insert(Value::Null);
    }
    *place = value;
}

/// `document` with the values at the dotted paths of the object `given`.
pub(super) fn merged(document: &Value, given: &Value) -> Value {
    let mut document = document.clone();
    for (path, value) in given.as_object().unwrap_or(&Map::new()) {
        set(&mut document, path, value.clone());
    }
    document
}
