//! Puts the nodes of a fragment between tensors of a model and the nodes that read them.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;

use crate::border::input_of;
use crate::cut::check_site;
use crate::error::Error;
use crate::external::{MESSAGE_LIMIT, TOO_LARGE};
use crate::flow::Flow;
use crate::fragment::{Fragment, entries};
use crate::fresh::{fresh, names_in};
use crate::model::{Dim, Model};
use crate::nodes::{bodies_mut, initializer_names, outputs};
use crate::proto::tensor_shape_proto::dimension;
use crate::proto::{GraphProto, NodeProto, TensorProto, ValueInfoProto, type_proto};

/// Name of the batch in the inputs and outputs of a fragment.
const BATCH: &str = "N";

/// Where a fragment goes.
#[derive(Debug, Clone)]
pub struct Splices {
    /// A tensor of the fragment that takes the place of the model's image input, which is then no input any more.
    pub input: String,
    /// Tensors of the model, and what happens to each.
    pub sites: Vec<Splice>,
    /// The name that the model's first output gets.
    pub output: String,
}

impl Splices {
    /// The tensors of the fragment that the model reads.
    #[must_use]
    pub fn read(&self) -> Vec<&str> {
        std::iter::once(&self.input).chain(self.sites.iter().map(|splice| &splice.with)).map(String::as_str).collect()
    }
}

/// A tensor of a model at which a fragment acts.
#[derive(Debug, Clone)]
pub struct Splice {
    /// The tensor.
    pub site: String,
    /// What the fragment calls it: a name that no tensor of the fragment has.
    pub external: String,
    /// The tensor of the fragment that its readers get instead.
    pub with: String,
}

/// A model with a fragment in it.
#[derive(Debug, Clone)]
pub struct Grafted {
    /// The whole.
    pub model: Model,
    /// Tensors of the model that had names which the fragment needs, and what they are called now.
    pub renamed: Vec<(String, String)>,
}

/// Grafts `fragment` into `model`.
///
/// Every reader of a site gets the fragment's tensor, also where it lies in the body of an `If`, `Loop` or `Scan`. A site that is a graph output as well
/// keeps, as a graph output, the value from before the fragment. Tensors of the model whose names the fragment needs are renamed.
///
/// # Errors
/// Sites that do not exist, are constant or have no reader, and models without an image input or an output.
pub fn graft(
    model: &Model,
    fragment: Fragment,
    splices: &Splices,
    metadata: &[(String, String)],
) -> Result<Grafted, Error> {
    check(model, splices)?;
    let [input] = &model.inputs()[..] else {
        return Err(refused(format!("it has {} inputs where one image input is needed", model.inputs().len())));
    };
    let output = model.outputs().into_iter().next().ok_or_else(|| refused("it has no output"))?;
    // An output that hands the input on would lose its source.
    if model.outputs().iter().any(|port| port.name == input.name) {
        return Err(refused(format!("its output '{}' is its input", input.name)));
    }
    let symbol = match input.shape.as_deref() {
        Some([Dim::Symbol(symbol), ..]) => symbol.clone(),
        _ => BATCH.to_owned(),
    };
    let mut proto = model.proto().clone();
    let old_ir = proto.ir_version() < 4;
    let graph = proto.graph.get_or_insert_default();
    let mut fragment = fragment;
    for info in fragment.inputs.iter_mut().chain(&mut fragment.outputs) {
        rename_batch(info, &symbol);
    }

    let renames = renames(graph, &fragment, splices, &output.name, &input.name);
    let all = names_in(graph);
    // In between, the input has a name that nothing else has, so that no renaming touches it.
    let mut spliced = input.name.clone();
    while all.contains(&spliced) || renames.values().any(|name| *name == spliced) {
        spliced.push_str(".spliced");
    }
    graph.input.retain(|port| port.name() != input.name);
    graph.value_info.retain(|info| info.name() != input.name);
    redirect(&mut graph.node, &BTreeMap::from([(input.name.as_str(), spliced.as_str())]));
    rename(graph, &renames);
    redirect(&mut graph.node, &BTreeMap::from([(spliced.as_str(), splices.input.as_str())]));
    // At the model's input, a step acts on what comes out of the fragment.
    let current = |name: &String| {
        let now = if *name == input.name { &splices.input } else { renames.get(name).unwrap_or(name) };
        now.clone()
    };
    let externals = splices.sites.iter().map(|splice| (splice.external.clone(), current(&splice.site)));
    rename_nodes(&mut fragment.nodes, &externals.collect());
    let sites: Vec<(String, &str)> =
        splices.sites.iter().map(|splice| (current(&splice.site), splice.with.as_str())).collect();
    redirect(&mut graph.node, &sites.iter().map(|(site, with)| (site.as_str(), *with)).collect());

    let mut taken: BTreeSet<String> = graph.node.iter().map(|node| node.name().to_owned()).collect();
    for node in &mut fragment.nodes {
        node.name = Some(fresh(node.name(), &mut taken));
    }
    graph.node.extend(fragment.nodes);
    let mut inputs = fragment.inputs;
    inputs.append(&mut graph.input);
    if old_ir {
        inputs.extend(fragment.initializers.iter().map(input_of));
    }
    graph.input = inputs;
    graph.initializer.extend(fragment.initializers);
    graph.output.extend(fragment.outputs);
    proto.metadata_props.extend(entries(metadata));
    if proto.encoded_len() as u64 > MESSAGE_LIMIT {
        return Err(refused(format!("with the steps it holds more than 2 GiB; {TOO_LARGE}")));
    }
    let shown = renames.into_iter().filter(|(old, new)| *old != output.name || *new != splices.output).collect();
    Ok(Grafted { model: Model::from_proto(proto)?, renamed: shown })
}

