//! What can go wrong while a program is bound or run.

use std::path::PathBuf;

/// An error of the engines, for the user.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The model file cannot be used.
    #[error(transparent)]
    Model(#[from] augraft_onnx::Error),
    /// ONNX Runtime's library is nowhere.
    #[error(
        "ONNX Runtime was not found (looked at {looked}); get it with `cargo xtask onnxruntime`, or name the library with --onnxruntime PATH or ORT_DYLIB_PATH"
    )]
    LibraryMissing {
        /// Where it was searched.
        looked: String,
    },
    /// ONNX Runtime's library cannot be loaded.
    #[error("{} cannot be used as ONNX Runtime: {reason}; get a fitting one with `cargo xtask onnxruntime`", path.display())]
    Library {
        /// The file.
        path: PathBuf,
        /// What the loader says.
        reason: String,
    },
    /// The device cannot be used.
    #[error("device `{device}` cannot be used: {reason}")]
    Device {
        /// As in YAML.
        device: String,
        /// What is missing.
        reason: String,
    },
    /// The runtime refused or failed.
    #[error("{engine} cannot run the model: {reason}")]
    Runtime {
        /// Name of the engine.
        engine: &'static str,
        /// What it says.
        reason: String,
    },
    /// The model's batch is fixed.
    #[error(
        "the batch of the model is baked in ({0}); mixing needs two samples at once, so export the model with a dynamic batch axis"
    )]
    BakedBatch(String),
    /// The model does not fit the pipeline.
    #[error("{0}")]
    Unfit(String),
    /// A step cannot do what was asked.
    #[error("step `{step}`: {message}{}", help.as_ref().map(|help| format!("; {help}")).unwrap_or_default())]
    Step {
        /// Id of the step.
        step: String,
        /// What is wrong.
        message: String,
        /// What to do.
        help: Option<String>,
    },
    /// A graft changed nothing where it should have.
    #[error(
        "step `{step}` at `{site}` changed nothing: {acting} samples were drawn to be mixed, but no element of the tensor differs; is the tensor constant, or are all samples equal?"
    )]
    NoOp {
        /// Id of the step.
        step: String,
        /// Tensor of the model.
        site: String,
        /// Samples that should have changed.
        acting: usize,
    },
}

impl EngineError {
    /// A failure of the runtime called `engine`, with its chain of causes.
    pub(crate) fn runtime(engine: &'static str, error: impl std::fmt::Display) -> Self {
        let reason = error.to_string();
        let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
        Self::Runtime { engine, reason }
    }

    /// An issue of a step.
    pub(crate) fn step(step: &str, issue: augraft_operator::Issue) -> Self {
        Self::Step { step: step.to_owned(), message: issue.message, help: issue.help }
    }
}
