//! YAML as a tree whose nodes know their places.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::{Error, Location, Spanned};

use crate::diagnostic::{Diagnostic, Report, Span};
use crate::validate::escaped;

/// A parsed file.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// File as the user named it.
    pub file: String,
    /// The source.
    pub text: String,
    /// The whole content.
    pub root: Node,
}

/// A value at its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it is.
    pub span: Span,
    /// What it is.
    pub value: Value,
}

/// A YAML value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Null, `true`, a number or text.
    Scalar(serde_json::Value),
    /// A list.
    List(Vec<Node>),
    /// Keys and values in the order of the file.
    Map(Vec<(Key, Node)>),
}

/// A key of a map at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Where it is.
    pub span: Span,
    /// The key.
    pub name: String,
}

impl Document {
    /// Parses one YAML document.
    ///
    /// # Errors
    /// Says where the YAML is broken, or has two equal keys, several documents or too much of something.
    pub fn parse(file: &str, text: &str) -> Result<Self, Report> {
        let budget = serde_yaml::budget! { max_nodes: MAX_NODES };
        let options = serde_yaml::options! { with_snippet: false, strict_booleans: true, budget: budget };
        let raw: Spanned<Raw> =
            serde_yaml::from_str_with_options(text, options).map_err(|error| broken(file, text, &error))?;
        Ok(Self { file: file.to_owned(), text: text.to_owned(), root: node(text, raw) })
    }

    /// The content as JSON.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        self.root.to_json()
    }

    /// The node at a path such as `steps[2].cutmix.alpha` or `/steps/2/cutmix/alpha`.
    #[must_use]
    pub fn node(&self, path: &str) -> Option<&Node> {
        segments(path).into_iter().try_fold(&self.root, |node, segment| node.child(&segment).map(|(_, child)| child))
    }

    /// The place of the value at `path`, else of its nearest ancestor; a list or map is at the key that names it.
    #[must_use]
    pub fn locate(&self, path: &str) -> Span {
        self.walk(path, false)
    }

    /// The place of the key that leads to `path`, else of the nearest ancestor's.
    #[must_use]
    pub fn locate_key(&self, path: &str) -> Span {
        self.walk(path, true)
    }

    /// Puts the YAML `text` at `path`, such as `data.limit` or `steps[2].cutmix.alpha`, and makes the maps that lead there; `null` takes a key out of its map.
    ///
    /// # Errors
    /// When the text is no YAML, or something that is no map stands in the way.
    pub fn set(&mut self, path: &str, text: &str) -> Result<(), Report> {
        let span = self.locate(path);
        let value = Node::of(&Self::parse(&format!("--set {path}"), text)?.to_json(), span);
        let refused = |message: String| {
            Report::new("", vec![Diagnostic::error("bad-set", &format!("--set {path}"), Span::default(), message)])
        };
        if matches!(&value.value, Value::Scalar(value) if value.is_null()) && self.take(path) {
            return Ok(());
        }
        let mut node = &mut self.root;
        for segment in segments(path) {
            node = match &mut node.value {
                Value::Map(fields) => {
                    let at = fields.iter().position(|(key, _)| key.name == segment).unwrap_or_else(|| {
                        let map = Node { span, value: Value::Map(Vec::new()) };
                        fields.push((Key { span, name: segment.clone() }, map));
                        fields.len() - 1
                    });
                    &mut fields[at].1
                }
                Value::List(items) => {
                    let count = items.len();
                    let item = segment.parse().ok().and_then(|at: usize| items.get_mut(at));
                    item.ok_or_else(|| refused(format!("`{segment}` is no place in a list of {count}")))?
                }
                Value::Scalar(_) => return Err(refused(format!("there is no `{segment}` in a value that is no map"))),
            };
        }
        *node = value;
        Ok(())
    }

    /// Takes the key at the end of `path` out of its map; whether there is such a map.
    fn take(&mut self, path: &str) -> bool {
        let segments = segments(path);
        let Some((last, above)) = segments.split_last() else { return false };
        let mut node = &mut self.root;
        for segment in above {
            let next = match &mut node.value {
                Value::Map(fields) => fields.iter_mut().find(|(key, _)| key.name == *segment).map(|(_, child)| child),
                Value::List(items) => segment.parse().ok().and_then(|at: usize| items.get_mut(at)),
                Value::Scalar(_) => None,
            };
            let Some(next) = next else { return false };
            node = next;
        }
        let Value::Map(fields) = &mut node.value else { return false };
        fields.retain(|(key, _)| key.name != *last);
        true
    }

    fn walk(&self, path: &str, key_wanted: bool) -> Span {
        let (mut node, mut key) = (&self.root, None);
        let mut complete = true;
        for segment in segments(path) {
            let Some((named, child)) = node.child(&segment) else {
                complete = false;
                break;
            };
            (node, key) = (child, named);
        }
        match (&node.value, key) {
            (Value::Scalar(value), Some(key)) if !complete || key_wanted || value.is_null() => key.span,
            (Value::Scalar(_), _) | (Value::List(_), None) => node.span,
            (_, Some(key)) => key.span,
            (Value::Map(fields), None) => fields.first().map_or(node.span, |(key, _)| key.span),
        }
    }
}

impl Node {
    /// A value that is not in the file, all of it at `span`.
    pub(crate) fn of(json: &serde_json::Value, span: Span) -> Self {
        let value = match json {
            serde_json::Value::Array(items) => Value::List(items.iter().map(|item| Self::of(item, span)).collect()),
            serde_json::Value::Object(fields) => {
                let field = |(name, value): (&String, &serde_json::Value)| {
                    (Key { span, name: name.clone() }, Self::of(value, span))
                };
                Value::Map(fields.iter().map(field).collect())
            }
            scalar => Value::Scalar(scalar.clone()),
        };
        Self { span, value }
    }

