use std::collections::{BTreeMap, BTreeSet};

use crate::cost::multiply_adds as node_costs;
use crate::elements::element_types;
use crate::flow::Flow;
use crate::layout::{Channels, channels};
use crate::model::Model;
use crate::nodes::outputs;
use crate::proto::ValueInfoProto;

/// A tensor of the main graph that a step can act on.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// The tensor.
    pub name: String,
    /// The operator that computes it.
    pub op_type: String,
    /// Its element type, a value of [`DataType`](crate::proto::tensor_proto::DataType), where it is declared or follows from the operators.
    pub element: Option<i32>,
    /// Its measured shape at batch 1, or `None` when it was not measured.
    pub shape: Option<Vec<usize>>,
    /// Which of its axes are channels, where the operators around show it; of tensors with three or four axes whose shape was measured.
    pub channels: Option<Channels>,
    /// Whether every path from the graph's inputs to its outputs goes through it; values count, sizes do not.
    pub dominates: bool,
    /// The share of the model's multiply-adds, 0 to 1, in nodes that it does not need.
    pub macs_after: f64,
    /// How many other tensors lead from what it needs, or from the graph's inputs, into the rest of the model.
    pub skips: usize,
}

/// Lists the node outputs whose values come from the inputs and reach an output through a node that reads them, in topological order.
///
/// `shapes` holds measured shapes at batch 1; without them no multiply-adds are known and `macs_after` is 0.
/// Convolutions and matrix products count, other operators do not. [`idle_tensors`] says why the other outputs of nodes are not among them.
#[must_use]
pub fn sites(model: &Model, shapes: &BTreeMap<String, Vec<usize>>) -> Vec<Site> {
    let flow = Flow::of(model);
    let types = element_types(&flow);
    let dominators = dominators(&flow);
    let costs = node_costs(&flow, shapes);
    let channels = channels(&flow, shapes);
    let listed: BTreeSet<&str> = on_a_path(&flow).into_iter().collect();
    let read: BTreeSet<&str> = live_reads(&flow).collect();
    let numbered = Numbered::of(&flow);
    let chosen: Vec<usize> = (0..numbered.names.len())
        .filter(|&number| numbered.producers[number].is_some())
        .filter(|&number| listed.contains(numbered.names[number]) && read.contains(numbered.names[number]))
        .collect();
    let measured = numbered.measure(&chosen, &costs);
    let described = chosen.iter().zip(measured).map(|(&number, (macs_after, skips))| {
        let name = numbered.names[number];
        let node = numbered.producers[number].map(|node| &flow.graph.node[node]);
        Site {
            name: name.to_owned(),
            op_type: node.map(|node| node.op_type().to_owned()).unwrap_or_default(),
            element: types.get(name).copied(),
            shape: shapes.get(name).cloned(),
            channels: channels.get(name).copied(),
            dominates: dominators.contains(name),
            macs_after,
            skips,
        }
    });
    described.collect()
}

/// Returns the node outputs that are no [`sites`], and why: the end of a sentence that begins with the tensor.
#[must_use]
pub fn idle_tensors(model: &Model) -> Vec<(String, &'static str)> {
    let flow = Flow::of(model);
    let listed: BTreeSet<&str> = on_a_path(&flow).into_iter().collect();
    let read: BTreeSet<&str> = live_reads(&flow).collect();
    let results: BTreeSet<&str> = flow.graph.output.iter().map(ValueInfoProto::name).collect();
    let made = flow.graph.node.iter().flat_map(outputs);
    let idle = made.filter_map(|name| {
        let reason = match () {
            () if flow.is_constant(name) => "is the same for every image",
            () if !flow.has_values(name) => "is made of the sizes of tensors, not of their values",
            () if read.contains(name) && listed.contains(name) => return None,
            () if results.contains(name) && !read.contains(name) => "is an output that nothing in the model reads",
            () => "is nothing that an output depends on",
        };
        Some((name.to_owned(), reason))
    });
    idle.collect()
}

/// Returns the multiply-adds of a model on one image, given measured shapes at batch 1.
///
/// Convolutions and matrix products count, other operators do not.
#[must_use]
pub fn multiply_adds(model: &Model, shapes: &BTreeMap<String, Vec<usize>>) -> f64 {
    node_costs(&Flow::of(model), shapes).iter().sum()
}

/// How many sites are measured in one walk through the nodes: the bits of a word.
const AT_ONCE: usize = 64;

/// The flow of values by number, since looking names up each time would take minutes.
struct Numbered<'m> {
    names: Vec<&'m str>,
    /// The activations that each node reads for their values.
    reads: Vec<Vec<usize>>,
    /// The node that computes each activation; graph inputs have none.
    producers: Vec<Option<usize>>,
    /// Whether an output needs each node.
    live: Vec<bool>,
}

impl<'m> Numbered<'m> {
    fn of(flow: &Flow<'m>) -> Self {
        let names = flow.valued();
        let numbers: BTreeMap<&str, usize> = names.iter().enumerate().map(|(number, &name)| (name, number)).collect();
        let read = |node| flow.value_reads(node).filter_map(|name| numbers.get(name).copied()).collect();
        Self {
            reads: (0..flow.graph.node.len()).map(read).collect(),
            producers: names.iter().map(|name| flow.producer(name)).collect(),
            live: flow.ancestors(flow.graph.output.iter().map(ValueInfoProto::name)),
            names,
        }
    }

