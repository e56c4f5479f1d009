//! The YAML header that makes an ONNX file an operator.

mod fields;
mod macros;
mod parameters;

use std::fs;
use std::path::{Path, PathBuf};

use augraft_operator::Parity;
use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::fields::{VERSION, first_version, unreadable_header};
pub use self::macros::read_macro;
use self::parameters::read_parameters;
pub use self::parameters::{Distribution, Parameter};
use crate::diagnostic::Report;
use crate::document::Document;
use crate::problems::Problems;
use crate::schema::inlined_schema;
use crate::suggest::list;
use crate::validate::{check, escaped};

/// An operator that is an ONNX file: what it is called, what is drawn for it, and how closely runtimes agree on it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fields {
    /// Version of the format.
    #[schemars(extend("const" = VERSION))]
    #[expect(dead_code, reason = "checked by the schema")]
    operator: u64,
    /// Name in YAML.
    #[schemars(regex(pattern = "^[a-z][a-z0-9_]*$"), extend("examples" = ["vignette", "film_grain"]))]
    name: String,
    /// What it does: a sentence, and more behind an empty line.
    #[schemars(length(min = 1))]
    description: String,
    /// Version of the operator.
    #[serde(default = "first_version")]
    since: String,
    /// ONNX file, relative to the header.
    #[schemars(length(min = 1))]
    model: String,
    /// What kind of change it makes.
    role: HeaderRole,
    /// How closely runtimes agree on values of 0 to 1: `exact`, or the largest difference.
    parity: ParityField,
    /// What is drawn, in order; by name in the configuration of a step and in `draws.jsonl`.
    #[serde(default)]
    #[expect(dead_code, reason = "read one by one")]
    parameters: Map<String, Value>,
    /// What each input of the model gets: `images`, or a parameter; by default what its name says.
    #[serde(default)]
    inputs: Map<String, Value>,
    /// Which output of the model are the images; by default `images`, or the only one.
    #[serde(default)]
    output: Option<String>,
    /// How labels mix along: the parameters that are the weight of a sample itself, and its partner.
    #[serde(default)]
    labels: Option<BlendFields>,
}

/// What kind of change an operator that is a file makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeaderRole {
    /// Moves pixels.
    Geometry,
    /// Changes values.
    Color,
    /// Mixes samples and their labels.
    Mix,
    /// Removes or disturbs content.
    Erase,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(untagged)]
