use std::collections::{BTreeMap, BTreeSet};

use crate::border::{declared, described, unknown};
use crate::elements::element_types;
use crate::error::Error;
use crate::flow::{Flow, Position};
use crate::model::Model;
use crate::nodes::{bodies, outputs as outputs_of};
use crate::proto::tensor_proto::DataType;
use crate::proto::{FunctionProto, GraphProto, ModelProto, NodeProto, ValueInfoProto};

/// One of the models that run one after the other in place of the whole.
///
/// The caller keeps a map from tensor name to value, which starts with the graph inputs.
/// It gives each stage its `inputs` from the map, puts the `outputs` into the map, takes the `results` out of it, and
/// only then lets a step change the `site`.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The model of the stage; its inputs and outputs are the lists below.
    pub model: Model,
    /// What the stage reads: the site before it first, if it reads that, then graph inputs and tensors of skip connections.
    pub inputs: Vec<String>,
    /// What the stage gives: its site first, then what later stages read, then the remaining results.
    pub outputs: Vec<String>,
    /// The graph outputs among `outputs`, which keep the value that they have here; in the order of the whole model.
    pub results: Vec<String>,
    /// The tensor that the stage ends with; the last stage has none.
    pub site: Option<String>,
}

impl Stage {
    /// Says whether the stage computes nothing, so that its outputs are its inputs and it need not run.
    ///
    /// This happens before a site that is a graph input and behind one that only the graph's output list reads.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.model.graph().node.is_empty() && self.outputs.iter().all(|name| self.inputs.contains(name))
    }
}

/// Splits a model at k tensors into k + 1 stages.
///
/// The sites may come in any order; the stages follow the topological order.
/// A stage holds what its site needs and no earlier site needed; the last stage holds what else the graph outputs need.
/// A tensor of an earlier stage that a later one reads leads around the site between them.
/// It is an output of the stage that computes it and an input of each stage that reads it.
/// Constants, and what is computed from sizes of tensors alone, are copied to the stages that need them.
/// A site that is also a graph output keeps, as a graph output, the value from before the step; see [`Stage::results`].
///
/// # Errors
/// Sites that do not exist, are constant or made of sizes.
pub fn cut(model: &Model, sites: &[&str]) -> Result<Vec<Stage>, Error> {
    let flow = Flow::of(model);
    let ordered = sites.iter().map(|site| check_site(model, &flow, site)).collect::<Result<BTreeSet<_>, _>>()?;
    let sites: Vec<&str> = ordered.into_iter().map(|(_, site)| site).collect();
    let homes = homes(&flow, &sites);
    let plan = Plan { model, types: element_types(&flow), declared: declared(flow.graph), sites, homes, flow };
    (0..=plan.sites.len()).map(|index| plan.stage(index)).collect()
}

/// Returns the model's own copy of a site's name, and its place.
pub(crate) fn check_site<'m>(model: &Model, flow: &Flow<'m>, site: &str) -> Result<(Position, &'m str), Error> {
    let fault = |problem: &str| Err(Error::Cut { site: site.to_owned(), problem: problem.to_owned() });
    let Some((name, position)) = flow.find(site) else {
        let initializer = flow.graph.initializer.iter().any(|tensor| tensor.name() == site);
        return if initializer { fault("it is an initializer, not an activation") } else { Err(unknown(model, site)) };
    };
    if flow.is_constant(site) {
        return fault("it is computed from constants alone and the same for every image");
    }
    if !flow.has_values(site) {
        return fault("it is made of the sizes of tensors, not of their values");
    }
    Ok((position, name))
}

/// Returns the stage of each node; nodes that are copied to every stage and those that no output needs have none.
fn homes(flow: &Flow, sites: &[&str]) -> Vec<Option<usize>> {
    let results = flow.graph.output.iter().map(ValueInfoProto::name);
    let mut homes = vec![None; flow.graph.node.len()];
    let mut claim = |stage: usize, needed: Vec<bool>| {
        let fresh = homes.iter_mut().zip(needed).zip(&flow.sizes);
        let fresh = fresh.filter(|((home, needed), sizes)| *needed && home.is_none() && !**sizes);
        fresh.for_each(|((home, _), _)| *home = Some(stage));
    };
    for (stage, &site) in sites.iter().enumerate() {
        claim(stage, flow.ancestors([site]));
    }
    claim(sites.len(), flow.ancestors(results));
    homes
}

