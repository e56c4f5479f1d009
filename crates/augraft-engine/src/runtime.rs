//! What runs ONNX: the interface that tract and ONNX Runtime share.

use std::collections::BTreeMap;

use augraft_onnx::{Model, Tensor};

use crate::error::EngineError;

/// How a model is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// A network whose samples do not depend on each other: each may run on its own.
    Network,
    /// A network, or a stage of it, that must give the same bytes whole and cut.
    CutNetwork,
    /// A graph whose samples meet (partners, draws): the batch runs as one, without optimization.
    Graph,
    /// The same, with the optimization that the runtime does by default.
    OptimizedGraph,
}

/// A model that is ready to run.
pub trait Session: Send + Sync {
    /// Runs on inputs by name; returns the outputs in the order of the model.
    ///
    /// # Errors
    /// When an input does not fit or the runtime fails.
    fn run(&self, inputs: &[(&str, &Tensor)]) -> Result<Vec<Tensor>, EngineError>;
}

/// A runtime on a device.
pub trait Runtime: Send + Sync {
    /// Name as in YAML.
    fn name(&self) -> &'static str;
    /// Prepares a model.
    ///
    /// # Errors
    /// When the runtime cannot run the model.
    fn session(&self, model: &Model, purpose: Use) -> Result<Box<dyn Session>, EngineError>;
    /// Operators of a model that the runtime is known to lack, as `domain:Name` or `Name`.
    fn lacks(&self, model: &Model) -> Vec<String> {
        let _ = model;
        Vec::new()
    }
}

/// Tensors by name, as they are handed from stage to stage.
pub(crate) type Tensors = BTreeMap<String, Tensor>;
