//! The table of everything that a step can be.

use augraft_operator::{Entry, Parity, Registry, Role};

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
    pub exports: bool,
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
        kind: role(entry.role).to_owned(),
        acts_on: targets.join(", "),
        parity: parity(entry.parity),
        exports: !matches!(entry.parity, Parity::NativeOnly(_)),
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
        let exports = if listing.exports { "yes" } else { "no" };
        let Listing { name, kind, acts_on, parity, since, origin, summary, .. } = listing;
        [name, kind, acts_on, parity, exports, since, origin, summary].map(str::to_owned)
    };
    let rows: Vec<_> = std::iter::once(head).chain(listings.iter().map(row)).collect();
    columns(&rows, "")
}

/// Lists all operators, one in a line.
#[must_use]
pub fn operators_table(registry: &Registry) -> String {
    listings_table(&registry.iter().map(listing).collect::<Vec<_>>())
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Geometry => "geometry",
        Role::Color => "color",
        Role::Mix => "mix",
        Role::Erase => "erase",
    }
}
