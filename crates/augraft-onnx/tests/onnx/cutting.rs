use augraft_onnx::proto::{FunctionProto, GraphProto, ModelProto, TensorProto, ValueInfoProto};
use augraft_onnx::{Error, Model, Stage, cut, with_outputs};

use crate::fixtures::{floats, integers, model, node, plain, proto, residual, value, with_body};

fn names(ports: Vec<augraft_onnx::Port>) -> Vec<String> {
    ports.into_iter().map(|port| port.name).collect()
}

fn outputs_of_nodes(stage: &Stage) -> Vec<&str> {
    stage.model.proto().graph.as_ref().unwrap().node.iter().map(|node| node.output[0].as_str()).collect()
}

fn initializers(stage: &Stage) -> Vec<&str> {
    stage.model.proto().graph.as_ref().unwrap().initializer.iter().map(TensorProto::name).collect()
}

fn checked(model: &Model, sites: &[&str]) -> Vec<Stage> {
    let stages = cut(model, sites).unwrap();
    for stage in &stages {
        assert_eq!(names(stage.model.inputs()), stage.inputs);
        assert_eq!(names(stage.model.outputs()), stage.outputs);
        assert_eq!(stage.site.as_ref(), stage.site.as_ref().and(stage.outputs.first()));
        assert!(stage.results.iter().all(|name| stage.outputs.contains(name)));
    }
    stages
}

#[test]
fn a_clean_site_hands_one_tensor_over() {
    let stages = checked(&model(residual()), &["s"]);
    assert_eq!(outputs_of_nodes(&stages[0]), ["c1", "r1", "w2_real", "c2", "r2", "s"]);
    assert_eq!((stages[0].inputs.as_slice(), stages[0].outputs.as_slice()), (&["x".into()][..], &["s".into()][..]));
    assert_eq!((stages[1].inputs.as_slice(), stages[1].outputs.as_slice()), (&["s".into()][..], &["y".into()][..]));
    assert_eq!(initializers(&stages[0]), ["w1", "w2", "scale"]);
    assert_eq!(initializers(&stages[1]), ["w3", "b3"]);
    assert_eq!(stages[1].results, ["y"]);
    assert_eq!(stages[1].site, None);
}

#[test]
fn a_skip_connection_leads_around_the_site() {
    let stages = checked(&model(residual()), &["r2"]);
    assert_eq!(stages[0].outputs, ["r2", "r1"]);
    assert_eq!(stages[1].inputs, ["r2", "r1"]);
}

#[test]
fn sites_come_in_any_order_and_once() {
    let stages = checked(&model(residual()), &["p", "c2", "x", "c2"]);
    let sites: Vec<Option<&str>> = stages.iter().map(|stage| stage.site.as_deref()).collect();
    assert_eq!(sites, [Some("x"), Some("c2"), Some("p"), None]);
    assert!(stages[0].is_empty());
    assert_eq!((stages[0].inputs.as_slice(), stages[0].outputs.as_slice()), (&["x".into()][..], &["x".into()][..]));
    assert_eq!(stages[1].outputs, ["c2", "r1"]);
    assert_eq!(stages[2].inputs, ["c2", "r1"]);
    assert_eq!(stages[2].outputs, ["p"]);
    assert_eq!(stages[3].inputs, ["p"]);
    assert!(!stages[3].is_empty());
}

#[test]
fn a_tensor_passes_stages_that_do_not_read_it() {
    let stages = checked(
        &model(plain(vec![
            node("Relu", &["x"], &["a"]),
            node("Relu", &["a"], &["b"]),
            node("Relu", &["b"], &["c"]),
            node("Add", &["c", "a"], &["y"]),
        ])),
        &["a", "b"],
    );
    assert_eq!(stages[0].outputs, ["a"]);
    assert_eq!((stages[1].inputs.as_slice(), stages[1].outputs.as_slice()), (&["a".into()][..], &["b".into()][..]));
    assert_eq!(stages[2].inputs, ["b", "a"]);
}

