use augraft_onnx::proto::tensor_shape_proto::dimension;
use augraft_onnx::proto::{GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, type_proto};
use augraft_onnx::{Dim, Error, FreedBatch, Model, baked_batch, free_batch, int_attribute, ints_attribute};

use crate::fixtures::{floats, integers, model, node, plain, proto, residual, value, with_body};

/// A value all of whose dimensions are numbers.
fn sized(name: &str, sizes: &[i64]) -> ValueInfoProto {
    let mut info = value(name, sizes);
    if let Some(type_proto::Value::TensorType(tensor)) = &mut info.r#type.as_mut().unwrap().value {
        tensor.shape.as_mut().unwrap().dim.remove(0);
    }
    info
}

/// A model with the input `x` of 192 numbers an image, at a batch of `size`.
fn baked(size: i64, nodes: Vec<NodeProto>, initializer: Vec<TensorProto>) -> GraphProto {
    GraphProto {
        input: vec![sized("x", &[size, 3, 8, 8])],
        output: vec![sized("y", &[size, 192])],
        initializer,
        ..plain(nodes)
    }
}

fn flattened(size: i64, target: &[i64]) -> GraphProto {
    baked(size, vec![node("Reshape", &["x", "target"], &["y"])], vec![integers("target", target)])
}

fn freed(graph: GraphProto) -> (GraphProto, Vec<String>) {
    let FreedBatch { model, changes } = free_batch(&model(graph)).unwrap();
    assert_eq!(baked_batch(&model), None);
    let batch = |dims: Vec<Dim>| dims.first().cloned();
    let ports = model.inputs().into_iter().take(1).chain(model.outputs());
    let free: Vec<Option<Dim>> = ports.filter_map(|port| port.shape.map(batch)).collect();
    assert!(free.iter().flatten().all(|dim| !matches!(dim, Dim::Fixed(_))), "{free:?}");
    (model.into_proto().graph.unwrap(), changes)
}

fn refusal(graph: GraphProto) -> String {
    let error = free_batch(&model(graph)).unwrap_err();
    assert!(matches!(error, Error::Batch { .. }), "{error}");
    error.to_string()
}

fn stored<'g>(graph: &'g GraphProto, name: &str) -> &'g [i64] {
    &graph.initializer.iter().find(|tensor| tensor.name() == name).unwrap().int64_data
}

fn targets(graph: &GraphProto) -> Vec<&[i64]> {
    let reshapes = graph.node.iter().filter(|node| node.op_type() == "Reshape");
    reshapes.map(|node| stored(graph, &node.input[1])).collect()
}

fn names(infos: &[ValueInfoProto]) -> Vec<&str> {
    infos.iter().map(ValueInfoProto::name).collect()
}

#[test]
fn a_free_model_stays_as_it_is() {
    let model = model(residual());
    let FreedBatch { model: same, changes } = free_batch(&model).unwrap();
    assert_eq!((same, changes), (model, vec![]));
}

#[test]
fn shapes_and_targets_become_free() {
    let (graph, changes) = freed(flattened(1, &[1, 192]));
    assert_eq!(targets(&graph), [[0, 192]]);
    assert_eq!(graph.initializer.len(), 1, "the old target is gone");
    insta::assert_snapshot!(
        changes.join("; "),
        @"the input 'x' takes any batch N instead of 1; the output 'y' has the batch N instead of 1; Reshape of 'y' keeps the batch: its target is [0, 192]"
    );
    assert_eq!(targets(&freed(flattened(1, &[1, -1])).0), [[0, -1]]);
    assert_eq!(targets(&freed(flattened(4, &[4, 192])).0), [[0, 192]]);
    assert_eq!(targets(&freed(flattened(4, &[4, -1])).0), [[0, -1]]);
    assert_eq!(targets(&freed(flattened(1, &[1, -1, 8, 8])).0), [[0, -1, 8, 8]]);
}

#[test]
fn targets_that_are_free_stay_as_they_are() {
    for target in [&[-1, 192][..], &[0, -1], &[0, 192], &[-1]] {
        let (graph, changes) = freed(flattened(1, target));
        assert_eq!((targets(&graph), stored(&graph, "target")), (vec![target], target));
        assert_eq!(changes.len(), 2);
    }
}

