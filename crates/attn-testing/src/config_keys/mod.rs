//! Whether each key of a configuration does something.

mod discover;
mod json;

use discover::{Key, keys};
use json::{get, merged, set};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::marker::PhantomData;

/// A table of the keys of a configuration, each with other values than the base has, and what they
/// are to do.
///
/// The keys are read off the type (`deny_unknown_fields` makes serde list them), so that a key
/// without an entry fails the test, also one that is added later. So does a variant of an enum that
/// no value of the table has, a type that accepts unknown keys, and an entry of a key that is gone.
///
/// # Examples
/// ```
/// use attn_testing::ConfigKeys;
/// use serde::{Deserialize, Serialize};
/// use serde_json::json;
///
/// #[derive(Serialize, Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct Line {
///     slope: f64,
///     offset: f64,
///     chunk: usize,
/// }
///
/// ConfigKeys::of(&Line { slope: 2.0, offset: 0.0, chunk: 8 })
///     .changes("slope", [json!(3.0)])
///     .changes("offset", [json!(1.0), json!(-1.0)])
///     .refused("slope", [json!(0.0)])
///     .same("chunk", [json!(3)], 0.0, "how much is computed at once")
///     .check(|line| match line.slope {
///         0.0 => Err("slope is 0".into()),
///         slope => Ok((0..20).map(|x| slope * f64::from(x) + line.offset).collect()),
///     });
/// ```
#[must_use = "nothing is checked before `check`"]
#[derive(Debug)]
pub struct ConfigKeys<C> {
    base: Value,
    root: String,
    entries: BTreeMap<String, Vec<Entry>>,
    config: PhantomData<fn() -> C>,
}

#[derive(Debug)]
struct Entry {
    values: Vec<Value>,
    given: Value,
    effect: Effect,
}

#[derive(Debug)]
enum Effect {
    Changes,
    Refused,
    Same { tolerance: f64 },
    Elsewhere,
}

impl<C: Serialize + DeserializeOwned> ConfigKeys<C> {
    /// A table without entries, around `base`.
    ///
    /// # Panics
    /// If `base` cannot be written as JSON.
    pub fn of(base: &C) -> Self {
        let base = serde_json::to_value(base).expect("a configuration is plain data");
        Self { base, root: String::new(), entries: BTreeMap::new(), config: PhantomData }
    }

    /// Only the keys at and below `root`; paths are still those from the top.
    pub fn only(mut self, root: &str) -> Self {
        self.root = root.to_owned();
        self
    }

    /// The base and each of these values of `key` have answers that differ from each other.
    pub fn changes<const N: usize>(self, key: &str, values: [Value; N]) -> Self {
        self.changes_given(Value::Null, key, values)
    }

    /// As [`changes`](Self::changes), around the base with the keys of `given` replaced: for a key
    /// that only matters beside another.
    pub fn changes_given<const N: usize>(
        self,
        given: Value,
        key: &str,
        values: [Value; N],
    ) -> Self {
        self.with(key, Entry { values: values.into(), given, effect: Effect::Changes })
    }

    /// Each of these values of `key` is refused, when the configuration is read or when it is used.
    pub fn refused<const N: usize>(self, key: &str, values: [Value; N]) -> Self {
        self.with(key, Entry { values: values.into(), given: Value::Null, effect: Effect::Refused })
    }

    /// Each of these values of `key` has the base's answer, up to `tolerance` relative to numbers
    /// above 1 and absolute below: a key that changes how something is computed, `reason` says what.
    pub fn same<const N: usize>(
        self,
        key: &str,
        values: [Value; N],
        tolerance: f64,
        reason: &str,
    ) -> Self {
        assert!(!reason.is_empty(), "{key}: why does it change no answer?");
        let effect = Effect::Same { tolerance };
        self.with(key, Entry { values: values.into(), given: Value::Null, effect })
    }

    /// What the keys below `key` do, and `key` itself where it has no other entry, is another test's
    /// affair, which `test` names.
    pub fn elsewhere(self, key: &str, test: &str) -> Self {
        assert!(!test.is_empty(), "{key}: which test?");
        self.with(key, Entry { values: vec![], given: Value::Null, effect: Effect::Elsewhere })
    }

    fn with(mut self, key: &str, entry: Entry) -> Self {
        self.entries.entry(key.to_owned()).or_default().push(entry);
        self
    }

    /// Compares the answers of all configurations of the table: numbers that are the same whenever
    /// what the configuration describes is, or why it is refused.
    ///
    /// # Panics
    /// With all that is wrong: keys and variants without an entry, entries without a key, and values
    /// that do not do what the table says.
    #[track_caller]
    pub fn check(&self, answer: impl Fn(&C) -> Result<Vec<f64>, String>) {
        let mut wrong = self.gaps(&keys::<C>(&self.base, &self.root));
        for (key, entries) in &self.entries {
            for entry in entries {
                wrong.extend(self.check_entry(key, entry, &answer));
            }
        }
        assert!(wrong.is_empty(), "{}:\n  {}", std::any::type_name::<C>(), wrong.join("\n  "));
    }