#[test]
fn sites_on_two_branches_are_cut_one_after_the_other() {
    let branches = plain(vec![
        node("Relu", &["x"], &["left"]),
        node("Sigmoid", &["x"], &["right"]),
        node("Add", &["left", "right"], &["y"]),
    ]);
    let stages = checked(&model(branches), &["right", "left"]);
    assert_eq!(stages[1].inputs, ["x"]);
    assert_eq!(outputs_of_nodes(&stages[1]), ["right"]);
    assert_eq!(stages[2].inputs, ["right", "left"]);
}

#[test]
fn two_outputs_of_one_node_can_both_be_sites() {
    let halves = plain(vec![
        node("Split", &["x"], &["left", "right"]),
        node("Relu", &["left"], &["a"]),
        node("Add", &["a", "right"], &["y"]),
    ]);
    let stages = checked(&model(halves), &["left", "right"]);
    assert_eq!(stages[0].outputs, ["left", "right"]);
    assert_eq!(
        (stages[1].inputs.as_slice(), stages[1].outputs.as_slice()),
        (&["right".into()][..], &["right".into()][..])
    );
    assert!(stages[1].is_empty());
    assert_eq!(stages[2].inputs, ["right", "left"]);
}

#[test]
fn a_result_before_the_site_keeps_its_value() {
    let mut graph = residual();
    graph.output.insert(0, value("r1", &[4, 8, 8]));
    graph.output.push(value("x", &[3, 8, 8]));
    graph.output.push(value("w2_real", &[]));
    let stages = checked(&model(graph), &["r1"]);
    assert_eq!(stages[0].outputs, ["r1", "x"]);
    assert_eq!(stages[0].results, ["r1", "x"]);
    assert_eq!(stages[1].outputs, ["y", "w2_real"]);
}

#[test]
fn the_last_output_can_be_a_site() {
    let stages = checked(&model(residual()), &["y"]);
    assert_eq!(stages[0].results, ["y"]);
    assert!(stages[1].is_empty() && stages[1].outputs.is_empty());
}

#[test]
fn borders_are_typed() {
    let mut graph = plain(vec![
        node("Shape", &["x"], &["sizes"]),
        node("ArgMax", &["x"], &["ids"]),
        node("Relu", &["x"], &["a"]),
        node("Gather", &["a", "ids"], &["b"]),
        node("Reshape", &["b", "sizes"], &["y"]),
    ]);
    graph.value_info = vec![value("a", &[3, 8, 8])];
    let graph_of = |stage: &Stage| stage.model.proto().graph.clone().unwrap();
    let stages = checked(&model(graph), &["ids", "a"]);
    assert_eq!(stages[2].inputs, ["a", "x", "ids"]);
    let ports = stages[2].model.inputs();
    assert_eq!((ports[0].dtype, ports[0].shape.as_ref().map(Vec::len)), (1, Some(4)));
    assert_eq!((ports[2].dtype, ports[2].shape.clone()), (7, None));
    assert!(graph_of(&stages[1]).value_info.is_empty());
}

#[test]
fn a_draw_is_not_a_constant() {
    let stages = checked(
        &model(plain(vec![
            node("RandomUniform", &[], &["noise"]),
            node("Add", &["x", "noise"], &["a"]),
            node("Add", &["a", "noise"], &["y"]),
        ])),
        &["a"],
    );
    assert_eq!(stages[0].outputs, ["a", "noise"]);
    assert_eq!(outputs_of_nodes(&stages[1]), ["y"]);
}

#[test]
fn nodes_that_no_output_needs_are_dropped() {
    let unused = node("Shape", &["c1"], &["unused"]);
    let mut graph = residual();
    graph.node.push(unused);
    let stages = checked(&model(graph), &["s"]);
    assert_eq!(stages[1].inputs, ["s"]);
}

#[test]
fn old_models_list_initializers_as_inputs() {
    let mut graph = residual();
    graph.input.extend(["w1", "w2", "scale", "w3", "b3"].map(|name| value(name, &[])));
    let old = Model::from_proto(ModelProto { ir_version: Some(3), ..proto(graph) }).unwrap();
    let stages = checked(&old, &["s"]);
    let listed: Vec<&str> =
        stages[1].model.proto().graph.as_ref().unwrap().input.iter().map(ValueInfoProto::name).collect();
    assert_eq!(listed, ["s", "w3", "b3"]);
}

