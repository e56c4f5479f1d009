//! Configurations that are drawn from what the schema of an operator allows.

use augraft_operator::{AnyOperator, Entry, philox4x32};

use crate::fixtures::shapes;
use serde_json::{Map, Value, json};

/// Largest whole number: sizes beyond would fill the memory, counts the graph.
const MOST: f64 = 40.0;
/// Largest real number where the schema has no end.
const SPREAD: f64 = 4.0;
/// Smallest real number that must be above 0.
const LEAST: f64 = 1e-3;

/// Draws of a configuration before an operator is thought to refuse them all.
const ATTEMPTS: u32 = 40;

/// Draws up to `count` configurations that fit some shape of the suite, the same for the same `seed`.
///
/// Numbers come from the ranges that the parameter types state in the schema, their ends more often than their share.
#[must_use]
pub fn random_configurations(entry: &Entry, count: usize, seed: u32) -> Vec<Box<dyn AnyOperator>> {
    let schema = entry.schema().to_value();
    let mut words = Words { seed, at: 0 };
    let drawn = (0..ATTEMPTS * count as u32).filter_map(|_| entry.parse(draw(&schema, &mut words)).ok());
    let accepted = |operator: &dyn AnyOperator| shapes().iter().any(|shape| operator.check(shape).is_ok());
    drawn.filter(|operator| accepted(&**operator)).take(count).collect()
}

/// A stream of words.
struct Words {
    seed: u32,
    at: u32,
}

impl Words {
    fn below(&mut self, bound: usize) -> usize {
        self.at += 1;
        philox4x32([self.at, self.seed, 0, 0], [5, 6])[0] as usize % bound.max(1)
    }

    /// A number of [low, high]: an end in one of four, else small numbers as often as large ones.
    fn number(&mut self, low: f64, high: f64) -> f64 {
        let share = self.below(1 << 20) as f64 / f64::from(1 << 20);
        match self.below(8) {
            0 => low,
            1 => high,
            2..=4 if low > 0.0 => low * (high / low).powf(share),
            2..=4 => low + (high - low) * share * share * share * share,
            _ => low + (high - low) * share,
        }
    }
}

fn draw(schema: &Value, words: &mut Words) -> Value {
    if let Some(choices) = ["enum", "anyOf", "oneOf"].iter().find_map(|key| schema.get(key)?.as_array()) {
        let chosen = &choices[words.below(choices.len())];
        return if schema.get("enum").is_some() { chosen.clone() } else { draw(chosen, words) };
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    let find = |keys: [&str; 2]| keys.iter().find_map(|key| schema.get(*key)?.as_f64());
    let low = find(["minimum", "exclusiveMinimum"]);
    let high = find(["maximum", "exclusiveMaximum"]);
    match schema.get("type").and_then(Value::as_str) {
        Some("boolean") => json!(words.below(2) == 1),
        Some("integer") => json!(words.number(low.unwrap_or(0.0), high.unwrap_or(MOST).min(MOST)).round() as i64),
        Some("number") if schema.get("exclusiveMinimum").is_some() => {
            json!(words.number(low.unwrap_or(0.0).max(LEAST), high.unwrap_or(SPREAD).min(SPREAD)))
        }
        Some("number") => json!(words.number(low.unwrap_or(-SPREAD), high.unwrap_or(SPREAD))),
        Some("array") => array(schema, words),
        Some("object") => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let mut fields = Map::new();
            for (name, schema) in properties.into_iter().flatten() {
                // Defaults are a part of what must work.
                if words.below(4) > 0 {
                    fields.insert(name.clone(), draw(schema, words));
                }
            }
            Value::Object(fields)
        }
        _ => Value::Null,
    }
}

fn array(schema: &Value, words: &mut Words) -> Value {
    let length = |key: &str, open: u64| schema.get(key).and_then(Value::as_u64).unwrap_or(open) as usize;
    let (least, most) = (length("minItems", 3), length("maxItems", 3));
    let count = least + words.below(most.saturating_sub(least) + 1);
    let item = schema.get("items").or_else(|| schema.get("prefixItems").and_then(|items| items.get(0)));
    let mut values: Vec<Value> = (0..count).map(|_| item.map_or(Value::Null, |item| draw(item, words))).collect();
    // Two numbers are a range as often as not.
    if count == 2 && words.below(4) > 0 {
        values.sort_by(|a, b| a.as_f64().unwrap_or(0.0).total_cmp(&b.as_f64().unwrap_or(0.0)));
    }
    Value::Array(values)
}
