//! What the last operator of a model makes of its answer.

use crate::attributes::int_of;
use crate::flow::Flow;
use crate::model::Model;
use crate::proto::NodeProto;

/// How the first output of a model is made, as far as its last operator shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// A softmax over the classes: probabilities.
    Softmax,
    /// The logarithm of one.
    LogSoftmax,
    /// A layer whose results are logits: this operator.
    Linear(String),
    /// Another operator, which shows nothing: this one.
    Other(String),
}

/// Operators that hand values on as they are.
const PASSING: [&str; 8] =
    ["Cast", "DequantizeLinear", "Dropout", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"];

/// Layers at the end of a classifier.
const LINEAR: [&str; 9] =
    ["Add", "AveragePool", "Conv", "Gemm", "GlobalAveragePool", "MatMul", "QGemm", "QLinearMatMul", "ReduceMean"];

/// Follows the first output back to the operator that makes its values.
///
/// A softmax counts where it is over the last axis, or over the classes of N,K,1,1; one over another axis makes no probabilities of classes.
#[must_use]
pub fn ending(model: &Model) -> Ending {
    let flow = Flow::of(model);
    let Some(output) = flow.graph.output.first() else { return Ending::Other("nothing".to_owned()) };
    let mut name = output.name();
    while let Some(node) = flow.producer(name).map(|node| &flow.graph.node[node]) {
        match (node.op_type(), node.input.first()) {
            (op, Some(input)) if PASSING.contains(&op) => name = input,
            ("Softmax", _) if is_over_classes(node) => return Ending::Softmax,
            ("LogSoftmax", _) if is_over_classes(node) => return Ending::LogSoftmax,
            ("Log", Some(input)) if is_softmax(&flow, input) => return Ending::LogSoftmax,
            (op, _) if LINEAR.contains(&op) => return Ending::Linear(op.to_owned()),
            (op, _) => return Ending::Other(op.to_owned()),
        }
    }
    Ending::Other("nothing".to_owned())
}

fn is_softmax(flow: &Flow, name: &str) -> bool {
    let node = flow.producer(name).map(|node| &flow.graph.node[node]);
    node.is_some_and(|node| node.op_type() == "Softmax" && is_over_classes(node))
}

/// The default is the last axis, and before opset 13 all axes from 1 on.
fn is_over_classes(node: &NodeProto) -> bool {
    matches!(int_of(node, "axis"), None | Some(-1 | 1))
}