/// A model with every node given to its stage.
struct Plan<'m> {
    model: &'m Model,
    flow: Flow<'m>,
    types: BTreeMap<&'m str, i32>,
    declared: BTreeMap<&'m str, &'m ValueInfoProto>,
    sites: Vec<&'m str>,
    homes: Vec<Option<usize>>,
}

impl<'m> Plan<'m> {
    fn stage(&self, index: usize) -> Result<Stage, Error> {
        let site = self.sites.get(index).copied();
        let results = self.results(index);
        let mut inputs = self.taken(index);
        let passed = results.iter().copied().filter(|name| self.flow.inputs.contains(name));
        for name in passed {
            if !inputs.contains(&name) {
                inputs.push(name);
            }
        }
        let previous = index.checked_sub(1).map(|previous| self.sites[previous]);
        // A stable sort by "is not the site" moves the site to the front and nothing else.
        inputs.sort_by_key(|&name| Some(name) != previous);
        let outputs = self.given(index, site, &results);
        let model = self.model_of(index, &inputs, &outputs)?;
        let owned = |names: &[&str]| names.iter().copied().map(str::to_owned).collect::<Vec<String>>();
        Ok(Stage {
            model,
            inputs: owned(&inputs),
            outputs: owned(&outputs),
            results: owned(&results),
            site: site.map(str::to_owned),
        })
    }

    /// Returns the stage that computes a tensor; graph inputs and constants have none.
    fn home(&self, name: &str) -> Option<usize> {
        self.flow.producer(name).and_then(|node| self.homes[node])
    }

