//! The nodes of a built graph, as a model of their own or to be grafted into another.

use std::collections::{BTreeMap, BTreeSet};

use crate::nodes::free_names;
use crate::proto::{
    GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto, TensorShapeProto,
    TypeProto, ValueInfoProto, tensor_shape_proto, type_proto,
};
use crate::recorded::{Node, Recorded, Side};
use crate::tensor::DataType;

/// Nodes in topological order, with what they take, give and hold constant.
#[derive(Debug, Clone, Default)]
pub struct Fragment {
    pub(crate) nodes: Vec<NodeProto>,
    pub(crate) initializers: Vec<TensorProto>,
    pub(crate) inputs: Vec<ValueInfoProto>,
    pub(crate) outputs: Vec<ValueInfoProto>,
}

impl Fragment {
    /// What the tensors in `read`, and those whose names were chosen, are made of.
    pub(crate) fn new(inner: &Recorded, read: &[&str]) -> Self {
        let name = |id: &u32| inner.values[*id as usize].name.clone();
        let info = |(id, shape): &(u32, Vec<Side>)| value_info(&name(id), inner.values[*id as usize].dtype, shape);
        let (reads, order) = ordered(inner, read);
        // What was computed while the graph was built leaves constants that no node reads.
        let used: BTreeSet<u32> = order.iter().flat_map(|at| &reads[*at]).copied().collect();
        let listed = |id: &u32| used.contains(id) || inner.outputs.iter().any(|(output, _)| output == id);
        let constants = inner.initializers.iter().filter(|(id, _)| listed(id) || inner.is_chosen(*id));
        let mut described = inner.docs.clone();
        let node = |node: &Node| NodeProto {
            op_type: Some(node.op.to_string()),
            name: Some(format!(
                "{}{}",
                node.op,
                node.outputs.first().map(|id| format!("_{}", name(id))).unwrap_or_default()
            )),
            input: node.inputs.iter().map(|id| id.as_ref().map(&name).unwrap_or_default()).collect(),
            output: node.outputs.iter().map(&name).collect(),
            attribute: node.attributes.clone(),
            doc_string: (!node.scope.is_empty()).then(|| {
                let text = described.remove(&node.scope).map_or_else(String::new, |text| format!(": {text}"));
                format!("step {}{text}", node.scope)
            }),
            ..NodeProto::default()
        };
        Self {
            nodes: order.iter().map(|at| &inner.nodes[*at]).map(node).collect(),
            initializers: constants.map(|(id, tensor)| tensor.to_proto(&name(id))).collect(),
            inputs: inner.inputs.iter().map(info).collect(),
            outputs: inner.outputs.iter().map(info).collect(),
        }
    }

    /// Writes the nodes as a model of this producer.
    pub(crate) fn into_model(self, name: &str, opset: i64, metadata: &[(String, String)]) -> ModelProto {
        let graph = GraphProto {
            name: Some(name.to_owned()),
            node: self.nodes,
            initializer: self.initializers,
            input: self.inputs,
            output: self.outputs,
            ..GraphProto::default()
        };
        ModelProto {
            ir_version: Some(ir_version(opset)),
            opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(opset) }],
            producer_name: Some("augraft".to_owned()),
            producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            metadata_props: entries(metadata).collect(),
            graph: Some(graph),
            ..ModelProto::default()
        }
    }
}

/// Key-value metadata as a model holds it.
pub(crate) fn entries(metadata: &[(String, String)]) -> impl Iterator<Item = StringStringEntryProto> {
    let entry =
        |(key, value): &(String, String)| StringStringEntryProto { key: Some(key.clone()), value: Some(value.clone()) };
    metadata.iter().map(entry)
}

/// The format version that came with a version of the standard operators: the oldest that readers of it know.
pub(crate) fn ir_version(opset: i64) -> i64 {
    match opset {
        ..=14 => 7,
        15..=18 => 8,
        19..=20 => 9,
        21..=22 => 10,
        23 => 11,
        _ => 12,
    }
}

/// The tensors that each node reads, and the places of the nodes that are read themselves.
///
/// Each stands after those that it reads; the order of the calls is kept where it can be.
fn ordered(inner: &Recorded, read: &[&str]) -> (Vec<Vec<u32>>, Vec<usize>) {
    let ids: BTreeMap<&str, u32> = (0..).zip(&inner.values).map(|(id, value)| (value.name.as_str(), id)).collect();
    let reads = |node: &Node| -> Vec<u32> {
        let bodies = node.attributes.iter().flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs));
        let captured = bodies.flat_map(free_names).filter_map(|name| ids.get(name));
        node.inputs.iter().flatten().chain(captured).copied().collect()
    };
    let reads: Vec<Vec<u32>> = inner.nodes.iter().map(reads).collect();
    let producer: BTreeMap<u32, usize> =
        inner.nodes.iter().enumerate().flat_map(|(at, node)| node.outputs.iter().map(move |id| (*id, at))).collect();
    let needs = |at: usize| reads[at].iter().filter_map(|id| producer.get(id)).copied();
    let is_kept = |id: &u32| inner.is_chosen(*id) || read.contains(&inner.values[*id as usize].name.as_str());
    let mut live: Vec<bool> = inner.nodes.iter().map(|node| node.outputs.iter().any(is_kept)).collect();
    let mut open: Vec<usize> = (0..inner.nodes.len()).filter(|at| live[*at]).collect();
    while let Some(at) = open.pop() {
        open.extend(needs(at).filter(|need| !std::mem::replace(&mut live[*need], true)));
    }
    let mut done = vec![false; inner.nodes.len()];
    let mut order = Vec::with_capacity(inner.nodes.len());
    for start in (0..inner.nodes.len()).filter(|at| live[*at]) {
        let mut stack = vec![(start, false)];
        while let Some((at, ready)) = stack.pop() {
            if done[at] {
                continue;
            }
            if ready {
                done[at] = true;
                order.push(at);
                continue;
            }
            stack.push((at, true));
            let needs: Vec<usize> = needs(at).filter(|need| !done[*need]).collect();
            stack.extend(needs.into_iter().rev().map(|need| (need, false)));
        }
    }
    (reads, order)
}

fn value_info(name: &str, dtype: DataType, shape: &[Side]) -> ValueInfoProto {
    let side = |side: &Side| tensor_shape_proto::Dimension {
        value: Some(match side {
            Side::Fixed(n) => tensor_shape_proto::dimension::Value::DimValue(*n as i64),
            Side::Named(name) => tensor_shape_proto::dimension::Value::DimParam((*name).to_owned()),
            Side::Numbered(name, number) => tensor_shape_proto::dimension::Value::DimParam(format!("{name}{number}")),
        }),
        ..Default::default()
    };
    let tensor = type_proto::Tensor {
        elem_type: Some(dtype.to_proto()),
        shape: Some(TensorShapeProto { dim: shape.iter().map(side).collect() }),
    };
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..TypeProto::default() }),
        ..ValueInfoProto::default()
    }
}
