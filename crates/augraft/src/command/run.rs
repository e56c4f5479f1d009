//! `augraft run`: the whole pipeline over its data.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use augraft_data::{Dataset, sha256_file, write_json};
use augraft_engine::{EngineError, ExportOptions, OnnxRuntime, Program, export};
use augraft_operator::Registry;
use augraft_pipeline::{EngineKind, Plan};
use serde_json::{Value, json};

use super::arguments::PipelineArgs;
use super::check_export::unkept;
use super::prepare::{Prepared, load, prepare};
use super::print::print;
use crate::failure::Failure;
use crate::output::Output;
use crate::preview::write_preview;
use crate::progress::Progress;

/// Runs a pipeline and writes its folder, whole or not at all.
pub(super) fn run(args: &PipelineArgs, registry: &Registry, color: bool) -> Result<(), Failure> {
    let prepared = prepare(args, registry, color)?;
    let plan = &prepared.plan;
    let (dataset, data, order) = prepared.data()?;
    if plan.steps.last().map_or(&plan.input, |step| &step.after).size().is_none() {
        let help = "add `resized_crop`, `resize` or a crop, so that they make batches";
        let message = "the steps leave images of different sizes";
        return Err(prepared.spec.problem("/steps", "sizes-differ", message, Some(help)).into());
    }
    let mut program =
        Program::bind(plan, args.engine.onnxruntime.as_deref()).map_err(|error| prepared.refused(error))?;
    let mut output = Output::create(&plan.out, dataset, plan)?;
    let batches = order.len(dataset.len());
    let planned: Vec<u64> = (0..batches).flat_map(|batch| order.indices(batch, dataset.len())).collect();
    let dropped = data.limit.map_or(dataset.len(), |limit| limit.min(dataset.len())) - planned.len();
    let mut progress = Progress::start(planned.len() as u64);
    let (mut samples, mut skipped, mut previewed) = (0, Vec::new(), false);
    for number in 0..batches {
        let (batch, unread) = load(plan, dataset, data, &order.indices(number, dataset.len()))?;
        skipped.extend(unread);
        if batch.is_empty() {
            continue;
        }
        let outcome = program.run(batch, !previewed)?;
        if !previewed {
            write_preview(&output.path().join("preview.png"), plan, &outcome, dataset)?;
            previewed = true;
        }
        output.write(&outcome)?;
        samples += outcome.batch.len();
        progress.advance(outcome.batch.len() as u64);
        program.recycle(outcome);
    }
    progress.finish();
    if let (0, Some(first)) = (samples, skipped.first()) {
        let message =
            format!("no image could be read; the first of {} is `{}`: {}", skipped.len(), first.path, first.reason);
        let help = "repair the files, or name others";
        return Err(prepared.spec.problem("/data", "no-images", message, Some(help)).into());
    }
    program.finish()?;
    let exported = write_export(plan, output.path())?;
    let file = output.path().join("model.onnx");
    let unkept = if exported.is_none() { unkept(&prepared, &file, &order.indices(0, dataset.len())) } else { None };
    if let Some(problem) = &unkept {
        eprintln!("warning: model.onnx was written, but {problem}");
    }
    let written = output.flush()?;
    let files = hashes(written.path())?;
    let mut record = describe(&prepared, &program, &planned, samples)?;
    record["skipped"] =
        skipped.iter().map(|skip| json!({ "index": skip.index, "path": skip.path, "reason": skip.reason })).collect();
    record["dropped"] = json!(dropped);
    record["export"] = json!(exported.clone().unwrap_or_else(|| "model.onnx".to_owned()));
    record["export_problem"] = json!(unkept);
    if dataset.has_annotations() {
        record["clipped_boxes"] = json!(dataset.clipped_annotations());
    }
    record["written"] = json!(files);
    write_json(&written.path().join("run.json"), &record)?;
    let folder = written.commit()?;
    let mut text = report(&program, exported.as_deref());
    if dropped > 0 {
        let _ = writeln!(text, "{dropped} samples do not fill a batch and were left out (drop_last)");
    }
    if !skipped.is_empty() {
        let _ = writeln!(text, "{} images could not be read and were skipped; run.json lists them", skipped.len());
    }
    if let clipped @ 1.. = dataset.clipped_annotations() {
        let what = if clipped == 1 {
            "box reaches out of its image and was"
        } else {
            "boxes reach out of their images and were"
        };
        let _ = writeln!(text, "{clipped} {what} clipped");
    }
    let _ = writeln!(text, "{}: {samples} images", folder.display());
    print(&text)
}

