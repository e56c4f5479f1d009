use augraft_onnx::proto::attribute_proto::AttributeType;
use augraft_onnx::proto::tensor_proto::DataType;
use augraft_onnx::proto::{
    AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, ValueInfoProto,
};
use augraft_onnx::{Error, Model, int_attribute, ints_attribute, raise_opset, text_attribute};

use crate::fixtures::{floats, node, plain, proto, residual, value, with_body};

fn with(mut node: NodeProto, attributes: Vec<AttributeProto>) -> NodeProto {
    node.attribute.extend(attributes);
    node
}

fn at(opset: i64, graph: GraphProto) -> Model {
    Model::from_proto(imports(opset, graph)).unwrap()
}

fn imports(opset: i64, graph: GraphProto) -> ModelProto {
    let opset_import = vec![OperatorSetIdProto { domain: None, version: Some(opset) }];
    ModelProto { opset_import, ir_version: Some(7), ..proto(graph) }
}

/// Raises a graph of one node that reads `x` and makes `y`.
fn raised(single: NodeProto, from: i64, to: i64) -> (NodeProto, Vec<TensorProto>) {
    let raised = raise_opset(&at(from, plain(vec![single])), to).unwrap();
    assert_eq!(raised.opset(), to);
    let mut graph = raised.into_proto().graph.unwrap();
    (graph.node.remove(0), graph.initializer)
}

fn refusal(single: NodeProto, from: i64, to: i64) -> String {
    let error = raise_opset(&at(from, plain(vec![single])), to).unwrap_err();
    assert!(matches!(error, Error::Opset { .. }), "{error}");
    error.to_string()
}

#[test]
fn the_same_opset_changes_nothing() {
    let old = at(9, residual());
    assert_eq!(raise_opset(&old, 9).unwrap(), old);
}

#[test]
fn operators_that_kept_their_meaning_stay_as_they_are() {
    let old = at(13, residual());
    let raised = raise_opset(&old, 24).unwrap();
    assert_eq!(raised.proto().graph, old.proto().graph);
    assert_eq!((raised.opset(), raised.proto().ir_version()), (24, 12));
}

#[test]
fn reduced_axes_become_an_input() {
    for op in ["L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare"] {
        let attributes = vec![ints_attribute("axes", &[2, -1]), int_attribute("keepdims", 0)];
        let reduce = with(node(&format!("Reduce{op}"), &["x"], &["y"]), attributes);
        let (node, constants) = raised(reduce.clone(), 13, 18);
        assert_eq!(node.input, ["x", "axes_2_-1"]);
        assert_eq!(node.attribute, [int_attribute("keepdims", 0)]);
        assert_eq!((constants[0].name(), &constants[0].int64_data), ("axes_2_-1", &vec![2, -1]));
        assert_eq!(raised(reduce.clone(), 13, 17).0, reduce);
    }
}

#[test]
fn reducing_everything_needs_no_axes() {
    for reduce in
        [node("ReduceMax", &["x"], &["y"]), with(node("ReduceMax", &["x"], &["y"]), vec![ints_attribute("axes", &[])])]
    {
        let (node, constants) = raised(reduce, 17, 18);
        assert_eq!((node.input, node.attribute, constants), (vec!["x".to_owned()], vec![], vec![]));
    }
}

#[test]
fn new_constants_are_shared_and_hide_no_name() {
    let mean = |from, to| with(node("ReduceMean", &[from], &[to]), vec![ints_attribute("axes", &[1])]);
    let max = with(node("ReduceMax", &["b"], &["y"]), vec![ints_attribute("axes", &[2])]);
    let graph = GraphProto {
        initializer: vec![floats("axes_2", &[1])],
        ..plain(vec![mean("x", "axes_1"), mean("axes_1", "b"), max])
    };
    let graph = raise_opset(&at(13, graph), 18).unwrap().into_proto().graph.unwrap();
    let inputs: Vec<&str> = graph.node.iter().map(|node| node.input[1].as_str()).collect();
    assert_eq!(inputs, ["axes_1_1", "axes_1_1", "axes_2_1"]);
    let names: Vec<&str> = graph.initializer.iter().map(TensorProto::name).collect();
    assert_eq!(names, ["axes_2", "axes_1_1", "axes_2_1"]);
}