#[test]
fn a_baked_target_behind_a_free_input_counts_as_batch_1() {
    let graph = |target| GraphProto {
        initializer: vec![integers("target", target)],
        ..plain(vec![node("Reshape", &["x", "target"], &["y"])])
    };
    let (freed, changes) = freed(graph(&[1, 192]));
    assert_eq!((targets(&freed), changes.len()), (vec![&[0, 192][..]], 1));
    assert!(refusal(graph(&[2, 96])).contains("does not begin with 1"));
}

#[test]
fn targets_come_from_constant_nodes_and_attributes() {
    let constant = |attribute| {
        let mut constant = node("Constant", &[], &["target"]);
        constant.attribute.push(attribute);
        baked(1, vec![constant, node("Reshape", &["x", "target"], &["y"])], vec![])
    };
    let mut tensor = ints_attribute("value", &[]);
    tensor.t = Some(integers("", &[1, 192]));
    for attribute in [tensor, ints_attribute("value_ints", &[1, 192])] {
        let (graph, _) = freed(constant(attribute));
        assert_eq!((targets(&graph), graph.node.len()), (vec![&[0, 192][..]], 1));
    }
    let mut reshape = node("Reshape", &["x"], &["y"]);
    reshape.attribute.push(ints_attribute("shape", &[1, 192]));
    let (graph, _) = freed(baked(1, vec![reshape], vec![]));
    assert_eq!(graph.node[0].attribute, [ints_attribute("shape", &[0, 192])]);
}

#[test]
fn a_target_that_others_read_is_copied() {
    let nodes = vec![
        node("Reshape", &["x", "target"], &["a"]),
        node("Reshape", &["table", "target"], &["t"]),
        node("Reshape", &["a", "target"], &["b"]),
        node("Add", &["b", "t"], &["y"]),
    ];
    let (graph, changes) = freed(baked(1, nodes, vec![integers("target", &[1, 192]), floats("table", &[192])]));
    assert_eq!(targets(&graph), [&[0, 192], &[1, 192], &[0, 192]]);
    let names: Vec<&str> = graph.initializer.iter().map(TensorProto::name).collect();
    assert_eq!((names, changes.len()), (vec!["target", "table", "target_0_192"], 4));
}

#[test]
fn an_old_format_lists_the_new_target() {
    let of_format = |ir: i64| {
        let mut graph = flattened(1, &[1, 192]);
        graph.input.insert(0, sized("target", &[2]));
        let old = Model::from_proto(ModelProto { ir_version: Some(ir), ..proto(graph) }).unwrap();
        free_batch(&old).unwrap().model.into_proto().graph.unwrap()
    };
    let old = of_format(3);
    assert_eq!((names(&old.input), old.initializer.len()), (vec!["x", "target_0_192"], 1));
    let new = of_format(4);
    assert_eq!((names(&new.input), new.initializer.len()), (vec!["target", "x"], 2));
}

#[test]
fn inner_shapes_are_renamed_or_opened() {
    let mut graph = residual();
    graph.input[0] = sized("x", &[1, 3, 8, 8]);
    graph.value_info = vec![sized("r1", &[1, 4, 8, 8]), sized("c2", &[4, 64]), sized("w2_real", &[1, 4])];
    let (graph, changes) = freed(graph);
    let shape = |info: &ValueInfoProto| match info.r#type.clone().unwrap().value {
        Some(type_proto::Value::TensorType(tensor)) => {
            tensor.shape.unwrap().dim.into_iter().map(|dim| dim.value).collect::<Vec<_>>()
        }
        _ => panic!("a tensor"),
    };
    let size = |size| Some(dimension::Value::DimValue(size));
    let symbol = Some(dimension::Value::DimParam("N".into()));
    assert_eq!(shape(&graph.value_info[0]), [symbol, size(4), size(8), size(8)]);
    assert_eq!(shape(&graph.value_info[1]), [None, None]);
    assert_eq!(shape(&graph.value_info[2]), [size(1), size(4)]);
    insta::assert_snapshot!(
        changes.join("; "),
        @"the input 'x' takes any batch N instead of 1; 1 inner shapes begin with N; 1 of other form are left open"
    );
}

