//! Lists of steps, from YAML nodes to operators: combinators and macros become the steps that they stand for.

use std::sync::Arc;

use augraft_operator::{AnyOperator, Entry, Macro, Registry};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::combinators::{Combinator, Held, Schedule, combinator, held, must_have_p};
use crate::document::{Key, Node, Value};
use crate::flow::flow;
use crate::problems::Problems;
use crate::step::{Around, Strength, Written};
use crate::step_fields::{RESERVED, at_schema, id_schema, layout_schema, step_names, tokens_schema};
use crate::suggest::{list, meant};
use crate::validate::{check, escaped};
use crate::variables::substituted;
use crate::words::shown;

/// Reads the list of steps at `pointer`, behind what is `written` already.
pub(crate) fn read_steps(
    registry: &Registry,
    pointer: &str,
    in_model: bool,
    written: &mut Vec<Written>,
    problems: &mut Problems<'_>,
) {
    let document = problems.document;
    let Some(node) = document.node(pointer) else { return };
    Reader { registry, in_model, written }.list(node, pointer, &Around::default(), problems);
}

struct Reader<'r> {
    registry: &'r Registry,
    in_model: bool,
    written: &'r mut Vec<Written>,
}

impl Reader<'_> {
    fn list(&mut self, node: &Node, pointer: &str, around: &Around, problems: &mut Problems<'_>) {
        let Value::List(items) = &node.value else { return };
        for (at, node) in items.iter().enumerate() {
            let mut around = around.clone();
            if let Some((_, _, [position, steps])) = around.held.last_mut()
                && *steps == 0
            {
                [*position, *steps] = [at, items.len()];
            }
            self.step(&format!("{pointer}/{at}"), node, around, problems);
        }
    }

    fn step(&mut self, pointer: &str, node: &Node, mut around: Around, problems: &mut Problems<'_>) {
        let help = || Some("write `- name: { field: value }`, or `- name` for the defaults".to_owned());
        let fields = match &node.value {
            Value::Scalar(Json::String(name)) => {
                let null = Node { span: node.span, value: Value::Scalar(Json::Null) };
                return self.named(name, pointer, (pointer.to_owned(), None), &null, around, problems);
            }
            Value::Map(fields) => fields,
            Value::Scalar(_) | Value::List(_) => {
                let found = shown(&node.to_json());
                let message = format!("a step must be a map from an operator to its configuration, but is {found}");
                return problems.error(pointer, "bad-step", message, help());
            }
        };
        let operators: Vec<&(Key, Node)> = fields.iter().filter(|(key, _)| !RESERVED.contains(&&*key.name)).collect();
        let (key, config) = match &operators[..] {
            [] => return problems.error(pointer, "bad-step", "a step needs an operator", help()),
            [only] => only,
            several => return several_operators(self.registry, pointer, several, problems),
        };
        let id = read_text(pointer, node, "id", &id_schema().to_value(), problems);
        if let Some(at) = read_text(pointer, node, "at", &at_schema().to_value(), problems) {
            around.at = Some((at, format!("{pointer}/at")));
        }
        if let Some(tokens) = node.field("tokens") {
            around.layout.tokens =
                read_field(&format!("{pointer}/tokens"), &tokens_schema(), &tokens.to_json(), problems);
        }
        if let Some(layout) = node.field("layout") {
            around.layout.name =
                read_field(&format!("{pointer}/layout"), &layout_schema(), &layout.to_json(), problems);
        }
        for field in ["at", "layout", "tokens"] {
            if !self.in_model && node.field(field).is_some() {
                let help = format!("put the step under `model.steps`, or leave `{field}` out");
                let message = format!("only the steps of a model have `{field}`");
                problems.key_error(&format!("{pointer}/{field}"), "unknown-field", message, Some(help));
            }
        }
        let path = format!("{pointer}/{}", escaped(&key.name));
        self.named(&key.name, pointer, (path, id), config, around, problems);
    }

    /// A step of the operator, combinator or macro `name`.
    fn named(
        &mut self,
        name: &str,
        pointer: &str,
        (path, id): (String, Option<String>),
        config: &Node,
        around: Around,
        problems: &mut Problems<'_>,
    ) {
        let id = id.map(|id| format!("{}{id}", around.label));
        let id = id.map(|id| if around.copy > 1 { format!("{id}-{}", around.copy) } else { id });
        let label = format!("{}{name}", around.label);
        if let Some(known) = combinator(name) {
            return self.combined(known, (path, label, id), config, around, problems);
        }
        if let Some(known) = self.registry.macro_of(name) {
            return self.expanded(&known.clone(), (path, label, id), config, around, problems);
        }
        let Some(entry) = known(self.registry, if path == pointer { pointer } else { &path }, name, problems) else {
            return;
        };
        if self.in_model && around.at.is_none() {
            problems.error(&path, "missing-field", format!("`{name}` needs the field `at`"), Some(at_help()));
        }
        let config = entry.config_of(name, config.to_json());
        let operator = configure(entry, &path, &config, problems);
        // Copies of a step stand at one place.
        if name != entry.name && operator.is_some() && around.copy <= 1 {
            let id = id.is_none().then(|| self.next_id(&label));
            let id = id.as_ref().map(|id| id.strip_prefix(&around.label).unwrap_or(id));
            warn_renamed((name, id), entry, &config, &path, problems);
        }
        if let (Some(_), Some(within)) = (&operator, around.held.iter().find(|(held, ..)| leaves_out(held)))
            && !entry.has_option("p")
        {
            let (message, help) = must_have_p(name, within_name(&within.0));
            problems.error(&path, "bad-step", message, Some(help));
        }
        let (at, layout) = (around.at.clone(), around.layout);
        self.written.push(Written { label, id, at, layout, path, operator, around });
    }

    fn combined(
        &mut self,
        known: &'static Combinator,
        (path, label, id): (String, String, Option<String>),
        config: &Node,
        mut around: Around,
        problems: &mut Problems<'_>,
    ) {
        let Some(held) = held(known, &config.to_json(), &path, problems) else { return };
        let steps = config.field("steps");
        let count = steps.map_or(0, |steps| if let Value::List(items) = &steps.value { items.len() } else { 0 });
        held.check(count, &path, problems);
        let Some(steps) = steps else { return };
        let held = Arc::new(held);
        let at = self.written.len();
        let (place, layout) = (around.at.clone(), around.layout);
        let (pointer, strengths) = (format!("{path}/steps"), format!("{path}/strengths"));
        let copies = if let Held::Repeat(repeat) = &*held { repeat.count } else { 1 };
        self.written.push(Written { label, id, at: place, layout, path, operator: None, around: Around::default() });
        if let Held::Schedule(schedule) = &*held {
            let strength = |(field, ends): (&String, &[f64; 2])| Strength {
                field: field.clone(),
                ends: *ends,
                schedule: held.clone(),
            };
            around.strengths.extend(schedule.strengths.iter().map(strength));
        }
        let first = self.written.len();
        around.held.push((held.clone(), at, [0, 0]));
        for copy in 1..=copies {
            around.copy = if copies > 1 { copy } else { around.copy };
            self.list(steps, &pointer, &around, problems);
        }
        if let Held::Schedule(schedule) = &*held {
            check_strengths(schedule, &self.written[first..], &strengths, problems);
        }
    }

    fn expanded(
        &mut self,
        known: &Macro,
        (path, label, id): (String, String, Option<String>),
        config: &Node,
        mut around: Around,
        problems: &mut Problems<'_>,
    ) {
        if around.macros.contains(&known.name) {
            let message = format!("the macro `{}` holds itself", known.name);
            return problems.error(&path, "bad-step", message, Some("take it out of its own steps".to_owned()));
        }
        let given = match config.to_json() {
            Json::Null => serde_json::Map::new(),
            Json::Object(given) => given,
            other => {
                let message = format!("`{}` must be a map of its parameters, but is {}", known.name, shown(&other));
                return problems.error(&path, "wrong-type", message, None);
            }
        };
        let names: Vec<&str> = known.parameters.keys().map(String::as_str).collect();
        for name in given.keys().filter(|name| !known.parameters.contains_key(*name)) {
            let help = meant(name, names.iter().copied())
                .map_or_else(|| format!("parameters: {}", list(&names)), |name| format!("did you mean `{name}`?"));
            let message = format!("unknown field `{name}` in `{}`", known.name);
            problems.key_error(&format!("{path}/{}", escaped(name)), "unknown-field", message, Some(help));
        }
        let mut values = known.parameters.clone();
        values.extend(given);
        let steps = match substituted(&known.steps, &values) {
            Ok(steps) => Node::of(&steps, config.span),
            Err((_, name)) => {
                return problems.error(&path, "unknown-choice", format!("there is no parameter `{name}`"), None);
            }
        };
        around.macros.push(known.name.clone());
        let own = id.clone().unwrap_or_else(|| self.next_id(&label));
        around.label = format!("{own}.");
        let (place, layout) = (around.at.clone(), around.layout);
        let inner = Around::default();
        self.written.push(Written { label, id, at: place, layout, path: path.clone(), operator: None, around: inner });
        self.list(&steps, &format!("{path}/steps"), &around, problems);
    }
}

