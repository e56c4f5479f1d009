//! A typed builder for ONNX graphs: what is recorded, and copyable handles to it.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;

use prost::Message;

use crate::fragment::Fragment;
use crate::proto::{AttributeProto, ModelProto};
use crate::recorded::{Named, Node, Recorded, Side};
use crate::tensor::{DataType, Tensor};

/// A graph under construction; nodes are recorded in the order of the calls, equal ones once.
pub struct Graph {
    opset: i64,
    inner: RefCell<Recorded>,
}

/// A handle to a tensor of a graph.
#[derive(Clone, Copy)]
pub struct Value<'g> {
    pub(crate) graph: &'g Graph,
    pub(crate) id: u32,
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name())
    }
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
        self.graph.dtype_of(self.id)
    }

    /// Name in the graph.
    #[must_use]
    pub fn name(self) -> String {
        self.graph.name_of(self.id)
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Graph of {} nodes", self.inner.borrow().nodes.len())
    }
}

impl Graph {
    /// Starts an empty graph for `opset` of the default domain, 9 or later; nodes are written as that version has them.
    #[must_use]
    pub fn new(opset: i64) -> Self {
        Self { opset, inner: RefCell::default() }
    }

    /// Version of the standard operators that nodes are written for.
    #[must_use]
    pub fn opset(&self) -> i64 {
        self.opset
    }

    /// Puts the nodes and names that follow under `scope/` (empty: none).
    pub fn set_scope(&self, scope: &str) {
        scope.clone_into(&mut self.inner.borrow_mut().scope);
    }

    /// Says what the nodes of a scope do; the first of them carries it as its doc string.
    pub fn describe_scope(&self, scope: &str, text: &str) {
        self.inner.borrow_mut().docs.insert(scope.to_owned(), text.to_owned());
    }

