//! Changes to a decoded model that leave it a protobuf message.

use augraft_onnx::proto::tensor_shape_proto::dimension;
use augraft_onnx::proto::{
    FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, SparseTensorProto, TensorProto,
    TrainingInfoProto, ValueInfoProto, type_proto,
};
use augraft_onnx::{int_attribute, ints_attribute, text_attribute};

use crate::fixtures::{Lcg, integers, node, value, with_body};

/// Numbers at which sizes and indices go wrong.
const NUMBERS: [i64; 14] =
    [0, 1, -1, 2, 3, 7, 192, -2, 1 << 31, (1 << 31) - 1, 1_000_000_000, 1 << 62, i64::MAX, i64::MIN];

/// Operators that the crate treats in a way of their own.
const OPERATORS: [&str; 22] = [
    "BatchNormalization",
    "Cast",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "Conv",
    "DFT",
    "Expand",
    "Gemm",
    "GridSample",
    "GroupNormalization",
    "If",
    "LSTM",
    "Pool",
    "RandomNormal",
    "ReduceMean",
    "Reshape",
    "Resize",
    "RoiAlign",
    "Shape",
    "Split",
    "Transpose",
];

const ATTRIBUTES: [&str; 9] = ["allowzero", "axes", "axis", "mode", "num_outputs", "perm", "shape", "to", "value"];

/// Makes one random change.
pub(super) fn mutate(proto: &mut ModelProto, random: &mut Lcg) {
    if random.below(8) == 0 {
        return mutate_model(proto, random);
    }
    let function = random.below(16);
    let nodes = proto.functions.get_mut(function).map(|function| &mut function.node);
    if let Some(node) = nodes.and_then(|nodes| random.pick_mut(nodes)) {
        return mutate_node(node, &["a".into(), "b".into()], random);
    }
    if let Some(graph) = &mut proto.graph {
        mutate_graph(graph, random);
    }
}

fn mutate_model(proto: &mut ModelProto, random: &mut Lcg) {
    match random.below(6) {
        0 => proto.ir_version = random.pick(&[None, Some(0), Some(1), Some(3), Some(4), Some(10), Some(i64::MAX)]),
        1 | 2 => {
            let domain = random.pick(&[None, Some(String::new()), Some("ai.onnx".into()), Some("local".into())]);
            let version = random.pick(&[None, Some(9), Some(13), Some(17), Some(20), Some(21), Some(i64::MAX)]);
            proto.opset_import.insert(0, OperatorSetIdProto { domain, version });
        }
        3 => proto.opset_import.clear(),
        4 => proto.training_info.push(TrainingInfoProto::default()),
        _ => {
            let nodes = proto.graph.as_ref().map(|graph| graph.node.clone()).unwrap_or_default();
            let version = Some(random.pick(&[11, 13, 18, 21]));
            proto.functions.push(FunctionProto {
                name: Some("Pool".into()),
                domain: random.pick(&[None, Some("local".into())]),
                node: nodes.into_iter().take(random.below(4)).collect(),
                opset_import: vec![OperatorSetIdProto { domain: None, version }],
                ..FunctionProto::default()
            });
        }
    }
}

fn mutate_graph(graph: &mut GraphProto, random: &mut Lcg) {
    let bodies =
        graph.node.iter_mut().flat_map(|node| &mut node.attribute).filter_map(|attribute| attribute.g.as_mut());
    let mut bodies: Vec<&mut GraphProto> = bodies.collect();
    if random.below(4) == 0
        && let Some(body) = random.pick_mut(&mut bodies)
    {
        return mutate_graph(body, random);
    }
    let names = names(graph);
    match random.below(10) {
        0..=3 => {
            if let Some(node) = random.pick_mut(&mut graph.node) {
                mutate_node(node, &names, random);
            }
        }
        4 => mutate_order(&mut graph.node, random),
        5 => mutate_lists(graph, &names, random),
        6 => {
            if let Some(tensor) = random.pick_mut(&mut graph.initializer) {
                mutate_tensor(tensor, &names, random);
            }
        }
        7 => {
            let infos = graph.input.iter_mut().chain(&mut graph.output).chain(&mut graph.value_info);
            let mut infos: Vec<&mut ValueInfoProto> = infos.collect();
            if let Some(info) = random.pick_mut(&mut infos) {
                mutate_info(info, &names, random);
            }
        }
        8 => nest(graph, random),
        _ => {
            let tensor = random.pick_mut(&mut graph.initializer).map(|tensor| tensor.clone());
            graph.sparse_initializer.push(SparseTensorProto {
                indices: Some(integers("", &[0])),
                values: tensor,
                dims: vec![random.pick(&NUMBERS)],
            });
        }
    }
}

