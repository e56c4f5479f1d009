//! The sorted list of every operator that is linked in.

use std::collections::BTreeMap;

use schemars::Schema;
use serde_json::Value;

use crate::operator::{AnyOperator, Operator};
use crate::schema::{schema_of, summary_of};
use crate::shape::{Issue, Parity};

/// What the registry knows of an operator.
pub struct Entry {
    /// Name in YAML.
    pub name: &'static str,
    /// Version that brought it.
    pub since: &'static str,
    /// How closely the backends agree.
    pub parity: Parity,
    /// Crate or file that it comes from.
    pub origin: &'static str,
    /// Peers whose options `compat` sets, with these options as JSON.
    pub presets: &'static [(&'static str, &'static str)],
    source: Source,
}

/// Where configured operators come from.
enum Source {
    Linked {
        schema: fn() -> Schema,
        parse: fn(serde_json::Value) -> Result<Box<dyn AnyOperator>, serde_json::Error>,
        default: fn() -> Box<dyn AnyOperator>,
    },
    Loaded(Box<dyn AnyOperator>, Schema),
}

inventory::collect!(Entry);

/// Adds an operator to the registry of every program that links its crate.
#[macro_export]
macro_rules! register_operator {
    ($operator:ty) => {
        $crate::inventory::submit! { $crate::Entry::of::<$operator>(env!("CARGO_PKG_NAME")) }
    };
}

impl Entry {
    /// Describes the operator `T` of the crate `origin`.
    #[must_use]
    pub const fn of<T: Operator>(origin: &'static str) -> Self {
        Self {
            name: T::NAME,
            since: T::SINCE,
            parity: T::PARITY,
            origin,
            presets: T::PRESETS,
            source: Source::Linked {
                schema: || schema_of::<T>(T::PRESETS),
                parse: |config| {
                    let config = with_preset(T::PRESETS, config)?;
                    serde_json::from_value::<T>(config).map(|operator| Box::new(operator) as Box<dyn AnyOperator>)
                },
                default: || Box::new(T::default()),
            },
        }
    }

    /// Describes an operator that was read from the file `origin`, with the version that it says it has and the schema of its configuration.
    #[must_use]
    pub fn loaded(operator: Box<dyn AnyOperator>, schema: Schema, since: &'static str, origin: &'static str) -> Self {
        let (name, parity) = (operator.name(), operator.parity());
        Self { name, since, parity, origin, presets: &[], source: Source::Loaded(operator, schema) }
    }

    /// Whether the operator was read from a file instead of linked.
    #[must_use]
    pub fn is_file(&self) -> bool {
        matches!(self.source, Source::Loaded(..))
    }

    /// JSON schema of the configuration, with the doc comments as descriptions.
    #[must_use]
    pub fn schema(&self) -> Schema {
        match &self.source {
            Source::Linked { schema, .. } => schema(),
            Source::Loaded(_, schema) => schema.clone(),
        }
    }

    /// Reads a configuration.
    ///
    /// # Errors
    /// When it does not fit the schema.
    pub fn parse(&self, config: serde_json::Value) -> Result<Box<dyn AnyOperator>, serde_json::Error> {
        match &self.source {
            Source::Linked { parse, .. } => parse(config),
            Source::Loaded(operator, _) => operator.with_config(config),
        }
    }

    /// The operator with its default configuration.
    #[must_use]
    pub fn default_operator(&self) -> Box<dyn AnyOperator> {
        match &self.source {
            Source::Linked { default, .. } => default(),
            // What an operator says of itself is a configuration that it takes.
            Source::Loaded(operator, _) => operator.with_config(operator.config()).expect("a configuration of its own"),
        }
    }

    /// The doc comment: what the operator does, its paper, an example.
    #[must_use]
    pub fn description(&self) -> String {
        self.schema().get("description").and_then(|text| text.as_str()).unwrap_or_default().to_owned()
    }

