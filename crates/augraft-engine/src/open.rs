//! The runtimes, by the names that plans have for them.

use std::path::Path;

use augraft_pipeline::{Device, EngineKind};

use crate::error::EngineError;
use crate::onnxruntime::{OnnxRuntime, Optimization};
use crate::runtime::Runtime;
use crate::tract::Tract;

/// Opens the runtime that a plan names; `library` is where ONNX Runtime lies, when the user said so.
///
/// # Errors
/// When the library or the device cannot be used; the message says what is missing.
pub fn open(engine: EngineKind, device: Device, library: Option<&Path>) -> Result<Box<dyn Runtime>, EngineError> {
    match (engine, device) {
        (EngineKind::Tract, Device::Cpu) => Ok(Box::new(Tract)),
        (EngineKind::Tract, Device::Cuda(_)) => Err(EngineError::Device {
            device: device.to_string(),
            reason: "tract runs on the CPU only; use the engine `onnxruntime`, or the device `cpu`".to_owned(),
        }),
        (EngineKind::Onnxruntime, device) => Ok(Box::new(OnnxRuntime::load(library, device, Optimization::Default)?)),
    }
}
