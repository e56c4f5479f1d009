//! Steps as they are written.

use std::sync::Arc;

use augraft_operator::{AnyOperator, Entry, Registry};
use serde_json::Value as Json;

use crate::document::{Key, Node, Value};
use crate::problems::Problems;
use crate::schema::{at_schema, id_schema};
use crate::suggest::meant;
use crate::validate::{check, escaped};
use crate::words::shown;

/// A step: an operator and its id.
#[derive(Debug, Clone)]
pub struct StepSpec {
    /// The explicit `id:`, or the operator's name with its occurrence.
    pub id: String,
    /// The operator with its configuration.
    pub operator: Arc<dyn AnyOperator>,
    /// JSON pointer to the operator's configuration in the file, such as `/steps/2/cutmix`.
    pub path: String,
}

/// A step at a tensor of the model.
#[derive(Debug, Clone)]
pub struct SiteStepSpec {
    /// Alias, tensor name or pattern.
    pub at: String,
    /// The step.
    pub step: StepSpec,
}

/// A step whose operator is known; the rest may have problems.
pub(crate) struct Written {
    pub(crate) name: &'static str,
    pub(crate) id: Option<String>,
    pub(crate) at: Option<String>,
    /// Where the operator's configuration is.
    pub(crate) path: String,
    pub(crate) operator: Option<Arc<dyn AnyOperator>>,
}

/// Reads the list of steps at `pointer`.
pub(crate) fn read_steps(
    registry: &Registry,
    pointer: &str,
    in_model: bool,
    problems: &mut Problems<'_>,
) -> Vec<Written> {
    let Some(Node { value: Value::List(items), .. }) = problems.document.node(pointer) else {
        return Vec::new();
    };
    let step = |(at, node)| read_step(registry, &format!("{pointer}/{at}"), node, in_model, problems);
    items.iter().enumerate().filter_map(step).collect()
}

fn read_step(
    registry: &Registry,
    pointer: &str,
    node: &Node,
    in_model: bool,
    problems: &mut Problems<'_>,
) -> Option<Written> {
    let help = || Some("write `- name: { field: value }`, or `- name` for the defaults".to_owned());
    let fields = match &node.value {
        Value::Scalar(Json::String(name)) => {
            let entry = known(registry, pointer, name, problems)?;
            if in_model {
                problems.error(pointer, "missing-field", format!("`{name}` needs the field `at`"), Some(at_help()));
            }
            let operator = Some(Arc::from(entry.default_operator()));
            return Some(Written { name: entry.name, id: None, at: None, path: pointer.to_owned(), operator });
        }
        Value::Map(fields) => fields,
        Value::Scalar(_) | Value::List(_) => {
            problems.error(
                pointer,
                "bad-step",
                format!(
                    "a step must be a map from an operator to its configuration, but is {}",
                    shown(&node.to_json())
                ),
                help(),
            );
            return None;
        }
    };
    let reserved = |name: &str| name == "id" || name == "at";
    let operators: Vec<&(Key, Node)> = fields.iter().filter(|(key, _)| !reserved(&key.name)).collect();
    let (key, config) = match &operators[..] {
        [] => {
            problems.error(pointer, "bad-step", "a step needs an operator", help());
            return None;
        }
        [only] => only,
        several => {
            several_operators(registry, pointer, several, problems);
            return None;
        }
    };
    let path = format!("{pointer}/{}", escaped(&key.name));
    let id = read_text(pointer, node, "id", &id_schema().to_value(), problems);
    let at = read_text(pointer, node, "at", &at_schema().to_value(), problems);
    if !in_model && node.field("at").is_some() {
        let help = "put the step under `model.steps`, or leave `at` out".to_owned();
        problems.key_error(
            &format!("{pointer}/at"),
            "unknown-field",
            "only the steps of a model have `at`",
            Some(help),
        );
    }
    let entry = known(registry, &path, &key.name, problems)?;
    if in_model && node.field("at").is_none() {
        problems.error(&path, "missing-field", format!("`{}` needs the field `at`", entry.name), Some(at_help()));
    }
    let operator = configure(entry, &path, &config.to_json(), problems);
    Some(Written { name: entry.name, id, at, path, operator })
}

fn at_help() -> String {
    "`at` says which tensor the step acts at; `augraft sites MODEL` lists them".to_owned()
}

fn known(registry: &Registry, path: &str, name: &str, problems: &mut Problems<'_>) -> Option<&'static Entry> {
    let entry = registry.get(name);
    if entry.is_none() {
        problems.key_error(
            path,
            "unknown-operator",
            format!("there is no operator `{name}`"),
            Some(operator_help(registry, name)),
        );
    }
    entry
}

/// Which operator was probably meant, else where they are listed.
pub(crate) fn operator_help(registry: &Registry, name: &str) -> String {
    let names: Vec<&str> = registry.iter().map(|entry| entry.name).collect();
    match meant(name, names.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => "`augraft operators` lists them all".to_owned(),
    }
}

fn several_operators(registry: &Registry, pointer: &str, fields: &[&(Key, Node)], problems: &mut Problems<'_>) {
    let (first, second) = (&fields[0].0.name, &fields[1].0.name);
    let place = format!("{pointer}/{}", escaped(second));
    let message = format!("a step has one operator, but this one has `{first}` and `{second}`");
    let help = if registry.get(first).is_some() && registry.get(second).is_none() {
        format!("if `{second}` is a field of `{first}`, indent it further; if it is a step, begin its line with `- `")
    } else {
        format!("begin a new step with `- {second}:`")
    };
    problems.key_error(&place, "bad-step", message, Some(help));
}

fn read_text(pointer: &str, node: &Node, field: &str, schema: &Json, problems: &mut Problems<'_>) -> Option<String> {
    let value = node.field(field)?.to_json();
    let pointer = format!("{pointer}/{field}");
    problems.extend(&pointer, check(schema, &value, &format!("`{field}`")));
    value.as_str().map(str::to_owned)
}

fn configure(
    entry: &'static Entry,
    path: &str,
    config: &Json,
    problems: &mut Problems<'_>,
) -> Option<Arc<dyn AnyOperator>> {
    if config.is_null() {
        return Some(Arc::from(entry.default_operator()));
    }
    let found = check(entry.schema().as_value(), config, &format!("`{}`", entry.name));
    if !found.is_empty() {
        problems.extend(path, found);
        return None;
    }
    let error = match entry.parse(config.clone()) {
        Ok(operator) => return Some(Arc::from(operator)),
        Err(error) => error,
    };
    // A newtype refuses what its schema cannot say; the field that is refused alone for the same reason is the one.
    let message = error.to_string();
    let refused = |(field, value): &(&String, &Json)| {
        let alone = Json::Object(serde_json::Map::from_iter([((*field).clone(), (*value).clone())]));
        entry.parse(alone).is_err_and(|error| error.to_string() == message)
    };
    let field = config.as_object().and_then(|fields| fields.iter().find(refused));
    let (place, name) = match field {
        Some((field, _)) => (format!("{path}/{}", escaped(field)), field.as_str()),
        None => (path.to_owned(), entry.name),
    };
    problems.error(&place, "wrong-value", format!("`{name}`: {message}"), None);
    None
}
