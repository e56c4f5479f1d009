//! Binds plans to engines and runs them: native steps, tract, ONNX Runtime, export.
//!
//! The only crate that knows `ort` and `tract`.

mod backend;
mod compare;
mod cut_model;
mod doctor;
mod emit;
mod error;
mod export;
mod graft;
mod inspect;
mod load;
mod map;
mod native;
mod objects;
mod onnx_operator;
mod onnxruntime;
mod open;
mod placement;
mod program;
mod runtime;
mod site;
mod timing;
mod tract;
mod verify;

pub use backend::Backend;
pub use compare::{images_tensor, largest_difference};
pub use cut_model::{AtSite, Boundary, CutModel, ModelForm};
pub use doctor::{Cuts, Examination, answers_each, examine};
pub use emit::{DrawSource, ExportOptions};
pub use error::EngineError;
pub use export::{export, exported_steps};
pub use graft::graft;
pub use inspect::{Inspection, image_sides, inspect, inspect_as};
pub use load::{load_model, with_ports};
pub use map::{of_map, to_map};
pub use native::{StepDraws, run_steps};
pub use objects::{ObjectArrays, object_difference};
pub use onnx_operator::load_operator;
pub use onnxruntime::{OnnxRuntime, Optimization};
pub use open::open;
pub use placement::{NodeRun, image_sized_on_cpu, profile};
pub use program::{Graft, Outcome, Predictions, Program, identity_cut_error};
pub use runtime::{Runtime, Session, Use};
pub use timing::{Timed, time_in_turn, time_on_device};
pub use tract::Tract;
pub use verify::{FileFacts, Finding, Subject, Verifier};