#[test]
fn another_dimension_keeps_its_symbol() {
    let mut graph = flattened(1, &[1, 192]);
    let mut words = value("words", &[]);
    let Some(type_proto::Value::TensorType(tensor)) = &mut words.r#type.as_mut().unwrap().value else {
        panic!("a tensor")
    };
    let dims = &mut tensor.shape.as_mut().unwrap().dim;
    dims.push(dims[0].clone());
    graph.input.push(words);
    let FreedBatch { model, .. } = free_batch(&model(graph)).unwrap();
    assert_eq!(model.inputs()[0].shape.as_ref().unwrap()[0], Dim::Symbol("N_1".into()));
}

#[test]
fn zeros_that_are_sizes_stay_sizes() {
    let allow = |mut graph: GraphProto| {
        graph.node[0].attribute.push(int_attribute("allowzero", 1));
        graph
    };
    let (graph, _) = freed(allow(flattened(1, &[1, 192])));
    assert!(graph.node[0].attribute.is_empty());
    insta::assert_snapshot!(
        refusal(allow(flattened(1, &[1, 0]))),
        @"the batch of the model cannot be freed: Reshape of 'y' gives the shape [1, 0], whose zeros are sizes; export the model with a named batch dimension"
    );
}

#[test]
fn what_holds_the_batch_is_explained() {
    insta::assert_snapshot!(
        refusal(flattened(1, &[64, 3])),
        @"the batch of the model cannot be freed: Reshape of 'y' gives the shape [64, 3], which does not begin with 1; export the model with a named batch dimension"
    );
    let mut windows = flattened(1, &[1, 192]);
    windows.node.insert(0, node("Transpose", &["x"], &["t"]));
    windows.node[1].input[0] = "t".into();
    windows.value_info.push(sized("t", &[8, 8, 3, 1]));
    insta::assert_snapshot!(
        refusal(windows),
        @"the batch of the model cannot be freed: Reshape of 'y' gives the shape [1, 192], and its data begin with 8; export the model with a named batch dimension"
    );
    let sizes = vec![integers("sizes", &[1, 3, 16, 16])];
    insta::assert_snapshot!(
        refusal(baked(1, vec![node("Resize", &["x", "", "", "sizes"], &["y"])], sizes)),
        @"the batch of the model cannot be freed: Resize of 'y' gives the sizes [1, 3, 16, 16], batch included; export the model with a named batch dimension"
    );
    let squeeze = baked(1, vec![node("Squeeze", &["x"], &["y"])], vec![]);
    insta::assert_snapshot!(
        refusal(squeeze),
        @"the batch of the model cannot be freed: Squeeze of 'y' drops every dimension of 1, batch included; export the model with a named batch dimension"
    );
    let shape = || vec![integers("shape", &[4, 3, 8, 8])];
    insta::assert_snapshot!(
        refusal(baked(4, vec![node("Expand", &["x", "shape"], &["y"])], shape())),
        @"the batch of the model cannot be freed: Expand of 'y' expands to the shape [4, 3, 8, 8]; export the model with a named batch dimension"
    );
    let mut tokens = baked(1, vec![node("Concat", &["class", "x"], &["y"])], vec![floats("class", &[1, 1, 8, 8])]);
    tokens.node[0].attribute.push(int_attribute("axis", 1));
    insta::assert_snapshot!(
        refusal(tokens),
        @"the batch of the model cannot be freed: Concat of 'y' joins stored values of one batch; export the model with a named batch dimension"
    );
    let state = vec![floats("w", &[1]), floats("h", &[1])];
    insta::assert_snapshot!(
        refusal(baked(1, vec![node("GRU", &["x", "w", "w", "", "", "h"], &["y"])], state)),
        @"the batch of the model cannot be freed: GRU of 'y' starts from a stored state of one batch; export the model with a named batch dimension"
    );
    let body = GraphProto {
        node: vec![node("Reshape", &["x", "inner"], &["z"])],
        initializer: vec![integers("inner", &[1, 192])],
        output: vec![value("z", &[])],
        ..GraphProto::default()
    };
    insta::assert_snapshot!(
        refusal(baked(1, vec![with_body(node("If", &["x"], &["y"]), body)], vec![])),
        @"the batch of the model cannot be freed: If of 'y' holds a Reshape with a baked batch in its body; export the model with a named batch dimension"
    );
}
