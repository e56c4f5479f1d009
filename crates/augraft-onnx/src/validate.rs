//! The rules that a model must keep before anything else looks at it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::mem;

use crate::error::Error;
use crate::nodes::{bodies, bodies_mut, free_names, label, outputs, reads};
use crate::payload::{check_tensor, element_count};
use crate::proto::tensor_shape_proto::dimension;
use crate::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, SparseTensorProto, ValueInfoProto, type_proto};

/// How deep graphs may nest; real models stay below four.
const MAX_DEPTH: usize = 16;

/// Checks every rule and sorts the nodes of all graphs.
pub(crate) fn validate(proto: &mut ModelProto) -> Result<(), Error> {
    let Some(graph) = &mut proto.graph else {
        return Err(Error::not_onnx("it has no graph"));
    };
    if proto.ir_version.is_none_or(|version| version < 1) {
        return Err(Error::not_onnx("it does not say which version of the format it uses (ir_version)"));
    }
    let functions = proto.functions.iter();
    for nodes in functions.clone().map(|function| &function.node).chain([&graph.node]) {
        check_depth(nodes, 0)?;
    }
    open_dimensions(graph);
    check_graph(graph)?;
    for function in functions {
        check_nodes(&function.node)?;
        check_attributes(&function.attribute_proto)?;
    }
    sort(graph)?;
    if let Some(name) = free_names(graph).first() {
        let reader = graph.node.iter().find(|node| reads(node).contains(name)).map(label);
        let reader = reader.unwrap_or_else(|| "the graph's output list".into());
        return Err(Error::invalid(format!("{reader} needs the tensor '{name}', and nothing produces it")));
    }
    Ok(())
}

/// Leaves dimensions open that are written as -1, as `PaddlePaddle` does and ONNX Runtime reads.
fn open_dimensions(graph: &mut GraphProto) {
    let infos = graph.input.iter_mut().chain(&mut graph.output).chain(&mut graph.value_info);
    let types = infos.filter_map(|info| info.r#type.as_mut().and_then(|of| of.value.as_mut()));
    for value in types {
        let type_proto::Value::TensorType(tensor) = value else { continue };
        for dim in tensor.shape.iter_mut().flat_map(|shape| &mut shape.dim) {
            dim.value.take_if(|value| *value == dimension::Value::DimValue(-1));
        }
    }
    graph.node.iter_mut().flat_map(bodies_mut).for_each(open_dimensions);
}

fn check_depth(nodes: &[NodeProto], depth: usize) -> Result<(), Error> {
    for node in nodes {
        for body in bodies(node) {
            if depth == MAX_DEPTH {
                return Err(Error::invalid(format!("graphs nest deeper than {MAX_DEPTH} levels at {}", label(node))));
            }
            check_depth(&body.node, depth + 1)?;
        }
    }
    Ok(())
}

fn check_graph(graph: &GraphProto) -> Result<(), Error> {
    graph.initializer.iter().try_for_each(check_tensor)?;
    graph.sparse_initializer.iter().try_for_each(check_sparse)?;
    graph.input.iter().chain(&graph.output).chain(&graph.value_info).try_for_each(check_shape)?;
    check_names(graph)?;
    check_nodes(&graph.node)
}

fn check_nodes(nodes: &[NodeProto]) -> Result<(), Error> {
    nodes.iter().try_for_each(|node| check_attributes(&node.attribute))
}

fn check_attributes(attributes: &[AttributeProto]) -> Result<(), Error> {
    for attribute in attributes {
        attribute.t.iter().chain(&attribute.tensors).try_for_each(check_tensor)?;
        attribute.sparse_tensor.iter().chain(&attribute.sparse_tensors).try_for_each(check_sparse)?;
        attribute.g.iter().chain(&attribute.graphs).try_for_each(check_graph)?;
    }
    Ok(())
}

fn check_sparse(sparse: &SparseTensorProto) -> Result<(), Error> {
    let name = sparse.values.as_ref().map_or("", |values| values.name());
    if element_count(&sparse.dims).is_none() {
        return Err(Error::invalid(format!("sparse tensor '{name}' has the impossible shape {:?}", sparse.dims)));
    }
    sparse.values.iter().chain(&sparse.indices).try_for_each(check_tensor)
}

fn check_shape(info: &ValueInfoProto) -> Result<(), Error> {
    let Some(type_proto::Value::TensorType(tensor)) = info.r#type.as_ref().and_then(|t| t.value.as_ref()) else {
        return Ok(());
    };
    let dims = tensor.shape.iter().flat_map(|shape| &shape.dim);
    let fixed: Vec<i64> = dims
        .filter_map(|dim| match dim.value {
            Some(dimension::Value::DimValue(size)) => Some(size),
            _ => None,
        })
        .collect();
    if element_count(&fixed).is_some() {
        return Ok(());
    }
    let name = info.name();
    Err(Error::invalid(format!(
        "tensor '{name}' has the impossible dimensions {fixed:?}; name a dimension that varies"
    )))
}

