//! `augraft split` and `augraft tensors`: the parts of a model, and what stands between them for the data.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use augraft_data::{NpzArray, write_npz};
use augraft_engine::{CutModel, ModelForm, load_model, open, run_steps};
use augraft_onnx::{Tensor, cut, prune};
use augraft_operator::{Registry, Scratch};
use augraft_pipeline::{ModelPorts, OutputSpec};
use ndarray::{Array1, ArrayD, Axis};

use super::arguments::{ModelArgs, PipelineArgs};
use super::prepare::{Given, load, prepare_with, read};
use super::print::counted;
use crate::failure::Failure;

/// Writes the parts of a model, which run one after the other; returns what to tell.
pub(super) fn split(model: &Path, form: &ModelArgs, at: &[String], folder: &Path) -> Result<String, Failure> {
    let model = load_model(model, &form.ports())?;
    let sites: Vec<&str> = at.iter().map(String::as_str).collect();
    let parts = cut(&model, &sites).map_err(Failure::user)?;
    std::fs::create_dir_all(folder).map_err(Failure::user)?;
    let mut text = String::new();
    for (number, part) in parts.iter().enumerate() {
        let file = folder.join(format!("part_{number}.onnx"));
        augraft_data::atomic_write(&file, &part.model.to_bytes())?;
        let nodes = part.model.proto().graph.as_ref().map_or(0, |graph| graph.node.len());
        let _ = writeln!(
            text,
            "{}: {}, {} -> {}",
            file.display(),
            counted(nodes, "node"),
            part.inputs.join(", "),
            part.outputs.join(", ")
        );
    }
    Ok(text)
}

/// Writes tensors of a model for the data of a pipeline, behind its input steps; returns what to tell.
pub(super) fn tensors(
    model: PathBuf,
    args: &PipelineArgs,
    at: &[String],
    file: &Path,
    registry: &Registry,
    color: bool,
) -> Result<String, Failure> {
    let mut spec = read(&args.pipeline, registry)?;
    let left_out = spec.model.as_mut().map_or(0, |model| std::mem::take(&mut model.steps).len());
    let prepared = prepare_with(spec, args, color, Given { model: Some(model), ..Given::default() })?;
    let (dataset, data, order) = prepared.data()?;
    let plan = &prepared.plan;
    let Some(planned) = &plan.model else { return Err(Failure::user("the pipeline has no model")) };
    let runtime = open(planned.engine, planned.device, args.engine.onnxruntime.as_deref())?;
    let mut collected: Vec<(String, Vec<ArrayD<f32>>)> = Vec::new();
    let (mut index, mut skipped, mut scratch) = (Vec::new(), 0, Scratch::default());
    let ports = ModelPorts { output: OutputSpec::default(), ..planned.ports.clone() };
    let model = prune(&load_model(&planned.file, &ports)?, at).map_err(Failure::user)?;
    let whole = CutModel::bind(&*runtime, &model, ModelForm { images: planned.layout, ..ModelForm::default() })?;
    for number in 0..order.len(dataset.len()) {
        let (mut batch, unread) = load(plan, dataset, data, &order.indices(number, dataset.len()))?;
        skipped += unread.len();
        run_steps(&plan.steps, plan.epoch, &mut batch, None, &mut scratch)?;
        if batch.is_empty() {
            continue;
        }
        for (at, (name, tensor)) in whole.outputs(&whole.start(&batch.images)?)?.into_iter().enumerate() {
            let values = floats(&name, tensor, batch.len())?;
            if collected.len() <= at {
                collected.push((name, Vec::new()));
            }
            collected[at].1.push(values);
        }
        index.extend(batch.index.iter().map(|index| *index as i64));
    }
    if index.is_empty() {
        return Err(Failure::User(format!("no image could be read; {} were tried", counted(skipped, "image"))));
    }
    let mut text = String::new();
    let mut arrays = vec![("index".to_owned(), Joined::Index(Array1::from_vec(index)))];
    for (name, parts) in collected {
        let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
        let joined = ndarray::concatenate(Axis(0), &views).map_err(|_| {
            Failure::User(format!("`{name}` has another shape from batch to batch; use images of one size"))
        })?;
        let _ = writeln!(text, "{name} {:?}", joined.shape());
        // A slash would be a folder in the archive.
        let array = name.trim_start_matches('/').replace('/', ".");
        if arrays.iter().any(|(known, _)| *known == array) {
            return Err(Failure::User(format!(
                "`{name}` and another array would both be called `{array}`; write them to two files"
            )));
        }
        arrays.push((array, Joined::Values(joined)));
    }
    let views: Vec<(&str, NpzArray<'_>)> = arrays.iter().map(|(name, array)| (name.as_str(), array.view())).collect();
    write_npz(file, &views)?;
    if skipped > 0 {
        let _ = writeln!(text, "images that could not be read and were left out: {skipped}");
    }
    if left_out > 0 {
        let _ = writeln!(text, "the steps of `model.steps` were not run");
    }
    let _ = writeln!(text, "{}: {}", file.display(), counted(arrays.len(), "array"));
    Ok(text)
}

enum Joined {
    Index(Array1<i64>),
    Values(ArrayD<f32>),
}

impl Joined {
    fn view(&self) -> NpzArray<'_> {
        match self {
            Self::Index(index) => NpzArray::I64(index.view().into_dyn()),
            Self::Values(values) => NpzArray::F32(values.view()),
        }
    }
}

fn floats(name: &str, tensor: Tensor, samples: usize) -> Result<ArrayD<f32>, Failure> {
    let shape = tensor.shape().to_vec();
    let values = tensor.to_f32().ok_or_else(|| Failure::User(format!("`{name}` is no tensor of floats")))?;
    if shape.first() != Some(&samples) {
        return Err(Failure::User(format!(
            "`{name}` has the shape {shape:?}, not one row for each of {samples} samples"
        )));
    }
    Ok(values)
}
