//! One YAML file says how images, labels and feature maps are mixed; this crate is its command line and the facade over the other crates.
//!
//! A program of your own links more plugins by naming them, and is otherwise three lines: `fn main() -> ExitCode { augraft::main() }`.

mod command;
mod failure;
mod marks;
mod objects;
mod output;
mod palette;
mod preview;
mod progress;
mod sample;
mod sheet;
mod strips;
mod tile;

pub use augraft_data as data;
pub use augraft_engine as engine;
pub use augraft_experiment as experiment;
pub use augraft_onnx as onnx;
pub use augraft_operator as operator;
pub use augraft_pipeline as pipeline;

use augraft_color as _;
use augraft_erase as _;
use augraft_feature as _;
use augraft_geometry as _;
use augraft_mix as _;

pub use command::main;

/// The JSON schema of pipeline files, experiments included.
#[must_use]
pub fn schema(registry: &operator::Registry) -> serde_json::Value {
    let mut schema = pipeline::pipeline_schema(registry);
    let experiment = pipeline::inlined_schema::<experiment::ExperimentFields>();
    schema["properties"]["experiment"] = serde_json::json!({ "anyOf": [experiment, { "const": "doctor" }] });
    schema
}
