//! The YAML header that makes a list of steps an operator.

use std::fs;
use std::path::Path;

use augraft_operator::Macro;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::fields::{VERSION, first_version, unreadable_header};
use crate::combinators::combinator;
use crate::diagnostic::Report;
use crate::document::Document;
use crate::problems::Problems;
use crate::schema::inlined_schema;
use crate::step_fields::RESERVED;
use crate::suggest::{list, meant};
use crate::validate::{check, escaped};
use crate::variables::references;

/// A macro: a named list of steps with parameters.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fields {
    /// Version of the format.
    #[schemars(extend("const" = VERSION))]
    #[expect(dead_code, reason = "checked by the schema")]
    operator: u64,
    /// Name in YAML.
    #[schemars(regex(pattern = "^[a-z][a-z0-9_]*$"), extend("examples" = ["weak_crop", "strong_mix"]))]
    name: String,
    /// What it does: a sentence, and more behind an empty line.
    #[schemars(length(min = 1))]
    description: String,
    /// Version of the macro.
    #[serde(default = "first_version")]
    since: String,
    /// Parameters by name, each with its default; `$NAME` in place of a value in the steps stands for it.
    #[serde(default)]
    parameters: Map<String, Value>,
    /// The steps that it stands for.
    #[schemars(length(min = 1))]
    steps: Vec<Value>,
}

/// Reads a macro; none when the header is that of an ONNX file.
///
/// # Errors
/// All problems of the file.
pub fn read_macro(path: &Path) -> Result<Option<Macro>, Report> {
    let name = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|error| unreadable_header(&name, &error))?;
    let document = Document::parse(&name, &text)?;
    let json = document.to_json();
    if json.get("steps").is_none() {
        return Ok(None);
    }
    let mut problems = Problems::new(&document);
    problems.extend("", check(&inlined_schema::<Fields>(), &json, "the macro"));
    if problems.has_errors() {
        return Err(Report::from(problems));
    }
    let fields: Fields = match serde_json::from_value(json) {
        Ok(fields) => fields,
        Err(error) => {
            problems.error("", "wrong-value", error.to_string(), None);
            return Err(Report::from(problems));
        }
    };
    if RESERVED.contains(&&*fields.name) || combinator(&fields.name).is_some() {
        let message = format!("`{}` is a word of every pipeline, so that no macro can have this name", fields.name);
        problems.error("/name", "bad-name", message, None);
    }
    let steps = Value::Array(fields.steps);
    let used = references(&steps);
    let names: Vec<&str> = fields.parameters.keys().map(String::as_str).collect();
    for (pointer, parameter) in &used {
        if fields.parameters.contains_key(parameter) {
            continue;
        }
        let help = meant(parameter, names.iter().copied());
        let help =
            help.map_or_else(|| format!("parameters: {}", list(&names)), |name| format!("did you mean `${name}`?"));
        problems.error(
            &format!("/steps{pointer}"),
            "unknown-choice",
            format!("there is no parameter `{parameter}`"),
            Some(help),
        );
    }
    for parameter in names.iter().filter(|name| !used.iter().any(|(_, used)| used == *name)) {
        let message = format!("no step uses the parameter `{parameter}`");
        let help = Some(format!("write `${parameter}` in place of a value, or leave it out"));
        problems.key_error(&format!("/parameters/{}", escaped(parameter)), "unused-parameter", message, help);
    }
    if problems.has_errors() {
        return Err(Report::from(problems));
    }
    let (description, parameters) = (fields.description.trim_end().to_owned(), fields.parameters);
    Ok(Some(Macro { name: fields.name, description, since: fields.since, origin: name, parameters, steps }))
}
