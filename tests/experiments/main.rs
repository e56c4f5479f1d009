//! `augraft experiment` and `augraft compare`, from the file to the report.

mod heads;
mod reference;
mod refused;
mod report;
mod runs;
mod support;
