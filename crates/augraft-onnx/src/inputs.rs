//! Models of several inputs and outputs as models of one.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Error;
use crate::fresh::{Constants, names_in};
use crate::model::{Dim, Model, Port};
use crate::nodes::initializer_names;
use crate::proto::{ModelProto, NodeProto, ValueInfoProto};
use crate::tensor::Tensor;

/// Gives inputs of a model constant values, so that a caller need not.
///
/// A value has the shape of its input; where that leaves the batch open, it has one row, which is repeated for each sample of the remaining input.
///
/// # Errors
/// Names that are no inputs, and values of another element type; models that break a rule of the format after that.
pub fn with_constant_inputs(model: &Model, values: &BTreeMap<String, Tensor>) -> Result<Model, Error> {
    if values.is_empty() {
        return Ok(model.clone());
    }
    let ports = model.inputs();
    let rest: Vec<&Port> = ports.iter().filter(|port| !values.contains_key(&port.name)).collect();
    let mut proto: ModelProto = model.proto().clone();
    let graph = proto.graph.get_or_insert_default();
    let mut constants = Constants::beside(names_in(graph));
    let (mut added, mut tensors) = (Vec::new(), Vec::new());
    for (name, value) in values {
        let Some(port) = ports.iter().find(|port| port.name == *name) else {
            let names: Vec<&str> = ports.iter().map(|port| port.name.as_str()).collect();
            return Err(Error::invalid(format!("there is no input '{name}'; the inputs are {}", names.join(", "))));
        };
        graph.input.retain(|input| input.name() != name);
        let is_open = matches!(port.shape.as_deref(), Some([first, ..]) if !matches!(first, Dim::Fixed(_)));
        if !is_open || rest.is_empty() || value.shape().first() != Some(&1) {
            tensors.push(value.to_proto(name));
            continue;
        }
        let row = constants.name(&format!("{name}.row"));
        tensors.push(value.to_proto(&row));
        let [sizes, batch, shape] = ["sizes", "batch", "shape"].map(|part| constants.name(&format!("{name}.{part}")));
        let first = constants.list("places", &[0]);
        let sides: Vec<i64> = value.shape()[1..].iter().map(|side| *side as i64).collect();
        added.push(node("Shape", &[&rest[0].name], &sizes));
        added.push(node("Gather", &[&sizes, &first], &batch));
        if sides.is_empty() {
            added.push(node("Identity", &[&batch], &shape));
        } else {
            let sides = constants.list("sides", &sides);
            let mut joined = node("Concat", &[&batch, &sides], &shape);
            joined.attribute.push(crate::attributes::int_attribute("axis", 0));
            added.push(joined);
        }
        added.push(node("Expand", &[&row, &shape], name));
    }
    graph.node.splice(..0, added);
    graph.initializer.extend(tensors);
    graph.initializer.extend(constants.into_tensors());
    free_initializers(&mut proto);
    Model::from_proto(proto)
}

/// Lets initializers be constants that are no inputs, as the format allows from IR 4 on.
pub(crate) fn free_initializers(proto: &mut ModelProto) {
    if proto.ir_version() >= FREE_INITIALIZERS {
        return;
    }
    proto.ir_version = Some(FREE_INITIALIZERS);
    let graph = proto.graph.get_or_insert_default();
    let names: BTreeSet<String> = initializer_names(graph).into_iter().map(str::to_owned).collect();
    graph.input.retain(|input| !names.contains(input.name()));
}

/// The first IR version in which an initializer need not be a graph input.
const FREE_INITIALIZERS: i64 = 4;

/// Makes an output the first one, which is taken for the model's answer; the others follow in their order.
///
/// # Errors
/// Names that are no outputs.
pub fn answering_with(model: &Model, output: &str) -> Result<Model, Error> {
    let mut proto = model.proto().clone();
    let outputs = &mut proto.graph.get_or_insert_default().output;
    let Some(at) = outputs.iter().position(|info| info.name() == output) else {
        let names: Vec<&str> = outputs.iter().map(ValueInfoProto::name).collect();
        return Err(Error::invalid(format!("there is no output '{output}'; the outputs are {}", names.join(", "))));
    };
    outputs[..=at].rotate_right(1);
    Model::from_proto(proto)
}

fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: Some(op.to_owned()),
        input: inputs.iter().map(|&input| input.to_owned()).collect(),
        output: vec![output.to_owned()],
        ..NodeProto::default()
    }
}
