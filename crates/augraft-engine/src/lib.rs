//! Binds plans to engines and runs them: native steps, tract, ONNX Runtime, export.
//!
//! The only crate that knows `ort` and `tract`.

mod error;
mod export;
mod inspect;
mod native;
mod network;
mod onnxruntime;
mod placement;
mod program;
mod runtime;
mod timing;
mod tract;

pub use error::EngineError;
pub use export::{OPSET, export, exported_steps};
pub use inspect::{Inspection, inspect};
pub use native::{StepDraws, run_steps};
pub use network::{AtSite, Network};
pub use onnxruntime::{OnnxRuntime, Optimization};
pub use placement::{NodeRun, image_sized_on_cpu, profile};
pub use program::{Graft, Outcome, Predictions, Program};
pub use runtime::{Runtime, Session, Use, open};
pub use timing::time_on_device;
pub use tract::Tract;