    /// Returns the activations that a stage needs: what its nodes read, its site, and what its results are made of.
    ///
    /// A site is computed by an earlier stage where it is the second output of a node, and by none where it is an input.
    fn reads(&self, index: usize) -> BTreeSet<&'m str> {
        let nodes = self.flow.reads.iter().zip(&self.homes).filter(|&(_, &home)| home == Some(index));
        let read = nodes.flat_map(|(reads, _)| reads.iter().copied()).chain(self.sites.get(index).copied());
        let mut pending: Vec<&str> = read.chain(self.results(index)).collect();
        let (mut seen, mut needed) = (BTreeSet::new(), BTreeSet::new());
        while let Some(name) = pending.pop() {
            if self.flow.has_values(name) {
                needed.insert(name);
            } else if seen.insert(name) {
                pending.extend(self.flow.producer(name).into_iter().flat_map(|node| &self.flow.reads[node]));
            }
        }
        needed
    }

    /// Returns what a stage takes from the inputs and the earlier stages, in topological order.
    fn taken(&self, index: usize) -> Vec<&'m str> {
        let foreign = self.reads(index).into_iter().filter(|name| self.home(name) != Some(index));
        let ordered: BTreeSet<(Option<Position>, &str)> =
            foreign.map(|name| (self.flow.position(name), name)).collect();
        ordered.into_iter().map(|(_, name)| name).collect()
    }

    /// Returns the graph outputs that a stage hands over: inputs that are outputs first of all, constants last of all.
    fn results(&self, index: usize) -> Vec<&'m str> {
        let home = |name: &str| {
            let is_input = self.flow.inputs.contains(&name);
            let otherwise = if is_input { 0 } else { self.sites.len() };
            self.home(name).unwrap_or(otherwise)
        };
        self.flow.graph.output.iter().map(ValueInfoProto::name).filter(|name| home(name) == index).collect()
    }

    /// Returns the outputs of a stage: its site, what later stages read in topological order, and its results.
    fn given(&self, index: usize, site: Option<&'m str>, results: &[&'m str]) -> Vec<&'m str> {
        let later = (index + 1..=self.sites.len()).flat_map(|stage| self.reads(stage));
        let own = later.filter(|name| self.home(name) == Some(index));
        let ordered: BTreeSet<(Option<Position>, &str)> = own.map(|name| (self.flow.position(name), name)).collect();
        let around = ordered.into_iter().map(|(_, name)| name);
        let mut listed = BTreeSet::new();
        site.into_iter().chain(around).chain(results.iter().copied()).filter(|&name| listed.insert(name)).collect()
    }

    fn model_of(&self, index: usize, inputs: &[&str], outputs: &[&'m str]) -> Result<Model, Error> {
        let (whole, graph) = (self.model.proto(), self.flow.graph);
        let (chosen, constants) = self.contents(index, outputs);
        let node: Vec<NodeProto> = chosen.iter().map(|&index| graph.node[index].clone()).collect();
        let element = |name: &str| self.types.get(name).copied();
        let assumed = |name: &str| element(name).unwrap_or(DataType::Float as i32);
        let mut input: Vec<ValueInfoProto> =
            inputs.iter().map(|name| described(name, &self.declared, Some(assumed(name)))).collect();
        // Before IR 4 an initializer must be listed as an input.
        if whole.ir_version() < 4 {
            input.extend(graph.input.iter().filter(|input| constants.contains(input.name())).cloned());
        }
        let inner: BTreeSet<&str> = node.iter().flat_map(outputs_of).filter(|name| !outputs.contains(name)).collect();
        let touched = |name: &str| {
            inner.contains(name) || constants.contains(name) || inputs.contains(&name) || outputs.contains(&name)
        };
        let has_values = |name: &str| constants.contains(name);
        let stage = GraphProto {
            initializer: graph.initializer.iter().filter(|tensor| has_values(tensor.name())).cloned().collect(),
            sparse_initializer: graph
                .sparse_initializer
                .iter()
                .filter(|sparse| sparse.values.as_ref().is_some_and(|values| has_values(values.name())))
                .cloned()
                .collect(),
            value_info: graph.value_info.iter().filter(|info| inner.contains(info.name())).cloned().collect(),
            quantization_annotation: graph
                .quantization_annotation
                .iter()
                .filter(|annotation| touched(annotation.tensor_name()))
                .cloned()
                .collect(),
            output: outputs.iter().map(|name| described(name, &self.declared, element(name))).collect(),
            input,
            name: graph.name.clone(),
            doc_string: graph.doc_string.clone(),
            metadata_props: graph.metadata_props.clone(),
            node,
        };
        let functions = functions_used(&whole.functions, &stage.node);
        Model::from_proto(ModelProto {
            ir_version: whole.ir_version,
            opset_import: whole.opset_import.clone(),
            producer_name: whole.producer_name.clone(),
            producer_version: whole.producer_version.clone(),
            domain: whole.domain.clone(),
            model_version: whole.model_version,
            doc_string: whole.doc_string.clone(),
            metadata_props: whole.metadata_props.clone(),
            configuration: whole.configuration.clone(),
            graph: Some(stage),
            training_info: Vec::new(),
            functions,
        })
    }

    /// Returns the nodes of a stage, copied ones that they need included, and the constants read or handed over.
    fn contents(&self, index: usize, outputs: &[&'m str]) -> (BTreeSet<usize>, BTreeSet<&'m str>) {
        let mut chosen: BTreeSet<usize> =
            (0..self.homes.len()).filter(|&node| self.homes[node] == Some(index)).collect();
        let read = chosen.iter().flat_map(|&node| &self.flow.reads[node]).copied();
        let mut pending: Vec<&str> = read.chain(outputs.iter().copied()).collect();
        let mut constants = BTreeSet::new();
        while let Some(name) = pending.pop() {
            if self.flow.has_values(name) || !constants.insert(name) {
                continue;
            }
            if let Some(node) = self.flow.producer(name) {
                chosen.insert(node);
                pending.extend(&self.flow.reads[node]);
            }
        }
        (chosen, constants)
    }
}

/// Returns the model-local functions that the nodes call, directly or through one another.
fn functions_used(functions: &[FunctionProto], nodes: &[NodeProto]) -> Vec<FunctionProto> {
    let mut named: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (index, function) in functions.iter().enumerate() {
        named.entry((function.domain(), function.name())).or_default().push(index);
    }
    let mut used = vec![false; functions.len()];
    let mut pending: Vec<&NodeProto> = nodes.iter().collect();
    while let Some(node) = pending.pop() {
        pending.extend(bodies(node).flat_map(|body| &body.node));
        for &index in named.get(&(node.domain(), node.op_type())).into_iter().flatten() {
            if !std::mem::replace(&mut used[index], true) {
                pending.extend(&functions[index].node);
            }
        }
    }
    functions.iter().zip(used).filter(|(_, used)| *used).map(|(function, _)| function.clone()).collect()
}