/// Writes `model.onnx`; returns the reason when the steps have no ONNX form.
fn write_export(plan: &Plan, folder: &Path) -> Result<Option<String>, Failure> {
    match export(plan, &ExportOptions::default()) {
        Ok(model) => {
            augraft_data::atomic_write(&folder.join("model.onnx"), &model.to_bytes())?;
            Ok(None)
        }
        Err(error @ EngineError::Step { .. }) => Ok(Some(format!("not written: {error}"))),
        Err(error) => Err(error.into()),
    }
}

/// SHA-256 of every file below a folder, by relative path.
fn hashes(folder: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).map_err(Failure::user)? {
            let path = entry.map_err(Failure::user)?.path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            found.insert(name, sha256_file(&path)?);
        }
    }
    Ok(found)
}

/// What a run was: nothing in it changes from run to run.
fn describe(prepared: &Prepared, program: &Program<'_>, planned: &[u64], samples: usize) -> Result<Value, Failure> {
    let plan = &prepared.plan;
    let mut read = BTreeMap::from([(plan.file.display().to_string(), sha256_file(&plan.file)?)]);
    let files = |dataset: &Dataset| dataset.files(planned.iter().map(|index| *index as usize));
    for file in prepared.dataset.iter().flat_map(files) {
        read.insert(file.display().to_string(), sha256_file(&file)?);
    }
    let model = match &plan.model {
        None => Value::Null,
        Some(model) => {
            read.insert(model.file.display().to_string(), sha256_file(&model.file)?);
            let graft = |graft: &augraft_engine::Graft| json!({ "step": graft.step, "site": graft.site, "samples": graft.acting, "changed": share(graft) });
            let grafts: Vec<Value> = program.grafts().iter().map(graft).collect();
            let placed = model
                .placed_steps()
                .map(|(site, step)| json!({ "id": step.id, "at": site.tensor, step.name: step.operator.config() }));
            let build = match model.engine {
                EngineKind::Tract => None,
                EngineKind::Onnxruntime => OnnxRuntime::describe(None).ok().map(|(_, build)| build),
            };
            json!({
                "engine": model.engine.to_string(),
                "build": build,
                "device": model.device.to_string(),
                "steps": placed.collect::<Vec<_>>(),
                "no_op_drift": program.drift(),
                "grafts": grafts,
            })
        }
    };
    let steps: Vec<Value> =
        plan.steps.iter().map(|step| json!({ "id": step.id, step.name: step.operator.config() })).collect();
    Ok(json!({
        "augraft": env!("CARGO_PKG_VERSION"),
        "seed": plan.seed,
        "epoch": plan.epoch,
        "samples": samples,
        "data": plan.data.as_ref().map(|data| {
            json!({ "batch": data.batch, "shuffle": data.shuffle, "drop_last": data.drop_last, "limit": data.limit })
        }),
        "steps": steps,
        "model": model,
        "read": read,
    }))
}

/// Share of the elements at a site that a step changed.
fn share(graft: &augraft_engine::Graft) -> f64 {
    let share = graft.changed as f64 / (graft.elements.max(1)) as f64;
    (share * 1e6).round() / 1e6
}

/// What the grafts did, and why there is no `model.onnx`.
fn report(program: &Program<'_>, exported: Option<&str>) -> String {
    let mut text = String::new();
    if let Some(drift) = program.drift() {
        let _ = writeln!(text, "identity-cut error: largest change of a logit {drift:e}");
    }
    for graft in program.grafts() {
        let changed = 100.0 * share(graft);
        let _ = writeln!(
            text,
            "{} at {}: {changed:.1} % of the elements changed, {} samples drawn to change",
            graft.step, graft.site, graft.acting
        );
    }
    if let Some(reason) = exported {
        let _ = writeln!(text, "model.onnx {reason}");
    }
    text
}
