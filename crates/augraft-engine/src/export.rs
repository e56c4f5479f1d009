//! A plan's input steps as an ONNX file.

use augraft_onnx::{DataType, Graph, Model, Side};
use augraft_operator::{Layout, Lowered, LoweredLabels, LoweredMasks, Rows, Shape};
use augraft_pipeline::{Plan, Step};

use crate::emit::{Columns, DrawSource, ExportOptions, batch_name, dtype_of, emit_steps, sides_of};
use crate::error::EngineError;
use crate::objects::{objects_input, objects_output};

/// Writes the input steps, from the first batch of one size on.
///
/// Inputs: `images` (u8 or f32, N,C,H,W), `labels` (f32, N,K; only with classes), and `seed`, `epoch`, `index` (int64; the draws are in the graph), or the
/// draws as `STEP/FIELD`, or nothing more (constant draws). Outputs: `images_out`, `labels_out`. The metadata holds the pipeline, the version, and the
/// steps that come before the file. With masks, `masks` and `masks_out`; with objects, `boxes`, `box_classes`, `box_valid`, `keypoints` and
/// `keypoint_visible`, each with its output `_out`.
///
/// # Errors
/// When no step gives images of one size, a step has no ONNX form, or the opset does not fit.
pub fn export(plan: &Plan, options: &ExportOptions) -> Result<Model, EngineError> {
    let first = if options.draws == DrawSource::Graph { 18 } else { 13 };
    if !(first..=24).contains(&options.opset) {
        let why = match options.opset {
            13..18 => {
                "draws in the graph need BitwiseXor, which came with 18; or use `--draws inputs` or `--draws baked`"
            }
            ..13 => "older ones are for grafts into old models",
            _ => "later ones are not known to this version",
        };
        return Err(EngineError::Unfit(format!("opset {} is not one of {first} to 24; {why}", options.opset)));
    }
    let steps = exported_steps(plan)?;
    check_scheduled(steps.iter(), options)?;
    if let Some(step) = steps.iter().find(|step| step.operator.oldest_opset() > options.opset) {
        let needed = step.operator.oldest_opset();
        let message = format!("is written for opset {needed}, and the file has {}", options.opset);
        let help = Some(format!("use `--opset {needed}`"));
        return Err(EngineError::Step { step: step.id.clone(), message, help });
    }
    let shape = shape_before(plan, steps).clone();
    if options.draws == DrawSource::Baked && shape.layout == Layout::Open {
        return Err(EngineError::Unfit(
            "constant draws depend on the size of the images, which is left open; give it with `--size H W`".to_owned(),
        ));
    }
    let graph = Graph::new(options.opset);
    let class_sides = [options.batch(), Side::Fixed(shape.classes)];
    let images = graph.input("images", dtype_of(&shape), &sides_of(&shape, options.batch()));
    let labels = (shape.classes > 0).then(|| LoweredLabels::new(graph.input("labels", DataType::F32, &class_sides)));
    let masks = masks_input(&graph, plan, &shape, options);
    let columns = Columns::new(&graph, options, plan.epoch)?;
    let start = Lowered::new(images, labels, shape);
    let objects = objects_input(&graph, plan, start.sides, &options.batch());
    let batch = emit_steps(&graph, &columns, steps, Lowered { masks, objects, ..start })?;
    columns.finish();
    let (after, shape) = (batch_after(steps, options.batch()), batch.shape.clone());
    let class_sides = [after.clone(), Side::Fixed(shape.classes)];
    graph.output(batch.images, "images_out", &sides_of(&shape, after.clone()));
    masks_output(&graph, batch.masks, &shape, after.clone());
    objects_output(&graph, batch.objects.as_ref(), plan, &after);
    if let Some(labels) = batch.labels {
        let mixing = steps.iter().rfind(|step| step.effects.mixes).map_or("", |step| &step.id);
        let soft = labels.soft().map_err(|issue| EngineError::step(mixing, issue))?;
        graph.output(soft, "labels_out", &class_sides);
    }
    drop(columns);
    Ok(Model::from_proto(graph.into_proto("augraft", &metadata(plan, options, "steps")?))?)
}