impl Reader<'_> {
    /// The id of the next step with this label and no other.
    fn next_id(&self, label: &str) -> String {
        match self.written.iter().filter(|other| other.label == label).count() {
            0 => label.to_owned(),
            count => format!("{label}-{}", count + 1),
        }
    }
}

/// Says what an operator is called now; `id` is what keys the draws of the step, where that is its name.
fn warn_renamed(
    (name, id): (&str, Option<&str>),
    entry: &Entry,
    config: &Json,
    path: &str,
    problems: &mut Problems<'_>,
) {
    let written = match config.as_object() {
        Some(fields) if fields.is_empty() => entry.name.to_owned(),
        _ => format!("{}: {}", entry.name, flow(config)),
    };
    let id = id.map_or(String::new(), |id| format!(", and `id: {id}` to keep its draws"));
    let message = format!("`{name}` is called `{}` now", entry.name);
    problems.key_warning(path, "renamed-operator", message, &format!("write `{written}`{id}"));
}

fn leaves_out(held: &Held) -> bool {
    !matches!(held, Held::Repeat(_)) && !matches!(held, Held::Schedule(schedule) if schedule.ramp().is_none())
}

fn within_name(held: &Held) -> &'static str {
    match held {
        Held::OneOf(_) => "one_of",
        Held::SomeOf(_) => "some_of",
        Held::Repeat(_) => "repeat",
        Held::Schedule(_) => "schedule",
    }
}