    /// The value as JSON.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Scalar(value) => value.clone(),
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(fields) => fields.iter().map(|(key, node)| (key.name.clone(), node.to_json())).collect(),
        }
    }

    /// The field called `name` of a map.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Node> {
        self.child(name).map(|(_, node)| node)
    }

    fn child(&self, segment: &str) -> Option<(Option<&Key>, &Node)> {
        match &self.value {
            Value::Scalar(_) => None,
            Value::List(items) => items.get(segment.parse::<usize>().ok()?).map(|node| (None, node)),
            Value::Map(fields) => {
                fields.iter().find(|(key, _)| key.name == segment).map(|(key, node)| (Some(key), node))
            }
        }
    }
}

/// The pointer of a path such as `mean[2]` below `pointer`.
pub(crate) fn pointer_below(pointer: &str, path: &str) -> String {
    segments(path).iter().fold(pointer.to_owned(), |pointer, segment| format!("{pointer}/{}", escaped(segment)))
}

fn segments(path: &str) -> Vec<String> {
    if let Some(pointer) = path.strip_prefix('/') {
        return pointer.split('/').map(|segment| segment.replace("~1", "/").replace("~0", "~")).collect();
    }
    let parts = path.split(['.', '[']).map(|segment| segment.trim_end_matches(']').to_owned());
    parts.filter(|segment| !segment.is_empty()).collect()
}

/// What the parser hands over, before places are made of its locations.
enum Raw {
    Scalar(serde_json::Value),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

/// Values that a pipeline may have: far more than anyone writes, far fewer than a file that grows by aliases.
const MAX_NODES: usize = 20_000;
/// Below this, every whole `f64` is one integer.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }
    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(serde_json::Value::Null))
    }
    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }
    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Raw, E> {
        Err(E::custom(format!("the number {value} has more than 64 bits")))
    }
    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Raw, E> {
        Err(E::custom(format!("the number {value} has more than 64 bits")))
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Raw, E> {
        // `size: 224.0` is a whole number to a JSON schema, but not to serde.
        if value.fract() == 0.0 && value.abs() < MAX_WHOLE && !(value == 0.0 && value.is_sign_negative()) {
            return Ok(Raw::Scalar((value as i64).into()));
        }
        let number = serde_json::Number::from_f64(value)
            .ok_or_else(|| E::custom(format!("`{value}` is not a finite number")))?;
        Ok(Raw::Scalar(number.into()))
    }
    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Scalar(value.into()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = access.next_entry()? {
            fields.push(field);
        }
        Ok(Raw::Map(fields))
    }
}

fn node(text: &str, raw: Spanned<Raw>) -> Node {
    let place = if raw.referenced == Location::UNKNOWN { raw.defined } else { raw.referenced };
    let value = match raw.value {
        Raw::Scalar(value) => Value::Scalar(value),
        Raw::List(items) => Value::List(items.into_iter().map(|item| node(text, item)).collect()),
        Raw::Map(fields) => {
            Value::Map(fields.into_iter().map(|(name, value)| (key(text, name), node(text, value))).collect())
        }
    };
    Node { span: span(text, place), value }
}

fn key(text: &str, name: Spanned<String>) -> Key {
    let place = if name.referenced == Location::UNKNOWN { name.defined } else { name.referenced };
    Key { span: span(text, place), name: name.value }
}

fn span(text: &str, location: Location) -> Span {
    let length = location.span().byte_len().unwrap_or_default() as usize;
    match location.span().byte_offset() {
        Some(start) => Span::of(text, start as usize..start as usize + length),
        None => at_character(text, location.line() as usize, location.column() as usize),
    }
}

/// The place of a character by its line and column, from 1; the last one before it where there is none.
fn at_character(text: &str, line: usize, column: usize) -> Span {
    let line_start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let inside = text[line_start..].lines().next().unwrap_or_default();
    let skipped: usize = inside.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum();
    Span::of(text, line_start + skipped..line_start + skipped)
}

fn broken(file: &str, text: &str, error: &Error) -> Report {
    let place = error.location().map_or_else(Span::default, |location| span(text, location));
    let whole = error.to_string();
    let message = whole.split(" at line ").next().unwrap_or(&whole);
    let (code, message, help) = match error {
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("a key");
            ("duplicate-key", format!("`{key}` is here twice"), Some("keep one"))
        }
        Error::MultipleDocuments { .. } => (
            "several-documents",
            "the file has more than one YAML document".to_owned(),
            Some("keep one pipeline per file"),
        ),
        Error::NonFiniteFloat { .. } => ("wrong-value", "only finite numbers are allowed".to_owned(), None),
        _ if message.starts_with("tabs") => {
            ("syntax", "tabs cannot indent YAML".to_owned(), Some("indent with spaces"))
        }
        // The error of a node that an alias leads to is wrapped, and only its text is left.
        _ if message.starts_with("budget breached") => (
            "too-large",
            format!("the file is too large, or grows too large by its aliases: {MAX_NODES} values are allowed"),
            None,
        ),
        _ if message.starts_with("recursion limit") => ("too-large", "the values are nested too deep".to_owned(), None),
        _ if message.contains("parsing a flow") => (
            "syntax",
            message.to_owned(),
            Some("close what `[` or `{` opened above, or put a comma between the values"),
        ),
        _ if message.contains("parsing a block") => {
            ("syntax", message.to_owned(), Some("indent the line like its neighbors"))
        }
        _ => ("syntax", message.to_owned(), None),
    };
    Report::new(text, vec![Diagnostic::error(code, file, place, message).maybe_help(help.map(str::to_owned))])
}
