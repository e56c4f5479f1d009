//! What users see when something is wrong: one clear error, exit code 2, and nothing half-written.

mod annotations;
mod data;
mod engines;
mod exporting;
mod files;
mod models;
mod nets;
mod output;
mod support;
