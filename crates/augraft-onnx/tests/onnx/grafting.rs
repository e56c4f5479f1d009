use std::fs::File;

use augraft_onnx::proto::{GraphProto, NodeProto, TensorProto, ValueInfoProto};
use augraft_onnx::{DataType, Error, Grafted, Graph, Model, Side, Splice, Splices, graft, prune};
use insta::assert_snapshot;
use tempfile::TempDir;

use crate::fixtures::{model, node, plain, residual, value, with_body};

/// Negates the images of a model, and takes the absolute value at each of `sites`.
fn grafted(model: &Model, sites: &[&str]) -> Result<Grafted, Error> {
    let graph = Graph::new(18);
    let images = graph.input("images", DataType::F32, &[Side::Named("N"), Side::Fixed(3)]);
    let into_model = graph.name(images.unary("Neg"), "step/out");
    let mut splices = Splices { input: into_model.name(), sites: Vec::new(), output: "logits".to_owned() };
    for site in sites {
        let external = format!("site:{site}");
        let with = graph.name(graph.external(&external, DataType::F32).unary("Abs"), &format!("at {site}"));
        splices.sites.push(Splice { site: (*site).to_owned(), external, with: with.name() });
    }
    graft(model, graph.into_fragment(&splices.read()), &splices, &[("key".to_owned(), "value".to_owned())])
}

fn graph_of(grafted: &Grafted) -> &GraphProto {
    grafted.model.proto().graph.as_ref().unwrap()
}

fn reads<'g>(graph: &'g GraphProto, output: &str) -> &'g [String] {
    let node = graph.node.iter().find(|node| node.output.iter().any(|name| name == output));
    &node.unwrap_or_else(|| panic!("nothing makes {output}")).input
}

#[test]
fn images_come_through_the_fragment_and_readers_of_a_site_get_its_tensor() {
    let grafted = grafted(&model(residual()), &["r1"]).unwrap();
    let graph = graph_of(&grafted);
    assert_eq!(reads(graph, "c1")[0], "step/out");
    assert_eq!(reads(graph, "at r1"), ["r1"]);
    assert_eq!((reads(graph, "c2")[0].as_str(), reads(graph, "s")[1].as_str()), ("at r1", "at r1"));
    let names = |ports: Vec<augraft_onnx::Port>| ports.into_iter().map(|port| port.name).collect::<Vec<_>>();
    assert_eq!(names(grafted.model.inputs()), ["images"]);
    assert_eq!(names(grafted.model.outputs()), ["logits"]);
    assert!(grafted.model.proto().metadata_props.iter().any(|entry| entry.key() == "key" && entry.value() == "value"));
    assert_eq!(grafted.renamed, []);
}

#[test]
fn the_input_itself_can_be_a_site() {
    let grafted = grafted(&model(residual()), &["x"]).unwrap();
    let graph = graph_of(&grafted);
    assert_eq!(reads(graph, "at x"), ["step/out"]);
    assert_eq!(reads(graph, "c1")[0], "at x");
}

/// A loop whose body captures `r`, and has an `If` that captures it too and one that makes a tensor called `r` of its own.
fn looping() -> Model {
    let branch =
        |nodes: Vec<NodeProto>| GraphProto { output: vec![value("z", &[])], node: nodes, ..GraphProto::default() };
    let captures = with_body(node("If", &["cond"], &["c"]), branch(vec![node("Relu", &["r"], &["z"])]));
    let hides = with_body(
        node("If", &["cond"], &["h"]),
        branch(vec![node("Identity", &["i"], &["r"]), node("Relu", &["r"], &["z"])]),
    );
    let body = GraphProto {
        input: vec![value("i", &[]), value("cond", &[])],
        output: vec![value("cond", &[]), value("sum", &[])],
        node: vec![captures, hides, node("Sum", &["c", "h", "r"], &["sum"])],
        ..GraphProto::default()
    };
    let nodes = vec![node("Relu", &["x"], &["r"]), with_body(node("Loop", &["count", "go"], &["y"]), body)];
    let mut graph = plain(nodes);
    graph.initializer = vec![crate::fixtures::integers("count", &[3]), crate::fixtures::integers("go", &[1])];
    model(graph)
}

