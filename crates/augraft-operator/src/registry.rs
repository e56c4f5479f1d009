//! The sorted list of every operator that is linked in.

use std::collections::BTreeMap;

use schemars::Schema;
use serde_json::Value;

use crate::any_operator::AnyOperator;
use crate::operator::Operator;
use crate::scalar::Row;
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
    /// Reference libraries whose options `compat` sets, with these options as JSON.
    pub presets: &'static [(&'static str, &'static str)],
    /// Former names, with the options that each stood for as JSON.
    pub aliases: &'static [(&'static str, &'static str)],
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
    pub const fn of<T: Operator>(origin: &'static str) -> Self
    where
        T::Draw<Row>: Sync,
    {
        Self {
            name: T::NAME,
            since: T::SINCE,
            parity: T::PARITY,
            origin,
            presets: T::PRESETS,
            aliases: T::ALIASES,
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
        Self { name, since, parity, origin, presets: &[], aliases: &[], source: Source::Loaded(operator, schema) }
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

    /// Whether the configuration has an option of this name.
    #[must_use]
    pub fn has_option(&self, name: &str) -> bool {
        self.schema().get("properties").is_some_and(|options| options.get(name).is_some())
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

    /// What `config` beside `name`, which may be a former name, means beside the name of today.
    #[must_use]
    pub fn config_of(&self, name: &str, config: Value) -> Value {
        let options = self.aliases.iter().find(|(former, _)| *former == name).map(|(_, options)| *options);
        match (options.and_then(|options| serde_json::from_str(options).ok()), config) {
            (Some(Value::Object(options)), Value::Null) => Value::Object(options),
            (Some(Value::Object(mut options)), Value::Object(mut given)) => {
                options.append(&mut given);
                Value::Object(options)
            }
            (_, config) => config,
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
    aliases: BTreeMap<&'static str, &'static Entry>,
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
        Self::of(inventory::iter::<Entry>)
    }

    fn of(linked: impl IntoIterator<Item = &'static Entry>) -> Self {
        let (mut entries, mut aliases) = (BTreeMap::new(), BTreeMap::new());
        for entry in linked {
            let before: Option<&Entry> = entries.insert(entry.name, entry);
            assert!(before.is_none(), "two linked operators are called `{}`", entry.name);
            for (former, _) in entry.aliases {
                let before: Option<&Entry> = aliases.insert(*former, entry);
                assert!(before.is_none(), "two linked operators were called `{former}`");
            }
        }
        let again = aliases.keys().find(|former| entries.contains_key(*former));
        assert!(again.is_none(), "an operator is called as another one was: {again:?}");
        Self { entries, aliases, macros: BTreeMap::new() }
    }

    /// The same with one macro more.
    ///
    /// # Errors
    /// When there is an operator or a macro of this name already.
    pub fn with_macro(mut self, new: Macro) -> Result<Self, Issue> {
        let origin = self.get(&new.name).map(|known| known.origin.to_owned());
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
        if let Some(known) = self.get(entry.name) {
            let message = format!("there is an operator `{}` already, from {}", entry.name, known.origin);
            return Err(Issue::new("name", message).help("give the new one another name"));
        }
        self.entries.insert(entry.name, Box::leak(Box::new(entry)));
        Ok(self)
    }

    /// The operator that is called `name`, or was.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'static Entry> {
        self.entries.get(name).or_else(|| self.aliases.get(name)).copied()
    }

    /// Every former name of an operator with the operator, sorted by name.
    pub fn aliases(&self) -> impl Iterator<Item = (&'static str, &'static Entry)> + '_ {
        self.aliases.iter().map(|(former, entry)| (*former, *entry))
    }

    /// Every operator, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &'static Entry> + '_ {
        self.entries.values().copied()
    }
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;
    use crate::dice::{Dice, Extent};
    use crate::draws::Fixed;
    use crate::shape::Shape;

    /// Does nothing, and had another name.
    #[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, default)]
    struct Renamed {
        /// How strong.
        strength: u32,
        /// How often.
        times: u32,
    }

    impl Operator for Renamed {
        const NAME: &'static str = "renamed";
        const SINCE: &'static str = "0.1.0";
        const PARITY: Parity = Parity::Exact;
        const ALIASES: &'static [(&'static str, &'static str)] = &[("former", r#"{"strength":3}"#)];
        type Draw<D: Dice> = Fixed<D>;

        fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
            Ok(shape.clone())
        }

        fn draw<D: Dice>(&self, _: D, _: &Extent<D>) -> Fixed<D> {
            Fixed::new()
        }
    }

    static RENAMED: Entry = Entry::of::<Renamed>("a crate");

    #[test]
    fn a_former_name_stands_for_the_operator_with_its_options() {
        let registry = Registry::of([&RENAMED]);
        assert_eq!(registry.get("former").map(|entry| entry.name), Some("renamed"));
        assert_eq!(registry.iter().map(|entry| entry.name).collect::<Vec<_>>(), ["renamed"]);
        assert_eq!(registry.aliases().map(|(former, _)| former).collect::<Vec<_>>(), ["former"]);
        let config = |name: &str, config: Value| RENAMED.config_of(name, config);
        assert_eq!(config("former", Value::Null), json!({ "strength": 3 }));
        assert_eq!(config("former", json!({ "times": 2 })), json!({ "strength": 3, "times": 2 }));
        assert_eq!(config("former", json!({ "strength": 1 })), json!({ "strength": 1 }));
        assert_eq!(config("renamed", Value::Null), Value::Null);
        assert_eq!(config("former", json!("text")), json!("text"));
    }

    #[test]
    fn no_name_is_given_twice() {
        let registry = || Registry::of([&RENAMED]);
        let named = |name: &str| Macro {
            name: name.to_owned(),
            description: String::new(),
            since: String::new(),
            origin: "a file".to_owned(),
            parameters: serde_json::Map::new(),
            steps: json!([]),
        };
        assert!(registry().with_macro(named("former")).is_err());
        assert!(registry().with_macro(named("other")).is_ok());
        assert!(registry().with(Entry::of::<Renamed>("another crate")).is_err());
        let again = std::panic::catch_unwind(|| Registry::of([&RENAMED, &RENAMED]));
        assert!(again.is_err());
    }

    #[test]
    #[should_panic(expected = "an operator is called as another one was: Some(\"former\")")]
    fn no_operator_has_a_former_name_of_another() {
        let mut former = Entry::of::<Renamed>("a crate");
        (former.name, former.aliases) = ("former", &[]);
        let _ = Registry::of([&RENAMED, Box::leak(Box::new(former))]);
    }
}
