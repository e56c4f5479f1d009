use std::collections::BTreeSet;

use crate::attributes::ints_of;
use crate::elements::element_types;
use crate::flow::Flow;
use crate::model::{Dim, Model};
use crate::nodes::outputs;
use crate::proto::NodeProto;
use crate::proto::tensor_proto::DataType;
use crate::stored::Stored;

/// Explains why the model accepts only one batch size, or returns `None` when nothing shows that it does.
///
/// It looks at the declared shape of the first input, and for a `Reshape` of image data to a fixed number of elements.
/// `None` is no promise: a batch size can hide in other places.
#[must_use]
pub fn baked_batch(model: &Model) -> Option<String> {
    fixed_input(model).or_else(|| fixed_reshape(model))
}

fn fixed_input(model: &Model) -> Option<String> {
    let input = model.inputs().into_iter().next()?;
    match input.shape?.as_slice() {
        [Dim::Fixed(size), _, ..] => Some(format!(
            "the input '{}' declares a batch of {size}; export the model with a named batch dimension",
            input.name
        )),
        _ => None,
    }
}

fn fixed_reshape(model: &Model) -> Option<String> {
    let flow = Flow::of(model);
    let baked = image_reshapes(&flow, &images(&flow)).into_iter().find(|(_, target)| is_baked(target));
    baked.map(|(index, target)| {
        let output = flow.graph.node[index].output.first().map_or("", String::as_str);
        format!(
            "the Reshape that makes '{output}' always gives the shape {target:?}; export the model with a named batch \
             dimension, or let the target begin with 0"
        )
    })
}

/// Returns the tensors that hold data of images, and so have a batch.
///
/// What follows from the shape of an image alone, such as a resized position table, has none.
pub(crate) fn images<'m>(flow: &Flow<'m>) -> BTreeSet<&'m str> {
    let mut images: BTreeSet<&str> = flow.inputs.iter().copied().collect();
    for (node, reads) in flow.graph.node.iter().zip(&flow.reads) {
        if !matches!(node.op_type(), "Shape" | "Size") && reads.iter().any(|name| images.contains(name)) {
            images.extend(outputs(node));
        }
    }
    images
}

/// Returns each `Reshape` of image data to a stored target, as the index of the node and the target.
pub(crate) fn image_reshapes(flow: &Flow, images: &BTreeSet<&str>) -> Vec<(usize, Vec<i64>)> {
    let types = element_types(flow);
    let stored = Stored::in_graph(flow.graph);
    let nodes = flow.graph.node.iter().enumerate().filter(|(_, node)| node.op_type() == "Reshape");
    let of_images = nodes.filter(|(_, node)| {
        let data = node.input.first().map_or("", String::as_str);
        images.contains(data) && types.get(data).is_none_or(|&element| is_float(element))
    });
    of_images.filter_map(|(index, node)| Some((index, reshape_target(node, &stored)?))).collect()
}

/// Returns the target of a `Reshape` where it is stored in the model.
pub(crate) fn reshape_target(node: &NodeProto, stored: &Stored) -> Option<Vec<i64>> {
    // Before opset 5 the target was an attribute.
    ints_of(node, "shape").or_else(|| stored.int64_values(node.input.get(1)?))
}

/// Says whether a target leaves no room for a batch: all its sizes are given, or everything goes into one row.
pub(crate) fn is_baked(target: &[i64]) -> bool {
    match target {
        [] | [_] => false,
        [1, -1] => true,
        _ => target.iter().all(|&size| size > 0),
    }
}

fn is_float(element: i32) -> bool {
    use DataType as T;
    matches!(DataType::try_from(element), Ok(T::Float | T::Float16 | T::Bfloat16 | T::Double))
}
