//! The operators as pages to read.

use std::fmt::Write;

use augraft_operator::{Entry, Parity, Registry, Role};
use serde_json::Value;

use crate::explain::{flow, parity};
use crate::reading::operator_help;
use crate::table::columns;
use crate::words::{accepted, alternatives, range};

/// Lists all operators, one in a line.
#[must_use]
pub fn operators_table(registry: &Registry) -> String {
    let head = ["name", "kind", "backends agree", "exports", "since", "from", "summary"].map(str::to_owned);
    let row = |entry: &Entry| {
        let exports = if matches!(entry.parity, Parity::NativeOnly(_)) { "no" } else { "yes" };
        let cells =
            [entry.name, role(entry.role), &parity(entry.parity), exports, entry.since, entry.origin, &entry.summary()];
        cells.map(str::to_owned)
    };
    let rows: Vec<_> = std::iter::once(head).chain(registry.iter().map(row)).collect();
    columns(&rows, "")
}

/// Prints all that is known of one operator: what it does, and its parameters with their ranges and defaults.
#[must_use]
pub fn operator_page(entry: &Entry) -> String {
    let exports = match entry.parity {
        Parity::NativeOnly(reason) => format!("native only: {reason}"),
        known => format!("{}, exports to ONNX", parity(known)),
    };
    let mut text =
        format!("{} ({}, {exports}, since {}, {})\n\n", entry.name, role(entry.role), entry.since, entry.origin);
    let _ = writeln!(text, "{}\n", entry.description().trim_end());
    let (schema, default) = (entry.schema().to_value(), entry.default_operator().config());
    match schema.get("properties").and_then(Value::as_object) {
        Some(properties) if !properties.is_empty() => {
            text.push_str("Parameters\n");
            text.push_str(&parameters(properties, &default, "  "));
        }
        _ => match alternatives(&schema) {
            Some(forms) => text.push_str(&written_forms(forms, &default)),
            None => text.push_str("No parameters\n"),
        },
    }
    text
}

/// Says that there is no operator `name`, and which was probably meant.
#[must_use]
pub fn unknown_operator(registry: &Registry, name: &str) -> String {
    format!("there is no operator `{name}`; {}", operator_help(registry, name))
}

fn parameters(properties: &serde_json::Map<String, Value>, default: &Value, indent: &str) -> String {
    let row = |(name, schema): (&String, &Value)| {
        let default =
            default.get(name).map_or_else(|| "required".to_owned(), |value| format!("default {}", flow(value)));
        let meaning = schema["description"].as_str().unwrap_or_default().lines().next().unwrap_or_default().to_owned();
        [name.clone(), format!("{}{}", accepted(schema), range(schema)), default, meaning]
    };
    columns(&properties.iter().map(row).collect::<Vec<_>>(), indent)
}

fn written_forms(forms: &[Value], default: &Value) -> String {
    let mut text = format!("One of these; default {}\n", flow(default));
    for form in forms {
        let meaning = form["description"].as_str().unwrap_or_default();
        let _ = writeln!(text, "  {}  {meaning}", accepted(form));
        if let Some(properties) = form["properties"].as_object() {
            text.push_str(&parameters(properties, &Value::Null, "    "));
        }
    }
    text
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Geometry => "geometry",
        Role::Color => "color",
        Role::Mix => "mix",
        Role::Erase => "erase",
    }
}