fn refused(problem: impl Into<String>) -> Error {
    Error::Graft { problem: problem.into() }
}

fn check(model: &Model, splices: &Splices) -> Result<(), Error> {
    let flow = Flow::of(model);
    let read: BTreeSet<&str> = flow.reads.iter().flatten().copied().collect();
    for Splice { site, .. } in &splices.sites {
        check_site(model, &flow, site)?;
        if !read.contains(site.as_str()) {
            let problem = "no node reads it, so that a step there would change nothing".to_owned();
            return Err(Error::Cut { site: site.clone(), problem });
        }
    }
    Ok(())
}

/// New names for the model's tensors: its first output gets the given one, and what stands in the fragment's way another.
///
/// The input that the fragment replaces keeps its name, which nothing uses afterwards.
fn renames(
    graph: &GraphProto,
    fragment: &Fragment,
    splices: &Splices,
    output: &str,
    input: &str,
) -> BTreeMap<String, String> {
    let infos = fragment.inputs.iter().chain(&fragment.outputs).map(ValueInfoProto::name);
    let mut taken: BTreeSet<&str> = fragment.nodes.iter().flat_map(outputs).chain(infos).collect();
    taken.extend(fragment.initializers.iter().map(TensorProto::name));
    taken.insert(&splices.output);
    let all = names_in(graph);
    let mut renames = BTreeMap::new();
    let stays = |name: &str| name == output || name == input;
    for name in all.iter().filter(|name| taken.contains(name.as_str()) && !stays(name)) {
        let mut new = format!("{name}.model");
        while all.contains(&new) || taken.contains(new.as_str()) {
            new.push_str(".model");
        }
        renames.insert(name.clone(), new);
    }
    if output != splices.output {
        renames.insert(output.to_owned(), splices.output.clone());
    }
    renames
}

/// Makes nodes read other tensors, in bodies too where these capture the name.
fn redirect(nodes: &mut [NodeProto], to: &BTreeMap<&str, &str>) {
    for node in nodes {
        for input in &mut node.input {
            if let Some(new) = to.get(input.as_str()) {
                *input = (*new).to_owned();
            }
        }
        for body in bodies_mut(node) {
            let own = own_names(body);
            let outer: BTreeMap<&str, &str> =
                to.iter().filter(|(old, _)| !own.contains(**old)).map(|(old, new)| (*old, *new)).collect();
            redirect(&mut body.node, &outer);
            for result in &mut body.output {
                if let Some(new) = outer.get(result.name()) {
                    result.name = Some((*new).to_owned());
                }
            }
        }
    }
}

/// Renames tensors wherever a graph mentions them.
fn rename(graph: &mut GraphProto, names: &BTreeMap<String, String>) {
    let sparse = graph.sparse_initializer.iter_mut().filter_map(|sparse| sparse.values.as_mut());
    let tensors = graph.initializer.iter_mut().chain(sparse).filter_map(|tensor| tensor.name.as_mut());
    let infos = graph.input.iter_mut().chain(&mut graph.output).chain(&mut graph.value_info);
    let infos = infos.filter_map(|info| info.name.as_mut());
    let annotated = graph.quantization_annotation.iter_mut().flat_map(|annotation| {
        let parameters = annotation.quant_parameter_tensor_names.iter_mut().filter_map(|entry| entry.value.as_mut());
        annotation.tensor_name.iter_mut().chain(parameters)
    });
    for name in tensors.chain(infos).chain(annotated) {
        replace(name, names);
    }
    rename_nodes(&mut graph.node, names);
}

fn rename_nodes(nodes: &mut [NodeProto], names: &BTreeMap<String, String>) {
    for node in nodes {
        for name in node.input.iter_mut().chain(&mut node.output) {
            replace(name, names);
        }
        // Names are unique over a graph and the graphs inside it, so that a body's own tensors are renamed by the same list.
        bodies_mut(node).for_each(|body| rename(body, names));
    }
}

fn replace(name: &mut String, names: &BTreeMap<String, String>) {
    if let Some(new) = names.get(name) {
        name.clone_from(new);
    }
}

fn own_names(graph: &GraphProto) -> BTreeSet<String> {
    let mut own = initializer_names(graph);
    own.extend(graph.input.iter().map(ValueInfoProto::name));
    own.extend(graph.node.iter().flat_map(outputs));
    own.into_iter().map(str::to_owned).collect()
}

/// Calls the batch of a fragment's input or output as the model calls it.
fn rename_batch(info: &mut ValueInfoProto, symbol: &str) {
    let Some(type_proto::Value::TensorType(tensor)) = info.r#type.as_mut().and_then(|kind| kind.value.as_mut()) else {
        return;
    };
    for dim in tensor.shape.iter_mut().flat_map(|shape| &mut shape.dim) {
        if dim.value == Some(dimension::Value::DimParam(BATCH.to_owned())) {
            dim.value = Some(dimension::Value::DimParam(symbol.to_owned()));
        }
    }
}
