//! How a command ends when it cannot do what it was asked to.

use augraft_data::Error as DataError;
use augraft_engine::EngineError;
use augraft_pipeline::Report;

/// What is printed, and the exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Problems of the pipeline file, rendered with places and carets; exit code 2.
    Report(Report),
    /// Anything else that the user can mend; exit code 2.
    User(String),
    /// A check that did not hold; exit code 1.
    Check(String),
}

impl Failure {
    pub(crate) fn user(message: impl std::fmt::Display) -> Self {
        Self::User(message.to_string())
    }
}

impl From<Report> for Failure {
    fn from(report: Report) -> Self {
        Self::Report(report)
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self::user(error)
    }
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        Self::user(error)
    }
}

impl From<augraft_onnx::Error> for Failure {
    fn from(error: augraft_onnx::Error) -> Self {
        Self::user(error)
    }
}