    /// Keys and variants without an entry, and entries without a key.
    fn gaps(&self, keys: &BTreeMap<String, Key>) -> Vec<String> {
        let below =
            |key: &str, top: &str| key.strip_prefix(top).is_some_and(|r| r.starts_with('.'));
        let mut elsewhere = self.entries.iter().filter(|(_, entries)| {
            entries.iter().any(|entry| matches!(entry.effect, Effect::Elsewhere))
        });
        let elsewhere: Vec<_> = elsewhere.by_ref().map(|(key, _)| key).collect();
        let mut wrong = Vec::new();
        for (path, key) in keys {
            let entries = self.entries.get(path).map_or(&[][..], Vec::as_slice);
            let own = entries.iter().any(|entry| !entry.values.is_empty());
            if elsewhere.iter().any(|top| *top == path && !own || below(path, top)) {
                continue;
            }
            if key.needs_entry && entries.iter().all(|entry| entry.values.is_empty()) {
                wrong.push(format!("`{path}` has no entry: does it do anything?"));
                continue;
            }
            let base = get(&self.base, path).cloned().unwrap_or(Value::Null);
            let values = entries.iter().flat_map(|entry| &entry.values).chain([&base]);
            let values: Vec<_> = values.collect();
            // Which variant the whole is of is for the table that has an entry of the whole.
            let variants =
                if path.is_empty() && entries.is_empty() { &[][..] } else { &key.variants };
            for variant in variants {
                if !values.iter().any(|value| discover::is_variant(value, variant)) {
                    wrong.push(format!("`{path}`: no entry has the variant `{variant}`"));
                }
            }
        }
        let gone = self.entries.keys().filter(|path| !keys.contains_key(*path));
        wrong.extend(gone.map(|path| format!("`{path}` is no key (any more)")));
        wrong
    }

    fn check_entry(
        &self,
        key: &str,
        entry: &Entry,
        answer: &impl Fn(&C) -> Result<Vec<f64>, String>,
    ) -> Vec<String> {
        if entry.values.is_empty() {
            return Vec::new();
        }
        let base = merged(&self.base, &entry.given);
        let answer = |json: &Value| {
            let config = serde_json::from_value::<C>(json.clone()).map_err(|e| e.to_string())?;
            answer(&config)
        };
        let mut wrong = Vec::new();
        let base_value = get(&base, key).cloned().unwrap_or(Value::Null);
        let base_answer = match answer(&base) {
            Ok(answer) => answer,
            Err(error) => return vec![format!("`{key}`: the base is refused: {error}")],
        };
        if base_answer.is_empty() {
            return vec![format!("`{key}`: the base has an empty answer")];
        }
        let mut answers = vec![(&base_value, base_answer)];
        for value in &entry.values {
            let mut changed = base.clone();
            set(&mut changed, key, value.clone());
            let result = answer(&changed);
            match (&entry.effect, result) {
                (Effect::Refused, Err(_)) | (Effect::Elsewhere, _) => {}
                (Effect::Refused, Ok(_)) => wrong.push(format!("`{key}` = {value} is accepted")),
                (_, Err(error)) => wrong.push(format!("`{key}` = {value} is refused: {error}")),
                (Effect::Same { tolerance }, Ok(found)) => {
                    let [base, found] = [&answers[0].1, &found];
                    if let Some(gap) = gap(base, found).filter(|gap| *gap > *tolerance) {
                        wrong.push(format!("`{key}` = {value} is {gap:e} from {base_value}"));
                    }
                }
                (Effect::Changes, Ok(found)) => {
                    for (other, answer) in &answers {
                        if same_bits(answer, &found) {
                            wrong.push(format!("`{key}` = {value} has the answer of {other}"));
                        }
                    }
                    answers.push((value, found));
                }
            }
        }
        wrong
    }
}

fn same_bits(a: &[f64], b: &[f64]) -> bool {
    a.iter().map(|x| x.to_bits()).eq(b.iter().map(|x| x.to_bits()))
}

/// The largest difference, infinite where the answers are of different lengths or not numbers;
/// `None` of answers that are the same to the bit.
fn gap(a: &[f64], b: &[f64]) -> Option<f64> {
    if same_bits(a, b) {
        return None;
    }
    if a.len() != b.len() {
        return Some(f64::INFINITY);
    }
    let gaps = a.iter().zip(b).map(|(a, b)| (a - b).abs() / a.abs().max(1.0));
    Some(gaps.fold(0.0, |most, gap| {
        if gap <= most {
            most
        } else if gap.is_nan() {
            f64::INFINITY
        } else {
            gap
        }
    }))
}