#[test]
fn bodies_read_the_constants_of_the_graph() {
    let body = GraphProto {
        node: vec![
            with(node("ReduceMean", &["x"], &["axes_1"]), vec![ints_attribute("axes", &[1])]),
            node("Relu", &["axes_1"], &["z"]),
        ],
        output: vec![value("z", &[])],
        ..GraphProto::default()
    };
    let outer = GraphProto {
        node: vec![with_body(node("If", &["x"], &["z"]), body)],
        output: vec![value("z", &[])],
        ..GraphProto::default()
    };
    let graph = plain(vec![with_body(node("If", &["x"], &["y"]), outer)]);
    let graph = raise_opset(&at(16, graph), 18).unwrap().into_proto().graph.unwrap();
    assert_eq!(graph.initializer[0].name(), "axes_1_1");
    let outer = graph.node[0].attribute[0].g.as_ref().unwrap();
    let inner = outer.node[0].attribute[0].g.as_ref().unwrap();
    assert_eq!(inner.node[0].input, ["x", "axes_1_1"]);
    assert!(outer.initializer.is_empty() && inner.initializer.is_empty());
}

fn function(version: i64, nodes: Vec<NodeProto>) -> FunctionProto {
    FunctionProto {
        name: Some("Pool".into()),
        domain: Some("local".into()),
        input: vec!["a".into()],
        output: vec!["b".into()],
        node: nodes,
        opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(version) }],
        ..FunctionProto::default()
    }
}

fn calling(function: FunctionProto) -> Model {
    let mut call = node("Pool", &["x"], &["y"]);
    call.domain = Some("local".into());
    Model::from_proto(ModelProto { functions: vec![function], ..imports(16, plain(vec![call])) }).unwrap()
}

#[test]
fn functions_are_raised_from_their_own_version() {
    let mean = with(node("ReduceMean", &["a"], &["b"]), vec![ints_attribute("axes", &[1])]);
    let raised = raise_opset(&calling(function(17, vec![mean])), 18).unwrap().into_proto();
    let function = &raised.functions[0];
    assert_eq!(function.opset_import[0].version(), 18);
    assert_eq!(function.node[0].op_type(), "Constant");
    assert_eq!(function.node[0].attribute[0].t.as_ref().unwrap().int64_data, [1]);
    assert_eq!(function.node[1].input, ["a".to_owned(), function.node[0].output[0].clone()]);
    assert!(raised.graph.unwrap().initializer.is_empty());
}

#[test]
fn functions_that_cannot_be_raised_are_named() {
    let message = |function| raise_opset(&calling(function), 18).unwrap_err().to_string();
    insta::assert_snapshot!(
        message(function(8, vec![])),
        @"the model cannot be raised from opset 16 to 18: its function 'Pool' is written for opset 8"
    );
    let axes = AttributeProto {
        name: Some("axes".into()),
        r#type: Some(AttributeType::Ints as i32),
        ref_attr_name: Some("over".into()),
        ..AttributeProto::default()
    };
    insta::assert_snapshot!(
        message(function(16, vec![with(node("ReduceMean", &["a"], &["b"]), vec![axes])])),
        @"the model cannot be raised from opset 16 to 18: in its function 'Pool', ReduceMean of 'b' takes its 'axes' from the caller of the function; inline the function"
    );
}

#[test]
fn an_even_split_counts_its_parts() {
    let mut split = node("Split", &["x", ""], &["y", "z"]);
    let (node, _) = raised(split.clone(), 17, 18);
    assert_eq!((node.input, node.attribute), (vec!["x".to_owned()], vec![int_attribute("num_outputs", 2)]));
    split.input[1] = "sizes".into();
    let graph = GraphProto { initializer: vec![floats("sizes", &[2])], ..plain(vec![split.clone()]) };
    let kept = raise_opset(&at(17, graph), 18).unwrap().into_proto().graph.unwrap();
    assert_eq!(kept.node, [split]);
}

#[test]
fn regions_keep_their_coordinates() {
    let mode = "coordinate_transformation_mode";
    let align = GraphProto {
        initializer: vec![floats("rois", &[1, 4]), floats("batch", &[1])],
        ..plain(vec![node("RoiAlign", &["x", "rois", "batch"], &["y"])])
    };
    let graph = raise_opset(&at(15, align.clone()), 16).unwrap().into_proto().graph.unwrap();
    assert_eq!(graph.node[0].attribute, [text_attribute(mode, "output_half_pixel")]);
    let later = raise_opset(&at(16, align), 18).unwrap().into_proto().graph.unwrap();
    assert!(later.node[0].attribute.is_empty());
}

#[test]
fn grid_sample_modes_are_renamed() {
    for (old, new) in [("bilinear", "linear"), ("bicubic", "cubic"), ("nearest", "nearest")] {
        let sample = with(node("GridSample", &["x", "x"], &["y"]), vec![text_attribute("mode", old)]);
        assert_eq!(raised(sample, 16, 20).0.attribute, [text_attribute("mode", new)]);
    }
    assert!(raised(node("GridSample", &["x", "x"], &["y"]), 16, 20).0.attribute.is_empty());
}