/// Reports strengths that no step has as a number.
fn check_strengths(schedule: &Schedule, steps: &[Written], pointer: &str, problems: &mut Problems<'_>) {
    for field in schedule.strengths.keys() {
        let has = |step: &Written| step.operator.as_ref().is_some_and(|known| known.config()[field].is_number());
        if !steps.iter().any(has) {
            let message = format!("no step of this `schedule` has the option `{field}` as a number");
            problems.key_error(&format!("{pointer}/{}", escaped(field)), "unknown-field", message, None);
        }
    }
}

/// The value of a field of a step that is no operator.
fn read_field<T: DeserializeOwned>(
    pointer: &str,
    schema: &Json,
    config: &Json,
    problems: &mut Problems<'_>,
) -> Option<T> {
    let name = pointer.rsplit('/').next().unwrap_or(pointer);
    problems.extend(pointer, check(schema, config, &format!("`{name}`")));
    serde_json::from_value(config.clone()).ok()
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

/// Which operator was probably meant, else which there are.
pub(crate) fn operator_help(registry: &Registry, name: &str) -> String {
    let names = step_names(registry);
    match meant(name, names.iter().copied()) {
        Some(name) => format!("did you mean `{}`?", registry.get(name).map_or(name, |entry| entry.name)),
        None => "`augraft operators` lists all".to_owned(),
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
    if value.is_number() {
        // Names of tensors in older models are numbers, which YAML takes for such.
        let help = format!("put it in quotes: `{field}: \"{value}\"`");
        problems.error(&pointer, "wrong-type", format!("`{field}` must be text, but is {value}"), Some(help));
        return Some(value.to_string());
    }
    problems.extend(&pointer, check(schema, &value, &format!("`{field}`")));
    value.as_str().map(str::to_owned)
}

pub(crate) fn configure(
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
