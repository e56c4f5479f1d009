//! The tensors that are stored in a graph.

use std::collections::BTreeMap;

use crate::payload::int64_values;
use crate::proto::{GraphProto, TensorProto};

/// Initializers and the values of `Constant` nodes.
pub(crate) struct Stored<'m> {
    tensors: BTreeMap<&'m str, &'m TensorProto>,
    lists: BTreeMap<&'m str, Vec<i64>>,
}

impl<'m> Stored<'m> {
    pub(crate) fn in_graph(graph: &'m GraphProto) -> Self {
        let mut tensors: BTreeMap<&str, &TensorProto> = graph.initializer.iter().map(|t| (t.name(), t)).collect();
        let mut lists = BTreeMap::new();
        for node in graph.node.iter().filter(|node| node.op_type() == "Constant") {
            let (Some(name), Some(value)) = (node.output.first(), node.attribute.first()) else { continue };
            match (&value.t, value.name()) {
                (Some(tensor), _) => _ = tensors.insert(name, tensor),
                (None, "value_ints") => _ = lists.insert(name.as_str(), value.ints.clone()),
                (None, "value_int") => _ = lists.insert(name.as_str(), vec![value.i()]),
                (None, _) => {}
            }
        }
        Self { tensors, lists }
    }

    /// Returns a stored tensor, where it is written as one.
    pub(crate) fn tensor(&self, name: &str) -> Option<&'m TensorProto> {
        self.tensors.get(name).copied()
    }

    /// Returns the values of a stored int64 tensor.
    pub(crate) fn int64_values(&self, name: &str) -> Option<Vec<i64>> {
        self.lists.get(name).cloned().or_else(|| self.tensor(name).and_then(int64_values))
    }
}
