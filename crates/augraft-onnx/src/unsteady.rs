//! Nodes that answer otherwise from run to run.

use crate::attributes::int_of;
use crate::model::Model;
use crate::nodes::{RANDOM, bodies, label, outputs};
use crate::proto::NodeProto;
use crate::stored::Stored;
use crate::tensor::Tensor;

/// Names the nodes of a model whose results differ from run to run, or that train: random numbers, and normalization or dropout in training mode.
#[must_use]
pub fn unsteady(model: &Model) -> Vec<String> {
    let functions = model.proto().functions.iter().flat_map(|function| &function.node);
    let mut pending: Vec<&NodeProto> = functions.chain(model.graph().node.iter().rev()).collect();
    let (stored, mut found) = (Stored::in_graph(model.graph()), Vec::new());
    while let Some(node) = pending.pop() {
        if RANDOM.contains(&node.op_type()) {
            found.push(format!("{} draws at run time", label(node)));
        } else if trains(&stored, node) {
            found.push(format!("{} is in training mode", label(node)));
        }
        pending.extend(bodies(node).flat_map(|body| &body.node));
    }
    found
}

fn trains(stored: &Stored, node: &NodeProto) -> bool {
    match node.op_type() {
        "BatchNormalization" => int_of(node, "training_mode").unwrap_or(0) != 0 || outputs(node).count() > 3,
        "Dropout" => {
            let mode = node.input.get(2).filter(|name| !name.is_empty());
            mode.is_some_and(|name| {
                let known = stored.tensor(name).and_then(Tensor::from_proto);
                known.is_none_or(|value| value.to_le_bytes().iter().any(|byte| *byte != 0))
            })
        }
        _ => false,
    }
}
