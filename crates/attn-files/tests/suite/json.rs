//! JSON and what its errors name.

use std::collections::BTreeMap;

use attn_files::json::{JsonError, parse, write};
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    training: Training,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Training {
    max_steps: usize,
    #[serde(default)]
    rates: Vec<f64>,
}

fn error(text: &str) -> JsonError {
    parse::<Settings>(text.as_bytes()).unwrap_err()
}

#[test]
fn a_wrong_type_names_the_key_and_the_line() {
    let error = error("{\n  \"training\": {\n    \"max_steps\": \"many\"\n  }\n}");
    assert_eq!((error.key.as_str(), error.line), ("training.max_steps", 3));
    assert_eq!(
        error.to_string(),
        "training.max_steps, line 3: invalid type: string \"many\", expected usize"
    );
    let error = self::error("{\"training\": {\"max_steps\": 1,\n\"rates\": [0.5, true]}}");
    assert!(error.to_string().starts_with("training.rates[1], line 2: invalid type"), "{error}");
    let error = self::error("{\"training\": {\"max_steps\": -1}}");
    assert!(error.to_string().starts_with("training.max_steps, line 1: invalid value"), "{error}");
}

#[test]
fn an_unknown_or_missing_key_is_named_with_those_around_it() {
    let error = error("{\n\"training\": {\"max_steps\": 1,\n\"warmup\": 5}}");
    assert!(error.to_string().starts_with("training.warmup, line 3: unknown field"), "{error}");
    let error = self::error("{\"training\": {}}");
    assert_eq!(error.to_string(), "training, line 1: missing field `max_steps`");
}

#[test]
fn what_is_no_json_is_named_with_line_and_column() {
    let error = error("{\n  \"training\": oops}");
    assert_eq!((error.line, error.column), (2, 15));
    assert!(error.message.starts_with("expected value"), "{error:?}");
    assert!(!error.to_string().contains(" at line "), "{error}");
    let error = self::error("{\"training\": {\"max_steps\": 1");
    assert_eq!(error.to_string(), "line 1, column 28: EOF while parsing an object");
    let error = self::error("{\"training\": {\"max_steps\": 1}}\nand more");
    assert_eq!(error.to_string(), "line 2, column 1: trailing characters");
    // Bytes that are not UTF-8, and nesting without end.
    assert!(parse::<Value>(b"[\"\xff\"]").is_err());
    assert!(parse::<Value>("[".repeat(100_000).as_bytes()).is_err());
}

/// Of maps and values serde takes the last silently; of structures it refuses by itself.
#[test]
fn a_key_that_is_there_twice_is_refused() {
    let text = "{\"a\": {\"b\": 1,\n \"c\": [2, {\"b\": null}],\n \"b\": 3}}";
    let twice = "the key `b` is there twice";
    let value = parse::<Value>(text.as_bytes()).unwrap_err();
    assert_eq!((value.line, value.message.as_str()), (3, twice));
    let map = parse::<BTreeMap<String, BTreeMap<String, Value>>>(text.as_bytes()).unwrap_err();
    assert_eq!(map, value);
    // The same key in two objects is no repetition.
    parse::<Value>(br#"[{"a": 1.5, "b": "x"}, {"a": true, "b": -2}]"#).unwrap();
}

#[test]
fn a_byte_order_mark_is_skipped() {
    let expected = Settings { training: Training { max_steps: 7, rates: vec![0.5, 2.0] } };
    let text = "\u{feff}{\"training\": {\"max_steps\": 7, \"rates\": [0.5, 2]}}";
    assert_eq!(parse::<Settings>(text.as_bytes()).unwrap(), expected);
}

/// A record that is compared with what was saved must not differ from it in the last bit.
#[test]
fn what_was_written_is_read_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("numbers.json");
    // Mantissas of all kinds, between 1 and 2: many that a reader of less care rounds otherwise.
    let mantissa = |n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 12;
    let numbers: Vec<f64> =
        (1..2000).map(|n| f64::from_bits(0x3FF0_0000_0000_0000 | mantissa(n))).collect();
    write(&path, &numbers).unwrap();
    let text = std::fs::read(&path).unwrap();
    assert!(text.ends_with(b"]\n"), "a line has an end");
    assert_eq!(parse::<Vec<f64>>(&text).unwrap(), numbers);
}
