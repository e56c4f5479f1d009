//! Nodes that answer otherwise from run to run.

use crate::model::Model;
use crate::nodes::{RANDOM, bodies, label, outputs};
use crate::proto::NodeProto;
use crate::tensor::Tensor;

/// Names the nodes of a model whose results differ from run to run, or that train: random numbers, and normalization or dropout in training mode.
#[must_use]
pub fn unsteady(model: &Model) -> Vec<String> {
    let functions = model.proto().functions.iter().flat_map(|function| &function.node);
    let mut pending: Vec<&NodeProto> = functions.chain(model.graph().node.iter().rev()).collect();
    let mut found = Vec::new();
    while let Some(node) = pending.pop() {
        if RANDOM.contains(&node.op_type()) {
            found.push(format!("{} draws at run time", label(node)));
        } else if trains(model, node) {
            found.push(format!("{} is in training mode", label(node)));
        }
        pending.extend(bodies(node).flat_map(|body| &body.node));
    }
    found
}

fn trains(model: &Model, node: &NodeProto) -> bool {
    let mode = node.attribute.iter().find(|attribute| attribute.name() == "training_mode");
    match node.op_type() {
        "BatchNormalization" => mode.is_some_and(|mode| mode.i() != 0) || outputs(node).count() > 3,
        "Dropout" => {
            let mode = node.input.get(2).filter(|name| !name.is_empty());
            mode.is_some_and(|name| {
                let known = model.initializer(name).or_else(|| constant(model, name));
                known.is_none_or(|value| value.to_le_bytes().iter().any(|byte| *byte != 0))
            })
        }
        _ => false,
    }
}

/// What the node `Constant` that makes a tensor holds.
fn constant(model: &Model, name: &str) -> Option<Tensor> {
    let node = model.graph().node.iter().find(|node| outputs(node).any(|output| output == name));
    Tensor::from_proto(node.filter(|node| node.op_type() == "Constant")?.attribute.first()?.t.as_ref()?)
}
