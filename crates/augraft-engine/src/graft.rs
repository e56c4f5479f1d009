//! A plan's steps inside its model, as one ONNX file.

use augraft_onnx::{DataType, Grafted, Graph, Model, Side, Splice, Splices, Value, element_of, raise_opset};
use augraft_operator::{Lowered, LoweredLabels};
use augraft_pipeline::{ImageLayout, ModelPlan, Plan, Step};

use crate::cut_model::image_input;
use crate::emit::{Columns, DrawSource, ExportOptions, dtype_of, emit_steps, sides_of};
use crate::error::EngineError;
use crate::export::{batch_after, check_scheduled, exported_steps, masks_input, masks_output, metadata, shape_before};
use crate::map::{map_nodes, unmap_nodes};
use crate::objects::{objects_input, objects_output};

/// Versions of the standard operators that a graft can be written for.
const OPSETS: std::ops::RangeInclusive<i64> = 9..=24;

/// The first version with the operators that draws need, and what messages call these.
const DRAWS_OPSET: i64 = 18;
const DRAWS: &str = "draws in the graph";

/// Inserts the input steps and the steps at sites into the model of the plan.
///
/// Inputs: `images`, `labels` (with classes), and what the draws need as for [`export`](crate::export()). Outputs: `logits`, `labels_out`, and the model's
/// further outputs; `options.opset` says nothing here. With draws in the graph, a model of opset 9 to 17 is raised to 18; otherwise the nodes are written for the model's own opset.
///
/// # Errors
/// When the plan has no model or nothing to insert, a step has no ONNX form, or the model cannot take it.
pub fn graft(plan: &Plan, model: &Model, options: &ExportOptions) -> Result<Grafted, EngineError> {
    let Some(planned) = &plan.model else {
        return Err(EngineError::Unfit(
            "the pipeline has no model to graft into; give one with `--model FILE`".to_owned(),
        ));
    };
    let steps = exported_steps(plan)?;
    check_scheduled(every(planned, steps), options)?;
    if steps.is_empty() && planned.sites.is_empty() {
        return Err(EngineError::Unfit(
            "there is nothing to graft: no step has images of one size, and none is at a site".to_owned(),
        ));
    }
    let raised = raised(model, needs(planned, steps, options))?;
    let opset = raised.opset();
    if !OPSETS.contains(&opset) {
        let range = format!("{} to {}", OPSETS.start(), OPSETS.end());
        return Err(EngineError::Unfit(format!("the model has opset {opset}; grafts are written for {range}")));
    }
    let shape = shape_before(plan, steps).clone();
    let classes = shape.classes;
    let graph = Graph::new(opset);
    let images = graph.input("images", dtype_of(&shape), &sides_of(&shape, options.batch()));
    let class_sides = [options.batch(), Side::Fixed(classes)];
    let labels = (classes > 0).then(|| LoweredLabels::new(graph.input("labels", DataType::F32, &class_sides)));
    let masks = masks_input(&graph, plan, &shape, options);
    let columns = Columns::new(&graph, options, plan.epoch)?;
    let start = Lowered::new(images, labels, shape);
    let objects = objects_input(&graph, plan, start.sides, &options.batch());
    let batch = emit_steps(&graph, &columns, steps, Lowered { masks, objects, ..start })?;
    let after = batch_after(steps, options.batch());
    let class_sides = [after.clone(), Side::Fixed(classes)];
    masks_output(&graph, batch.masks, &batch.shape, after.clone());
    objects_output(&graph, batch.objects.as_ref(), plan, &after);
    let mixing = every(planned, steps).rfind(|step| step.effects.mixes);
    let unfit = |issue| EngineError::step(mixing.map_or("", |step| &step.id), issue);
    let into_model = match steps.last() {
        Some(last) if batch.images.id() != images.id() => graph.name(batch.images, &format!("{}/out", last.id)),
        _ => batch.images,
    };
    let into_model = image_nodes(into_model, model, planned.layout)?;
    let mut splices = Splices { input: into_model.name(), sites: Vec::new(), output: "logits".to_owned() };
    let mut labels = batch.labels;
    for site in &planned.sites {
        // After a part of the model, boxes of earlier pastes say nothing of where things are.
        labels = labels.map(LoweredLabels::forget_places).transpose().map_err(unfit)?;
        let Some(shape) = site.steps.first().map(|step| step.before.clone()) else { continue };
        let external = format!("site:{}", site.tensor);
        let dtype = element_of(model, &site.tensor).unwrap_or(DataType::F32);
        let value = graph.external(&external, dtype);
        let map = map_nodes(value, site.layout);
        let after = emit_steps(&graph, &columns, &site.steps, Lowered::new(map, labels, shape))?;
        if let Some(last) = site.steps.last().filter(|_| after.images.id() != map.id()) {
            let named = graph.name(after.images, &format!("{}/out", last.id));
            let named = unmap_nodes(named, value, site.layout);
            splices.sites.push(Splice { site: site.tensor.clone(), external, with: named.name() });
        }
        labels = after.labels;
    }
    columns.finish();
    if let Some(labels) = labels {
        graph.output(labels.soft().map_err(unfit)?, "labels_out", &class_sides);
    }
    drop(columns);
    let mut entries = metadata(plan, options, "graft")?;
    entries.push(("augraft_sites".to_owned(), planned.tensors().join(",")));
    Ok(augraft_onnx::graft(&raised, graph.into_fragment(&splices.read()), &splices, &entries)?)
}

/// Nodes that give a batch N,C,H,W the order of axes and the element type of the model's images.
fn image_nodes<'g>(images: Value<'g>, model: &Model, layout: ImageLayout) -> Result<Value<'g>, EngineError> {
    let (_, dtype) = image_input(model)?;
    let images = if images.dtype() == dtype { images } else { images.cast(dtype) };
    Ok(if layout == ImageLayout::Nhwc { images.transpose(&[0, 2, 3, 1]) } else { images })
}

/// The input steps and those at sites, in the order in which they run.
fn every<'s>(model: &'s ModelPlan, steps: &'s [Step]) -> impl DoubleEndedIterator<Item = &'s Step> {
    steps.iter().chain(model.placed_steps().map(|(_, step)| step))
}

/// The oldest opset with everything that the file holds, and what needs it.
fn needs<'s>(model: &'s ModelPlan, steps: &'s [Step], options: &ExportOptions) -> (i64, &'s str) {
    let draws = if options.draws == DrawSource::Graph { (DRAWS_OPSET, DRAWS) } else { (0, "") };
    let steps = every(model, steps).map(|step| (step.operator.oldest_opset(), step.id.as_str()));
    steps.fold(draws, |most, step| if step.0 > most.0 { step } else { most })
}

/// The model at an opset that has what is needed.
fn raised(model: &Model, (needed, what): (i64, &str)) -> Result<Model, EngineError> {
    let opset = model.opset();
    if opset >= needed {
        return Ok(model.clone());
    }
    let oldest = OPSETS.start();
    if opset < *oldest {
        return Err(EngineError::Unfit(format!(
            "{what}: opset {needed} is needed, and the model has {opset}; models of {oldest} or later are raised, export this one with a later opset"
        )));
    }
    let instead = |error: augraft_onnx::Error| match error {
        // What stands in the way of draws in the graph need not be in the way of others.
        error @ augraft_onnx::Error::Opset { .. } if what == DRAWS => {
            EngineError::Unfit(format!("{error}; or use `--draws inputs` or `--draws baked`, which keep opset {opset}"))
        }
        error => error.into(),
    };
    raise_opset(model, needed).map_err(instead)
}
