//! What can go wrong in an experiment.

use augraft_pipeline::Report;

/// An error of an experiment, for the user.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExperimentError {
    /// Problems of the file, each at its place.
    #[error(transparent)]
    Report(#[from] Report),
    /// The engine or the model.
    #[error(transparent)]
    Engine(#[from] augraft_engine::EngineError),
    /// The data, or a file that cannot be written.
    #[error(transparent)]
    Data(#[from] augraft_data::Error),
    /// A file of rows cannot be written or read.
    #[error("{what} `{path}`: {reason}")]
    File {
        /// What was done, such as `cannot write`.
        what: &'static str,
        /// The file.
        path: String,
        /// Why it failed.
        reason: String,
    },
    /// An intervention changed nothing where it should have.
    #[error(
        "`{intervention}` at `{site}`{setting} changed no element in any of {rows} rows; check the site and the options, or allow it with `allow_no_change: true`"
    )]
    NoOp {
        /// Name of the intervention.
        intervention: String,
        /// Where.
        site: String,
        /// Values of its variables, in brackets; empty without any.
        setting: String,
        /// Rows that were run.
        rows: usize,
    },
    /// Something does not fit.
    #[error("{0}")]
    Unfit(String),
}

impl ExperimentError {
    pub(crate) fn file(what: &'static str, path: &std::path::Path, reason: impl std::fmt::Display) -> Self {
        Self::File { what, path: path.display().to_string(), reason: reason.to_string() }
    }
}
