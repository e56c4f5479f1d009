//! The ways in which a graph is run when runs are compared.

use crate::onnxruntime::OnnxRuntime;
use crate::runtime::{Runtime, Use};
use crate::tract::Tract;

/// A runtime and how it is used, with a name for messages.
pub struct Backend {
    /// For example `tract, optimized`.
    pub name: String,
    /// Opens sessions.
    pub runtime: Box<dyn Runtime>,
    /// How it runs graphs.
    pub purpose: Use,
}

impl Backend {
    /// tract as the model is written, and optimized.
    #[must_use]
    pub fn of_tract() -> [Self; 2] {
        pair(Tract, "tract, raw", "tract, optimized")
    }

    /// ONNX Runtime without optimization, and with what it does by default; `device` goes into the names of other devices than the CPU.
    #[must_use]
    pub fn of_onnxruntime(runtime: OnnxRuntime, device: Option<&str>) -> [Self; 2] {
        match device {
            None => pair(runtime, "ONNX Runtime, level 0", "ONNX Runtime, default"),
            Some(device) => {
                let name = format!("ONNX Runtime, {device}");
                pair(runtime, &format!("{name}, level 0"), &name)
            }
        }
    }
}

fn pair(runtime: impl Runtime + Copy + 'static, raw: &str, optimized: &str) -> [Backend; 2] {
    let backend = |(name, purpose): (&str, Use)| Backend { name: name.to_owned(), runtime: Box::new(runtime), purpose };
    [(raw, Use::Graph), (optimized, Use::OptimizedGraph)].map(backend)
}
