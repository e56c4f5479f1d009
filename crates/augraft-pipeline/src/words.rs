//! Schemas and values in words.

use serde_json::Value;

use crate::suggest::choices;

/// What a schema accepts, such as `a number` or `a list of 2 whole numbers`.
pub(crate) fn accepted(schema: &Value) -> String {
    if let Some(options) = options(schema) {
        return choices(&options);
    }
    if let Some(alternatives) = alternatives(schema) {
        return alternatives.iter().map(alternative).collect::<Vec<_>>().join(", or ");
    }
    match &schema["type"] {
        Value::String(name) => kind(name, schema),
        Value::Array(names) => {
            names.iter().filter_map(Value::as_str).map(|name| kind(name, schema)).collect::<Vec<_>>().join(" or ")
        }
        _ => "something else".to_owned(),
    }
}

/// All values of a closed set, none when the schema is not one.
pub(crate) fn options(schema: &Value) -> Option<Vec<String>> {
    if let Some(value) = schema.get("const") {
        return Some(vec![bare(value)]);
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return Some(values.iter().map(bare).collect());
    }
    let sets = alternatives(schema)?.iter().map(options).collect::<Option<Vec<_>>>()?;
    Some(sets.concat())
}

/// All names that a schema accepts, beside what else it may accept.
pub(crate) fn open_options(schema: &Value) -> Vec<String> {
    let below = || alternatives(schema).into_iter().flatten().flat_map(open_options).collect();
    options(schema).unwrap_or_else(below)
}

/// The schemas of which one holds.
pub(crate) fn alternatives(schema: &Value) -> Option<&Vec<Value>> {
    schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array)
}

/// What a value is, such as `text "abc"`.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "empty".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => format!("the text `{text}`"),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "a map".to_owned(),
    }
}

fn alternative(schema: &Value) -> String {
    let words = accepted(schema);
    let closed = options(schema).is_some() || schema["type"] == "object" || schema["type"] == "null";
    match schema.get("description").and_then(Value::as_str) {
        Some(text) if !closed => {
            format!("{words} ({})", uncapitalized(text.lines().next().unwrap_or_default().trim_end_matches('.')))
        }
        _ => words,
    }
}

fn kind(name: &str, schema: &Value) -> String {
    match name {
        "number" => "a number".to_owned(),
        "integer" => "a whole number".to_owned(),
        "boolean" => "`true` or `false`".to_owned(),
        "string" => "text".to_owned(),
        "null" => "empty".to_owned(),
        "array" => array(schema),
        _ => match schema.get("properties").and_then(Value::as_object) {
            Some(fields) => format!("a map of {}", crate::suggest::list(&fields.keys().collect::<Vec<_>>())),
            None => "a map".to_owned(),
        },
    }
}

fn array(schema: &Value) -> String {
    let items = match schema["items"]["type"].as_str() {
        Some("number") => "numbers",
        Some("integer") => "whole numbers",
        Some("string") => "texts",
        _ => "values",
    };
    match (schema["minItems"].as_u64(), schema["maxItems"].as_u64()) {
        (Some(least), Some(most)) if least == most => format!("a list of {least} {items}"),
        _ => format!("a list of {items}"),
    }
}

fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn uncapitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// The range of numbers, such as `, 0 to 1`; empty without one.
pub(crate) fn range(schema: &Value) -> String {
    let (low, above) = (schema.get("minimum"), schema.get("exclusiveMinimum"));
    let (high, below) = (schema.get("maximum"), schema.get("exclusiveMaximum"));
    match (low, above, high, below) {
        (Some(low), _, Some(high), _) => format!(", {low} to {high}"),
        (_, Some(above), Some(high), _) => format!(", above {above}, at most {high}"),
        (Some(low), ..) => format!(", at least {low}"),
        (_, Some(above), ..) => format!(", above {above}"),
        (.., Some(high), _) => format!(", at most {high}"),
        (.., Some(below)) => format!(", below {below}"),
        _ if schema.get("items").is_some() => range(&schema["items"]),
        _ => String::new(),
    }
}
