use std::fs;

use augraft_onnx::proto::{GraphProto, ModelProto};
use augraft_onnx::{Dim, Error, Model};

use crate::fixtures::{floats, model, node, plain, proto, residual, value, with_body};

fn message(graph: GraphProto) -> String {
    Model::from_proto(proto(graph)).unwrap_err().to_string()
}

#[test]
fn ports_leave_initializers_out() {
    let mut graph = residual();
    graph.input.push(value("w1", &[3, 3, 3]));
    let model = model(graph);
    assert_eq!(model.opset(), 18);
    let inputs = model.inputs();
    assert_eq!(inputs.len(), 1);
    assert_eq!((inputs[0].name.as_str(), inputs[0].dtype), ("x", 1));
    let sizes = [Dim::Symbol("N".into()), Dim::Fixed(3), Dim::Fixed(8), Dim::Fixed(8)];
    assert_eq!(inputs[0].shape.as_deref(), Some(&sizes[..]));
    assert_eq!(model.outputs()[0].name, "y");
}

#[test]
fn bytes_survive_a_round_trip() {
    let bytes = model(residual()).to_bytes();
    assert_eq!(Model::from_bytes(&bytes).unwrap().to_bytes(), bytes);
}

#[test]
fn nodes_are_sorted_and_keep_their_order_where_they_may() {
    let model = model(plain(vec![
        node("Relu", &["b"], &["y"]),
        node("Relu", &["x"], &["z"]),
        node("Relu", &["x"], &["a"]),
        node("Add", &["a", "z"], &["b"]),
    ]));
    let order: Vec<&str> = model.proto().graph.as_ref().unwrap().node.iter().map(|n| n.output[0].as_str()).collect();
    assert_eq!(order, ["z", "a", "b", "y"]);
}

#[test]
fn captured_names_order_the_nodes() {
    let body = GraphProto {
        node: vec![node("Relu", &["late"], &["inner"])],
        output: vec![value("inner", &[])],
        ..GraphProto::default()
    };
    let model = model(plain(vec![with_body(node("If", &["x"], &["y"]), body), node("Relu", &["x"], &["late"])]));
    assert_eq!(model.proto().graph.as_ref().unwrap().node[0].op_type(), "Relu");
}

#[test]
fn a_cycle_is_named() {
    let message = message(plain(vec![
        node("Sigmoid", &["b"], &["y"]),
        node("Add", &["x", "b"], &["a"]),
        node("Relu", &["a"], &["b"]),
    ]));
    assert!(message.contains("cycle through Add of 'a'") || message.contains("cycle through Relu of 'b'"), "{message}");
}

#[test]
fn a_missing_tensor_is_named_with_its_reader() {
    assert!(message(plain(vec![node("Add", &["x", "ghost"], &["y"])])).contains("Add of 'y' needs the tensor 'ghost'"));
    assert!(
        message(plain(vec![node("Relu", &["x"], &["z"])])).contains("the graph's output list needs the tensor 'y'")
    );
    let body = GraphProto { node: vec![node("Relu", &["ghost"], &["inner"])], ..GraphProto::default() };
    assert!(message(plain(vec![with_body(node("If", &["x"], &["y"]), body)])).contains("'ghost'"));
}

#[test]
fn a_tensor_has_one_source() {
    assert!(message(plain(vec![node("Relu", &["x"], &["y"]), node("Relu", &["x"], &["y"])])).contains("'y'"));
    assert!(message(plain(vec![node("Relu", &["y"], &["x"]), node("Relu", &["x"], &["y"])])).contains("'x'"));
    let twice = GraphProto { initializer: vec![floats("w", &[1]), floats("w", &[1])], ..residual() };
    assert!(message(twice).contains("'w'"));
}

#[test]
fn sizes_must_fit_the_data() {
    let with_weight = |edit: fn(&mut augraft_onnx::proto::TensorProto)| {
        let mut graph = residual();
        edit(&mut graph.initializer[0]);
        message(graph)
    };
    assert!(with_weight(|w| w.dims[0] = -4).contains("impossible shape"));
    assert!(with_weight(|w| w.dims = vec![1 << 40, 1 << 40]).contains("impossible shape"));
    assert!(with_weight(|w| w.dims[0] = 5).contains("holds 432 bytes where its element type FLOAT needs 540"));
    assert!(with_weight(|w| w.data_type = Some(99)).contains("unknown element type 99"));
    assert!(with_weight(|w| w.raw_data = None).contains("holds 0 values where its element type FLOAT needs 108"));
    let mut graph = residual();
    graph.input[0] = value("x", &[-3]);
    assert!(message(graph).contains("impossible dimensions"));
}

#[test]
fn nesting_is_bounded() {
    let mut body = GraphProto::default();
    for _ in 0..20 {
        body = GraphProto { node: vec![with_body(node("If", &[], &[]), body)], ..GraphProto::default() };
    }
    assert!(message(plain(vec![with_body(node("If", &["x"], &["y"]), body)])).contains("nest deeper"));
}

#[test]
fn other_files_are_refused_with_their_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cat.onnx");
    for content in [&b""[..], b"not a model", b"\x89PNG\r\n\x1a\n", &[0xff; 64]] {
        fs::write(&path, content).unwrap();
        let error = Model::load(&path).unwrap_err();
        assert!(matches!(error, Error::NotOnnx { .. }), "{error}");
        assert!(error.to_string().contains("cat.onnx is not an ONNX model"), "{error}");
    }
    assert!(matches!(Model::load(folder.path()).unwrap_err(), Error::Read { .. }));
    assert!(matches!(Model::load(&folder.path().join("none.onnx")).unwrap_err(), Error::Read { .. }));
    assert!(matches!(Model::from_proto(ModelProto::default()).unwrap_err(), Error::NotOnnx { .. }));
}