    /// The share of `costs` in nodes that each of these activations does not need, and the activations that lead around it.
    fn measure(&self, sites: &[usize], costs: &[f64]) -> Vec<(f64, usize)> {
        let total: f64 = costs.iter().sum();
        let costs: Vec<(usize, f64)> = costs.iter().copied().enumerate().filter(|(_, cost)| *cost > 0.0).collect();
        let mut measured = Vec::with_capacity(sites.len());
        for block in sites.chunks(AT_ONCE) {
            let needed = self.needed(block);
            let crossing = self.crossing(block, &needed);
            measured.extend(block.iter().enumerate().map(|(bit, _)| {
                // Not `sum`, which is -0 where nothing comes after.
                let after = costs.iter().filter(|(node, _)| needed[*node] >> bit & 1 == 0);
                let after = after.fold(0.0, |sum, (_, cost)| sum + cost);
                (if total > 0.0 { after / total } else { 0.0 }, crossing[bit])
            }));
        }
        measured
    }

    /// For each node, the bits of the sites that need it.
    fn needed(&self, block: &[usize]) -> Vec<u64> {
        let mut needed = vec![0u64; self.reads.len()];
        for (bit, &site) in block.iter().enumerate() {
            if let Some(node) = self.producers[site] {
                needed[node] |= 1 << bit;
            }
        }
        // Nodes stand in topological order, so that one walk from the end reaches all.
        for (node, reads) in self.reads.iter().enumerate().rev() {
            let bits = needed[node];
            for producer in reads.iter().filter(|_| bits != 0).filter_map(|&read| self.producers[read]) {
                needed[producer] |= bits;
            }
        }
        needed
    }

    /// For each site, the activations besides it that live nodes outside of what it needs take from the inputs and that.
    fn crossing(&self, block: &[usize], needed: &[u64]) -> [usize; AT_ONCE] {
        let mut outside = vec![0u64; self.names.len()];
        for (node, reads) in self.reads.iter().enumerate().filter(|&(node, _)| self.live[node]) {
            for &read in reads {
                outside[read] |= !needed[node];
            }
        }
        for (bit, &site) in block.iter().enumerate() {
            outside[site] &= !(1 << bit);
        }
        let mut counts = [0; AT_ONCE];
        for (producer, outside) in self.producers.iter().zip(outside) {
            let mut bits = outside & producer.map_or(u64::MAX, |node| needed[node]);
            while bits != 0 {
                counts[bits.trailing_zeros() as usize] += 1;
                bits &= bits - 1;
            }
        }
        counts
    }
}

/// Returns the activations that every path from a graph input to a graph output goes through.
///
/// Only tensors on such a path matter. In topological order, one of them is on every path exactly when no edge between
/// two of them, or from outside to an input, or from an output to outside, jumps over it.
fn dominators<'m>(flow: &Flow<'m>) -> BTreeSet<&'m str> {
    let mut path = on_a_path(flow);
    let order: BTreeMap<&str, usize> = path.iter().enumerate().map(|(place, &name)| (name, place)).collect();
    let mut reach: Vec<usize> = (0..path.len()).collect();
    let last_input = flow.inputs.iter().filter_map(|name| order.get(name)).max().copied();
    let mut jump = last_input.unwrap_or(0);
    for (index, node) in flow.graph.node.iter().enumerate() {
        let target = outputs(node).filter_map(|name| order.get(name)).max();
        for source in flow.value_reads(index).filter_map(|name| order.get(name)) {
            reach[*source] = reach[*source].max(target.copied().unwrap_or(0));
        }
    }
    for output in &flow.graph.output {
        if let Some(&place) = order.get(output.name()) {
            reach[place] = path.len();
        }
    }
    let mut place = 0;
    path.retain(|_| {
        let dominates = jump <= place;
        jump = jump.max(reach[place]);
        place += 1;
        dominates
    });
    path.into_iter().collect()
}

/// Returns the activations whose values depend on those of a graph input and that those of a graph output depend on, in topological order.
fn on_a_path<'m>(flow: &Flow<'m>) -> Vec<&'m str> {
    let mut reached: BTreeSet<&str> = flow.inputs.iter().copied().collect();
    for (index, node) in flow.graph.node.iter().enumerate() {
        if flow.value_reads(index).any(|name| reached.contains(name)) {
            reached.extend(outputs(node));
        }
    }
    let mut wanted: BTreeSet<&str> = live_reads(flow).collect();
    wanted.extend(flow.graph.output.iter().map(ValueInfoProto::name));
    flow.valued().into_iter().filter(|name| reached.contains(name) && wanted.contains(name)).collect()
}

/// Returns what the nodes that an output needs for its values read for theirs.
fn live_reads<'f, 'm>(flow: &'f Flow<'m>) -> impl Iterator<Item = &'m str> + use<'f, 'm> {
    let mut needed: BTreeSet<&str> = flow.graph.output.iter().map(ValueInfoProto::name).collect();
    let mut live = Vec::new();
    for (index, node) in flow.graph.node.iter().enumerate().rev() {
        if outputs(node).any(|name| needed.contains(name)) {
            needed.extend(flow.value_reads(index));
            live.push(index);
        }
    }
    live.into_iter().flat_map(|index| flow.value_reads(index))
}