fn mutate_node(node: &mut NodeProto, names: &[String], random: &mut Lcg) {
    match random.below(8) {
        0 => {
            if let Some(name) = random.pick_mut(&mut node.input) {
                *name = random.pick(names);
            }
        }
        1 => {
            if let Some(name) = random.pick_mut(&mut node.output) {
                *name = random.pick(names);
            }
        }
        2 => node.input.push(random.pick(names)),
        3 => node.input.truncate(random.below(3)),
        4 => node.output.push(random.pick(&[String::new(), "fresh".into(), "axes_1_2".into()])),
        5 => node.op_type = Some(random.pick(&OPERATORS).into()),
        6 => node.domain = random.pick(&[None, Some("ai.onnx".into()), Some("local".into())]),
        _ => mutate_attributes(node, random),
    }
}

fn mutate_attributes(node: &mut NodeProto, random: &mut Lcg) {
    let name = random.pick(&ATTRIBUTES);
    match random.below(5) {
        0 => node.attribute.clear(),
        1 => node.attribute.push(int_attribute(name, random.pick(&NUMBERS))),
        2 => {
            let values: Vec<i64> = (0..random.below(4)).map(|_| random.pick(&NUMBERS)).collect();
            node.attribute.push(ints_attribute(name, &values));
        }
        3 => node.attribute.push(text_attribute(name, random.pick(&["bilinear", "bicubic", ""]))),
        _ => {
            if let Some(attribute) = random.pick_mut(&mut node.attribute) {
                attribute.ref_attr_name = Some("outer".into());
            }
        }
    }
}

fn mutate_order(nodes: &mut Vec<NodeProto>, random: &mut Lcg) {
    if nodes.is_empty() {
        return;
    }
    let (place, other) = (random.below(nodes.len()), random.below(nodes.len()));
    match random.below(3) {
        0 => nodes.swap(place, other),
        1 => _ = nodes.remove(place),
        _ => nodes.push(nodes[place].clone()),
    }
}

fn mutate_lists(graph: &mut GraphProto, names: &[String], random: &mut Lcg) {
    let info = value(&random.pick(names), &[random.pick(&NUMBERS)]);
    let place = random.below(4);
    match random.below(5) {
        0 => graph.input.push(info),
        1 => graph.output.push(info),
        2 => graph.value_info.push(info),
        3 if place < graph.initializer.len() => _ = graph.initializer.remove(place),
        _ if place < graph.input.len() => _ = graph.input.remove(place),
        _ => graph.output.clear(),
    }
}

fn mutate_tensor(tensor: &mut TensorProto, names: &[String], random: &mut Lcg) {
    match random.below(6) {
        0 => tensor.dims.push(random.pick(&NUMBERS)),
        1 => {
            if let Some(dim) = random.pick_mut(&mut tensor.dims) {
                *dim = random.pick(&NUMBERS);
            }
        }
        2 => tensor.data_type = Some(random.below(30) as i32),
        3 => tensor.name = Some(random.pick(names)),
        4 => tensor.raw_data = random.pick(&[None, Some(bytes::Bytes::new())]),
        _ => {
            let values: Vec<i64> = (0..random.below(4)).map(|_| random.pick(&NUMBERS)).collect();
            *tensor = integers(tensor.name(), &values);
        }
    }
}

fn mutate_info(info: &mut ValueInfoProto, names: &[String], random: &mut Lcg) {
    let Some(r#type) = info.r#type.as_mut().filter(|_| random.below(4) > 0) else {
        info.name = Some(random.pick(names));
        return;
    };
    let Some(type_proto::Value::TensorType(tensor)) = &mut r#type.value else { return };
    let Some(shape) = tensor.shape.as_mut().filter(|_| random.below(8) > 0) else {
        tensor.shape = None;
        return;
    };
    if let Some(dim) = random.pick_mut(&mut shape.dim) {
        let symbol = dimension::Value::DimParam("N".into());
        let size = dimension::Value::DimValue(random.pick(&NUMBERS));
        dim.value = random.pick(&[None, Some(symbol), Some(size)]);
    }
}

/// Moves a node into bodies that lie in one another.
fn nest(graph: &mut GraphProto, random: &mut Lcg) {
    let Some(moved) = random.pick_mut(&mut graph.node) else { return };
    for _ in 0..=random.pick(&[0, 0, 0, 1, 2, 14, 15, 16, 40]) {
        let names: Vec<&str> = moved.output.iter().map(String::as_str).collect();
        let output = names.iter().map(|name| value(name, &[])).collect();
        let outer = node("If", &[], &names);
        let body = GraphProto { node: vec![moved.clone()], output, ..GraphProto::default() };
        *moved = with_body(outer, body);
    }
}

/// Returns the names of a graph, and some that no graph should have.
fn names(graph: &GraphProto) -> Vec<String> {
    let used = graph.node.iter().flat_map(|node| node.input.iter().chain(&node.output)).cloned();
    let stored = graph.initializer.iter().map(|tensor| tensor.name().to_owned());
    let wild = ["", "*", "axes_1_2", "target_0_192", "absent"].map(str::to_owned);
    used.chain(stored).chain(wild).collect()
}
