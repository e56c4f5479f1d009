//! Files that are damaged or made to do harm: each is refused in words, without a panic or a look outside.

use std::fs;
use std::path::Path;

use augraft_onnx::proto::tensor_proto::DataLocation;
use augraft_onnx::proto::tensor_shape_proto::dimension;
use augraft_onnx::proto::{GraphProto, ModelProto, StringStringEntryProto, type_proto};
use augraft_onnx::{Dim, Model};
use prost::Message;

use crate::fixtures::{floats, model, node, plain, proto, residual, value, with_body};
use crate::fuzzing::{Seedling, exercise, graphs, mutant};

/// Says why a file `net.onnx` in a fresh folder is refused; `prepare` may put more into the folder.
fn refusal(content: &[u8], prepare: impl FnOnce(&Path)) -> String {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("model");
    fs::create_dir(&folder).unwrap();
    prepare(&folder);
    let path = folder.join("net.onnx");
    fs::write(&path, content).unwrap();
    let words = Model::load(&path).unwrap_err().to_string();
    words.replace(path.to_str().unwrap(), "net.onnx")
}

fn of_bytes(content: &[u8]) -> String {
    refusal(content, |_| {})
}

fn of_graph(graph: GraphProto) -> String {
    of_bytes(&proto(graph).encode_to_vec())
}

/// A model whose first weight (432 bytes) is said to lie in another file.
fn outside(location: &str) -> ModelProto {
    let mut graph = residual();
    let weight = &mut graph.initializer[0];
    weight.raw_data = None;
    weight.data_location = Some(DataLocation::External as i32);
    weight.external_data = vec![StringStringEntryProto { key: Some("location".into()), value: Some(location.into()) }];
    proto(graph)
}

fn of_location(location: &str, prepare: impl FnOnce(&Path)) -> String {
    refusal(&outside(location).encode_to_vec(), prepare)
}

#[test]
fn files_that_are_no_models() {
    let whole = model(residual()).to_bytes();
    insta::assert_snapshot!(of_bytes(b""), @"net.onnx is not an ONNX model: it is empty; name a whole .onnx file");
    insta::assert_snapshot!(
        of_bytes(b"not a model"),
        @"net.onnx is not an ONNX model: it is cut off, damaged or of another format (invalid wire type value: 6); name a whole .onnx file"
    );
    insta::assert_snapshot!(
        of_bytes(b"\x89PNG\r\n\x1a\n"),
        @"net.onnx is not an ONNX model: it is cut off, damaged or of another format (buffer underflow); name a whole .onnx file"
    );
    insta::assert_snapshot!(
        of_bytes(&[0xff; 64]),
        @"net.onnx is not an ONNX model: it is cut off, damaged or of another format (invalid varint); name a whole .onnx file"
    );
    insta::assert_snapshot!(
        of_bytes(&whole[..whole.len() / 2]),
        @"net.onnx is not an ONNX model: it is cut off, damaged or of another format (ModelProto.graph: buffer underflow); name a whole .onnx file"
    );
    insta::assert_snapshot!(
        of_bytes(&ModelProto { graph: None, ..proto(residual()) }.encode_to_vec()),
        @"net.onnx is not an ONNX model: it has no graph; name a whole .onnx file"
    );
}

#[test]
fn graphs_that_do_not_hang_together() {
    let cycle =
        plain(vec![node("Add", &["x", "b"], &["a"]), node("Relu", &["a"], &["b"]), node("Relu", &["b"], &["y"])]);
    insta::assert_snapshot!(
        of_graph(cycle),
        @"net.onnx is not a valid ONNX model: the graph has a cycle through Add of 'a'"
    );
    insta::assert_snapshot!(
        of_graph(plain(vec![node("Relu", &["y"], &["y"])])),
        @"net.onnx is not a valid ONNX model: the graph has a cycle through Relu of 'y'"
    );
    insta::assert_snapshot!(
        of_graph(GraphProto { initializer: vec![], ..residual() }),
        @"net.onnx is not a valid ONNX model: Conv of 'c1' needs the tensor 'w1', and nothing produces it"
    );
    insta::assert_snapshot!(
        of_graph(plain(vec![node("Relu", &["x"], &["y"]), node("Tanh", &["x"], &["y"])])),
        @"net.onnx is not a valid ONNX model: two tensors are named 'y': a node output and a node output"
    );
    let weights = vec![floats("w", &[1]), floats("w", &[1])];
    insta::assert_snapshot!(
        of_graph(GraphProto { initializer: weights, ..plain(vec![node("Relu", &["x"], &["y"])]) }),
        @"net.onnx is not a valid ONNX model: two tensors are named 'w': an initializer and an initializer"
    );
}

