//! Multiply-adds of the operators that dominate a network.

use std::collections::BTreeMap;

use crate::attributes::ints_of;
use crate::flow::Flow;
use crate::payload::int64_values;
use crate::proto::NodeProto;

/// Operators that keep the shape of their first input and stand between stored and used weights.
const SHAPE_KEEPING: [&str; 4] = ["Cast", "DequantizeLinear", "Identity", "QuantizeLinear"];

/// Returns the multiply-adds of each node, 0 for operators that have none and where a shape is missing.
pub(crate) fn multiply_adds(flow: &Flow, measured: &BTreeMap<String, Vec<usize>>) -> Vec<f64> {
    let mut shapes: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for tensor in &flow.graph.initializer {
        shapes.extend(sizes(&tensor.dims).map(|shape| (tensor.name(), shape)));
    }
    let stored = |name: &str| flow.graph.initializer.iter().find(|tensor| tensor.name() == name);
    shapes.extend(measured.iter().map(|(name, shape)| (name.as_str(), shape.clone())));
    for (node, _) in flow.graph.node.iter().zip(&flow.constant).filter(|&(_, &constant)| constant) {
        let Some(output) = node.output.first().filter(|name| !shapes.contains_key(name.as_str())) else { continue };
        let filled = || stored(node.input.first()?).and_then(int64_values).and_then(|values| sizes(&values));
        let shape = if node.op_type() == "ConstantOfShape" { filled() } else { constant_shape(node, &shapes) };
        if let Some(shape) = shape {
            shapes.insert(output, shape);
        }
    }
    flow.graph.node.iter().map(|node| of_node(node, &shapes).unwrap_or(0.0)).collect()
}

fn constant_shape(node: &NodeProto, shapes: &BTreeMap<&str, Vec<usize>>) -> Option<Vec<usize>> {
    if node.op_type() == "Constant" {
        return node.attribute.first()?.t.as_ref().and_then(|tensor| sizes(&tensor.dims));
    }
    let source = shapes.get(node.input.first()?.as_str())?;
    if SHAPE_KEEPING.contains(&node.op_type()) {
        return Some(source.clone());
    }
    if node.op_type() != "Transpose" {
        return None;
    }
    match ints_of(node, "perm") {
        Some(order) => order.iter().map(|&axis| source.get(usize::try_from(axis).ok()?).copied()).collect(),
        None => Some(source.iter().rev().copied().collect()),
    }
}

fn of_node(node: &NodeProto, shapes: &BTreeMap<&str, Vec<usize>>) -> Option<f64> {
    let input = |slot: usize| shapes.get(node.input.get(slot)?.as_str()).map(Vec::as_slice);
    let output = shapes.get(node.output.first()?.as_str()).map(Vec::as_slice);
    match node.op_type() {
        "Conv" | "ConvInteger" | "FusedConv" => Some(product(output?) * product(input(1)?.get(1..)?)),
        "QLinearConv" => Some(product(output?) * product(input(3)?.get(1..)?)),
        "ConvTranspose" => Some(product(input(0)?) * product(input(1)?.get(1..)?)),
        "MatMul" | "MatMulInteger" | "FusedMatMul" | "QLinearMatMul" => {
            Some(product(output?) * product(input(0)?.last().map(std::slice::from_ref)?))
        }
        "Gemm" => {
            let transposed = node.attribute.iter().any(|attribute| attribute.name() == "transA" && attribute.i() != 0);
            Some(product(output?) * product(input(0)?.get(usize::from(!transposed)).map(std::slice::from_ref)?))
        }
        _ => None,
    }
}

fn sizes(dims: &[i64]) -> Option<Vec<usize>> {
    dims.iter().map(|&dim| usize::try_from(dim).ok()).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more than f64 holds")]
fn product(sizes: &[usize]) -> f64 {
    sizes.iter().map(|&size| size as f64).product()
}
