//! From YAML to a plan: reports, plans, catalog, with every bundled operator linked.

use augraft as _;

mod catalog;
mod combinators;
mod plans;
mod reports;
