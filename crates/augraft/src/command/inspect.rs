//! Commands that look at operators, models and engines.

use std::fmt::Write;
use std::path::Path;

use augraft_engine::{OnnxRuntime, Optimization, inspect, open};
use augraft_onnx::{Model, Site};
use augraft_operator::Registry;
use augraft_pipeline::{Device, EngineKind};

use super::arguments::EngineArgs;
use crate::failure::Failure;

/// The page of one operator.
pub(super) fn operator(registry: &Registry, name: &str) -> Result<String, Failure> {
    augraft_pipeline::page(registry, name)
        .ok_or_else(|| Failure::User(augraft_pipeline::unknown_operator(registry, name)))
}

/// The tensors of a model at which steps can act, as a table.
pub(super) fn sites(path: &Path, engine: &EngineArgs, all: bool) -> Result<String, Failure> {
    let model = Model::load(path)?;
    let (kind, device) = (engine.engine.unwrap_or(EngineKind::Tract), engine.device.unwrap_or(Device::Cpu));
    let runtime = open(kind, device, engine.onnxruntime.as_deref())?;
    let inspection = inspect(&*runtime, &model, None)?;
    let is_map = |site: &&Site| site.shape.as_ref().is_some_and(|shape| shape.len() == 4);
    let maps: Vec<&Site> = inspection.sites.iter().filter(is_map).collect();
    let shown: Vec<&Site> = maps.iter().copied().filter(|site| all || site.dominates).collect();
    let width = shown.iter().map(|site| site.name.len()).max().unwrap_or(0).max(6);
    let mut table = String::new();
    let _ =
        writeln!(table, "{:width$}  {:20} {:18} {:9} {:>10}", "tensor", "operator", "shape", "dominates", "cost after");
    for site in &shown {
        let sides = site.shape.iter().flatten().skip(1).fold("N".to_owned(), |text, side| format!("{text},{side}"));
        let dominates = if site.dominates { "yes".to_owned() } else { format!("no (+{})", site.skips) };
        let _ = writeln!(
            table,
            "{:width$}  {:20} {:18} {dominates:9} {:>9.1}%",
            site.name,
            site.op_type,
            format!("[{sides}]"),
            100.0 * site.macs_after
        );
    }
    let hidden = maps.len() - shown.len();
    if hidden > 0 {
        let _ = writeln!(
            table,
            "{hidden} more feature maps have skip connections around them (a graft there leaves what those carry unmixed); --all lists them"
        );
    }
    if let Some(reason) = augraft_onnx::baked_batch(&model) {
        let _ = writeln!(
            table,
            "The batch is baked in, so that samples cannot be mixed: {reason}; `augraft doctor MODEL --fix-batch FILE` may free it"
        );
    }
    Ok(table)
}

/// What works on this machine.
pub(super) fn engines(library: Option<&Path>) -> String {
    let mut table = "tract        cpu     works (embedded)\n".to_owned();
    match OnnxRuntime::describe(library) {
        Ok((path, build)) => {
            let _ = writeln!(table, "onnxruntime  cpu     works ({}; {build})", path.display());
        }
        Err(error) => {
            let _ = writeln!(table, "onnxruntime  cpu     no: {error}");
            table.push_str("onnxruntime  cuda:0  no: for the same reason\n");
            return table;
        }
    }
    match OnnxRuntime::load(library, Device::Cuda(0), Optimization::Default) {
        Ok(_) => table.push_str("onnxruntime  cuda:0  works\n"),
        Err(error) => {
            let _ = writeln!(table, "onnxruntime  cuda:0  no: {error}");
        }
    }
    table
}