#[test]
fn sizes_that_cannot_be() {
    let of_dims = |dims: &[i64]| {
        let mut graph = residual();
        graph.initializer[0].dims = dims.to_vec();
        of_graph(graph)
    };
    insta::assert_snapshot!(
        of_dims(&[-4, 3, 3, 3]),
        @"net.onnx is not a valid ONNX model: tensor 'w1' has the impossible shape [-4, 3, 3, 3]"
    );
    insta::assert_snapshot!(
        of_dims(&[1 << 32, 1 << 32]),
        @"net.onnx is not a valid ONNX model: tensor 'w1' has the impossible shape [4294967296, 4294967296]"
    );
    insta::assert_snapshot!(
        of_dims(&[i64::MAX, 2]),
        @"net.onnx is not a valid ONNX model: tensor 'w1' has the impossible shape [9223372036854775807, 2]"
    );
    insta::assert_snapshot!(
        of_dims(&[1_000_000_000]),
        @"net.onnx is not a valid ONNX model: tensor 'w1' of shape [1000000000] holds 432 bytes where its element type FLOAT needs 4000000000"
    );
    let mut empty = residual();
    empty.initializer[0].dims = vec![1_000_000_000];
    empty.initializer[0].raw_data = None;
    insta::assert_snapshot!(
        of_graph(empty),
        @"net.onnx is not a valid ONNX model: tensor 'w1' of shape [1000000000] holds 0 values where its element type FLOAT needs 1000000000"
    );
    insta::assert_snapshot!(
        of_graph(GraphProto { input: vec![value("x", &[i64::MAX, 3])], ..residual() }),
        @"net.onnx is not a valid ONNX model: tensor 'x' has the impossible dimensions [9223372036854775807, 3]; name a dimension that varies"
    );
    insta::assert_snapshot!(
        of_graph(GraphProto { output: vec![value("y", &[-10])], ..residual() }),
        @"net.onnx is not a valid ONNX model: tensor 'y' has the impossible dimensions [-10]; name a dimension that varies"
    );
}

#[test]
fn dimensions_of_minus_one_are_open() {
    let mut graph = GraphProto {
        input: vec![value("x", &[3, -1, 8])],
        output: vec![value("y", &[-1, 10])],
        value_info: vec![value("r1", &[-1, -1])],
        ..residual()
    };
    // The batch too, which the fixture names.
    let Some(type_proto::Value::TensorType(tensor)) = graph.input[0].r#type.as_mut().unwrap().value.as_mut() else {
        panic!("a tensor");
    };
    tensor.shape.as_mut().unwrap().dim[0].value = Some(dimension::Value::DimValue(-1));
    let model = model(graph);
    assert_eq!(model.inputs()[0].shape, Some(vec![Dim::Unknown, Dim::Fixed(3), Dim::Unknown, Dim::Fixed(8)]));
    assert_eq!(model.outputs()[0].shape.as_ref().unwrap()[1..], [Dim::Unknown, Dim::Fixed(10)]);
    assert!(augraft_onnx::baked_batch(&model).is_none());
}

#[test]
fn graphs_in_graphs_without_end() {
    let nested = |depth: usize| {
        let mut body = GraphProto::default();
        for _ in 0..depth {
            body = GraphProto { node: vec![with_body(node("If", &[], &[]), body)], ..GraphProto::default() };
        }
        of_graph(plain(vec![with_body(node("If", &["x"], &["y"]), body)]))
    };
    insta::assert_snapshot!(nested(16), @"net.onnx is not a valid ONNX model: graphs nest deeper than 16 levels at If");
    insta::assert_snapshot!(nested(1000), @"net.onnx is not a valid ONNX model: graphs nest too deep");
}

