//! A typed builder for ONNX graphs: values are copyable handles with the usual operators.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use crate::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorShapeProto,
    TypeProto, ValueInfoProto, tensor_shape_proto, type_proto,
};
use crate::tensor::{DataType, Tensor};
use crate::value::{Value, int_attribute};

/// A side of a graph input or output: fixed, or named and free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// This many elements.
    Fixed(usize),
    /// Any number, equal wherever the name is.
    Named(&'static str),
}

/// A graph under construction; nodes are recorded in the order of the calls.
pub struct Graph {
    opset: i64,
    inner: RefCell<Inner>,
}

#[derive(Default)]
struct Inner {
    values: Vec<(String, DataType)>,
    nodes: Vec<Node>,
    constants: BTreeMap<(DataType, Vec<usize>, Vec<u8>), u32>,
    initializers: Vec<(u32, Tensor)>,
    inputs: Vec<(u32, Vec<Side>)>,
    outputs: Vec<(u32, Vec<Side>)>,
    scope: String,
    names: BTreeMap<String, usize>,
}

struct Node {
    op: &'static str,
    inputs: Vec<u32>,
    outputs: Vec<u32>,
    attributes: Vec<AttributeProto>,
    scope: String,
}

impl fmt::Debug for Graph {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Graph of {} nodes", self.inner.borrow().nodes.len())
    }
}

impl Graph {
    /// Starts an empty graph for `opset` of the default domain (13 or later).
    #[must_use]
    pub fn new(opset: i64) -> Self {
        Self { opset, inner: RefCell::default() }
    }

    /// Puts the nodes and names that follow under `scope/` (empty: none).
    pub fn set_scope(&self, scope: &str) {
        scope.clone_into(&mut self.inner.borrow_mut().scope);
    }

    /// Adds a graph input with exactly this name.
    pub fn input(&self, name: &str, dtype: DataType, shape: &[Side]) -> Value<'_> {
        let value = self.exact(name, dtype);
        self.inner.borrow_mut().inputs.push((value.id, shape.to_vec()));
        value
    }

    /// Adds a constant; equal constants are stored once.
    pub fn constant(&self, tensor: Tensor) -> Value<'_> {
        let key = (tensor.dtype(), tensor.shape().to_vec(), tensor.to_le_bytes());
        if let Some(&id) = self.inner.borrow().constants.get(&key) {
            return Value { graph: self, id };
        }
        let value = self.exact(&self.fresh_name("constant", ""), tensor.dtype());
        let mut inner = self.inner.borrow_mut();
        inner.constants.insert(key, value.id);
        inner.initializers.push((value.id, tensor));
        value
    }

    /// A constant list of int64, as shapes and axes are given.
    pub fn ints(&self, values: &[i64]) -> Value<'_> {
        self.constant(Tensor::vector(values.to_vec()))
    }

    /// Names a value that a later [`define`](Self::define) produces.
    pub fn declare(&self, name: &str, dtype: DataType) -> Value<'_> {
        let scope = self.inner.borrow().scope.clone();
        self.exact(&self.fresh_name(name, &scope), dtype)
    }

    /// The value with this [`id`](Value::id).
    #[must_use]
    pub fn value(&self, id: u32) -> Value<'_> {
        Value { graph: self, id }
    }

    /// Produces a declared value.
    pub fn define(&self, value: Value<'_>, op: &'static str, inputs: &[Value<'_>], attributes: Vec<AttributeProto>) {
        let mut inner = self.inner.borrow_mut();
        let scope = inner.scope.clone();
        inner.nodes.push(Node {
            op,
            inputs: inputs.iter().map(|v| v.id).collect(),
            outputs: vec![value.id],
            attributes,
            scope,
        });
    }

    /// Adds a node with one output of type `dtype`.
    pub fn node(
        &self,
        op: &'static str,
        inputs: &[Value<'_>],
        attributes: Vec<AttributeProto>,
        dtype: DataType,
    ) -> Value<'_> {
        let value = self.declare(&op.to_lowercase(), dtype);
        self.define(value, op, inputs, attributes);
        value
    }

    /// Joins values along `axis`.
    ///
    /// # Panics
    /// When there is no value.
    pub fn concat<'g>(&'g self, values: &[Value<'g>], axis: i64) -> Value<'g> {
        self.node("Concat", values, vec![int_attribute("axis", axis)], values[0].dtype())
    }

    /// Makes `value` a graph output called exactly `name`.
    pub fn output(&self, value: Value<'_>, name: &str, shape: &[Side]) {
        let renamed = self.exact(name, value.dtype());
        self.define(renamed, "Identity", &[value], vec![]);
        self.inner.borrow_mut().outputs.push((renamed.id, shape.to_vec()));
    }

    /// Writes the graph as a model of this producer, with nodes in topological order and key-value metadata.
    #[must_use]
    pub fn into_proto(self, name: &str, metadata: &[(String, String)]) -> ModelProto {
        let inner = self.inner.into_inner();
        let value_name = |id: &u32| inner.values[*id as usize].0.clone();
        let dtype = |id: u32| inner.values[id as usize].1;
        let info = |(id, shape): &(u32, Vec<Side>)| value_info(&value_name(id), dtype(*id), shape);
        let nodes = ordered(&inner).into_iter().map(|node| NodeProto {
            op_type: Some(node.op.to_owned()),
            name: Some(format!(
                "{}{}",
                node.op,
                node.outputs.first().map(|id| format!("_{}", value_name(id))).unwrap_or_default()
            )),
            input: node.inputs.iter().map(value_name).collect(),
            output: node.outputs.iter().map(value_name).collect(),
            attribute: node.attributes.clone(),
            doc_string: (!node.scope.is_empty()).then(|| format!("step {}", node.scope)),
            ..NodeProto::default()
        });
        let graph = GraphProto {
            name: Some(name.to_owned()),
            node: nodes.collect(),
            initializer: inner.initializers.iter().map(|(id, tensor)| tensor.to_proto(&value_name(id))).collect(),
            input: inner.inputs.iter().map(info).collect(),
            output: inner.outputs.iter().map(info).collect(),
            ..GraphProto::default()
        };
        let entry = |(key, value): &(String, String)| StringStringEntryProto {
            key: Some(key.clone()),
            value: Some(value.clone()),
        };
        ModelProto {
            ir_version: Some(if self.opset > 18 { 10 } else { 8 }),
            opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(self.opset) }],
            producer_name: Some("augraft".to_owned()),
            producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            metadata_props: metadata.iter().map(entry).collect(),
            graph: Some(graph),
            ..ModelProto::default()
        }
    }

    pub(crate) fn dtype_of(&self, id: u32) -> DataType {
        self.inner.borrow().values[id as usize].1
    }

    pub(crate) fn name_of(&self, id: u32) -> String {
        self.inner.borrow().values[id as usize].0.clone()
    }

    /// The integer that a value is, where it is a constant int64 scalar.
    pub(crate) fn constant_int(&self, id: u32) -> Option<i64> {
        let inner = self.inner.borrow();
        let (_, tensor) = inner.initializers.iter().find(|(known, _)| *known == id)?;
        if let Tensor::I64(array) = tensor { array.first().copied().filter(|_| array.ndim() == 0) } else { None }
    }

    fn exact(&self, name: &str, dtype: DataType) -> Value<'_> {
        let mut inner = self.inner.borrow_mut();
        inner.values.push((name.to_owned(), dtype));
        Value { graph: self, id: (inner.values.len() - 1) as u32 }
    }

    fn fresh_name(&self, stem: &str, scope: &str) -> String {
        let path = if scope.is_empty() { stem.to_owned() } else { format!("{scope}/{stem}") };
        let mut inner = self.inner.borrow_mut();
        let count = inner.names.entry(path.clone()).or_default();
        *count += 1;
        if *count == 1 { format!("{path}.0") } else { format!("{path}.{}", *count - 1) }
    }
}

