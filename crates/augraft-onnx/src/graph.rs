//! A typed builder for ONNX graphs: values are copyable handles with the usual operators.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Not, Sub};

use crate::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorShapeProto,
    TypeProto, ValueInfoProto, attribute_proto::AttributeType, tensor_shape_proto, type_proto,
};
use crate::tensor::{DataType, Tensor};

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

/// A handle to a tensor of a graph.
#[derive(Clone, Copy)]
pub struct Value<'g> {
    graph: &'g Graph,
    id: u32,
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name())
    }
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

/// An integer attribute of a node.
#[must_use]
pub fn int_attribute(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Int as i32),
        i: Some(value),
        ..Default::default()
    }
}

/// An attribute of a node that is a list of integers.
#[must_use]
pub fn ints_attribute(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        r#type: Some(AttributeType::Ints as i32),
        ints: values.to_vec(),
        ..Default::default()
    }
}

/// A text attribute of a node.
#[must_use]
pub fn text_attribute(name: &str, value: &str) -> AttributeProto {
    let s = Some(value.as_bytes().to_vec().into());
    AttributeProto { name: Some(name.to_owned()), r#type: Some(AttributeType::String as i32), s, ..Default::default() }
}

impl<'g> Value<'g> {
    /// The graph that this value belongs to.
    #[must_use]
    pub fn graph(self) -> &'g Graph {
        self.graph
    }

    /// Number of the value within its graph.
    #[must_use]
    pub fn id(self) -> u32 {
        self.id
    }

    /// Element type.
    #[must_use]
    pub fn dtype(self) -> DataType {
        self.graph.inner.borrow().values[self.id as usize].1
    }

    /// Name in the graph.
    #[must_use]
    pub fn name(self) -> String {
        self.graph.inner.borrow().values[self.id as usize].0.clone()
    }

    /// Adds a node with this value as its only input, of the same type.
    #[must_use]
    pub fn unary(self, op: &'static str) -> Self {
        self.graph.node(op, &[self], vec![], self.dtype())
    }

    /// Adds a node with two inputs, of the type of the first; the sum, difference or product of two constant integers is a constant.
    #[must_use]
    pub fn binary(self, op: &'static str, other: Self) -> Self {
        if let (Some(a), Some(b)) = (self.constant_int(), other.constant_int()) {
            let folded = match op {
                "Add" => a.checked_add(b),
                "Sub" => a.checked_sub(b),
                "Mul" => a.checked_mul(b),
                _ => None,
            };
            if let Some(folded) = folded {
                return self.graph.constant(Tensor::scalar(folded));
            }
        }
        self.graph.node(op, &[self, other], vec![], self.dtype())
    }

    /// The integer that this value is, where it is a constant int64 scalar.
    #[must_use]
    pub fn constant_int(self) -> Option<i64> {
        let inner = self.graph.inner.borrow();
        let (_, tensor) = inner.initializers.iter().find(|(id, _)| *id == self.id)?;
        if let Tensor::I64(array) = tensor { array.first().copied().filter(|_| array.ndim() == 0) } else { None }
    }

    fn compare(self, op: &'static str, other: Self) -> Self {
        self.graph.node(op, &[self, other], vec![], DataType::Bool)
    }

    /// Whether `self < other`, elementwise.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        self.compare("Less", other)
    }

    /// Whether `self >= other`, elementwise.
    #[must_use]
    pub fn at_least(self, other: Self) -> Self {
        self.compare("GreaterOrEqual", other)
    }

    /// `yes` where `self` holds, else `no`.
    #[must_use]
    pub fn select(self, yes: Self, no: Self) -> Self {
        self.graph.node("Where", &[self, yes, no], vec![], yes.dtype())
    }

    /// Converts the elements; to int64 by `CastLike`, because tract turns `Cast` to INT64 into 32-bit dimensions.
    #[must_use]
    pub fn cast(self, dtype: DataType) -> Self {
        if dtype == DataType::I64 {
            let like = self.graph.constant(Tensor::scalar(0i64));
            return self.graph.node("CastLike", &[self, like], vec![], dtype);
        }
        self.graph.node("Cast", &[self], vec![int_attribute("to", i64::from(dtype.to_proto()))], dtype)
    }

    /// Inserts axes of length 1.
    #[must_use]
    pub fn unsqueeze(self, axes: &[i64]) -> Self {
        self.binary("Unsqueeze", self.graph.ints(axes))
    }

    /// Picks `indices` along `axis`.
    #[must_use]
    pub fn gather(self, indices: Self, axis: i64) -> Self {
        self.graph.node("Gather", &[self, indices], vec![int_attribute("axis", axis)], self.dtype())
    }

    /// Keeps `start..end` along `axis`.
    #[must_use]
    pub fn slice(self, axis: i64, start: i64, end: i64) -> Self {
        let graph = self.graph;
        let inputs = [self, graph.ints(&[start]), graph.ints(&[end]), graph.ints(&[axis])];
        graph.node("Slice", &inputs, vec![], self.dtype())
    }

    /// Gives the elements another shape; 0 keeps a side, -1 is inferred.
    #[must_use]
    pub fn reshape(self, shape: &[i64]) -> Self {
        self.binary("Reshape", self.graph.ints(shape))
    }

    /// Reorders the axes.
    #[must_use]
    pub fn transpose(self, axes: &[i64]) -> Self {
        self.graph.node("Transpose", &[self], vec![ints_attribute("perm", axes)], self.dtype())
    }

    /// Repeats along axes of length 1 up to `shape`, an int64 vector.
    #[must_use]
    pub fn expand(self, shape: Self) -> Self {
        self.binary("Expand", shape)
    }

    /// The sides as an int64 vector.
    #[must_use]
    pub fn shape(self) -> Self {
        self.graph.node("Shape", &[self], vec![], DataType::I64)
    }

    /// Sums over `axis`, which is removed.
    #[must_use]
    pub fn reduce_sum(self, axis: i64) -> Self {
        let graph = self.graph;
        graph.node("ReduceSum", &[self, graph.ints(&[axis])], vec![int_attribute("keepdims", 0)], self.dtype())
    }

    /// The product of matrices over the last two axes.
    #[must_use]
    pub fn matmul(self, other: Self) -> Self {
        self.binary("MatMul", other)
    }
}

macro_rules! operators {
    ($($trait:ident $method:ident $op:literal),*) => {$(
        impl<'g> $trait for Value<'g> {
            type Output = Value<'g>;
            fn $method(self, other: Self) -> Self { self.binary($op, other) }
        }
    )*};
}
operators!(Add add "Add", Sub sub "Sub", Mul mul "Mul", Div div "Div", BitAnd bitand "And", BitOr bitor "Or", BitXor bitxor "BitwiseXor");

impl Not for Value<'_> {
    type Output = Self;
    fn not(self) -> Self {
        self.unary("Not")
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
