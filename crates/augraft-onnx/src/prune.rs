use std::collections::BTreeSet;

use crate::border::with_outputs;
use crate::error::Error;
use crate::flow::Flow;
use crate::model::Model;
use crate::nodes::{initializer_names, outputs};
use crate::proto::ValueInfoProto;

/// Keeps what the tensors `names` need and nothing else; they are the outputs of the result, in this order.
///
/// # Errors
/// Names that are not outputs of a node in the main graph.
pub fn prune(model: &Model, names: &[String]) -> Result<Model, Error> {
    let mut proto = with_outputs(model, names)?.into_proto();
    let flow = Flow::of(model);
    let mut needed: BTreeSet<&str> = BTreeSet::new();
    let mut pending: Vec<&str> = names.iter().map(String::as_str).collect();
    while let Some(name) = pending.pop() {
        if needed.insert(name) {
            pending.extend(flow.producer(name).into_iter().flat_map(|node| flow.reads[node].iter().copied()));
        }
    }
    let graph = proto.graph.get_or_insert_default();
    graph.node.retain(|node| outputs(node).any(|name| needed.contains(name)));
    graph.initializer.retain(|tensor| needed.contains(tensor.name()));
    graph
        .sparse_initializer
        .retain(|sparse| sparse.values.as_ref().is_some_and(|tensor| needed.contains(tensor.name())));
    graph.quantization_annotation.retain(|annotation| needed.contains(annotation.tensor_name()));
    let kept: BTreeSet<String> = graph.node.iter().flat_map(outputs).map(str::to_owned).collect();
    graph.value_info.retain(|info| kept.contains(info.name()));
    let initializers: BTreeSet<String> = initializer_names(graph).into_iter().map(str::to_owned).collect();
    graph.input.retain(|port| needed.contains(port.name()) || initializers.contains(port.name()));
    let info = |name: &String| graph.output.iter().find(|info| info.name() == name).cloned();
    let listed: Vec<ValueInfoProto> = names.iter().filter_map(info).collect();
    graph.output = listed;
    Model::from_proto(proto)
}
