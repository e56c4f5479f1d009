//! Nodes and graphs as a file has them: what they read, make and hold, and the graphs inside them.

use std::collections::BTreeSet;

use crate::proto::{GraphProto, NodeProto, TensorProto, ValueInfoProto};

/// Standard operators whose results differ from run to run, and so are never constants.
pub(crate) const RANDOM: [&str; 6] =
    ["Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"];

/// Returns the names of the dense and sparse initializers of a graph.
pub(crate) fn initializer_names(graph: &GraphProto) -> BTreeSet<&str> {
    let sparse = graph.sparse_initializer.iter().filter_map(|sparse| sparse.values.as_ref());
    graph.initializer.iter().chain(sparse).map(TensorProto::name).collect()
}

/// Returns the outputs that a node produces; an empty name stands for one that it leaves out.
pub(crate) fn outputs(node: &NodeProto) -> impl Iterator<Item = &str> {
    node.output.iter().map(String::as_str).filter(|name| !name.is_empty())
}

/// Returns the graphs inside a node: the branches of `If`, the bodies of `Loop` and `Scan`.
pub(crate) fn bodies(node: &NodeProto) -> impl Iterator<Item = &GraphProto> {
    node.attribute.iter().flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs))
}

/// Returns the graphs inside a node for editing.
pub(crate) fn bodies_mut(node: &mut NodeProto) -> impl Iterator<Item = &mut GraphProto> {
    node.attribute.iter_mut().flat_map(|attribute| attribute.g.iter_mut().chain(&mut attribute.graphs))
}

/// Says whether a domain holds the standard operators.
pub(crate) fn is_standard(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

/// Returns the names that a node reads, each once: its inputs, then what its bodies capture.
pub(crate) fn reads(node: &NodeProto) -> Vec<&str> {
    let mut seen = BTreeSet::new();
    let inputs = node.input.iter().map(String::as_str).filter(|name| !name.is_empty());
    inputs.chain(bodies(node).flat_map(free_names)).filter(|&name| seen.insert(name)).collect()
}

/// Returns the names that a body takes from the graphs around it.
pub(crate) fn free_names(graph: &GraphProto) -> Vec<&str> {
    let mut own: BTreeSet<&str> = initializer_names(graph);
    own.extend(graph.input.iter().map(ValueInfoProto::name));
    own.extend(graph.node.iter().flat_map(outputs));
    let results = graph.output.iter().map(ValueInfoProto::name).filter(|name| !name.is_empty());
    graph.node.iter().flat_map(reads).chain(results).filter(|name| !own.contains(name)).collect()
}

/// Names a node for a message: its own name, or what it makes.
pub(crate) fn label(node: &NodeProto) -> String {
    if !node.name().is_empty() {
        return format!("{} '{}'", node.op_type(), node.name());
    }
    outputs(node).next().map_or_else(|| node.op_type().to_owned(), |name| format!("{} of '{name}'", node.op_type()))
}

/// Says whether a node, or one inside it, draws random numbers.
pub(crate) fn is_random(node: &NodeProto) -> bool {
    RANDOM.contains(&node.op_type()) || bodies(node).any(|body| body.node.iter().any(is_random))
}
