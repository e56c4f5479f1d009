//! Graphs that hold what the crate looks at, for runs without files.

use augraft_onnx::proto::{FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto};
use augraft_onnx::{int_attribute, ints_attribute, text_attribute};

use crate::fixtures::{floats, integers, node, plain, proto, residual, value, with_body};

/// Returns the built-in models.
pub(crate) fn graphs() -> Vec<ModelProto> {
    let old = ModelProto { ir_version: Some(3), ..at(13, listed(residual())) };
    let function = FunctionProto {
        name: Some("Pool".into()),
        domain: Some("local".into()),
        input: vec!["a".into()],
        output: vec!["b".into()],
        node: vec![with("axes", node("ReduceMean", &["a"], &["b"]))],
        opset_import: vec![import(15)],
        ..FunctionProto::default()
    };
    vec![proto(residual()), old, ModelProto { functions: vec![function], ..at(14, varied()) }, at(17, resampled())]
}

/// Changed operators, a stored target, a body, a call and constants in all forms.
fn varied() -> GraphProto {
    let mut call = node("Pool", &["j"], &["k"]);
    call.domain = Some("local".into());
    let mut constant = node("Constant", &[], &["target"]);
    constant.attribute.push(ints_attribute("value_ints", &[1, 192]));
    let body = GraphProto {
        node: vec![with("axes", node("ReduceMax", &["b"], &["m"])), node("Reshape", &["m", "shape"], &["z"])],
        initializer: vec![integers("inner", &[1, -1])],
        output: vec![value("z", &[])],
        ..GraphProto::default()
    };
    let nodes = vec![
        node("Split", &["x"], &["a", "b"]),
        node("BatchNormalization", &["a", "s", "s", "s", "s"], &["c"]),
        with("axes", node("ReduceMean", &["c"], &["d"])),
        constant,
        node("Reshape", &["d", "target"], &["e"]),
        node("Reshape", &["e", "shape"], &["f"]),
        node("Concat", &["f", "e"], &["g"]),
        with_body(node("If", &["g"], &["h"]), body),
        node("RoiAlign", &["h", "s", "s"], &["i"]),
        node("Add", &["i", "g"], &["j"]),
        call,
        node("Relu", &["k"], &["y"]),
    ];
    GraphProto { initializer: vec![floats("s", &[3]), integers("shape", &[1, 3, 8, 8])], ..plain(nodes) }
}

fn resampled() -> GraphProto {
    let mut sample = node("GridSample", &["x", "grid"], &["a"]);
    sample.attribute.push(text_attribute("mode", "bicubic"));
    let mut transform = node("DFT", &["b"], &["c"]);
    transform.attribute.push(int_attribute("axis", 2));
    let nodes = vec![
        sample,
        node("Resize", &["a", "", "", "sizes"], &["b"]),
        transform,
        node("GRU", &["c", "grid", "grid", "", "", "c"], &["d"]),
        node("Expand", &["d", "sizes"], &["y"]),
    ];
    GraphProto {
        initializer: vec![floats("grid", &[1, 8, 8, 2]), integers("sizes", &[1, 3, 16, 16])],
        value_info: vec![value("b", &[3, 16, 16])],
        ..plain(nodes)
    }
}

/// Lists the initializers as inputs, as before IR 4.
fn listed(mut graph: GraphProto) -> GraphProto {
    let names: Vec<String> = graph.initializer.iter().map(|tensor| tensor.name().to_owned()).collect();
    graph.input.extend(names.iter().map(|name| value(name, &[])));
    graph
}

fn with(axes: &str, mut node: NodeProto) -> NodeProto {
    node.attribute.push(ints_attribute(axes, &[1, 2]));
    node
}

fn at(opset: i64, graph: GraphProto) -> ModelProto {
    ModelProto { opset_import: vec![import(opset)], ..proto(graph) }
}

fn import(version: i64) -> OperatorSetIdProto {
    OperatorSetIdProto { domain: None, version: Some(version) }
}