/// The batch after the steps: as before, unless a step changes how many samples there are.
pub(crate) fn batch_after(steps: &[Step], before: Side) -> Side {
    match before {
        Side::Named(_) | Side::Numbered(..) => {
            batch_name(steps.iter().filter(|step| step.operator.rows() != Rows::Same).count())
        }
        Side::Fixed(count) => Side::Fixed(steps.iter().fold(count, |count, step| step.operator.rows().after(count))),
    }
}

/// Declares the input `masks`, u8 `[N,H,W]`, of a plan that has masks.
pub(crate) fn masks_input<'g>(
    graph: &'g Graph,
    plan: &Plan,
    shape: &Shape,
    options: &ExportOptions,
) -> Option<LoweredMasks<'g>> {
    let sides = sides_of(shape, options.batch());
    let sides = [sides[0].clone(), sides[2].clone(), sides[3].clone()];
    let input = |classes| LoweredMasks { images: graph.input("masks", DataType::U8, &sides).unsqueeze(&[1]), classes };
    plan.masks.map(input)
}

/// Makes the masks the output `masks_out`: class ids u8 `[N,H,W]`, or shares of classes f32 `[N,K,H,W]`.
pub(crate) fn masks_output(graph: &Graph, masks: Option<LoweredMasks<'_>>, shape: &Shape, batch: Side) {
    let Some(masks) = masks else { return };
    let [n, _, height, width] = [0, 1, 2, 3].map(|side| sides_of(shape, batch.clone())[side].clone());
    if masks.images.dtype() == DataType::U8 {
        let ids = graph.node("Squeeze", &[masks.images, graph.ints(&[1])], vec![], DataType::U8);
        return graph.output(ids, "masks_out", &[n, height, width]);
    }
    graph.output(masks.images, "masks_out", &[n, Side::Fixed(masks.classes), height, width]);
}

/// The shape of the images that enter a file.
pub(crate) fn shape_before<'p>(plan: &'p Plan, steps: &'p [Step]) -> &'p augraft_operator::Shape {
    let end = plan.steps.last().map_or(&plan.input, |step| &step.after);
    steps.first().map_or(end, |step| &step.before)
}

/// Refuses draws in the graph beside a strength of one epoch.
pub(crate) fn check_scheduled<'s>(
    mut steps: impl Iterator<Item = &'s Step>,
    options: &ExportOptions,
) -> Result<(), EngineError> {
    let Some(step) = steps.find(|step| step.scheduled && options.draws == DrawSource::Graph) else { return Ok(()) };
    let message = "has a scheduled strength, which is that of one epoch, but the file would draw for any".to_owned();
    let help = Some("use `--draws inputs` or `--draws baked`, or schedule `p` alone".to_owned());
    Err(EngineError::Step { step: step.id.clone(), message, help })
}

/// What a file says of itself; `kind` is `steps` or `graft`.
pub(crate) fn metadata(plan: &Plan, options: &ExportOptions, kind: &str) -> Result<Vec<(String, String)>, EngineError> {
    let steps = exported_steps(plan)?;
    let before: Vec<&str> = plan.steps[..plan.steps.len() - steps.len()].iter().map(|step| step.id.as_str()).collect();
    let mut entries = vec![
        ("augraft_version", env!("CARGO_PKG_VERSION").to_owned()),
        ("augraft_pipeline", plan.text.clone()),
        ("augraft_kind", kind.to_owned()),
        ("augraft_draws", options.draws.name().to_owned()),
        ("augraft_steps_before", before.join(",")),
    ];
    if options.draws == DrawSource::Baked {
        let index: Vec<String> = options.baked.iter().map(u64::to_string).collect();
        entries.push(("augraft_seed", plan.seed.to_string()));
        entries.push(("augraft_epoch", plan.epoch.to_string()));
        entries.push(("augraft_index", index.join(",")));
    }
    Ok(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// The steps that an exported file holds: from the first batch of one size on.
///
/// # Errors
/// When no step gives images of one size.
pub fn exported_steps(plan: &Plan) -> Result<&[Step], EngineError> {
    if plan.input.layout != Layout::Ragged {
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
