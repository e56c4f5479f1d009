//! `augraft export` and `augraft graft`: a pipeline as an ONNX file.

use std::fmt::Write;
use std::path::PathBuf;

use augraft_engine::{DrawSource, ExportOptions, exported_steps, image_sides, load_model};
use augraft_onnx::{DataType, Dim, Model};
use augraft_operator::{Element, Layout, Registry, Shape};
use augraft_pipeline::PipelineSpec;

use super::arguments::{FileArgs, PipelineArgs};
use super::prepare::{Given, Prepared, load, prepare_with, read};
use super::print::counted;
use crate::failure::Failure;

/// Writes the input steps; returns what to tell.
pub(super) fn export(
    args: &PipelineArgs,
    file: &FileArgs,
    opset: i64,
    registry: &Registry,
    color: bool,
) -> Result<String, Failure> {
    let spec = read(&args.pipeline, registry)?;
    let sized = file.size.as_ref().map(|size| Shape::ragged(0).resized([size[0] as usize, size[1] as usize]));
    let open = || Shape { layout: Layout::Open, ..Shape::ragged(0) };
    let input = sized.or_else(|| (spec.data.is_none() && !spec.makes_one_size()).then(open));
    let prepared = prepared(spec, args, file, color, Given { input, classes: file.classes(), ..Given::default() })?;
    let options = options(&prepared, args, file.draws, opset)?;
    let model = augraft_engine::export(&prepared.plan, &options)?;
    augraft_data::atomic_write(&file.file, &model.to_bytes())?;
    Ok(format!(
        "{}: {}, {}, opset {}\n",
        file.file.display(),
        counted(exported_steps(&prepared.plan)?.len(), "step"),
        counted(nodes(&model), "node"),
        model.opset()
    ))
}

/// Writes the model with the steps inside; returns what to tell.
pub(super) fn graft(
    args: &PipelineArgs,
    file: &FileArgs,
    named: Option<PathBuf>,
    registry: &Registry,
    color: bool,
) -> Result<String, Failure> {
    let spec = read(&args.pipeline, registry)?;
    let Some(path) = named.clone().or_else(|| spec.model.as_ref().map(|model| model.file.clone())) else {
        let message = format!("{} names no model; give one with --model FILE", args.pipeline.display());
        return Err(Failure::User(message));
    };
    let ports = spec.model.as_ref().map(|model| model.ports.clone()).unwrap_or_default();
    let model = load_model(&path, &ports)?;
    let [_, height, width] = image_sides(&model, ports.layout);
    let is_sized = spec.data.is_some() || file.size.is_some() || spec.makes_one_size();
    if !is_sized && !model.inputs().is_empty() && (height.is_none() || width.is_none()) {
        let message = "the model leaves the size of its images open, and a graft needs it; give it with --size H W";
        return Err(Failure::user(message));
    }
    let loaded = Some(model.clone());
    let given = if spec.data.is_some() {
        Given { input: None, classes: file.classes(), model: named, loaded }
    } else {
        let input = graft_input(&spec, file, &model, image_sides(&model, ports.layout));
        Given { input, classes: file.classes().or_else(|| classes_of(&model)), model: named, loaded }
    };
    let prepared = prepared(spec, args, file, color, given)?;
    let options = options(&prepared, args, file.draws, model.opset())?;
    let grafted = augraft_engine::graft(&prepared.plan, &model, &options).map_err(|error| prepared.refused(error))?;
    augraft_data::atomic_write(&file.file, &grafted.model.to_bytes())?;
    let mut text = String::new();
    for (old, new) in &grafted.renamed {
        let _ = writeln!(text, "the model's tensor `{old}` is called `{new}` in the file");
    }
    if grafted.model.opset() != model.opset() {
        let _ = writeln!(text, "raised from opset {} to {}, which draws need", model.opset(), grafted.model.opset());
    }
    let sites = prepared.plan.model.iter().flat_map(|model| &model.sites).count();
    let steps = exported_steps(&prepared.plan)?.len();
    let _ = writeln!(
        text,
        "{}: {}, steps at {}, {} more than the model, opset {}",
        file.file.display(),
        counted(steps, "input step"),
        counted(sites, "site"),
        counted(nodes(&grafted.model) - nodes(&model), "node"),
        grafted.model.opset()
    );
    Ok(text)
}

fn prepared(
    spec: PipelineSpec,
    args: &PipelineArgs,
    file: &FileArgs,
    color: bool,
    given: Given,
) -> Result<Prepared, Failure> {
    if spec.data.is_some() && (file.size.is_some() || file.classes.is_some()) {
        return Err(Failure::user("--size and --classes stand in for data, but the pipeline has data; leave them out"));
    }
    prepare_with(spec, args, color, given)
}

fn options(prepared: &Prepared, args: &PipelineArgs, draws: DrawSource, opset: i64) -> Result<ExportOptions, Failure> {
    let baked = match (draws, &prepared.dataset) {
        (DrawSource::Graph | DrawSource::Inputs, _) => Vec::new(),
        (DrawSource::Baked, Some(dataset)) => {
            // Images that cannot be read are not in the batch, where they are to be skipped.
            let (_, data, order) = prepared.data()?;
            load(&prepared.plan, dataset, data, &order.indices(0, dataset.len()))?.0.index
        }
        (DrawSource::Baked, None) => (0..u64::from(args.batch.unwrap_or(0))).collect(),
    };
    Ok(ExportOptions { draws, opset, baked })
}

/// The images that enter a grafted file without data: those of the steps, or of the model where there are none.
fn graft_input(spec: &PipelineSpec, file: &FileArgs, model: &Model, sides: [Option<usize>; 3]) -> Option<Shape> {
    let given = file.size.as_ref().map(|size| [size[0] as usize, size[1] as usize]);
    let size = given.or_else(|| Some([sides[1]?, sides[2]?]))?;
    if !spec.steps.is_empty() {
        return (!spec.makes_one_size() || given.is_some()).then(|| Shape::ragged(0).resized(size));
    }
    let dtype = model.inputs().first().and_then(|port| DataType::from_proto(port.dtype));
    let element = if dtype == Some(DataType::U8) { Element::U8 } else { Element::F32 };
    Some(Shape { channels: sides[0].unwrap_or(3), element, ..Shape::ragged(0).resized(size) })
}

/// Number of logits that the model declares.
fn classes_of(model: &Model) -> Option<usize> {
    match model.outputs().first()?.shape.as_deref()? {
        [_, Dim::Fixed(classes)] => usize::try_from(*classes).ok(),
        _ => None,
    }
}

fn nodes(model: &Model) -> usize {
    model.proto().graph.as_ref().map_or(0, |graph| graph.node.len())
}
