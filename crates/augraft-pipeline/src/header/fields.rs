//! What the headers of ONNX files and of lists of steps have in common.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::diagnostic::{Diagnostic, Report, Span};

/// Version of the format of headers.
pub(super) const VERSION: u64 = 1;

/// What is said of a header that cannot be read.
pub(super) fn unreadable_header(name: &str, error: &std::io::Error) -> Report {
    let message = format!("the header of an operator cannot be read: {error}");
    let error = Diagnostic::error("unreadable", name, Span::default(), message);
    Report::new("", vec![error.help("name the YAML file beside the ONNX file")])
}

/// The version that brought what does not say one.
pub(super) fn first_version() -> String {
    "0.1.0".to_owned()
}

/// The schema of what a header has.
pub(super) fn schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    // An optional field is left out; `null` is no value of its type.
    for field in ["output", "labels"] {
        if let Some(Value::Object(field)) = schema.pointer_mut(&format!("/properties/{field}")) {
            field.remove("default");
        }
    }
    schema
}
