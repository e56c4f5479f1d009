//! A plan's input steps as an ONNX file.

use augraft_onnx::{DataType, Graph, Model, Side, Value};
use augraft_operator::{Batch, Draws, Element, Images, Labels, Lowered, LoweredLabels, Role, Shape, Transfer};
use augraft_pipeline::{Plan, Step};
use ndarray::{Array2, Array4};

use crate::error::EngineError;

/// Mixing steps of an exported file; the nodes of its labels grow threefold with each.
const MAX_MIXES: usize = 5;

/// Opset of exported files.
pub const OPSET: i64 = 18;

/// Writes the input steps, from the first batch of one size on, with the draws as inputs `<step>/<field>`.
///
/// Inputs: `images` (u8 or f32, N,C,H,W), `labels` (f32, N,K; only with classes) and the draws. Outputs: `images_out`, `labels_out`. The
/// metadata holds the pipeline, the version, and the steps that come before the file.
///
/// # Errors
/// When no step gives images of one size, or a step has no ONNX form.
pub fn export(plan: &Plan) -> Result<Model, EngineError> {
    let steps = exported_steps(plan)?;
    let end = plan.steps.last().map_or(&plan.input, |step| &step.after);
    let shape = steps.first().map_or(end, |step| &step.before).clone();
    let mixing = steps.iter().filter(|step| step.operator.role() == Role::Mix);
    if let Some(step) = mixing.clone().nth(MAX_MIXES) {
        let message = format!(
            "an exported file holds at most {MAX_MIXES} mixing steps, because its labels follow every overlap of their boxes"
        );
        return Err(EngineError::Step {
            step: step.id.clone(),
            message,
            help: Some("leave the step out of what is exported".to_owned()),
        });
    }
    let graph = Graph::new(OPSET);
    let dtype = if shape.element == Element::U8 { DataType::U8 } else { DataType::F32 };
    let images = graph.input("images", dtype, &sides(&shape));
    let class_sides = [Side::Named("N"), Side::Fixed(shape.classes)];
    let labels = (shape.classes > 0).then(|| LoweredLabels::new(graph.input("labels", DataType::F32, &class_sides)));
    let mut batch = Lowered { images, labels, shape };
    for step in steps {
        let sample = sample_draws(step);
        graph.set_scope(&step.id);
        let columns: Vec<Value<'_>> = sample
            .columns
            .iter()
            .map(|(field, column)| {
                let mut sides = vec![Side::Named("N")];
                sides.extend(column.shape()[1..].iter().map(|side| Side::Fixed(*side)));
                graph.input(&format!("{}/{field}", step.id), column.dtype(), &sides)
            })
            .collect();
        batch = step.operator.lower(&columns, &sample, batch).map_err(|issue| EngineError::step(&step.id, issue))?;
    }
    graph.set_scope("");
    graph.output(batch.images, "images_out", &sides(&batch.shape));
    if let Some(labels) = batch.labels {
        graph.output(labels.soft(), "labels_out", &class_sides);
    }
    let before: Vec<&str> = plan.steps[..plan.steps.len() - steps.len()].iter().map(|step| step.id.as_str()).collect();
    let metadata = [
        ("augraft_version", env!("CARGO_PKG_VERSION").to_owned()),
        ("augraft_pipeline", plan.text.clone()),
        ("augraft_draws", "inputs".to_owned()),
        ("augraft_steps_before", before.join(",")),
    ];
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value));
    Ok(Model::from_proto(graph.into_proto("augraft", &metadata))?)
}

/// The steps that an exported file holds: from the first batch of one size on.
///
/// # Errors
/// When no step gives images of one size.
pub fn exported_steps(plan: &Plan) -> Result<&[Step], EngineError> {
    if plan.input.size().is_some() {
        return Ok(&plan.steps);
    }
    let start = plan.steps.iter().position(|step| step.before.size().is_some());
    let last_is_dense = plan.steps.last().is_some_and(|step| step.after.size().is_some());
    match start {
        Some(start) => Ok(&plan.steps[start..]),
        None if last_is_dense => Ok(&[]),
        None => Err(EngineError::Unfit(
            "nothing to export: no step gives images of one size; add `resized_crop`, `resize` or a crop, or give `--size H W`".to_owned(),
        )),
    }
}

/// Native draws for one sample, which show the sizes of the columns.
fn sample_draws(step: &Step) -> Draws {
    let size = step.before.size().unwrap_or([1, 1]);
    let images = Images::F32(Array4::zeros([1, step.before.channels, size[0], size[1]]));
    let labels = Labels::new(Array2::zeros([1, 0]), vec![vec![(0, 1.0)]]);
    let batch = Batch { images, labels, index: vec![0], transfer: vec![Transfer::IDENTITY; 3], image_size: None };
    step.operator.draw(step.key, 0, &batch)
}

fn sides(shape: &Shape) -> Vec<Side> {
    let [height, width] = shape.size().unwrap_or([0, 0]);
    vec![Side::Named("N"), Side::Fixed(shape.channels), Side::Fixed(height), Side::Fixed(width)]
}