#[test]
fn the_axis_of_a_transform_becomes_an_input() {
    let (node_of, constants) = raised(node("DFT", &["x"], &["y"]), 17, 20);
    assert_eq!(node_of.input, ["x", "", "axis_1"]);
    assert_eq!((&constants[0].dims, &constants[0].int64_data), (&vec![], &vec![1]));
    let explicit = with(node("DFT", &["x", "x"], &["y"]), vec![int_attribute("axis", 2), int_attribute("inverse", 1)]);
    let (node_of, _) = raised(explicit, 17, 21);
    assert_eq!((node_of.input[2].as_str(), node_of.attribute), ("axis_2", vec![int_attribute("inverse", 1)]));
}

#[test]
fn what_cannot_be_rewritten_is_explained() {
    let mut training = node("BatchNormalization", &["x", "x", "x", "x", "x"], &["y", "", "variance"]);
    training.name = Some("bn1".into());
    insta::assert_snapshot!(
        refusal(training, 13, 14),
        @"the model cannot be raised from opset 13 to 14: BatchNormalization 'bn1' gives statistics for training, which opset 14 changed; export the model for inference"
    );
    insta::assert_snapshot!(
        refusal(node("GroupNormalization", &["x", "x", "x"], &["y"]), 18, 21),
        @"the model cannot be raised from opset 18 to 21: GroupNormalization of 'y' scales groups, and from opset 21 on it scales channels; export the model with opset 21"
    );
    insta::assert_snapshot!(
        refusal(node("Upsample", &["x", "x"], &["y"]), 13, 18),
        @"the model cannot be raised from opset 13 to 18: Upsample of 'y' was removed before opset 13; export the model again"
    );
    insta::assert_snapshot!(
        refusal(node("ReduceMean", &["x", "x"], &["y"]), 13, 18),
        @"the model cannot be raised from opset 13 to 18: ReduceMean of 'y' has 2 inputs instead of 1"
    );
    insta::assert_snapshot!(
        refusal(node("Relu", &["x"], &["y"]), 18, 13),
        @"the model cannot be raised from opset 18 to 13: an opset can be raised only"
    );
    insta::assert_snapshot!(
        refusal(node("Relu", &["x"], &["y"]), 8, 13),
        @"the model cannot be raised from opset 8 to 13: models before opset 9 are not rewritten; export the model with opset 13"
    );
    insta::assert_snapshot!(
        refusal(node("Relu", &["x"], &["y"]), 24, 25),
        @"the model cannot be raised from opset 24 to 25: opsets after 24 are not known to this version"
    );
}

#[test]
fn old_operators_that_cannot_be_rewritten_are_explained() {
    let mut masked = plain(vec![node("Dropout", &["x"], &["y", "mask"])]);
    masked.output.push(value("mask", &[3, 8, 8]));
    let error = raise_opset(&at(9, masked), 18).unwrap_err();
    insta::assert_snapshot!(error, @"the model cannot be raised from opset 9 to 18: Dropout of 'y' gives the mask of what is kept, which opsets 10 and 12 changed; export the model for inference, or with opset 12 or later");
    let resize = |scales: &str| {
        let computed = node("Relu", &["x"], &["computed"]);
        let both = TensorProto { raw_data: None, float_data: vec![1.0, 1.0, 2.0, 0.5], ..floats("both", &[4]) };
        let nodes = vec![computed, node("Resize", &["x", scales], &["y"])];
        let graph = GraphProto { initializer: vec![both], ..plain(nodes) };
        raise_opset(&at(10, graph), 18).map(|model| model.into_proto().graph.unwrap().node.remove(1)).unwrap_err()
    };
    assert_eq!(resize("computed").to_string(), resize("both").to_string());
    insta::assert_snapshot!(resize("both"), @"the model cannot be raised from opset 10 to 18: Resize of 'y' takes the nearest pixel at scales that are computed, or larger in one direction and smaller in another; before opset 11 engines differ in which one that is; export the model with opset 11 or later");
    let rounded = |rounding: &str| {
        let mode = text_attribute("coordinate_transformation_mode", "tf_half_pixel_for_nn");
        with(node("Resize", &["x", "x", "x"], &["y"]), vec![mode, text_attribute("nearest_mode", rounding)])
    };
    insta::assert_snapshot!(refusal(rounded("ceil"), 11, 13), @"the model cannot be raised from opset 11 to 13: Resize of 'y' uses `tf_half_pixel_for_nn` otherwise than with `nearest_mode: floor`, and opset 13 has it no more; export the model with opset 13 or later");
    assert_eq!(raised(rounded("floor"), 11, 13).0.input, ["x", "", "x"]);
    insta::assert_snapshot!(refusal(node("Slice", &["x"], &["y"]), 9, 10), @"the model cannot be raised from opset 9 to 10: Slice of 'y' has 1 inputs, 0 starts and 0 ends");
    insta::assert_snapshot!(refusal(node("Scatter", &["x", "x", "x"], &["y"]), 11, 13), @"the model cannot be raised from opset 11 to 13: Scatter of 'y' was removed before opset 13; export the model again");
    let half = TensorProto {
        data_type: Some(DataType::Float16 as i32),
        raw_data: Some(vec![0; 2].into()),
        ..floats("h", &[])
    };
    let limit = AttributeProto {
        name: Some("max".into()),
        r#type: Some(AttributeType::Float as i32),
        f: Some(6.0),
        ..AttributeProto::default()
    };
    let clip = with(node("Clip", &["x"], &["y"]), vec![limit]);
    let graph = |clip| GraphProto { initializer: vec![half.clone()], ..plain(vec![clip]) };
    insta::assert_snapshot!(raise_opset(&at(9, graph(clip.clone())), 13).unwrap_err(), @"the model cannot be raised from opset 9 to 13: Clip of 'y' needs `max` as a tensor of the type of 'x', which can be told from opset 15 on; export the model with opset 13");
    let nodes = raise_opset(&at(9, graph(clip.clone())), 18).unwrap().into_proto().graph.unwrap().node;
    assert_eq!(
        (nodes[0].op_type(), &nodes[1].input[..]),
        ("CastLike", &["x".to_owned(), String::new(), "x/max".into()][..])
    );
    assert_eq!(raised(clip, 9, 11).0.input, ["x", "", "max_6"]);
}