    /// The first block of YAML in the doc comment: a list of steps that ends with this operator.
    #[must_use]
    pub fn example(&self) -> Option<String> {
        let description = self.description();
        let mut lines = description.lines().skip_while(|line| *line != "```yaml");
        lines.next()?;
        Some(lines.take_while(|line| *line != "```").flat_map(|line| [line, "\n"]).collect())
    }

    /// The first paragraph of the doc comment.
    #[must_use]
    pub fn summary(&self) -> String {
        summary_of(&self.schema())
    }
}

/// A configuration whose `compat` is replaced by what it stands for.
fn with_preset(presets: &[(&str, &str)], config: Value) -> Result<Value, serde_json::Error> {
    let Value::Object(mut given) = config else { return Ok(config) };
    let Some(name) = given.get("compat").filter(|_| !presets.is_empty()) else { return Ok(Value::Object(given)) };
    let preset = presets.iter().find(|(known, _)| name == known).map(|(_, options)| *options);
    let preset = preset.ok_or_else(|| serde::de::Error::custom(format!("there is no preset {name}")))?;
    let Value::Object(mut options) = serde_json::from_str(preset)? else { return Ok(Value::Object(given)) };
    given.shift_remove("compat");
    options.append(&mut given);
    Ok(Value::Object(options))
}

/// All operators, by name.
#[derive(Clone)]
pub struct Registry {
    entries: BTreeMap<&'static str, &'static Entry>,
    macros: BTreeMap<String, Macro>,
}

/// A named list of steps with parameters, which stands for these steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Macro {
    /// Name in YAML.
    pub name: String,
    /// What it does.
    pub description: String,
    /// Version that brought it.
    pub since: String,
    /// File that it comes from.
    pub origin: String,
    /// Parameters and their defaults.
    pub parameters: serde_json::Map<String, Value>,
    /// The steps; `$NAME` in place of a value stands for a parameter.
    pub steps: Value,
}

impl Registry {
    /// Collects the operators of every linked plugin.
    ///
    /// # Panics
    /// When two operators have one name, which is a defect of the program that links them.
    #[must_use]
    pub fn linked() -> Self {
        let mut entries = BTreeMap::new();
        for entry in inventory::iter::<Entry> {
            let before: Option<&Entry> = entries.insert(entry.name, entry);
            assert!(before.is_none(), "two linked operators are called `{}`", entry.name);
        }
        Self { entries, macros: BTreeMap::new() }
    }

    /// The same with one macro more.
    ///
    /// # Errors
    /// When there is an operator or a macro of this name already.
    pub fn with_macro(mut self, new: Macro) -> Result<Self, Issue> {
        let origin = self.entries.get(&*new.name).map(|known| known.origin.to_owned());
        if let Some(origin) = origin.or_else(|| self.macros.get(&new.name).map(|known| known.origin.clone())) {
            let message = format!("there is an operator `{}` already, from {origin}", new.name);
            return Err(Issue::new("name", message).help("give the new one another name"));
        }
        self.macros.insert(new.name.clone(), new);
        Ok(self)
    }

    /// The macro called `name`.
    #[must_use]
    pub fn macro_of(&self, name: &str) -> Option<&Macro> {
        self.macros.get(name)
    }

    /// Every macro, sorted by name.
    pub fn macros(&self) -> impl Iterator<Item = &Macro> + '_ {
        self.macros.values()
    }

    /// The same with one operator more, which lives as long as the program.
    ///
    /// # Errors
    /// When there is an operator of this name already.
    pub fn with(mut self, entry: Entry) -> Result<Self, Issue> {
        if let Some(known) = self.entries.get(entry.name) {
            let message = format!("there is an operator `{}` already, from {}", entry.name, known.origin);
            return Err(Issue::new("name", message).help("give the new one another name"));
        }
        self.entries.insert(entry.name, Box::leak(Box::new(entry)));
        Ok(self)
    }

    /// The operator called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'static Entry> {
        self.entries.get(name).copied()
    }

    /// Every operator, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &'static Entry> + '_ {
        self.entries.values().copied()
    }
}