enum ParityField {
    /// The same bytes everywhere.
    Exact(ExactName),
    /// The largest difference.
    Within(#[schemars(extend("exclusiveMinimum" = 0.0, "maximum" = 1e-5))] f32),
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ExactName {
    /// The same bytes everywhere.
    Exact,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct BlendFields {
    /// Parameter that is the weight of the sample itself, 0 to 1.
    lam: String,
    /// Parameter that is the partner.
    partner: String,
}

/// An operator that is an ONNX file, as its header says.
#[derive(Debug, Clone, PartialEq)]
pub struct OperatorHeader {
    /// The header's file.
    pub file: PathBuf,
    /// Name in YAML.
    pub name: String,
    /// What it does.
    pub description: String,
    /// Version of the operator.
    pub since: String,
    /// The ONNX file.
    pub model: PathBuf,
    /// What kind of change it makes.
    pub role: HeaderRole,
    /// How closely runtimes agree.
    pub parity: Parity,
    /// What is drawn, in order.
    pub parameters: Vec<Parameter>,
    /// Pairs of an input of the model and what it gets: `images`, or a parameter.
    pub inputs: Vec<(String, String)>,
    /// The output that the images are; none for the only one.
    pub output: Option<String>,
    /// The parameters by which labels blend: weight of the sample itself, and partner.
    pub blend: Option<[String; 2]>,
    document: Document,
}

impl OperatorHeader {
    /// Reads a header.
    ///
    /// # Errors
    /// All problems of the file.
    pub fn read(path: &Path) -> Result<Self, Report> {
        let name = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| unreadable_header(&name, &error))?;
        let document = Document::parse(&name, &text)?;
        let mut problems = Problems::new(&document);
        let json = document.to_json();
        problems.extend("", check(&inlined_schema::<Fields>(), &json, "the header"));
        let parameters = read_parameters(&json, &mut problems);
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
        let inputs = named_inputs(&fields.inputs, &parameters, &mut problems);
        check_blend(&fields, &parameters, &mut problems);
        if crate::combinators::combinator(&fields.name).is_some()
            || crate::step_fields::RESERVED.contains(&fields.name.as_str())
        {
            let message = format!("`{}` is a field of every step, so that no operator can have this name", fields.name);
            problems.error("/name", "bad-name", message, None);
        }
        if problems.has_errors() {
            return Err(Report::from(problems));
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        Ok(Self {
            file: path.to_owned(),
            model: folder.join(fields.model),
            role: fields.role,
            parity: match fields.parity {
                ParityField::Exact(ExactName::Exact) => Parity::Exact,
                ParityField::Within(error) => Parity::Within(error),
            },
            name: fields.name,
            description: fields.description.trim_end().to_owned(),
            since: fields.since,
            parameters,
            inputs,
            output: fields.output,
            blend: fields.labels.map(|blend| [blend.lam, blend.partner]),
            document,
        })
    }

    /// A problem of the header's field at `pointer`, such as `/model`.
    #[must_use]
    pub fn problem(&self, pointer: &str, code: &'static str, message: impl Into<String>, help: Option<&str>) -> Report {
        let mut problems = Problems::new(&self.document);
        problems.error(pointer, code, message, help.map(str::to_owned));
        Report::from(problems)
    }

    /// The schema of a step's configuration.
    ///
    /// # Panics
    /// Never: an object is a schema.
    #[must_use]
    pub fn schema(&self) -> Schema {
        let p = json!({ "description": "Probability of a sample to be changed.", "type": "number", "minimum": 0, "maximum": 1 });
        let mut properties = Map::from_iter([("p".to_owned(), p)]);
        properties.extend(self.parameters.iter().map(|parameter| (parameter.name.clone(), parameter.schema())));
        let example = format!("{}\n\n# Example\n```yaml\n- {}: {{ p: 0.5 }}\n```", self.description, self.name);
        let schema = json!({
            "title": self.name,
            "description": example,
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
        });
        Schema::try_from(schema).expect("an object is a schema")
    }
}

fn named_inputs(
    inputs: &Map<String, Value>,
    parameters: &[Parameter],
    problems: &mut Problems<'_>,
) -> Vec<(String, String)> {
    let mut named = Vec::new();
    for (input, value) in inputs {
        let known =
            value.as_str().filter(|name| *name == "images" || parameters.iter().any(|known| known.name == *name));
        if let Some(name) = known {
            named.push((input.clone(), name.to_owned()));
            continue;
        }
        let names: Vec<&str> =
            std::iter::once("images").chain(parameters.iter().map(|known| known.name.as_str())).collect();
        let message = format!("the input `{input}` gets {value}, which is neither `images` nor a parameter");
        let help = format!("there are {}", list(&names));
        problems.error(&format!("/inputs/{}", escaped(input)), "unknown-choice", message, Some(help));
    }
    named
}

fn check_blend(fields: &Fields, parameters: &[Parameter], problems: &mut Problems<'_>) {
    let is_mix = matches!(fields.role, HeaderRole::Mix);
    let Some(blend) = &fields.labels else {
        if is_mix {
            let help = "add `labels: { lam: PARAMETER, partner: PARAMETER }`".to_owned();
            problems.error("/role", "missing-field", "an operator that mixes says how labels mix along", Some(help));
        }
        return;
    };
    if !is_mix {
        problems.key_error("/labels", "unknown-field", "only an operator of the role `mix` mixes labels", None);
    }
    let find =
        |name: &str| parameters.iter().find(|parameter| parameter.name == name).map(|parameter| parameter.distribution);
    let is_weight = match find(&blend.lam) {
        Some(Distribution::Beta(..)) => true,
        Some(Distribution::Uniform([low, high], _)) => low >= 0.0 && high <= 1.0,
        _ => false,
    };
    if !is_weight {
        let message = format!("`{}` is no parameter of 0 to 1 with `draw: beta` or `draw: uniform`", blend.lam);
        problems.error("/labels/lam", "wrong-value", message, None);
    }
    if !matches!(find(&blend.partner), Some(Distribution::Partner(_))) {
        let message = format!("`{}` is no parameter with `draw: partner`", blend.partner);
        problems.error("/labels/partner", "wrong-value", message, None);
    }
}
