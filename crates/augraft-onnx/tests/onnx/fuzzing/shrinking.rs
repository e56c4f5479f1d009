//! Takes the weights out of a model, so that mutations meet its structure.

use augraft_onnx::proto::{AttributeProto, GraphProto, ModelProto, TensorProto};

/// The number of bytes from which a tensor counts as weights.
const LARGE: usize = 256;

/// Leaves one element of every large tensor.
pub(super) fn shrink(proto: &mut ModelProto) {
    proto.graph.iter_mut().for_each(shrink_graph);
    for node in proto.functions.iter_mut().flat_map(|function| &mut function.node) {
        shrink_attributes(&mut node.attribute);
    }
}

fn shrink_graph(graph: &mut GraphProto) {
    graph.initializer.iter_mut().for_each(shrink_tensor);
    for node in &mut graph.node {
        shrink_attributes(&mut node.attribute);
    }
}

fn shrink_attributes(attributes: &mut [AttributeProto]) {
    for attribute in attributes {
        attribute.t.iter_mut().for_each(shrink_tensor);
        attribute.g.iter_mut().for_each(shrink_graph);
    }
}

fn shrink_tensor(tensor: &mut TensorProto) {
    let raw = tensor.raw_data.as_ref().map_or(0, bytes::Bytes::len);
    let count = tensor.dims.iter().product::<i64>() as usize;
    if raw.max(tensor.float_data.len() * 4) <= LARGE || count == 0 {
        return;
    }
    if let Some(data) = &mut tensor.raw_data {
        data.truncate(raw / count);
    }
    tensor.float_data.truncate(1);
    tensor.dims.fill(1);
}
