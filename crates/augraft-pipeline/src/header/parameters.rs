//! Parameters of an operator that is an ONNX file.

use augraft_operator::Partner;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::problems::Problems;
use crate::schema::inlined_schema;
use crate::suggest::choices;
use crate::validate::{check, escaped};

/// How a parameter is drawn, with the range that a step may choose from and its default.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Distribution {
    /// Uniform real numbers: the widest range, and the default one.
    Uniform([f64; 2], [f64; 2]),
    /// Uniform whole numbers: the widest range, and the default one, ends included.
    Integer([i64; 2], [i64; 2]),
    /// Beta(alpha, alpha): the range of alpha, and its default.
    Beta([f64; 2], f64),
    /// A truth value: its default probability.
    Chance(f64),
    /// A partner in the batch.
    Partner(Partner),
    /// A number that is not drawn: its range, and its default.
    Constant([f64; 2], f64),
}

/// A parameter of an operator that is an ONNX file.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Name in the configuration, and of the drawn value.
    pub name: String,
    /// What it means.
    pub description: String,
    /// How it is drawn.
    pub distribution: Distribution,
}

impl Parameter {
    /// The schema of its setting in a step.
    pub(super) fn schema(&self) -> Value {
        let ends = |low: Value, high: Value, kind: &str| {
            let item = json!({ "type": kind, "minimum": low, "maximum": high });
            json!({ "description": self.description, "type": "array", "minItems": 2, "maxItems": 2, "items": item })
        };
        let number = |low: f64, high: f64| json!({ "description": self.description, "type": "number", "minimum": low, "maximum": high });
        match self.distribution {
            Distribution::Uniform([low, high], _) => ends(json!(low), json!(high), "number"),
            Distribution::Integer([low, high], _) => ends(json!(low), json!(high), "integer"),
            Distribution::Beta([low, high], _) | Distribution::Constant([low, high], _) => number(low, high),
            Distribution::Chance(_) => number(0.0, 1.0),
            Distribution::Partner(_) => json!({ "description": self.description, "enum": ["permute", "roll", "flip"] }),
        }
    }
}

/// A parameter as it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, tag = "draw", rename_all = "snake_case")]
enum ParameterFields {
    /// A real number, uniform in a range that the step chooses.
    Uniform { range: [f64; 2], default: [f64; 2], description: String },
    /// A whole number, uniform in a range that the step chooses, both ends included.
    Integer { range: [i64; 2], default: [i64; 2], description: String },
    /// A real number of 0 to 1 from Beta(alpha, alpha), with alpha from the step.
    Beta { range: [f64; 2], default: f64, description: String },
    /// True with a probability from the step.
    Chance { default: f64, description: String },
    /// The position in the batch of another sample.
    Partner {
        #[serde(default)]
        default: Partner,
        description: String,
    },
    /// Nothing is drawn: a number from the step.
    Constant { range: [f64; 2], default: f64, description: String },
}

/// Reads the parameters of a header.
pub(super) fn read_parameters(json: &Value, problems: &mut Problems<'_>) -> Vec<Parameter> {
    let fields = json.get("parameters").and_then(Value::as_object);
    let schema = inlined_schema::<ParameterFields>();
    let mut parameters = Vec::new();
    for (name, value) in fields.into_iter().flatten() {
        let pointer = format!("/parameters/{}", escaped(name));
        let is_word =
            name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_') && !name.is_empty();
        if !is_word || ["p", "apply", "images", "out"].contains(&name.as_str()) {
            let message = format!("`{name}` cannot be the name of a parameter");
            let help =
                "use lower case letters, digits and `_`; `p`, `apply`, `images` and `out` have a meaning already";
            problems.key_error(&pointer, "bad-name", message, Some(help.to_owned()));
            continue;
        }
        let kinds: Vec<&Value> = schema["oneOf"].as_array().into_iter().flatten().collect();
        let kind_of = |kind: &Value| kind["properties"]["draw"]["const"].as_str().map(str::to_owned);
        let Some(kind) = kinds.iter().find(|kind| kind_of(kind).as_deref() == value["draw"].as_str()) else {
            let names: Vec<String> = kinds.iter().filter_map(|kind| kind_of(kind)).collect();
            let message = format!("`{name}` needs `draw`, which is one of {}", choices(&names));
            problems.error(&format!("{pointer}/draw"), "unknown-choice", message, None);
            continue;
        };
        let found = check(kind, value, &format!("`{name}`"));
        if !found.is_empty() {
            problems.extend(&pointer, found);
            continue;
        }
        match serde_json::from_value::<ParameterFields>(value.clone())
            .map_err(|error| error.to_string())
            .and_then(parameter)
        {
            Ok((distribution, description)) => {
                parameters.push(Parameter { name: name.clone(), description, distribution });
            }
            Err(message) => problems.error(&pointer, "wrong-value", format!("`{name}`: {message}"), None),
        }
    }
    parameters
}

/// A parameter whose default lies in its range.
fn parameter(fields: ParameterFields) -> Result<(Distribution, String), String> {
    fn within<T: PartialOrd + std::fmt::Display>([low, high]: [T; 2], values: &[T]) -> Result<(), String> {
        let is_range = low <= high && values.windows(2).all(|pair| pair[0] <= pair[1]);
        let inside = values.iter().all(|value| low <= *value && *value <= high);
        if is_range && inside {
            Ok(())
        } else {
            Err(format!("the default must lie in the range [{low}, {high}], smaller end first"))
        }
    }
    Ok(match fields {
        ParameterFields::Uniform { range, default, description } => {
            within(range, &default)?;
            (Distribution::Uniform(range, default), description)
        }
        ParameterFields::Integer { range, default, description } => {
            within(range, &default)?;
            if range[1].abs_diff(range[0]) >= 1 << 21 {
                return Err("a range of whole numbers has at most 2^21 of them".to_owned());
            }
            (Distribution::Integer(range, default), description)
        }
        ParameterFields::Beta { range, default, description } => {
            within([0.01, 1000.0], &range)?;
            within(range, &[default])?;
            (Distribution::Beta(range, default), description)
        }
        ParameterFields::Chance { default, description } => {
            within([0.0, 1.0], &[default])?;
            (Distribution::Chance(default), description)
        }
        ParameterFields::Partner { default, description } => (Distribution::Partner(default), description),
        ParameterFields::Constant { range, default, description } => {
            within(range, &[default])?;
            (Distribution::Constant(range, default), description)
        }
    })
}
