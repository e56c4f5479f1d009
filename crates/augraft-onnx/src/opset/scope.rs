//! What a rewrite knows of the nodes around, and what it adds to them.

use std::collections::{BTreeMap, BTreeSet};

use crate::attributes::attribute_of;
use crate::fresh::{Constants, names_in};
use crate::model::port;
use crate::nodes::{bodies, outputs};
use crate::proto::tensor_proto::DataType;
use crate::proto::{AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto};

/// From which version to which.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) from: i64,
    pub(super) to: i64,
}

impl Step {
    /// Says whether a change that came with `version` lies on the way.
    pub(super) fn crosses(self, version: i64) -> bool {
        self.from < version && version <= self.to
    }
}

/// The graph or function whose nodes are rewritten, with the bodies inside it.
pub(super) struct Scope {
    pub(super) constants: Constants,
    /// New nodes that come before the one being rewritten, and behind it.
    pub(super) before: Vec<NodeProto>,
    pub(super) after: Vec<NodeProto>,
    /// Whether no tensor is known to be of another float type than f32.
    pub(super) single: bool,
    /// The names that a node reads, or that leave the graph.
    used: BTreeSet<String>,
    /// How many dimensions a tensor has, where that is plain to see.
    ranks: BTreeMap<String, usize>,
    /// Short constants; nothing where two bodies have different ones of one name.
    floats: BTreeMap<String, Option<Vec<f32>>>,
}

impl Scope {
    pub(super) fn of_graph(graph: &GraphProto, single: bool) -> Self {
        let mut scope = Self::beside(names_in(graph), single);
        scope.look_at(graph);
        scope.ranks = ranks(graph);
        scope
    }

    pub(super) fn of_function(function: &FunctionProto, taken: BTreeSet<String>, single: bool) -> Self {
        let mut scope = Self::beside(taken, single);
        scope.used.extend(function.output.iter().cloned());
        scope.look_at_nodes(&function.node);
        scope
    }

    fn beside(taken: BTreeSet<String>, single: bool) -> Self {
        let constants = Constants::beside(taken);
        let (used, ranks, floats) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        Self { constants, before: Vec::new(), after: Vec::new(), single, used, ranks, floats }
    }

    /// Says whether anything reads a tensor.
    pub(super) fn is_used(&self, name: &str) -> bool {
        self.used.contains(name)
    }

    /// How many dimensions a tensor has, or nothing where that is not plain to see.
    pub(super) fn rank(&self, name: &str) -> Option<usize> {
        self.ranks.get(name).copied()
    }

    /// The values of a short constant of f32.
    pub(super) fn floats(&self, name: &str) -> Option<&[f32]> {
        self.floats.get(name)?.as_deref()
    }

    fn look_at(&mut self, graph: &GraphProto) {
        self.used.extend(graph.output.iter().map(|info| info.name().to_owned()));
        graph.initializer.iter().for_each(|tensor| self.store(tensor.name(), tensor));
        self.look_at_nodes(&graph.node);
    }

    fn look_at_nodes(&mut self, nodes: &[NodeProto]) {
        for node in nodes {
            self.used.extend(node.input.iter().cloned());
            if let ("Constant", Some(name)) = (node.op_type(), outputs(node).next()) {
                node.attribute.iter().filter_map(|value| value.t.as_ref()).for_each(|tensor| self.store(name, tensor));
            }
            bodies(node).for_each(|body| self.look_at(body));
        }
    }

    fn store(&mut self, name: &str, tensor: &TensorProto) {
        let Some(values) = short_floats(tensor) else { return };
        let known = self.floats.entry(name.to_owned()).or_insert_with(|| Some(values.clone()));
        known.take_if(|known| *known != values);
    }
}

/// The values of a tensor of f32 that is short enough to be one of scales.
fn short_floats(tensor: &TensorProto) -> Option<Vec<f32>> {
    let few = tensor.dims.iter().try_fold(1_i64, |count, &dim| count.checked_mul(dim)).is_some_and(|count| count <= 8);
    if tensor.data_type() != DataType::Float as i32 || !few {
        return None;
    }
    match &tensor.raw_data {
        Some(raw) if !raw.is_empty() => {
            Some(raw.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect())
        }
        _ => Some(tensor.float_data.clone()),
    }
}

/// The number of dimensions of tensors of a graph: as declared, or as their operator has it.
fn ranks(graph: &GraphProto) -> BTreeMap<String, usize> {
    let stored = |name: &str| graph.initializer.iter().find(|tensor| tensor.name() == name);
    let made = graph.node.iter().filter_map(|node| {
        let rank = match node.op_type() {
            "Flatten" | "Gemm" => 2,
            "Reshape" => usize::try_from(*stored(node.input.get(1)?)?.dims.first()?).ok()?,
            _ => return None,
        };
        Some((outputs(node).next()?.to_owned(), rank))
    });
    let declared = graph.input.iter().chain(&graph.output).chain(&graph.value_info);
    let declared = declared.filter_map(|info| Some((info.name().to_owned(), port(info).shape?.len())));
    made.chain(declared).collect()
}

/// Says whether nothing in a model is of a float type other than f32.
pub(super) fn holds_single_floats(proto: &ModelProto) -> bool {
    let functions = proto.functions.iter().flat_map(|function| &function.node);
    proto.graph.as_ref().is_none_or(is_single) && functions.into_iter().all(is_single_node)
}

fn is_single(graph: &GraphProto) -> bool {
    let declared = graph.input.iter().chain(&graph.output).chain(&graph.value_info);
    declared.map(|info: &ValueInfoProto| port(info).dtype).all(is_single_type)
        && graph.initializer.iter().map(TensorProto::data_type).all(is_single_type)
        && graph.node.iter().all(is_single_node)
}

fn is_single_node(node: &NodeProto) -> bool {
    // The target of a `Cast`, and what generators of constants give.
    let named = |attribute: &&AttributeProto| matches!(attribute.name(), "to" | "dtype" | "output_dtype");
    let targets = node.attribute.iter().filter(named).filter_map(|attribute| i32::try_from(attribute.i()).ok());
    let tensors = node.attribute.iter().flat_map(|attribute| attribute.t.iter().chain(&attribute.tensors));
    targets.chain(tensors.map(TensorProto::data_type)).all(is_single_type) && bodies(node).all(is_single)
}

fn is_single_type(data_type: i32) -> bool {
    use DataType as T;
    !matches!(T::try_from(data_type), Ok(T::Float16 | T::Bfloat16 | T::Double))
}

/// Returns an attribute that the node itself gives; inside a function it can come from the caller.
pub(super) fn own_attribute<'n>(node: &'n NodeProto, name: &str) -> Result<Option<&'n AttributeProto>, String> {
    let found = attribute_of(node, name);
    if found.is_some_and(|attribute| !attribute.ref_attr_name().is_empty()) {
        return Err(format!("takes its '{name}' from the caller of the function; inline the function"));
    }
    Ok(found)
}