/// The nodes, each after those that it reads; the order of the calls is kept where it can be.
fn ordered(inner: &Inner) -> Vec<&Node> {
    let producer: BTreeMap<u32, usize> =
        inner.nodes.iter().enumerate().flat_map(|(at, node)| node.outputs.iter().map(move |id| (*id, at))).collect();
    let mut done = vec![false; inner.nodes.len()];
    let mut order = Vec::with_capacity(inner.nodes.len());
    for start in 0..inner.nodes.len() {
        let mut stack = vec![(start, false)];
        while let Some((at, ready)) = stack.pop() {
            if done[at] {
                continue;
            }
            if ready {
                done[at] = true;
                order.push(&inner.nodes[at]);
                continue;
            }
            stack.push((at, true));
            let needs = inner.nodes[at].inputs.iter().rev().filter_map(|id| producer.get(id));
            stack.extend(needs.filter(|need| !done[**need]).map(|need| (*need, false)));
        }
    }
    order
}

fn value_info(name: &str, dtype: DataType, shape: &[Side]) -> ValueInfoProto {
    let side = |side: &Side| tensor_shape_proto::Dimension {
        value: Some(match side {
            Side::Fixed(n) => tensor_shape_proto::dimension::Value::DimValue(*n as i64),
            Side::Named(name) => tensor_shape_proto::dimension::Value::DimParam((*name).to_owned()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_ordered_and_constants_stored_once() {
        let graph = Graph::new(18);
        let x = graph.input("x", DataType::F32, &[Side::Named("N")]);
        let late = graph.declare("late", DataType::F32);
        let two = graph.constant(Tensor::scalar(2f32));
        graph.output(late * two + graph.constant(Tensor::scalar(2f32)), "y", &[Side::Named("N")]);
        graph.define(late, "Neg", &[x], vec![]);
        let proto = graph.into_proto("test", &[]);
        let graph = proto.graph.expect("a graph");
        let ops: Vec<_> = graph.node.iter().map(|node| node.op_type.clone().unwrap_or_default()).collect();
        assert_eq!(ops, ["Neg", "Mul", "Add", "Identity"]);
        assert_eq!(graph.initializer.len(), 1);
    }
}
