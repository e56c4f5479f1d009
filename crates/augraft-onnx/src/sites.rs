use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use crate::cost::multiply_adds as node_costs;
use crate::elements::element_types;
use crate::flow::Flow;
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
    /// Whether every path from the graph's inputs to its outputs goes through it.
    pub dominates: bool,
    /// The share of the model's multiply-adds, 0 to 1, in nodes that it does not need.
    pub macs_after: f64,
    /// How many other tensors lead from what it needs, or from the graph's inputs, into the rest of the model.
    pub skips: usize,
}

/// Lists all node outputs that are not constant, in topological order.
///
/// `shapes` holds measured shapes at batch 1; without them no multiply-adds are known and `macs_after` is 0.
/// Convolutions and matrix products count, other operators do not.
#[must_use]
pub fn sites(model: &Model, shapes: &BTreeMap<String, Vec<usize>>) -> Vec<Site> {
    let flow = Flow::of(model);
    let types = element_types(&flow);
    let dominators = dominators(&flow);
    let costs = node_costs(&flow, shapes);
    let live = flow.ancestors(flow.graph.output.iter().map(ValueInfoProto::name));
    let total: f64 = costs.iter().sum();
    let names = flow.activations();
    let numbered = Numbered::of(&flow, &names);
    let described = names.iter().zip(&numbered.producers).enumerate().filter_map(|(number, (&name, &producer))| {
        let node = producer?;
        let needed = numbered.ancestors(node);
        // Not `sum`, which is -0 where nothing comes after.
        let after = costs.iter().zip(&needed).filter(|&(_, &needed)| !needed).fold(0.0, |sum, (cost, _)| sum + cost);
        Some(Site {
            name: name.to_owned(),
            op_type: flow.graph.node[node].op_type().to_owned(),
            element: types.get(name).copied(),
            shape: shapes.get(name).cloned(),
            dominates: dominators.contains(name),
            macs_after: if total > 0.0 { after / total } else { 0.0 },
            skips: numbered.skips(number, &needed, &live),
        })
    });
    described.collect()
}

/// Returns the multiply-adds of a model on one image, given measured shapes at batch 1.
///
/// Convolutions and matrix products count, other operators do not.
#[must_use]
pub fn multiply_adds(model: &Model, shapes: &BTreeMap<String, Vec<usize>>) -> f64 {
    node_costs(&Flow::of(model), shapes).iter().sum()
}

/// The dataflow by number: every site asks for all nodes, and looking names up each time would take minutes.
struct Numbered {
    /// The activations that each node reads.
    reads: Vec<Vec<usize>>,
    /// The node that computes each activation; graph inputs have none.
    producers: Vec<Option<usize>>,
}

impl Numbered {
    fn of(flow: &Flow, activations: &[&str]) -> Self {
        let numbers: BTreeMap<&str, usize> =
            activations.iter().enumerate().map(|(number, &name)| (name, number)).collect();
        let read = |names: &Vec<&str>| names.iter().filter_map(|name| numbers.get(name).copied()).collect();
        Self {
            reads: flow.reads.iter().map(read).collect(),
            producers: activations.iter().map(|name| flow.producer(name)).collect(),
        }
    }

    /// Says of each node whether `node` is it or depends on it; constant nodes do not count.
    fn ancestors(&self, node: usize) -> Vec<bool> {
        let mut needed = vec![false; self.reads.len()];
        let mut pending = vec![node];
        while let Some(node) = pending.pop() {
            if !mem::replace(&mut needed[node], true) {
                pending.extend(self.reads[node].iter().filter_map(|&read| self.producers[read]));
            }
        }
        needed
    }

    /// Counts the activations besides `site` that live nodes outside of its ancestors take from the inputs and them.
    fn skips(&self, site: usize, needed: &[bool], live: &[bool]) -> usize {
        let mut counted = vec![false; self.producers.len()];
        let rest = (0..needed.len()).filter(|&node| live[node] && !needed[node]);
        let crossing = rest.flat_map(|node| &self.reads[node]).filter(|&&read| {
            read != site
                && self.producers[read].is_none_or(|producer| needed[producer])
                && !mem::replace(&mut counted[read], true)
        });
        crossing.count()
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
    for (node, reads) in flow.graph.node.iter().zip(&flow.reads) {
        let target = outputs(node).filter_map(|name| order.get(name)).max();
        for source in reads.iter().filter_map(|name| order.get(name)) {
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

/// Returns the activations that depend on a graph input and that a graph output depends on, in topological order.
fn on_a_path<'m>(flow: &Flow<'m>) -> Vec<&'m str> {
    let mut reached: BTreeSet<&str> = flow.inputs.iter().copied().collect();
    for (node, reads) in flow.graph.node.iter().zip(&flow.reads) {
        if reads.iter().any(|name| reached.contains(name)) {
            reached.extend(outputs(node));
        }
    }
    let results = || flow.graph.output.iter().map(ValueInfoProto::name);
    let needed = flow.ancestors(results());
    let mut wanted: BTreeSet<&str> = results().collect();
    let needed_reads = flow.reads.iter().zip(needed).filter(|(_, needed)| *needed);
    wanted.extend(needed_reads.flat_map(|(reads, _)| reads.iter().copied()));
    flow.activations().into_iter().filter(|name| reached.contains(name) && wanted.contains(name)).collect()
}
