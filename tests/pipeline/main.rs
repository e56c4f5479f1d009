//! From YAML to a plan: reports, plans, catalogue, with every bundled operator linked.

use augraft as _;

mod catalogue;
mod combinators;
mod plans;
mod reports;