#[test]
fn readers_in_the_bodies_of_loops_are_found_and_names_of_their_own_are_left_alone() {
    let grafted = grafted(&looping(), &["r"]).unwrap();
    let graph = graph_of(&grafted);
    let body = |node: &NodeProto| node.attribute[0].g.clone().unwrap();
    let looped = body(graph.node.iter().find(|node| node.op_type() == "Loop").unwrap());
    assert_eq!(looped.node[2].input, ["c", "h", "at r"]);
    assert_eq!(body(&looped.node[0]).node[0].input, ["at r"]);
    assert_eq!(body(&looped.node[1]).node[1].input, ["r"], "this one is the branch's own");
}

#[test]
fn a_graft_needs_one_image_input_an_output_and_readers() {
    let two = GraphProto { input: vec![value("x", &[3]), value("other", &[3])], ..residual() };
    assert_snapshot!(grafted(&model(two), &[]).unwrap_err(), @"the model cannot take a graft: it has 2 inputs where one image input is needed");
    let through = GraphProto { output: vec![value("x", &[3])], ..residual() };
    assert_snapshot!(grafted(&model(through), &[]).unwrap_err(), @"the model cannot take a graft: its output 'x' is its input");
    assert_snapshot!(grafted(&model(residual()), &["y"]).unwrap_err(), @"the model cannot be cut at 'y': no node reads it, so that a step there would change nothing");
    assert_snapshot!(grafted(&model(residual()), &["w2_real"]).unwrap_err(), @"the model cannot be cut at 'w2_real': it is computed from constants alone and the same for every image");
    assert_snapshot!(grafted(&model(residual()), &["r3"]).unwrap_err(), @"the model has no activation named 'r3'; did you mean 'r1', 'r2', 'x'?");
}

#[test]
fn a_pruned_model_holds_what_its_outputs_need() {
    let pruned = prune(&model(residual()), &["r2".to_owned(), "c1".to_owned()]).unwrap();
    let graph = pruned.proto().graph.as_ref().unwrap();
    let outputs: Vec<&str> = graph.output.iter().map(ValueInfoProto::name).collect();
    assert_eq!(outputs, ["r2", "c1"]);
    let kept: Vec<&str> = graph.initializer.iter().map(TensorProto::name).collect();
    assert_eq!(kept, ["w1", "w2", "scale"]);
    assert_eq!(graph.node.len(), 5);
}

#[test]
fn more_than_two_gibibytes_are_refused_before_they_are_read() {
    let folder = TempDir::new().unwrap();
    let large = folder.path().join("large.onnx");
    // A file without blocks: nothing is written.
    File::create(&large).unwrap().set_len(3 << 30).unwrap();
    let said = Model::load(&large).unwrap_err().to_string().replace(&large.display().to_string(), "large.onnx");
    assert_snapshot!(said, @"cannot read large.onnx: it holds more than 2 GiB; one protobuf message holds no more, and steps and cuts are written into one; use a smaller or quantized model");

    let mut proto = crate::fixtures::proto(residual());
    let tensor = &mut proto.graph.as_mut().unwrap().initializer[0];
    tensor.raw_data = None;
    tensor.data_location = Some(1);
    tensor.external_data = vec![augraft_onnx::proto::StringStringEntryProto {
        key: Some("location".to_owned()),
        value: Some("large.onnx".to_owned()),
    }];
    let file = folder.path().join("m.onnx");
    std::fs::write(&file, prost::Message::encode_to_vec(&proto)).unwrap();
    assert_snapshot!(Model::load(&file).unwrap_err(), @"the data of tensor 'w1' cannot be read from 'large.onnx': it holds more than 2 GiB; one protobuf message holds no more, and steps and cuts are written into one; use a smaller or quantized model");
}
