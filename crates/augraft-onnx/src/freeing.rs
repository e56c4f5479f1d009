//! Gives a model that was exported for one batch size a free one.

mod obstacles;
mod shapes;

use std::collections::{BTreeMap, BTreeSet};

use crate::batch::{baked_batch, image_reshapes, images, is_baked};
use crate::border::declared;
use crate::border::input_of;
use crate::error::Error;
use crate::flow::Flow;
use crate::fresh::{Constants, names_in};
use crate::model::{Dim, Model, port};
use crate::nodes::{label, outputs, reads};
use crate::proto::{GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto};

/// A model that takes any batch size, and how it came about.
#[derive(Debug, Clone)]
pub struct FreedBatch {
    /// The model.
    pub model: Model,
    /// What was changed, each change in words; empty when nothing was baked in.
    pub changes: Vec<String>,
}

/// Frees the batch size of a model for which [`baked_batch`] gives a reason.
///
/// The first dimension of the first input becomes a symbol, and so does that of every output and inner shape that
/// follows from it; targets of `Reshape` begin with 0, which keeps the batch.
/// A model whose input is free, while its targets are not, counts as exported for a batch of 1.
/// At the old batch size the result computes what the model computed, given that data whose shape is not declared have
/// their batch in front.
///
/// # Errors
/// Batch sizes that are part of something else, such as a dimension that holds windows of all images.
pub fn free_batch(model: &Model) -> Result<FreedBatch, Error> {
    if baked_batch(model).is_none() {
        return Ok(FreedBatch { model: model.clone(), changes: Vec::new() });
    }
    let flow = Flow::of(model);
    let images = images(&flow);
    let size = declared_size(model).unwrap_or(1);
    let reshapes = baked_reshapes(&flow, &images, size).map_err(|problem| Error::Batch { problem })?;
    if let Some(problem) = obstacles::find(&flow, &images, size) {
        return Err(Error::Batch { problem });
    }
    let mut changes = Vec::new();
    let mut proto = model.proto().clone();
    let symbol = shapes::fresh_symbol(model.graph());
    shapes::free(&mut proto, &shapes::Batch { images: &images, size, symbol }, &mut changes);
    free_targets(&mut proto, &flow, &reshapes, &mut changes);
    Ok(FreedBatch { model: Model::from_proto(proto)?, changes })
}

fn declared_size(model: &Model) -> Option<i64> {
    match model.inputs().into_iter().next()?.shape?.first()? {
        Dim::Fixed(size) => i64::try_from(*size).ok(),
        _ => None,
    }
}

/// Returns each `Reshape` whose target holds the batch size, by the index of its node, with the target that keeps it.
fn baked_reshapes(flow: &Flow, images: &BTreeSet<&str>, size: i64) -> Result<BTreeMap<usize, Vec<i64>>, String> {
    let declared = declared(flow.graph);
    let mut freed = BTreeMap::new();
    for (index, mut target) in image_reshapes(flow, images) {
        let [first, _, ..] = target.as_mut_slice() else { continue };
        let (begins, node) = (*first, &flow.graph.node[index]);
        if begins != size {
            if is_baked(&target) {
                return Err(format!("{} gives the shape {target:?}, which does not begin with {size}", label(node)));
            }
            continue;
        }
        let data = declared.get(node.input[0].as_str()).and_then(|info| port(info).shape);
        if let Some(Dim::Fixed(other)) = data.as_ref().and_then(|shape| shape.first())
            && i64::try_from(*other) != Ok(size)
        {
            return Err(format!("{} gives the shape {target:?}, and its data begin with {other}", label(node)));
        }
        if target[1..].contains(&0) && takes_zeros(node) {
            return Err(format!("{} gives the shape {target:?}, whose zeros are sizes", label(node)));
        }
        target[0] = 0;
        freed.insert(index, target);
    }
    Ok(freed)
}

/// Says whether a 0 in the target is a size instead of "as it was".
fn takes_zeros(node: &NodeProto) -> bool {
    node.attribute.iter().any(|attribute| attribute.name() == "allowzero" && attribute.i() != 0)
}

/// Gives the nodes new targets, and drops old ones that nothing reads any more.
fn free_targets(proto: &mut ModelProto, flow: &Flow, reshapes: &BTreeMap<usize, Vec<i64>>, changes: &mut Vec<String>) {
    let listed = proto.ir_version() < 4;
    let graph = proto.graph.as_mut().expect("validation refuses a model without a graph");
    let mut constants = Constants::beside(names_in(flow.graph));
    for (&index, target) in reshapes {
        let node = &mut graph.node[index];
        changes.push(format!("{} keeps the batch: its target is {target:?}", label(node)));
        node.attribute.retain(|attribute| attribute.name() != "allowzero");
        match node.attribute.iter_mut().find(|attribute| attribute.name() == "shape") {
            Some(shape) => shape.ints.clone_from(target),
            None => node.input[1] = constants.list("target", target),
        }
    }
    let new: Vec<TensorProto> = constants.into_tensors().collect();
    if listed {
        // Before IR 4 an initializer must be listed as an input.
        graph.input.extend(new.iter().map(input_of));
    }
    graph.initializer.extend(new);
    drop_targets(graph, flow, reshapes, listed);
}

fn drop_targets(graph: &mut GraphProto, flow: &Flow, reshapes: &BTreeMap<usize, Vec<i64>>, listed: bool) {
    let old = reshapes.keys().filter_map(|&index| flow.graph.node[index].input.get(1)).map(String::as_str);
    let mut unused: BTreeSet<&str> = old.collect();
    let read = graph.node.iter().flat_map(reads).chain(graph.output.iter().map(ValueInfoProto::name));
    // From IR 4 on an input with an initializer is a promise to callers.
    let promised = graph.input.iter().map(ValueInfoProto::name).filter(|_| !listed);
    for name in read.chain(promised) {
        unused.remove(name);
    }
    graph.initializer.retain(|tensor| !unused.contains(tensor.name()));
    graph.input.retain(|input| !unused.contains(input.name()));
    graph.value_info.retain(|info| !unused.contains(info.name()));
    graph.node.retain(|node| !outputs(node).any(|name| unused.contains(name)));
}