/// Checks that every tensor of one graph has one source; an initializer may be the default of an input.
fn check_names(graph: &GraphProto) -> Result<(), Error> {
    let sparse = graph.sparse_initializer.iter().filter_map(|sparse| sparse.values.as_ref());
    let initializers = graph.initializer.iter().chain(sparse).map(|tensor| (tensor.name(), "an initializer"));
    let made = graph.node.iter().flat_map(|node| outputs(node).map(|name| (name, "a node output")));
    let mut sources: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, source) in initializers.chain(made) {
        if name.is_empty() {
            return Err(Error::invalid(format!("{source} has no name")));
        }
        if let Some(other) = sources.insert(name, source) {
            return Err(Error::invalid(format!("two tensors are named '{name}': {other} and {source}")));
        }
    }
    let mut inputs = BTreeSet::new();
    for name in graph.input.iter().map(ValueInfoProto::name) {
        let taken = sources.get(name) == Some(&"a node output");
        if taken || name.is_empty() || !inputs.insert(name) {
            return Err(Error::invalid(format!("the graph input '{name}' needs a name of its own")));
        }
    }
    let mut results = BTreeSet::new();
    match graph.output.iter().map(ValueInfoProto::name).find(|name| name.is_empty() || !results.insert(*name)) {
        Some(name) => Err(Error::invalid(format!("the graph output '{name}' needs a name that is listed once"))),
        None => Ok(()),
    }
}

/// Brings the nodes of a graph and of the graphs inside it into topological order.
///
/// Among the nodes that may come next, the one that stands first in the file does.
fn sort(graph: &mut GraphProto) -> Result<(), Error> {
    graph.node.iter_mut().flat_map(bodies_mut).try_for_each(sort)?;
    let order = topological_order(graph)?;
    if order.is_sorted() {
        return Ok(());
    }
    let mut nodes = mem::take(&mut graph.node);
    graph.node = order.into_iter().map(|index| mem::take(&mut nodes[index])).collect();
    Ok(())
}

fn topological_order(graph: &GraphProto) -> Result<Vec<usize>, Error> {
    let indexed = graph.node.iter().enumerate();
    let producer: BTreeMap<&str, usize> =
        indexed.clone().flat_map(|(index, node)| outputs(node).map(move |name| (name, index))).collect();
    let mut sources: Vec<Vec<usize>> = Vec::with_capacity(graph.node.len());
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); graph.node.len()];
    for (index, node) in indexed {
        let before: BTreeSet<usize> = reads(node).iter().filter_map(|name| producer.get(name).copied()).collect();
        for &source in &before {
            readers[source].push(index);
        }
        sources.push(before.into_iter().collect());
    }
    let mut waiting: Vec<usize> = sources.iter().map(Vec::len).collect();
    let mut ready: BinaryHeap<Reverse<usize>> =
        waiting.iter().enumerate().filter(|&(_, &count)| count == 0).map(|(index, _)| Reverse(index)).collect();
    let mut order = Vec::with_capacity(graph.node.len());
    while let Some(Reverse(index)) = ready.pop() {
        order.push(index);
        for &reader in &readers[index] {
            waiting[reader] -= 1;
            if waiting[reader] == 0 {
                ready.push(Reverse(reader));
            }
        }
    }
    match waiting.iter().position(|&count| count > 0) {
        None => Ok(order),
        Some(stuck) => {
            let node = &graph.node[on_cycle(stuck, &sources, &waiting)];
            Err(Error::invalid(format!("the graph has a cycle through {}", label(node))))
        }
    }
}

/// Returns a node on a cycle, from a node that waits for one.
fn on_cycle(stuck: usize, sources: &[Vec<usize>], waiting: &[usize]) -> usize {
    let mut seen = BTreeSet::new();
    let mut node = stuck;
    // Every stuck node has a stuck source, so that the walk against the arrows must close.
    while seen.insert(node) {
        node = sources[node].iter().copied().find(|&source| waiting[source] > 0).unwrap_or(node);
    }
    node
}
