//! Declared shapes of a model whose batch becomes free.

use std::collections::BTreeSet;

use crate::fresh::fresh;
use crate::nodes::bodies_mut;
use crate::proto::tensor_shape_proto::{Dimension, dimension};
use crate::proto::{GraphProto, ModelProto, ValueInfoProto, type_proto};

/// What becomes free.
pub(super) struct Batch<'m> {
    /// The tensors that have a batch.
    pub(super) images: &'m BTreeSet<&'m str>,
    /// The size that is baked in.
    pub(super) size: i64,
    /// The name of the free dimension.
    pub(super) symbol: String,
}

/// Returns `N`, or a name like it where `N` stands for something else than a batch already.
pub(super) fn fresh_symbol(graph: &GraphProto) -> String {
    let listed = graph.input.iter().chain(&graph.output).chain(&graph.value_info);
    let shapes = listed.filter_map(|info| match info.r#type.as_ref()?.value.as_ref()? {
        type_proto::Value::TensorType(tensor) => tensor.shape.as_ref(),
        _ => None,
    });
    let mut taken = shapes
        .flat_map(|shape| shape.dim.iter().skip(1))
        .filter_map(|dim| match &dim.value {
            Some(dimension::Value::DimParam(symbol)) => Some(symbol.clone()),
            _ => None,
        })
        .collect();
    fresh("N", &mut taken)
}

/// Rewrites the shapes of all tensors with a batch.
pub(super) fn free(proto: &mut ModelProto, batch: &Batch, changes: &mut Vec<String>) {
    let graph = proto.graph.as_mut().expect("validation refuses a model without a graph");
    let Batch { images, size, symbol } = batch;
    // The first input with a batch: before IR 4 initializers stand among the inputs.
    let input = graph.input.iter_mut().find(|input| images.contains(input.name()));
    if let Some(input) = input.filter(|input| begins_with(input, *size)) {
        rename_first(input, symbol);
        changes.push(format!("the input '{}' takes any batch {symbol} instead of {size}", input.name()));
    }
    for output in graph.output.iter_mut().filter(|output| images.contains(output.name())) {
        if begins_with(output, *size) {
            rename_first(output, symbol);
            changes.push(format!("the output '{}' has the batch {symbol} instead of {size}", output.name()));
        }
    }
    let (mut renamed, mut opened) = (0, 0);
    for info in graph.value_info.iter_mut().filter(|info| images.contains(info.name())) {
        if begins_with(info, *size) {
            rename_first(info, symbol);
            renamed += 1;
        } else {
            // The batch may be a factor of any dimension.
            open(info);
            opened += 1;
        }
    }
    if renamed + opened > 0 {
        changes.push(format!("{renamed} inner shapes begin with {symbol}; {opened} of other form are left open"));
    }
    graph.node.iter_mut().flat_map(bodies_mut).for_each(open_body);
}

fn begins_with(info: &ValueInfoProto, size: i64) -> bool {
    let Some(type_proto::Value::TensorType(tensor)) = info.r#type.as_ref().and_then(|t| t.value.as_ref()) else {
        return false;
    };
    let first = tensor.shape.as_ref().and_then(|shape| shape.dim.first());
    first.is_some_and(|dim| dim.value == Some(dimension::Value::DimValue(size)))
}

fn dims_mut(info: &mut ValueInfoProto) -> &mut [Dimension] {
    match info.r#type.as_mut().and_then(|t| t.value.as_mut()) {
        Some(type_proto::Value::TensorType(tensor)) => {
            tensor.shape.as_mut().map_or(&mut [], |shape| shape.dim.as_mut_slice())
        }
        _ => &mut [],
    }
}

fn rename_first(info: &mut ValueInfoProto, symbol: &str) {
    if let Some(first) = dims_mut(info).first_mut() {
        first.value = Some(dimension::Value::DimParam(symbol.to_owned()));
    }
}

/// Keeps the number of dimensions and forgets their sizes.
fn open(info: &mut ValueInfoProto) {
    for dim in dims_mut(info) {
        dim.value = None;
    }
}

/// Opens all shapes of a body, where the batch can be anywhere.
fn open_body(body: &mut GraphProto) {
    let GraphProto { input, output, value_info, node, .. } = body;
    input.iter_mut().chain(output).chain(value_info).for_each(open);
    node.iter_mut().flat_map(bodies_mut).for_each(open_body);
}
