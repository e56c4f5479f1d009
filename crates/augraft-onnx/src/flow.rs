//! The dataflow of a graph, with captured names as inputs of the node that captures them.

use std::collections::BTreeMap;

use crate::model::Model;
use crate::nodes::{initializer_names, is_random, is_standard, outputs, reads};
use crate::proto::{GraphProto, ValueInfoProto};

/// Where a tensor stands in topological order: graph inputs first, then the outputs of each node.
pub(crate) type Position = (usize, usize);

/// The dataflow of a validated model.
pub(crate) struct Flow<'m> {
    pub(crate) graph: &'m GraphProto,
    /// The graph inputs without initializers.
    pub(crate) inputs: Vec<&'m str>,
    /// The names that each node reads, captured ones included.
    pub(crate) reads: Vec<Vec<&'m str>>,
    /// Whether each node computes the same value whatever the inputs are.
    pub(crate) constant: Vec<bool>,
    /// Whether each node computes from sizes of tensors alone, whatever stands in them.
    pub(crate) sizes: Vec<bool>,
    positions: BTreeMap<&'m str, Position>,
}

impl<'m> Flow<'m> {
    pub(crate) fn of(model: &'m Model) -> Self {
        let graph = model.graph();
        let initializers = initializer_names(graph);
        let inputs = graph.input.iter().map(ValueInfoProto::name).filter(|name| !initializers.contains(name));
        let inputs: Vec<&str> = inputs.collect();
        let mut positions: BTreeMap<&str, Position> =
            inputs.iter().enumerate().map(|(slot, &name)| (name, (0, slot))).collect();
        for (index, node) in graph.node.iter().enumerate() {
            positions.extend(outputs(node).enumerate().map(|(slot, name)| (name, (index + 1, slot))));
        }
        let random_function = model.proto().functions.iter().any(|function| function.node.iter().any(is_random));
        let reads: Vec<Vec<&str>> = graph.node.iter().map(reads).collect();
        let count = graph.node.len();
        let (constant, sizes) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut flow = Self { graph, inputs, reads, constant, sizes, positions };
        for (index, node) in graph.node.iter().enumerate() {
            let may_draw = is_random(node) || (random_function && !is_standard(node.domain()));
            let constant = !may_draw && flow.reads[index].iter().all(|name| flow.is_constant(name));
            let sizes = !may_draw && !constant && flow.value_reads(index).next().is_none();
            flow.constant.push(constant);
            flow.sizes.push(sizes);
        }
        flow
    }

    /// Returns what a node reads for its values: neither constants, nor what is made of sizes, nor tensors of which only the size or type counts.
    pub(crate) fn value_reads(&self, index: usize) -> impl Iterator<Item = &'m str> + '_ {
        let node = &self.graph.node[index];
        let slots = if is_standard(node.domain()) { sized_slots(node.op_type()) } else { 0..0 };
        let sized = move |name: &str| {
            let values = node.input.iter().enumerate().any(|(slot, input)| input == name && !slots.contains(&slot));
            !values && node.input.iter().any(|input| input == name)
        };
        self.reads[index].iter().copied().filter(move |name| self.has_values(name) && !sized(name))
    }

    /// Says whether a tensor holds values that depend on the run, not on sizes alone.
    pub(crate) fn has_values(&self, name: &str) -> bool {
        match self.position(name) {
            Some((0, _)) => true,
            Some((place, _)) => !self.constant[place - 1] && !self.sizes[place - 1],
            None => false,
        }
    }

    /// Returns the index of the node that produces a tensor; inputs and initializers have none.
    pub(crate) fn producer(&self, name: &str) -> Option<usize> {
        self.position(name).and_then(|(place, _)| place.checked_sub(1))
    }

    /// Returns the place of a graph input or node output in topological order.
    pub(crate) fn position(&self, name: &str) -> Option<Position> {
        self.positions.get(name).copied()
    }

    /// Returns the model's own copy of a name and its place.
    pub(crate) fn find(&self, name: &str) -> Option<(&'m str, Position)> {
        self.positions.get_key_value(name).map(|(&name, &position)| (name, position))
    }

    /// Says whether a tensor is an initializer or computed from initializers alone.
    pub(crate) fn is_constant(&self, name: &str) -> bool {
        match self.position(name) {
            Some((0, _)) => false,
            Some((place, _)) => self.constant[place - 1],
            None => true,
        }
    }

    /// Returns all tensors that depend on the run, in topological order: inputs, then node outputs.
    pub(crate) fn activations(&self) -> Vec<&'m str> {
        let nodes = self.graph.node.iter().zip(&self.constant).filter(|&(_, &constant)| !constant);
        self.inputs.iter().copied().chain(nodes.flat_map(|(node, _)| outputs(node))).collect()
    }

    /// Returns the tensors with values that depend on the run, in topological order: inputs, then node outputs.
    pub(crate) fn valued(&self) -> Vec<&'m str> {
        self.activations().into_iter().filter(|name| self.has_values(name)).collect()
    }

    /// Says of each node whether one of `names` depends on it; constant nodes do not count.
    pub(crate) fn ancestors<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Vec<bool> {
        let mut needed = vec![false; self.graph.node.len()];
        let live = |name: &str| self.producer(name).filter(|&index| !self.constant[index]);
        let mut pending: Vec<usize> = names.into_iter().filter_map(live).collect();
        while let Some(index) = pending.pop() {
            if std::mem::replace(&mut needed[index], true) {
                continue;
            }
            pending.extend(self.reads[index].iter().filter_map(|name| live(name)).filter(|&index| !needed[index]));
        }
        needed
    }
}

/// The inputs of an operator of which it takes the size or the type alone.
fn sized_slots(op: &str) -> std::ops::Range<usize> {
    match op {
        "Shape" | "Size" | "EyeLike" | "RandomNormalLike" | "RandomUniformLike" => 0..1,
        "CastLike" => 1..2,
        _ => 0..0,
    }
}
