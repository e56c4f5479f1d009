//! The operators as pages to read.

use std::fmt::Write;

use augraft_operator::{Entry, Parity, Registry};
use serde_json::{Map, Value};

use crate::combinators::combinator;
use crate::flow::flow;
use crate::listing::{Listing, listing, listing_of_combinator, listing_of_macro};
use crate::reading::operator_help;
use crate::table::columns;
use crate::words::{accepted, alternatives, range};

/// A parameter as a page shows it: name, what it accepts, its default, what it means.
pub(crate) type Row = [String; 4];

/// The parameters of an operator.
pub(crate) enum Parameters {
    /// A map of these.
    Fields(Vec<Row>),
    /// One of these forms, and the default: what each accepts and means, and the fields of a map.
    Forms(String, Vec<(String, String, Vec<Row>)>),
    /// None.
    Nothing,
}

/// Prints all that is known of one operator: what it does, where it comes from, and its parameters with their ranges and defaults.
fn operator_page(entry: &Entry) -> String {
    let listing = listing(entry);
    let mut text = format!("{} ({})\n\n{}\n\n", listing.name, listing.kind, entry.description().trim_end());
    text.push_str(&columns(&facts(entry, &listing), ""));
    match parameters(entry) {
        Parameters::Fields(rows) => {
            let _ = write!(text, "\nParameters\n{}", columns(&rows, "  "));
        }
        Parameters::Forms(default, forms) => {
            let _ = writeln!(text, "\nOne of these; default {default}");
            for (form, meaning, rows) in forms {
                let _ = write!(text, "  {form}  {meaning}\n{}", columns(&rows, "    "));
            }
        }
        Parameters::Nothing => text.push_str("\nNo parameters\n"),
    }
    let presets: Vec<_> = presets(entry).into_iter().map(|(name, options)| [name, options]).collect();
    if !presets.is_empty() {
        let _ = write!(text, "\nPresets\n{}", columns(&presets, "  "));
    }
    text
}

/// What a page says of an operator beside its description.
pub(crate) fn facts(entry: &Entry, listing: &Listing) -> Vec<[String; 2]> {
    let exports = match entry.parity {
        Parity::NativeOnly(reason) => format!("no: native only, because {reason}"),
        _ => "yes".to_owned(),
    };
    let facts = [
        ("acts on", &listing.acts_on),
        ("backends agree", &listing.parity),
        ("exports", &exports),
        ("since", &listing.since),
        ("from", &listing.origin),
    ];
    facts.map(|(name, value)| [name.to_owned(), value.clone()]).into()
}

/// Names for `compat`, and what each stands for as one line of YAML.
pub(crate) fn presets(entry: &Entry) -> Vec<(String, String)> {
    let options = |json: &str| serde_json::from_str(json).map_or_else(|_| json.to_owned(), |value| flow(&value));
    entry.presets.iter().map(|(name, json)| ((*name).to_owned(), options(json))).collect()
}

/// The parameters of an operator, as its schema has them.
pub(crate) fn parameters(entry: &Entry) -> Parameters {
    let (schema, default) = (entry.schema().to_value(), entry.default_operator().config());
    match schema["properties"].as_object() {
        Some(fields) if !fields.is_empty() => Parameters::Fields(rows(&schema, fields, &default)),
        _ => match alternatives(&schema) {
            Some(forms) => Parameters::Forms(flow(&default), forms.iter().map(form).collect()),
            None => Parameters::Nothing,
        },
    }
}

fn form(schema: &Value) -> (String, String, Vec<Row>) {
    let fields = schema["properties"].as_object();
    let rows = fields.map(|fields| rows(schema, fields, &Value::Null)).unwrap_or_default();
    (accepted(schema), schema["description"].as_str().unwrap_or_default().to_owned(), rows)
}

fn rows(schema: &Value, fields: &Map<String, Value>, default: &Value) -> Vec<Row> {
    let required = |name: &String| schema["required"].as_array().is_some_and(|names| names.iter().any(|n| n == name));
    let row = |(name, field): (&String, &Value)| {
        let default = match default.get(name) {
            Some(value) => format!("default {}", flow(value)),
            None if required(name) => "required".to_owned(),
            None => "no default".to_owned(),
        };
        let meaning = field["description"].as_str().unwrap_or_default().lines().next().unwrap_or_default().to_owned();
        [name.clone(), format!("{}{}", accepted(field), range(field)), default, meaning]
    };
    fields.iter().map(row).collect()
}

/// Prints all that is known of what a step calls `name`: an operator, a combinator or a macro; none where there is no such thing.
#[must_use]
pub fn page(registry: &Registry, name: &str) -> Option<String> {
    if let Some(entry) = registry.get(name) {
        return Some(operator_page(entry));
    }
    if let Some(known) = combinator(name) {
        let (listing, schema) = (listing_of_combinator(known), (known.schema)());
        let description = schema["description"].as_str().unwrap_or_default().trim_end().to_owned();
        return Some(short_page(&listing, &description, &combinator_rows(&schema)));
    }
    let known = registry.macro_of(name)?;
    let row = |(name, default): (&String, &Value)| {
        [name.clone(), "a value of its steps".to_owned(), format!("default {}", flow(default)), String::new()]
    };
    let mut text = short_page(
        &listing_of_macro(registry, known),
        &known.description,
        &known.parameters.iter().map(row).collect::<Vec<_>>(),
    );
    text.push_str("\nSteps\n");
    text.extend(known.steps.as_array().into_iter().flatten().map(|step| format!("  - {}\n", flow(step))));
    Some(text)
}

/// The parameters of a combinator.
pub(crate) fn combinator_rows(schema: &Value) -> Vec<Row> {
    schema["properties"].as_object().map(|fields| rows(schema, fields, &Value::Null)).unwrap_or_default()
}

fn short_page(listing: &Listing, description: &str, parameters: &[Row]) -> String {
    let mut text = format!("{} ({})\n\n{description}\n\n", listing.name, listing.kind);
    let facts = [
        ("acts on", &listing.acts_on),
        ("backends agree", &listing.parity),
        ("exports", &listing.exports),
        ("since", &listing.since),
        ("from", &listing.origin),
    ];
    text.push_str(&columns(&facts.map(|(name, value)| [name.to_owned(), value.clone()]), ""));
    let _ = write!(text, "\nParameters\n{}", columns(parameters, "  "));
    text
}

/// Says that there is no operator `name`, and which was probably meant.
#[must_use]
pub fn unknown_operator(registry: &Registry, name: &str) -> String {
    format!("there is no operator `{name}`; {}", operator_help(registry, name))
}
