//! A value against a schema: all problems, each as one short sentence.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind as Kind;
use serde_json::Value;

use crate::suggest::{list, meant};
use crate::words::{accepted, alternatives, open_options, options, shown};

/// A problem somewhere below a checked value.
#[derive(Debug)]
pub(crate) struct Problem {
    /// JSON pointer below the checked value.
    pub pointer: String,
    /// Whether the key is wrong, not the value.
    pub at_key: bool,
    /// Code of the diagnostic.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// Checks `value`, which messages call `name`.
pub(crate) fn check(schema: &Value, value: &Value, name: &str) -> Vec<Problem> {
    let validator = match jsonschema::draft202012::new(schema) {
        Ok(validator) => validator,
        Err(error) => {
            return vec![Problem::new(
                String::new(),
                "bad-schema",
                format!("the schema of `{name}` is broken: {error}"),
            )];
        }
    };
    let sentences = Sentences { schema, name };
    validator.iter_errors(value).flat_map(|error| sentences.problems(&error)).collect()
}

impl Problem {
    fn new(pointer: String, code: &'static str, message: String) -> Self {
        Self { pointer, at_key: false, code, message, help: None }
    }
}

struct Sentences<'s> {
    schema: &'s Value,
    name: &'s str,
}

impl Sentences<'_> {
    fn problems(&self, error: &ValidationError<'_>) -> Vec<Problem> {
        let pointer = error.instance_path().to_string();
        let path = error.schema_path().to_string();
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let schema = self.schema.pointer(parent).unwrap_or(&Value::Null);
        let (subject, value) = (self.subject(&pointer), error.instance().as_ref());
        let problem = |code, message: String| vec![Problem::new(pointer.clone(), code, format!("{subject} {message}"))];
        let compared =
            |words: &str, limit: &Value| problem("out-of-range", format!("must be {words} {limit}, but is {value}"));
        match error.kind() {
            Kind::AdditionalProperties { unexpected } => {
                unexpected.iter().map(|field| self.unknown_field(&pointer, schema, field)).collect()
            }
            Kind::Required { property } => {
                let field = property.as_str().unwrap_or_default();
                let meaning = schema["properties"][field]["description"].as_str();
                let mut found = problem("missing-field", format!("needs the field `{field}`"));
                found[0].help = meaning.map(|text| format!("`{field}`: {}", text.lines().next().unwrap_or_default()));
                found
            }
            Kind::Minimum { limit } => compared("at least", limit),
            Kind::Maximum { limit } => compared("at most", limit),
            Kind::ExclusiveMinimum { limit } => compared("above", limit),
            Kind::ExclusiveMaximum { limit } => compared("below", limit),
            Kind::MinItems { .. } | Kind::MaxItems { .. } => {
                problem("wrong-length", format!("must be {}, but is {}", accepted(schema), shown(value)))
            }
            Kind::MinLength { .. } => problem("wrong-type", "must not be empty".to_owned()),
            Kind::Pattern { pattern } => {
                let examples = schema.get("examples").and_then(Value::as_array);
                let examples: Vec<&str> = examples.into_iter().flatten().filter_map(Value::as_str).collect();
                let like =
                    if examples.is_empty() { format!("`{pattern}`") } else { crate::suggest::choices(&examples) };
                problem("wrong-type", format!("must look like {like}, but is {}", shown(value)))
            }
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
                if let Some(fields) = exclusive_fields(schema) {
                    return problem(
                        "missing-field",
                        format!("needs one of the fields {}", crate::suggest::choices(&fields)),
                    );
                }
                match only_candidate(&pointer, context) {
                    Some(errors) => errors.iter().flat_map(|error| self.problems(error)).collect(),
                    None => vec![self.mismatch(pointer, schema, value)],
                }
            }
            Kind::OneOfMultipleValid { .. } => match exclusive_fields(schema) {
                Some(fields) => problem("too-many-fields", format!("has more than one of {}; keep one", list(&fields))),
                None => vec![self.mismatch(pointer, schema, value)],
            },
            Kind::Type { .. } | Kind::Enum { .. } | Kind::Constant { .. } => {
                vec![self.mismatch(pointer, schema, value)]
            }
            _ => problem("wrong-value", format!("does not fit: {error}")),
        }
    }

    fn mismatch(&self, pointer: String, schema: &Value, value: &Value) -> Problem {
        let options = options(schema);
        let code = if options.is_some() && value.is_string() { "unknown-choice" } else { "wrong-type" };
        let names = open_options(schema);
        let help = value.as_str().and_then(|text| meant(text, names.iter().map(String::as_str)));
        let shown = match value {
            Value::String(text) if code == "unknown-choice" => format!("`{text}`"),
            _ => shown(value),
        };
        let message = format!("{} must be {}, but is {shown}", self.subject(&pointer), accepted(schema));
        Problem { help: help.map(|name| format!("did you mean `{name}`?")), ..Problem::new(pointer, code, message) }
    }

    fn unknown_field(&self, pointer: &str, schema: &Value, field: &str) -> Problem {
        let fields: Vec<&str> =
            schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let known =
            if fields.is_empty() { "there are no fields".to_owned() } else { format!("fields: {}", list(&fields)) };
        let help = match meant(field, fields.iter().copied()) {
            Some(name) => format!("did you mean `{name}`? {known}"),
            None => known,
        };
        Problem {
            pointer: format!("{pointer}/{}", escaped(field)),
            at_key: true,
            code: "unknown-field",
            message: format!("unknown field `{field}` in {}", self.subject(pointer)),
            help: Some(help),
        }
    }

    /// How messages call the value at `pointer`.
    fn subject(&self, pointer: &str) -> String {
        let mut path = String::new();
        for segment in pointer.split('/').skip(1) {
            let segment = segment.replace("~1", "/").replace("~0", "~");
            if segment.parse::<usize>().is_ok() {
                path.extend(["[", &segment, "]"]);
            } else {
                path.push_str(if path.is_empty() { "" } else { "." });
                path.push_str(&segment);
            }
        }
        if path.is_empty() { self.name.to_owned() } else { format!("`{path}`") }
    }
}

/// A field's name as a segment of a JSON pointer.
pub(crate) fn escaped(field: &str) -> String {
    field.replace('~', "~0").replace('/', "~1")
}

/// The errors of the one alternative that takes values of this type at all.
fn only_candidate<'e>(
    pointer: &str,
    context: &'e [Vec<ValidationError<'static>>],
) -> Option<&'e [ValidationError<'static>]> {
    let refused = |error: &ValidationError<'_>| {
        let kinds = matches!(
            error.kind(),
            Kind::Type { .. }
                | Kind::Enum { .. }
                | Kind::Constant { .. }
                | Kind::OneOfNotValid { .. }
                | Kind::AnyOf { .. }
        );
        kinds && error.instance_path().as_str() == pointer
    };
    let mut candidates = context.iter().filter(|errors| !errors.iter().any(refused));
    let only = candidates.next()?;
    candidates.next().is_none().then_some(only.as_slice())
}

/// The fields of which exactly one is allowed.
fn exclusive_fields(schema: &Value) -> Option<Vec<&str>> {
    let fields = alternatives(schema)?
        .iter()
        .map(|alternative| alternative["required"][0].as_str().filter(|_| alternative.get("type").is_none()));
    fields.collect()
}
