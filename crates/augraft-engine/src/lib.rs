//! Binds plans to engines and runs them: native steps, tract, ONNX Runtime, export.
//!
//! The only crate that knows `ort` and `tract`.

mod backend;
mod compare;
mod doctor;
mod emit;
mod error;
mod export;
mod graft;
mod inspect;
mod native;
mod network;
mod objects;
mod onnx_operator;
mod onnxruntime;
mod open;
mod placement;
mod program;
mod runtime;
mod site;
mod staged;
mod stages;
mod timing;
mod tract;
mod verify;

pub use backend::Backend;
pub use compare::{images_tensor, largest_difference};
pub use doctor::{Cuts, Examination, answers_each, examine};
pub use emit::{DrawSource, ExportOptions};
pub use error::EngineError;
pub use export::{export, exported_steps};
pub use graft::graft;
pub use inspect::{Inspection, inspect};
pub use native::{StepDraws, run_steps};
pub use network::{AtSite, Network, put_tokens, token_map};
pub use objects::{ObjectArrays, object_difference};
pub use onnx_operator::load_operator;
pub use onnxruntime::{OnnxRuntime, Optimization};
pub use open::open;
pub use placement::{NodeRun, image_sized_on_cpu, profile};
pub use program::{Graft, Outcome, Predictions, Program};
pub use runtime::{Runtime, Session, Use};
pub use staged::{Boundary, StagedNetwork};
pub use timing::{Timed, time_in_turn, time_on_device};
pub use tract::Tract;
pub use verify::{FileFacts, Finding, Subject, Verifier};
