//! Moves a model to a later version of the standard operators.

mod older;
mod rewrite;
mod scope;

use self::rewrite::rewrite;
use self::scope::{Scope, Step};
use crate::error::Error;
use crate::fragment::ir_version;
use crate::fresh::names_of;
use crate::model::Model;
use crate::nodes::{bodies_mut, initializer_names, is_standard, label};
use crate::proto::attribute_proto::AttributeType;
use crate::proto::{AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto};

/// The versions whose changes are known.
const KNOWN: std::ops::RangeInclusive<i64> = 9..=24;

/// The first IR version in which an initializer need not be a graph input.
const FREE_INITIALIZERS: i64 = 4;

/// Rewrites a model of standard opset 9 to 24 for a later opset, 24 at most.
///
/// Only nodes whose operator changed are touched, so that they mean the same: in the graph, in the bodies inside it, and in model-local functions.
/// The version of the format rises with the opset where it must; a model of the same opset is returned as it is.
///
/// # Errors
/// Versions outside of 9 to 24 or downwards, and nodes that the later opset cannot express.
pub fn raise_opset(model: &Model, to: i64) -> Result<Model, Error> {
    let from = model.opset();
    if from == to {
        return Ok(model.clone());
    }
    let raised = raised(model, Step { from, to }).map_err(|problem| Error::Opset { from, to, problem })?;
    Model::from_proto(raised)
}

fn raised(model: &Model, step: Step) -> Result<ModelProto, String> {
    let Step { from, to } = step;
    let (first, last) = (KNOWN.start(), KNOWN.end());
    if from < *first {
        return Err(format!("models before opset {first} are not rewritten; export the model with opset {to}"));
    }
    if from > *last || to > *last {
        return Err(format!("opsets after {last} are not known to this version"));
    }
    if to < from {
        return Err("an opset can be raised only".into());
    }
    let mut proto = model.proto().clone();
    if !proto.training_info.is_empty() {
        return Err("it carries graphs for training; export it for inference".into());
    }
    let single = scope::holds_single_floats(&proto);
    let ModelProto { graph, functions, .. } = &mut proto;
    let graph = graph.as_mut().expect("validation refuses a model without a graph");
    let mut scope = Scope::of_graph(graph, single);
    raise_nodes(&mut graph.node, step, &mut scope)?;
    graph.initializer.extend(scope.constants.into_tensors());
    functions.iter_mut().try_for_each(|function| raise_function(function, to, single))?;
    set_version(&mut proto.opset_import, to);
    raise_format(&mut proto, to);
    Ok(proto)
}

/// Rewrites nodes and the bodies inside them, whose new constants go to the outermost scope: a body may read those.
fn raise_nodes(nodes: &mut Vec<NodeProto>, step: Step, scope: &mut Scope) -> Result<(), String> {
    for mut node in std::mem::take(nodes) {
        rewrite(&mut node, step, scope).map_err(|reason| format!("{} {reason}", label(&node)))?;
        nodes.append(&mut scope.before);
        let after = std::mem::take(&mut scope.after);
        bodies_mut(&mut node).try_for_each(|body| raise_nodes(&mut body.node, step, scope))?;
        nodes.push(node);
        nodes.extend(after);
    }
    Ok(())
}

fn raise_function(function: &mut FunctionProto, to: i64, single: bool) -> Result<(), String> {
    let Some(version) = function.opset_import.iter().find(|opset| is_standard(opset.domain())) else { return Ok(()) };
    let step = Step { from: version.version(), to };
    if !(*KNOWN.start()..=to).contains(&step.from) {
        return Err(format!("its function '{}' is written for opset {}", function.name(), step.from));
    }
    let mut taken = names_of(&function.node);
    taken.extend(function.input.iter().chain(&function.output).cloned());
    let mut scope = Scope::of_function(function, taken, single);
    raise_nodes(&mut function.node, step, &mut scope)
        .map_err(|problem| format!("in its function '{}', {problem}", function.name()))?;
    // A function has no initializers.
    function.node.splice(..0, scope.constants.into_tensors().map(constant_node));
    set_version(&mut function.opset_import, to);
    Ok(())
}

fn constant_node(mut tensor: TensorProto) -> NodeProto {
    let name = tensor.name.take();
    let value = AttributeProto {
        name: Some("value".into()),
        r#type: Some(AttributeType::Tensor as i32),
        t: Some(tensor),
        ..AttributeProto::default()
    };
    NodeProto {
        op_type: Some("Constant".into()),
        output: name.into_iter().collect(),
        attribute: vec![value],
        ..NodeProto::default()
    }
}

fn set_version(imports: &mut [OperatorSetIdProto], to: i64) {
    for import in imports.iter_mut().filter(|import| is_standard(import.domain())) {
        import.version = Some(to);
    }
}

/// Raises the version of the format to the one that came with the opset.
fn raise_format(proto: &mut ModelProto, opset: i64) {
    let (old, needed) = (proto.ir_version(), ir_version(opset));
    if old >= needed {
        return;
    }
    proto.ir_version = Some(needed);
    if let Some(graph) = proto.graph.as_mut().filter(|_| old < FREE_INITIALIZERS) {
        unlist_initializers(graph);
    }
}

/// Takes initializers out of the inputs, where they are constants before IR 4 and mere defaults from then on.
fn unlist_initializers(graph: &mut GraphProto) {
    let constants: Vec<bool> = {
        let initializers = initializer_names(graph);
        graph.input.iter().map(|input| initializers.contains(input.name())).collect()
    };
    let mut constants = constants.into_iter();
    graph.input.retain(|_| constants.next() == Some(false));
    graph.node.iter_mut().flat_map(bodies_mut).for_each(unlist_initializers);
}
