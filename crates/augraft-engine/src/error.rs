//! What can go wrong while a program is bound or run.

use std::path::PathBuf;

use augraft_onnx::{Model, free_batch};
use augraft_operator::Issue;

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
    /// The runtime refused or failed with images of a size that the model leaves open.
    #[error(
        "{engine} cannot run the model on images of {height} x {width}: {reason}; {}", other_size(*fits)
    )]
    ImageSize {
        /// Name of the engine.
        engine: &'static str,
        /// Height of the images.
        height: usize,
        /// Width of the images.
        width: usize,
        /// What it says.
        reason: String,
        /// A size that it runs on.
        fits: Option<[usize; 2]>,
    },
    /// The model's batch is fixed.
    #[error("the batch of the model is baked in, but mixing needs several samples at once: {reason}; {remedy}")]
    BakedBatch {
        /// Where it is.
        reason: String,
        /// What to do.
        remedy: String,
    },
    /// What the pipeline says of an input or output of the model does not fit it.
    #[error("{message}")]
    Port {
        /// Field below `model`.
        field: String,
        /// What is wrong.
        message: String,
    },
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
    /// The batch of a model is baked in for this reason.
    #[must_use]
    pub fn baked(model: &Model, reason: String) -> Self {
        let remedy = match free_batch(model) {
            Ok(_) => "`augraft doctor MODEL --fix-batch FILE` may free it".to_owned(),
            Err(error) => error.to_string(),
        };
        Self::BakedBatch { reason, remedy }
    }

    /// A failure of the runtime called `engine`, with its chain of causes.
    pub(crate) fn runtime(engine: &'static str, error: impl std::fmt::Display) -> Self {
        let reason = error.to_string();
        let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
        Self::Runtime { engine, reason }
    }

    /// A failure of the runtime with images of a size that the model leaves open.
    pub(crate) fn on_images(self, [height, width]: [usize; 2]) -> Self {
        match self {
            Self::Runtime { engine, reason } => Self::ImageSize { engine, height, width, reason, fits: None },
            other => other,
        }
    }

    /// The same, with a size of images that the model runs on.
    pub(crate) fn fits(mut self, size: [usize; 2]) -> Self {
        if let Self::ImageSize { fits, .. } = &mut self {
            *fits = Some(size);
        }
        self
    }

    /// An issue of a step.
    pub(crate) fn step(step: &str, issue: Issue) -> Self {
        Self::Step { step: step.to_owned(), message: issue.message, help: issue.help }
    }
}

/// What to do about images of another size than a model runs on.
fn other_size(fits: Option<[usize; 2]>) -> String {
    match fits {
        Some([height, width]) => format!(
            "it runs on {height} x {width}: `resize` or crop the images to that (`--size {height} {width}` where there are none)"
        ),
        None => {
            "if the model needs another size, `resize` or crop the images to it (`--size H W` where there are none)"
                .to_owned()
        }
    }
}

/// The issue of the field of `model` that an error concerns.
impl From<EngineError> for Issue {
    fn from(error: EngineError) -> Self {
        let field = match &error {
            EngineError::Port { field, .. } => field,
            EngineError::LibraryMissing { .. } | EngineError::Library { .. } => "engine",
            EngineError::Device { .. } => "device",
            _ => "file",
        };
        Self::new(field, error.to_string())
    }
}
