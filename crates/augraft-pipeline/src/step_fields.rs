//! What a step has beside its operator.

use augraft_operator::Registry;
use schemars::{Schema, json_schema};
use serde_json::{Value as Json, json};

use crate::layout::Tokens;

/// Fields of a step that are no operator.
pub(crate) const RESERVED: [&str; 4] = ["id", "at", "layout", "tokens"];

/// The schema of an explicit id.
pub(crate) fn id_schema() -> Schema {
    json_schema!({
        "description": "Name of the step, which its draws are keyed by; by default the operator's name and occurrence.",
        "type": "string",
        "pattern": "^[A-Za-z0-9_.-]+$",
        "examples": ["deep-cutmix", "cutmix_2"]
    })
}

/// The schema of the tensor that a step acts at.
pub(crate) fn at_schema() -> Schema {
    json_schema!({
        "description": "Where the step acts: a name of `sites`, a tensor, or a pattern with `*` and `?`.",
        "type": "string",
        "minLength": 1
    })
}

/// The schema of `layout`.
pub(crate) fn layout_schema() -> Json {
    json!({
        "description": "Order of the axes of the tensor: samples N, then channels C, rows H, columns W; tokens are N,T,C. By default what the model shows.",
        "enum": ["nchw", "nhwc", "tokens"]
    })
}

/// The schema of `tokens`.
pub(crate) fn tokens_schema() -> Json {
    schemars::SchemaGenerator::default().into_root_schema_for::<Tokens>().to_value()
}

/// Names that a step can have: operators, by former names too, combinators and macros, sorted.
pub(crate) fn step_names(registry: &Registry) -> Vec<&str> {
    let combinators = crate::combinators::COMBINATORS.iter().map(|known| known.name);
    let macros = registry.macros().map(|known| known.name.as_str());
    let operators = registry.iter().map(|entry| entry.name).chain(registry.aliases().map(|(former, _)| former));
    let mut names: Vec<&str> = operators.chain(combinators).chain(macros).collect();
    names.sort_unstable();
    names
}
