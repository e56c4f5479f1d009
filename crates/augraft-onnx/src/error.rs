use std::io;
use std::path::{Path, PathBuf};

/// Says why a model cannot be read, trusted, cut or rewritten.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {}: {}", path.display(), answer(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The bytes are something else than an ONNX model.
    #[error("{origin} is not an ONNX model: {reason}; name a whole .onnx file")]
    NotOnnx {
        /// The file, or "the model" for one that came from memory.
        origin: String,
        /// What gave it away.
        reason: String,
    },
    /// The bytes are an ONNX model that breaks a rule of the format.
    #[error("{origin} is not a valid ONNX model: {problem}")]
    Invalid {
        /// The file, or "the model" for one that came from memory.
        origin: String,
        /// Which part breaks which rule.
        problem: String,
    },
    /// A tensor keeps its data in another file, and that file cannot be used.
    #[error("the data of tensor '{tensor}' cannot be read from '{location}': {problem}")]
    ExternalData {
        /// The tensor.
        tensor: String,
        /// The file, as the model names it.
        location: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// No tensor that a step could act on has this name.
    #[error("the model has no activation named '{name}'{}", did_you_mean(nearest))]
    UnknownTensor {
        /// The name that was asked for.
        name: String,
        /// The nearest names that exist, best first.
        nearest: Vec<String>,
    },
    /// The model as a whole is none that nodes can be grafted into.
    #[error("the model cannot take a graft: {problem}")]
    Graft {
        /// Why not.
        problem: String,
    },
    /// The tensor exists, and the model cannot be cut there.
    #[error("the model cannot be cut at '{site}': {problem}")]
    Cut {
        /// The tensor.
        site: String,
        /// Why not, and what to do.
        problem: String,
    },
    /// The model accepts one batch size, and that cannot be changed.
    #[error("the batch of the model cannot be freed: {problem}; export the model with a named batch dimension")]
    Batch {
        /// What holds the batch size.
        problem: String,
    },
    /// The model cannot be rewritten for another version of the standard operators.
    #[error("the model cannot be raised from opset {from} to {to}: {problem}")]
    Opset {
        /// The version that the model is written for.
        from: i64,
        /// The version that was asked for.
        to: i64,
        /// Which node stands in the way, and what to do.
        problem: String,
    },
}

/// What an error calls a model that did not come from a file.
const IN_MEMORY: &str = "the model";

impl Error {
    pub(crate) fn not_onnx(reason: impl Into<String>) -> Self {
        Self::NotOnnx { origin: IN_MEMORY.into(), reason: reason.into() }
    }

    pub(crate) fn invalid(problem: impl Into<String>) -> Self {
        Self::Invalid { origin: IN_MEMORY.into(), problem: problem.into() }
    }

    /// Names the file that the model came from.
    pub(crate) fn in_file(self, path: &Path) -> Self {
        let origin = path.display().to_string();
        match self {
            Self::NotOnnx { reason, .. } => Self::NotOnnx { origin, reason },
            Self::Invalid { problem, .. } => Self::Invalid { origin, problem },
            other => other,
        }
    }
}

/// Says what the operating system said.
pub(crate) fn answer(source: &io::Error) -> String {
    match source.kind() {
        io::ErrorKind::NotFound => "it does not exist; check the path".to_owned(),
        io::ErrorKind::FileTooLarge => source.to_string(),
        _ => format!("{source}; check the path"),
    }
}

fn did_you_mean(nearest: &[String]) -> String {
    if nearest.is_empty() {
        return String::new();
    }
    let names: Vec<String> = nearest.iter().map(|name| format!("'{name}'")).collect();
    format!("; did you mean {}?", names.join(", "))
}
