use std::collections::{BTreeMap, BTreeSet};

use crate::elements::element_types;
use crate::flow::{Flow, outputs};
use crate::model::{Dim, Model};
use crate::payload::int64_values;
use crate::proto::tensor_proto::DataType;
use crate::proto::{NodeProto, TensorProto};

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
    let types = element_types(&flow);
    let constants = constant_tensors(&flow);
    let mut images: BTreeSet<&str> = flow.inputs.iter().copied().collect();
    for (node, reads) in flow.graph.node.iter().zip(&flow.reads) {
        // What follows from the shape of an image alone, such as a resized position table, has no batch.
        if matches!(node.op_type(), "Shape" | "Size") || !reads.iter().any(|name| images.contains(name)) {
            continue;
        }
        images.extend(outputs(node));
        let Some(target) = reshape_target(node, &constants).filter(|target| is_baked(target)) else { continue };
        let data = node.input.first().map_or("", String::as_str);
        if images.contains(data) && types.get(data).is_none_or(|&element| is_float(element)) {
            let output = node.output.first().map_or("", String::as_str);
            return Some(format!(
                "the Reshape that makes '{output}' always gives the shape {target:?}; export the model with a named \
                 batch dimension, or let the target begin with 0"
            ));
        }
    }
    None
}

/// Returns the tensors that are stored in the model: initialisers and the values of `Constant` nodes.
fn constant_tensors<'m>(flow: &Flow<'m>) -> BTreeMap<&'m str, &'m TensorProto> {
    let nodes = flow.graph.node.iter().filter(|node| node.op_type() == "Constant");
    let values = nodes.filter_map(|node| Some((node.output.first()?.as_str(), node.attribute.first()?.t.as_ref()?)));
    flow.graph.initializer.iter().map(|tensor| (tensor.name(), tensor)).chain(values).collect()
}

fn reshape_target(node: &NodeProto, constants: &BTreeMap<&str, &TensorProto>) -> Option<Vec<i64>> {
    if node.op_type() != "Reshape" {
        return None;
    }
    // Before opset 5 the target was an attribute.
    let attribute = node.attribute.iter().find(|attribute| attribute.name() == "shape").map(|shape| shape.ints.clone());
    attribute.or_else(|| constants.get(node.input.get(1)?.as_str()).and_then(|tensor| int64_values(tensor)))
}

/// Says whether a target leaves no room for a batch: all its sizes are given, or everything goes into one row.
fn is_baked(target: &[i64]) -> bool {
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
