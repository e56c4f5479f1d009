//! `augraft doctor`: what is wrong with a model, and where steps can act.

use std::path::Path;

use augraft_engine::{Cuts, Examination, OnnxRuntime, Optimization, Runtime, Tract, answers_each, examine, load_model};
use augraft_onnx::{Dim, Model, Port, baked_batch, free_batch, unsteady};
use augraft_pipeline::{Device, ImageLayout, ModelPorts};

use super::print::{counted, print};
use crate::failure::Failure;

/// Examines the model on every engine and prints what it finds as it goes; with `fixed`, also writes the model with a free batch.
pub(super) fn doctor(
    path: &Path,
    fixed: Option<&Path>,
    (ports, size): (&ModelPorts, Option<[usize; 2]>),
    library: Option<&Path>,
) -> Result<Vec<Examination>, Failure> {
    let model = load_model(path, ports)?;
    let mut printed = Ok(());
    let mut line = |what: &str, said: &str| {
        if printed.is_ok() {
            printed = print(&format!("{what:<12} {said}\n"));
        }
    };
    let graph = model.proto().graph.as_ref();
    line(
        "model",
        &format!("{}, {} nodes, opset {}", path.display(), graph.map_or(0, |graph| graph.node.len()), model.opset()),
    );
    for (what, ports) in [("input", model.inputs()), ("output", model.outputs())] {
        for port in &ports {
            line(what, &described(port));
        }
    }
    let unsteady = unsteady(&model);
    for (at, what) in unsteady.iter().take(4).enumerate() {
        line(if at == 0 { "unsteady" } else { "" }, what);
    }
    if let Some(rest) = unsteady.len().checked_sub(4).filter(|rest| *rest > 0) {
        line("", &format!("and {rest} more"));
    }
    let cuts = Cuts::of(&model);
    line("sites", &format!("{} activations, {} of them clean cuts", cuts.activations, cuts.clean.len()));
    let examined = match baked_batch(&model) {
        None => {
            if let Some(file) = fixed {
                line("batch", &format!("free already, so {} was not written", file.display()));
            }
            model
        }
        Some(reason) => {
            line("batch", &format!("baked in: {reason}"));
            match free_batch(&model) {
                Ok(freed) => {
                    let done = if fixed.is_some() { "freed" } else { "--fix-batch FILE would free it" };
                    line("", &format!("{done}, by {}:", counted(freed.changes.len(), "change")));
                    for change in freed.changes.iter().take(4) {
                        line("", &format!("  {change}"));
                    }
                    if let Some(rest) = freed.changes.len().checked_sub(4).filter(|rest| *rest > 0) {
                        line("", &format!("  and {rest} more like these"));
                    }
                    if let Some(file) = fixed {
                        let reasons = check_freed(&freed.model, (ports.layout, size), library)?;
                        augraft_data::atomic_write(file, &freed.model.to_bytes())?;
                        line("", &format!("written to {}", file.display()));
                        for reason in reasons {
                            line("", &format!("  not run on several samples: {reason}"));
                        }
                    }
                    line("", "what follows is said of the model with a free batch");
                    freed.model
                }
                Err(error) if fixed.is_some() => return Err(error.into()),
                Err(error) => {
                    line("", &format!("it cannot be freed: {error}"));
                    model
                }
            }
        }
    };
    let mut examinations = Vec::new();
    let is_baked = baked_batch(&examined).is_some();
    for (name, runtime) in engines(library) {
        match runtime {
            Ok(_) if is_baked => line(name, "was not asked: two samples at once do not fit a baked batch"),
            Err(reason) => line(name, &format!("not here: {reason}")),
            Ok(runtime) => match examine(&*runtime, &examined, &cuts.clean, (ports.layout, size)) {
                Ok(examination) => {
                    diagnose(&examination, &mut line);
                    examinations.push(examination);
                }
                Err(error) => line(name, &format!("was not asked: {error}")),
            },
        }
    }
    printed.map(|()| examinations)
}

/// Runs a freed model on several samples on every engine; why those that could not say anything did not.
fn check_freed(
    model: &Model,
    images: (Option<ImageLayout>, Option<[usize; 2]>),
    library: Option<&Path>,
) -> Result<Vec<String>, Failure> {
    let mut reasons = Vec::new();
    for (name, runtime) in engines(library) {
        let said = runtime.map(|runtime| answers_each(&*runtime, model, images).map_err(|error| error.to_string()));
        match said.and_then(|said| said) {
            Ok(None) => {}
            Ok(Some(wrong)) => {
                let message = format!(
                    "the batch cannot be freed by its shapes alone: {wrong}; export the model with a dynamic batch"
                );
                return Err(Failure::user(message));
            }
            Err(reason) => reasons.push(format!("{name}: {reason}")),
        }
    }
    Ok(reasons)
}

/// Name of an engine, and it or why it cannot be used.
type Engine = (&'static str, Result<Box<dyn Runtime>, String>);

/// Every engine on the CPU.
fn engines(library: Option<&Path>) -> Vec<Engine> {
    let onnxruntime = OnnxRuntime::load(library, Device::Cpu, Optimization::Default);
    let onnxruntime = onnxruntime.map(|runtime| Box::new(runtime) as Box<dyn Runtime>);
    vec![("tract", Ok(Box::new(Tract))), ("onnxruntime", onnxruntime.map_err(|error| error.to_string()))]
}

fn diagnose(examination: &Examination, line: &mut impl FnMut(&str, &str)) {
    match &examination.batch {
        Err(reason) if examination.lacks.is_empty() => {
            return line(examination.engine, &format!("does not run it: {reason}"));
        }
        Err(_) => {
            let lacks = examination.lacks.join(", ");
            return line(examination.engine, &format!("does not run it: it lacks the operators {lacks}"));
        }
        Ok([difference, largest]) => line(
            examination.engine,
            &format!(
                "runs it; at batch 2 an output differs from that of each sample alone by {difference:e} at most, of {largest:.3}"
            ),
        ),
    }
    if examination.is_nan {
        line("", "  the answers to two images of noise are not all numbers");
    }
    if examination.disturbs {
        line("", "  samples disturb each other: the answer to a sample depends on those beside it in the batch");
    }
    if !examination.lacks.is_empty() {
        line("", &format!("  but it takes {} for standard operators of that name", examination.lacks.join(", ")));
    }
    let exact = examination.drift.iter().filter(|(_, drift)| *drift == 0.0).count();
    line(
        "",
        &format!(
            "identity-cut error 0 at {exact} of {} clean cuts",
            examination.drift.len() + examination.broken.len()
        ),
    );
    for (site, drift) in examination.drift.iter().filter(|(_, drift)| *drift != 0.0) {
        line("", &format!("  {drift:e} at {site}"));
    }
    for (site, reason) in &examination.broken {
        line("", &format!("  {site}: {reason}"));
    }
}

/// A port as `images f32 [batch,3,224,224]`.
fn described(port: &Port) -> String {
    let side = |dim: &Dim| match dim {
        Dim::Fixed(side) => side.to_string(),
        Dim::Symbol(symbol) => symbol.clone(),
        Dim::Unknown => "?".to_owned(),
    };
    let sides = port.shape.as_ref().map(|shape| shape.iter().map(side).collect::<Vec<_>>().join(","));
    let dtype = augraft_onnx::DataType::from_proto(port.dtype)
        .map_or_else(|| format!("element type {}", port.dtype), |dtype| format!("{dtype:?}").to_lowercase());
    format!("{} {dtype} [{}]", port.name, sides.unwrap_or_else(|| "?".to_owned()))
}
