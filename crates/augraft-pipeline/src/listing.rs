//! The table of everything that a step can be.

use augraft_operator::{Entry, Macro, Parity, Registry, first_paragraph};
use serde_json::Value;

use crate::combinators::{COMBINATORS, Combinator};
use crate::explain::parity;
use crate::table::columns;

/// A line of the table: an operator, or something that is made of operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Name in YAML.
    pub name: String,
    /// What kind of change it makes.
    pub kind: String,
    /// What it acts on, such as `images, labels`.
    pub acts_on: String,
    /// How closely the backends agree.
    pub parity: String,
    /// Whether it can be written as ONNX.
    pub exports: String,
    /// Version that brought it.
    pub since: String,
    /// Where it comes from, such as `crate augraft-mix`.
    pub origin: String,
    /// What it does, in one sentence.
    pub summary: String,
}

/// What is known of an operator in short.
#[must_use]
pub fn listing(entry: &Entry) -> Listing {
    let targets: Vec<&str> = entry.targets().into_iter().map(augraft_operator::Target::name).collect();
    Listing {
        name: entry.name.to_owned(),
        kind: entry.effects().name().to_owned(),
        acts_on: targets.join(", "),
        parity: parity(entry.parity),
        exports: if matches!(entry.parity, Parity::NativeOnly(_)) { "no" } else { "yes" }.to_owned(),
        since: entry.since.to_owned(),
        origin: format!("{} {}", if entry.is_file() { "file" } else { "crate" }, entry.origin),
        summary: entry.summary(),
    }
}

/// Prints listings, one in a line under a head.
#[must_use]
pub fn listings_table(listings: &[Listing]) -> String {
    let head = ["name", "kind", "acts on", "backends agree", "exports", "since", "from", "summary"].map(str::to_owned);
    let row = |listing: &Listing| {
        let Listing { name, kind, acts_on, parity, exports, since, origin, summary } = listing;
        [name, kind, acts_on, parity, exports, since, origin, summary].map(Clone::clone)
    };
    let rows: Vec<_> = std::iter::once(head).chain(listings.iter().map(row)).collect();
    columns(&rows, "")
}

/// What is known of a combinator in short.
pub(crate) fn listing_of_combinator(known: &Combinator) -> Listing {
    let its_steps = || "as its steps".to_owned();
    Listing {
        name: known.name.to_owned(),
        kind: "combinator".to_owned(),
        acts_on: its_steps(),
        parity: its_steps(),
        exports: its_steps(),
        since: "0.1.0".to_owned(),
        origin: "crate augraft-pipeline".to_owned(),
        summary: first_paragraph((known.schema)()["description"].as_str().unwrap_or_default()),
    }
}

/// What is known of a macro in short: what its operators have in common.
pub(crate) fn listing_of_macro(registry: &Registry, known: &Macro) -> Listing {
    let mut inside = Vec::new();
    operators_in(registry, &known.steps, &mut inside);
    let inside: Vec<Listing> = inside.into_iter().map(listing).collect();
    let mut acts_on: Vec<&str> = Vec::new();
    for target in inside.iter().flat_map(|listing| listing.acts_on.split(", ")) {
        if !acts_on.contains(&target) {
            acts_on.push(target);
        }
    }
    let all = |field: fn(&Listing) -> &str, value: &str| inside.iter().all(|listing| field(listing) == value);
    Listing {
        name: known.name.clone(),
        kind: "macro".to_owned(),
        acts_on: acts_on.join(", "),
        parity: if all(|listing| &listing.parity, "exact") { "exact" } else { "as its steps" }.to_owned(),
        exports: if all(|listing| &listing.exports, "yes") { "yes" } else { "no" }.to_owned(),
        since: known.since.clone(),
        origin: format!("file {}", known.origin),
        summary: first_paragraph(&known.description),
    }
}

/// The operators that steps name, those in combinators and macros included.
fn operators_in(registry: &Registry, steps: &Value, found: &mut Vec<&'static Entry>) {
    for step in steps.as_array().into_iter().flatten() {
        let names: Vec<&str> = match step {
            Value::String(name) => vec![name],
            Value::Object(fields) => fields.keys().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        for name in names {
            found.extend(registry.get(name));
            operators_in(registry, &step[name]["steps"], found);
            if let Some(inner) = registry.macro_of(name).filter(|inner| inner.steps != *steps) {
                operators_in(registry, &inner.steps, found);
            }
        }
    }
}

/// Lists everything that a step can be, one in a line: operators, combinators and macros.
#[must_use]
pub fn operators_table(registry: &Registry) -> String {
    let mut listings: Vec<Listing> = registry.iter().map(listing).collect();
    listings.extend(COMBINATORS.iter().map(listing_of_combinator));
    listings.extend(registry.macros().map(|known| listing_of_macro(registry, known)));
    listings.sort_by(|a, b| a.name.cmp(&b.name));
    listings_table(&listings)
}