    /// Adds a graph input with exactly this name.
    pub fn input(&self, name: &str, dtype: DataType, shape: &[Side]) -> Value<'_> {
        let value = self.add(name, dtype, true);
        self.inner.borrow_mut().inputs.push((value.id, shape.to_vec()));
        value
    }

    /// Names a tensor of the model that this graph is grafted into.
    pub fn external(&self, name: &str, dtype: DataType) -> Value<'_> {
        self.add(name, dtype, true)
    }

    /// Adds a constant; equal constants are stored once.
    pub fn constant(&self, tensor: Tensor) -> Value<'_> {
        let key = (tensor.dtype(), tensor.shape().to_vec(), tensor.to_le_bytes());
        if let Some(&id) = self.inner.borrow().constants.get(&key) {
            return Value { graph: self, id };
        }
        let value = self.add(&self.fresh_name("constant", ""), tensor.dtype(), false);
        self.inner.borrow_mut().constants.insert(key, value.id);
        self.store(value, tensor);
        value
    }

    /// Adds a constant with exactly this name.
    pub fn named_constant(&self, tensor: Tensor, name: &str) -> Value<'_> {
        let value = self.add(name, tensor.dtype(), true);
        self.store(value, tensor);
        value
    }

    /// A constant list of int64, as shapes and axes are given.
    pub fn ints(&self, values: &[i64]) -> Value<'_> {
        self.constant(Tensor::vector(values.to_vec()))
    }

    /// Names a value that a later [`define`](Self::define) produces.
    pub fn declare(&self, name: &str, dtype: DataType) -> Value<'_> {
        let scope = self.inner.borrow().scope.clone();
        self.add(&self.fresh_name(name, &scope), dtype, false)
    }

    /// The value with this [`id`](Value::id).
    #[must_use]
    pub fn value(&self, id: u32) -> Value<'_> {
        Value { graph: self, id }
    }

    /// Produces a declared value.
    pub fn define(&self, value: Value<'_>, op: &'static str, inputs: &[Value<'_>], attributes: Vec<AttributeProto>) {
        let inputs = inputs.iter().map(|value| Some(value.id)).collect();
        self.push(op.into(), inputs, vec![value.id], attributes);
    }

    /// Adds a node with one output of type `dtype`; a second node of the same kind over the same inputs is the first one.
    pub fn node(
        &self,
        op: &'static str,
        inputs: &[Value<'_>],
        attributes: Vec<AttributeProto>,
        dtype: DataType,
    ) -> Value<'_> {
        let encoded = attributes.iter().flat_map(Message::encode_length_delimited_to_vec).collect();
        let key = (op.to_owned(), inputs.iter().map(|value| value.id).collect(), encoded);
        if let Some(&id) = self.inner.borrow().known.get(&key) {
            return Value { graph: self, id };
        }
        let value = self.declare(&op.to_lowercase(), dtype);
        self.define(value, op, inputs, attributes);
        self.inner.borrow_mut().known.insert(key, value.id);
        value
    }

    /// Calls a value exactly `name`: its own tensor, or a copy where that has a name that someone chose or is a constant.
    pub fn name<'g>(&'g self, value: Value<'g>, name: &str) -> Value<'g> {
        let mut inner = self.inner.borrow_mut();
        let known = &mut inner.values[value.id as usize];
        if known.made && !known.chosen {
            (known.name, known.chosen) = (name.to_owned(), true);
            return value;
        }
        drop(inner);
        let copy = self.add(name, value.dtype(), true);
        self.define(copy, "Identity", &[value], vec![]);
        copy
    }

    /// Makes `value` a graph output called exactly `name`.
    pub fn output(&self, value: Value<'_>, name: &str, shape: &[Side]) {
        let named = self.name(self.value(value.id), name).id;
        self.inner.borrow_mut().outputs.push((named, shape.to_vec()));
    }

    /// Writes the graph as a model of this producer, with nodes in topological order and key-value metadata.
    #[must_use]
    pub fn into_proto(self, name: &str, metadata: &[(String, String)]) -> ModelProto {
        let opset = self.opset;
        self.into_fragment(&[]).into_model(name, opset, metadata)
    }

    /// Writes the graph as nodes to be grafted into a model, which reads the tensors `read`.
    ///
    /// What neither these, nor outputs, nor tensors with chosen names are made of is left out.
    #[must_use]
    pub fn into_fragment(self, read: &[&str]) -> Fragment {
        Fragment::new(&self.inner.into_inner(), read)
    }

    pub(crate) fn push(
        &self,
        op: Cow<'static, str>,
        inputs: Vec<Option<u32>>,
        outputs: Vec<u32>,
        attributes: Vec<AttributeProto>,
    ) {
        let mut inner = self.inner.borrow_mut();
        let scope = inner.scope.clone();
        for output in &outputs {
            inner.values[*output as usize].made = true;
        }
        inner.nodes.push(Node { op, inputs, outputs, attributes, scope });
    }

    pub(crate) fn add(&self, name: &str, dtype: DataType, chosen: bool) -> Value<'_> {
        let mut inner = self.inner.borrow_mut();
        inner.values.push(Named { name: name.to_owned(), chosen, made: false, dtype });
        Value { graph: self, id: (inner.values.len() - 1) as u32 }
    }

    pub(crate) fn dtype_of(&self, id: u32) -> DataType {
        self.inner.borrow().values[id as usize].dtype
    }

    pub(crate) fn name_of(&self, id: u32) -> String {
        self.inner.borrow().values[id as usize].name.clone()
    }

    /// What `read` sees in the constant that a value is.
    pub(crate) fn constant_of<T>(&self, id: u32, read: impl FnOnce(&Tensor) -> Option<T>) -> Option<T> {
        let inner = self.inner.borrow();
        let place = inner.stored.get(&id)?;
        read(&inner.initializers[*place].1)
    }

    fn store(&self, value: Value<'_>, tensor: Tensor) {
        let mut inner = self.inner.borrow_mut();
        let place = inner.initializers.len();
        inner.stored.insert(value.id, place);
        inner.initializers.push((value.id, tensor));
    }

    fn fresh_name(&self, stem: &str, scope: &str) -> String {
        let path = if scope.is_empty() { stem.to_owned() } else { format!("{scope}/{stem}") };
        let mut inner = self.inner.borrow_mut();
        let count = inner.counts.entry(path.clone()).or_default();
        *count += 1;
        format!("{path}.{}", *count - 1)
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
        assert_eq!(ops, ["Neg", "Mul", "Add"]);
        assert_eq!(graph.initializer.len(), 1);
    }

    #[test]
    fn what_nobody_reads_is_left_out_unless_its_name_was_chosen() {
        let made = |splices: bool| {
            let graph = Graph::new(18);
            let x = graph.input("x", DataType::F32, &[Side::Named("N")]);
            let _ = x.unary("Exp") + graph.constant(Tensor::scalar(2f32));
            let _ = graph.name(x.unary("Abs"), "step/out");
            let spliced = x.unary("Neg").name();
            graph.output(x.unary("Floor"), "y", &[Side::Named("N")]);
            let read: Vec<&str> = splices.then_some(spliced.as_str()).into_iter().collect();
            let fragment = graph.into_fragment(&read);
            assert!(fragment.initializers.is_empty());
            fragment.nodes.into_iter().filter_map(|node| node.op_type).collect::<Vec<_>>()
        };
        assert_eq!(made(false), ["Abs", "Floor"]);
        assert_eq!(made(true), ["Abs", "Neg", "Floor"]);
    }
}