#[test]
fn data_outside_of_the_folder() {
    insta::assert_snapshot!(of_location("../secret.bin", |folder| {
        fs::write(folder.with_file_name("secret.bin"), [0; 432]).unwrap();
    }), @"the data of tensor 'w1' cannot be read from '../secret.bin': only a file in the model's own folder is allowed; move it there and name it without '..'");
    insta::assert_snapshot!(
        of_location("a/../../secret.bin", |_| {}),
        @"the data of tensor 'w1' cannot be read from 'a/../../secret.bin': only a file in the model's own folder is allowed; move it there and name it without '..'"
    );
    insta::assert_snapshot!(
        of_location("/etc/passwd", |_| {}),
        @"the data of tensor 'w1' cannot be read from '/etc/passwd': only a file in the model's own folder is allowed; move it there and name it without '..'"
    );
    insta::assert_snapshot!(
        of_location("", |_| {}),
        @"the data of tensor 'w1' cannot be read from '': only a file in the model's own folder is allowed; move it there and name it without '..'"
    );
}

#[cfg(unix)]
#[test]
fn links_out_of_the_folder() {
    let secret = |folder: &Path| {
        fs::create_dir(folder.with_file_name("secrets")).unwrap();
        let path = folder.with_file_name("secrets").join("secret.bin");
        fs::write(&path, [0; 432]).unwrap();
        path
    };
    insta::assert_snapshot!(of_location("w.bin", |folder| {
        std::os::unix::fs::symlink(secret(folder), folder.join("w.bin")).unwrap();
    }), @"the data of tensor 'w1' cannot be read from 'w.bin': it is a link that leads out of the model's folder; copy the file there");
    insta::assert_snapshot!(of_location("weights/secret.bin", |folder| {
        std::os::unix::fs::symlink(secret(folder).parent().unwrap(), folder.join("weights")).unwrap();
    }), @"the data of tensor 'w1' cannot be read from 'weights/secret.bin': it is a link that leads out of the model's folder; copy the file there");
    let endless = of_location("w.bin", |folder| std::os::unix::fs::symlink("w.bin", folder.join("w.bin")).unwrap());
    assert!(endless.ends_with("put the file beside the model"), "{endless}");
    insta::assert_snapshot!(of_location("w.bin", |folder| {
        std::os::unix::fs::symlink("/dev/zero", folder.join("w.bin")).unwrap();
    }), @"the data of tensor 'w1' cannot be read from 'w.bin': it is a link that leads out of the model's folder; copy the file there");
}

#[test]
fn data_that_are_not_there() {
    insta::assert_snapshot!(
        of_location("w.bin", |_| {}),
        @"the data of tensor 'w1' cannot be read from 'w.bin': it does not exist; check the path; put the file beside the model"
    );
    insta::assert_snapshot!(
        of_location("w.bin", |folder| fs::write(folder.join("w.bin"), [0; 431]).unwrap()),
        @"the data of tensor 'w1' cannot be read from 'w.bin': it gives 431 bytes where shape [4, 3, 3, 3] needs 432"
    );
    insta::assert_snapshot!(
        of_location("w.bin", |folder| fs::create_dir(folder.join("w.bin")).unwrap()),
        @"the data of tensor 'w1' cannot be read from 'w.bin': it is not a regular file"
    );
    let mut vast = outside("w.bin");
    vast.graph.as_mut().unwrap().initializer[0].dims = vec![1_000_000_000];
    insta::assert_snapshot!(
        refusal(&vast.encode_to_vec(), |folder| fs::write(folder.join("w.bin"), [0; 432]).unwrap()),
        @"the data of tensor 'w1' cannot be read from 'w.bin': it gives 432 bytes where shape [1000000000] needs 4000000000"
    );
}

#[test]
fn truncated_models_never_panic() {
    let bytes = model(residual()).to_bytes();
    for length in 0..bytes.len() {
        exercise(&bytes[..length]);
    }
}

#[test]
fn mutants_never_panic() {
    let seedlings: Vec<Seedling> = graphs().into_iter().map(Seedling::new).collect();
    let accepted = (0..3000).filter(|&case| exercise(&mutant(&seedlings, 1, case))).count();
    assert!(accepted > 400, "most mutants are refused at once: {accepted}");
}

#[test]
fn a_mutant_can_be_made_again() {
    let seedlings: Vec<Seedling> = graphs().into_iter().map(Seedling::new).collect();
    assert_eq!(mutant(&seedlings, 3, 7), mutant(&seedlings, 3, 7));
    assert_ne!(mutant(&seedlings, 3, 7), mutant(&seedlings, 4, 7));
}