#[test]
fn a_softmax_over_the_last_axis_stays_one_node() {
    let over = |axis: i64| with(node("Softmax", &["f"], &["y"]), vec![int_attribute("axis", axis)]);
    let behind_flatten = |softmax| {
        let graph = plain(vec![node("Flatten", &["x"], &["f"]), softmax]);
        raise_opset(&at(9, graph), 13).unwrap().into_proto().graph.unwrap().node
    };
    assert_eq!(behind_flatten(over(1))[1..], [over(1)]);
    assert_eq!(behind_flatten(node("Softmax", &["f"], &["y"]))[1..], [over(1)]);
    let ops: Vec<String> = behind_flatten(over(0)).iter().map(|node| node.op_type().to_owned()).collect();
    assert_eq!(ops, ["Flatten", "Shape", "Flatten", "Softmax", "Reshape"]);
}

#[test]
fn operators_of_other_domains_are_left_alone() {
    let mut reduce = with(node("ReduceMean", &["x"], &["y"]), vec![ints_attribute("axes", &[1])]);
    reduce.domain = Some("com.example".into());
    assert_eq!(raised(reduce.clone(), 13, 21), (reduce, vec![]));
}

#[test]
fn the_format_rises_with_the_opset_and_never_falls() {
    let format = |ir: i64, to: i64| {
        let old = ModelProto { ir_version: Some(ir), ..imports(13, residual()) };
        raise_opset(&Model::from_proto(old).unwrap(), to).unwrap().proto().ir_version()
    };
    let raised: Vec<i64> = (14..=24).map(|to| format(3, to)).collect();
    assert_eq!(raised, [7, 8, 8, 8, 8, 9, 9, 10, 10, 11, 12]);
    assert_eq!(format(13, 14), 13);
}

#[test]
fn constants_leave_the_inputs_of_an_old_format() {
    let inputs = |ir: i64| -> Vec<String> {
        let mut graph = residual();
        graph.input.push(value("w1", &[3, 3, 3]));
        let old = Model::from_proto(ModelProto { ir_version: Some(ir), ..imports(13, graph) }).unwrap();
        let raised = raise_opset(&old, 18).unwrap().into_proto();
        raised.graph.unwrap().input.iter().map(ValueInfoProto::name).map(str::to_owned).collect()
    };
    assert_eq!(inputs(3), ["x"]);
    // From IR 4 on a listed initializer is a default that a caller may replace.
    assert_eq!(inputs(4), ["x", "w1"]);
}

#[test]
fn graphs_for_training_are_refused() {
    let training_info = vec![augraft_onnx::proto::TrainingInfoProto::default()];
    let old = Model::from_proto(ModelProto { training_info, ..imports(13, residual()) }).unwrap();
    assert!(raise_opset(&old, 18).unwrap_err().to_string().contains("graphs for training"));
}
