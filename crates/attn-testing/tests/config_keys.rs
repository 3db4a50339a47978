//! A table of keys finds what it is there to find.

use attn_testing::ConfigKeys;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::panic::{AssertUnwindSafe, catch_unwind};

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Outer {
    used: f64,
    ignored: f64,
    chunk: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hidden: Option<f64>,
    shape: Shape,
    inner: Inner,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Shape {
    Flat,
    Round { radius: f64 },
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inner {
    rule: Rule,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Rule {
    Add,
    Scale(f64),
}

const BASE: Outer = Outer {
    used: 2.0,
    ignored: 3.0,
    chunk: 4,
    hidden: None,
    shape: Shape::Round { radius: 5.0 },
    inner: Inner { rule: Rule::Add },
};

/// Everything but `ignored`; an odd chunk is refused.
fn answer(outer: &Outer) -> Result<Vec<f64>, String> {
    if outer.chunk % 2 == 1 {
        return Err("odd".into());
    }
    let shape = match outer.shape {
        Shape::Flat => 0.0,
        Shape::Round { radius } => radius,
    };
    let rule = match outer.inner.rule {
        Rule::Add => 1.0,
        Rule::Scale(by) => by,
    };
    Ok(vec![outer.used, outer.hidden.unwrap_or(0.0), shape, rule])
}

fn complete() -> ConfigKeys<Outer> {
    ConfigKeys::of(&BASE)
        .changes("used", [json!(7.0)])
        .changes("hidden", [json!(1.0)])
        .same("chunk", [json!(8)], 0.0, "in how many parts")
        .refused("chunk", [json!(3), json!("four")])
        .changes("shape", [json!({ "kind": "flat" })])
        .changes("shape.radius", [json!(6.0)])
        .changes("inner.rule", [json!({ "scale": 2.0 })])
}

fn message(table: &ConfigKeys<Outer>) -> String {
    let failed = catch_unwind(AssertUnwindSafe(|| table.check(answer))).expect_err("it passes");
    failed.downcast_ref::<String>().expect("a message").clone()
}

#[test]
fn a_key_without_an_entry_is_found() {
    let message = message(&complete());
    assert!(message.ends_with(":\n  `ignored` has no entry: does it do anything?"), "{message}");
}

#[test]
fn a_key_that_does_nothing_is_found() {
    let message = message(&complete().changes("ignored", [json!(4.0)]));
    assert!(message.ends_with(":\n  `ignored` = 4.0 has the answer of 3.0"), "{message}");
}

#[test]
fn two_values_that_do_the_same_are_found() {
    let table = complete().elsewhere("ignored", "none").changes("used", [json!(8.0), json!(8)]);
    let message = message(&table);
    assert!(message.ends_with(":\n  `used` = 8 has the answer of 8.0"), "{message}");
}

#[test]
fn a_complete_table_passes() {
    complete().elsewhere("ignored", "none").check(answer);
}

#[test]
fn what_is_said_to_be_refused_or_the_same_must_be() {
    let table = complete().elsewhere("ignored", "none").refused("used", [json!(1.0)]);
    let table = table.same("hidden", [json!(1e-3)], 1e-4, "none");
    let message = message(&table);
    assert!(message.contains("`used` = 1.0 is accepted"), "{message}");
    assert!(message.contains("`hidden` = 0.001 is 1e-3 from null"), "{message}");
}

#[test]
fn a_variant_without_an_entry_and_an_entry_without_a_key_are_found() {
    let table = ConfigKeys::of(&BASE)
        .only("shape")
        .changes("shape", [json!({ "kind": "round", "radius": 1.0 })]);
    let message =
        message(&table.changes("shape.gone", [json!(1)]).changes("shape.radius", [json!(9.0)]));
    assert!(message.contains("`shape`: no entry has the variant `flat`"), "{message}");
    assert!(message.contains("`shape.gone` is no key (any more)"), "{message}");
}

#[test]
fn the_content_of_a_variant_has_its_entry() {
    let scaled = Outer { inner: Inner { rule: Rule::Scale(3.0) }, ..BASE };
    let table = ConfigKeys::of(&scaled).only("inner").changes("inner.rule", [json!("add")]);
    let missing = message(&table);
    assert!(
        missing.ends_with(":\n  `inner.rule.scale` has no entry: does it do anything?"),
        "{missing}"
    );
    table.changes("inner.rule.scale", [json!(4.0)]).check(answer);
}

#[test]
#[should_panic(expected = "`` accepts a key that it does not know")]
fn a_type_that_accepts_unknown_keys_is_found() {
    #[derive(Serialize, Deserialize)]
    struct Open {
        key: f64,
    }
    ConfigKeys::of(&Open { key: 1.0 })
        .changes("key", [json!(2.0)])
        .check(|open| Ok(vec![open.key]));
}