#[test]
fn functions_follow_their_callers() {
    let function = |name: &str, calls: &str| FunctionProto {
        name: Some(name.into()),
        domain: Some("local".into()),
        node: vec![node(calls, &["a"], &["b"])],
        ..FunctionProto::default()
    };
    let mut inner = function("Outer", "Inner");
    inner.node[0].domain = Some("local".into());
    let mut call = node("Outer", &["x"], &["a"]);
    call.domain = Some("local".into());
    let functions = vec![function("Inner", "Relu"), inner, function("Other", "Relu")];
    let graph = plain(vec![call, node("Relu", &["a"], &["y"])]);
    let model = Model::from_proto(ModelProto { functions, ..proto(graph) }).unwrap();
    let stages = checked(&model, &["a"]);
    let used = |stage: &Stage| stage.model.proto().functions.iter().map(|f| f.name().to_owned()).collect::<Vec<_>>();
    assert_eq!(used(&stages[0]), ["Inner", "Outer"]);
    assert!(used(&stages[1]).is_empty());
}

#[test]
fn captured_names_belong_to_the_stage_of_their_reader() {
    let body = GraphProto {
        node: vec![node("Add", &["r", "w"], &["z"])],
        output: vec![value("z", &[])],
        ..GraphProto::default()
    };
    let graph = GraphProto {
        initializer: vec![floats("w", &[1])],
        ..plain(vec![
            node("Relu", &["x"], &["r"]),
            node("Sigmoid", &["r"], &["q"]),
            with_body(node("If", &["q"], &["y"]), body),
        ])
    };
    let model = model(graph);
    let stages = checked(&model, &["q"]);
    assert_eq!(stages[1].inputs, ["q", "r"]);
    assert_eq!(initializers(&stages[1]), ["w"]);
    let stages = checked(&model, &["r"]);
    assert_eq!(stages[1].inputs, ["r"], "the body captures what the stage is given");
}

#[test]
fn impossible_sites_are_explained() {
    let model = model(residual());
    assert!(cut(&model, &["w1"]).unwrap_err().to_string().contains("initializer"));
    assert!(cut(&model, &["w2_real"]).unwrap_err().to_string().contains("constants alone"));
    let Error::UnknownTensor { nearest, .. } = cut(&model, &["R1"]).unwrap_err() else { panic!("R1 does not exist") };
    assert_eq!(nearest[0], "r1");
}

#[test]
fn tensors_become_outputs() {
    let mut graph = residual();
    graph.initializer.push(integers("target", &[1, -1]));
    let model = model(graph);
    let wider = with_outputs(&model, &["r1".into(), "y".into(), "c2".into(), "r1".into()]).unwrap();
    assert_eq!(names(wider.outputs()), ["y", "r1", "c2"]);
    assert_eq!(wider.outputs()[2].dtype, 1);
    assert!(with_outputs(&model, &["w1".into()]).is_err());
}

#[test]
fn parts_of_a_quantized_model_declare_its_bytes() {
    let zero = |name: &str| TensorProto {
        name: Some(name.into()),
        data_type: Some(3),
        int32_data: vec![0],
        ..TensorProto::default()
    };
    let runtime = |mut node: augraft_onnx::proto::NodeProto| {
        node.domain = Some("com.microsoft".into());
        node
    };
    let mut graph = plain(vec![
        node("QuantizeLinear", &["x", "scale", "zero"], &["q"]),
        runtime(node("QLinearAdd", &["q", "scale", "zero", "q", "scale", "zero", "scale", "zero"], &["sum"])),
        runtime(node("QLinearConcat", &["scale", "zero", "sum", "scale", "zero"], &["joined"])),
        node("MaxPool", &["joined"], &["pooled"]),
        node("DequantizeLinear", &["pooled", "scale", "zero"], &["y"]),
    ]);
    graph.initializer = vec![floats("scale", &[]), zero("zero")];
    let model = model(graph);
    for site in ["q", "sum", "joined", "pooled"] {
        let stages = checked(&model, &[site]);
        assert_eq!(stages[1].model.inputs()[0].dtype, 3, "{site}");
        assert_eq!(augraft_onnx::element_of(&model, site), Some(augraft_onnx::DataType::I8), "{site}");
    }
}
