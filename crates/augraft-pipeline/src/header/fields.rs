//! What the headers of ONNX files and of lists of steps have in common.

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
