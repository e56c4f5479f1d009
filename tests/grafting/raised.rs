//! Models of opset 9 to 12, raised: every operator that changed gives the same, bit for bit, in ONNX Runtime.

use augraft::engine::{Optimization, Runtime, Use};
use augraft::onnx::proto::attribute_proto::AttributeType;
use augraft::onnx::proto::tensor_proto::DataType as Element;
use augraft::onnx::proto::{AttributeProto, GraphProto, NodeProto, TensorProto, ValueInfoProto};
use augraft::onnx::{DataType, Graph, Model, Side, Tensor, int_attribute, ints_attribute, raise_opset, text_attribute};
use augraft_testkit::onnxruntime;
use ndarray::{ArrayD, IxDyn};

/// Nodes that read `x`, f32 `[2,4,6,5]`, and constants, and make `y` and maybe `z`.
struct Case {
    opset: i64,
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
}

fn node(text: &str, attributes: Vec<AttributeProto>) -> NodeProto {
    let (outputs, call) = text.split_once(" = ").expect("`y = Op x`");
    let mut words = call.split(' ');
    NodeProto {
        op_type: words.next().map(str::to_owned),
        input: words.map(str::to_owned).collect(),
        output: outputs.split(' ').map(str::to_owned).collect(),
        attribute: attributes,
        ..NodeProto::default()
    }
}

fn float(name: &str, value: f32) -> AttributeProto {
    let r#type = Some(AttributeType::Float as i32);
    AttributeProto { name: Some(name.to_owned()), r#type, f: Some(value), ..AttributeProto::default() }
}

fn floats(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        dims: dims.to_vec(),
        data_type: Some(Element::Float as i32),
        float_data: values.to_vec(),
        ..TensorProto::default()
    }
}

fn ints(name: &str, dims: &[i64], values: &[i64]) -> TensorProto {
    let data_type = Some(Element::Int64 as i32);
    TensorProto { data_type, float_data: vec![], int64_data: values.to_vec(), ..floats(name, dims, &[]) }
}

/// Numbers from -2 to 2, some of them equal.
fn noise(name: &str, dims: &[i64]) -> TensorProto {
    let count = dims.iter().product::<i64>();
    let values: Vec<f32> = (0..count).map(|at| ((at * 37 + 11) % 64) as f32 / 16.0 - 2.0).collect();
    floats(name, dims, &values)
}

fn case(opset: i64, nodes: Vec<NodeProto>, constants: Vec<TensorProto>) -> Case {
    Case { opset, nodes, constants }
}

fn one(opset: i64, text: &str, attributes: Vec<AttributeProto>, constants: Vec<TensorProto>) -> Case {
    case(opset, vec![node(text, attributes)], constants)
}

fn model(case: &Case) -> Model {
    let builder = Graph::new(case.opset);
    let sides = [Side::Named("N"), Side::Fixed(4), Side::Fixed(6), Side::Fixed(5)];
    builder.output(builder.input("x", DataType::F32, &sides).unary("Relu"), "unused", &sides);
    let mut proto = builder.into_proto("case", &[]);
    let made = case.nodes.iter().flat_map(|node| &node.output);
    let results = made.filter(|name| matches!(name.as_str(), "y" | "z"));
    let output = results.map(|name| ValueInfoProto { name: Some(name.clone()), ..ValueInfoProto::default() }).collect();
    let graph = proto.graph.take().expect("a graph");
    let nodes = case.nodes.clone();
    proto.graph = Some(GraphProto { node: nodes, output, initializer: case.constants.clone(), ..graph });
    Model::from_proto(proto).expect("a model")
}

fn run(runtime: &dyn Runtime, model: &Model) -> Vec<Tensor> {
    let x = ArrayD::from_shape_fn(IxDyn(&[2, 4, 6, 5]), |at| {
        let at = ((at[0] * 4 + at[1]) * 6 + at[2]) * 5 + at[3];
        ((at * 29 + 7) % 97) as f32 / 16.0 - 3.0
    });
    let session = runtime.session(model, Use::Graph).unwrap_or_else(|error| panic!("{model:?}: {error}"));
    session.run(&[("x", &Tensor::F32(x))]).unwrap_or_else(|error| panic!("{model:?}: {error}"))
}

fn check(cases: &[Case]) {
    let Some(runtime) = onnxruntime(Optimization::Off) else { return };
    for case in cases {
        let old = model(case);
        let expected = run(&runtime, &old);
        // ONNX Runtime 1.31 has no `RoiAlign` of opset 22.
        let last = if case.nodes[0].op_type() == "RoiAlign" { 21 } else { 24 };
        for to in [11, 13, 15, 18, 21, 24].into_iter().filter(|to| (case.opset + 1..=last).contains(to)) {
            let what = format!(
                "{} {:?} from opset {} to {to}",
                case.nodes[0].op_type(),
                case.nodes[0].attribute.iter().map(AttributeProto::name).collect::<Vec<_>>(),
                case.opset
            );
            let raised = raise_opset(&old, to).unwrap_or_else(|error| panic!("{what}: {error}"));
            let bytes = |tensors: &[Tensor]| -> Vec<_> {
                tensors.iter().map(|tensor| (tensor.dtype(), tensor.shape().to_vec(), tensor.to_le_bytes())).collect()
            };
            assert_eq!(bytes(&run(&runtime, &raised)), bytes(&expected), "{what}");
        }
    }
}

#[test]
fn attributes_that_became_inputs_say_the_same() {
    let squeezed = |axes: &[i64]| {
        let unsqueeze = node("u = Unsqueeze x", vec![ints_attribute("axes", &[0, 3])]);
        let attributes = if axes.is_empty() { vec![] } else { vec![ints_attribute("axes", axes)] };
        case(9, vec![unsqueeze, node("y = Squeeze u", attributes)], vec![])
    };
    let limits = |list: &[(&str, f32)]| list.iter().map(|(name, value)| float(name, *value)).collect::<Vec<_>>();
    let padded = |mode: &str, value: f32| {
        let pads = ints_attribute("pads", &[0, 0, 1, 2, 0, 1, 3, 1]);
        one(9, "y = Pad x", vec![pads, text_attribute("mode", mode), float("value", value)], vec![])
    };
    let bounds = |starts: &[i64], ends: &[i64]| vec![ints_attribute("starts", starts), ints_attribute("ends", ends)];
    let sliced = [bounds(&[1, -3], &[2, 100]), vec![ints_attribute("axes", &[0, 2])]].concat();
    check(&[
        one(9, "y = Slice x", sliced, vec![]),
        one(9, "y = Slice x", bounds(&[0, 1, 2], &[2, 3, -1]), vec![]),
        one(9, "y z = TopK x", vec![int_attribute("k", 3), int_attribute("axis", 1)], vec![]),
        one(9, "y z = TopK x", vec![int_attribute("k", 5)], vec![]),
        one(10, "y z = TopK x k", vec![int_attribute("axis", 2)], vec![ints("k", &[1], &[4])]),
        one(9, "y = Clip x", limits(&[("min", 0.0), ("max", 1.5)]), vec![]),
        one(9, "y = Clip x", limits(&[("max", -0.0)]), vec![]),
        one(9, "y = Clip x", limits(&[("min", -1.0)]), vec![]),
        one(9, "y = Clip x", vec![], vec![]),
        padded("constant", 1.5),
        padded("constant", 0.0),
        padded("reflect", 1.5),
        padded("edge", 0.0),
        squeezed(&[0, 3]),
        squeezed(&[]),
        one(9, "y = ReduceSum x", vec![ints_attribute("axes", &[1, 2]), int_attribute("keepdims", 0)], vec![]),
        one(9, "y = ReduceSum x", vec![], vec![]),
        one(9, "y = ReduceMean x", vec![ints_attribute("axes", &[2, 3])], vec![]),
        one(12, "y = ReduceMax x", vec![ints_attribute("axes", &[-1])], vec![]),
        one(9, "y z = Split x", vec![int_attribute("axis", 1), ints_attribute("split", &[1, 3])], vec![]),
        one(9, "y z = Split x", vec![int_attribute("axis", 1)], vec![]),
        one(9, "y mask = Dropout x", vec![float("ratio", 0.9)], vec![]),
        one(10, "y = Dropout x", vec![float("ratio", 0.9)], vec![]),
    ]);
}

/// Beside numbers of another type, limits and fillings are cast to that of what they meet.
#[test]
fn limits_have_the_type_of_what_they_limit() {
    let wide = || vec![int_attribute("to", i64::from(Element::Double as i32))];
    let limits = vec![float("min", -0.1), float("max", 0.7)];
    let clip = case(9, vec![node("y = Clip x", limits), node("z = Cast x", wide())], vec![]);
    let pads = vec![ints_attribute("pads", &[0, 0, 1, 0, 0, 0, 0, 1]), float("value", 0.1)];
    let pad = case(10, vec![node("wide = Cast x", wide()), node("y = Pad wide", pads)], vec![]);
    let Some(runtime) = onnxruntime(Optimization::Off) else { return };
    for case in [clip, pad] {
        let old = model(&case);
        let refused = raise_opset(&old, 13).expect_err("types are not known").to_string();
        assert!(refused.contains("can be told from opset 15 on; export the model with opset 13"), "{refused}");
        for to in [15, 18, 24] {
            assert_eq!(run(&runtime, &raise_opset(&old, to).expect("a model")), run(&runtime, &old), "to {to}");
        }
    }
}

#[test]
fn rows_of_a_softmax_stay_what_they_were() {
    // Opset 11 came with axes from the end.
    let over = |op: &str, axis: Option<i64>| {
        let opset = if axis.is_some_and(|axis| axis < 0) { 11 } else { 9 };
        let attributes = axis.map(|axis| int_attribute("axis", axis)).into_iter().collect();
        one(opset, &format!("y = {op} x"), attributes, vec![])
    };
    let ops = ["Softmax", "LogSoftmax", "Hardmax"];
    let axes = [None, Some(0), Some(1), Some(2), Some(3), Some(-1), Some(-2)];
    let mut cases: Vec<Case> = ops.iter().flat_map(|op| axes.map(|axis| over(op, axis))).collect();
    let behind = |shape: NodeProto| {
        case(9, vec![shape, node("y = Softmax flat", vec![])], vec![ints("sides", &[3], &[2, 60, 2])])
    };
    cases.extend([behind(node("flat = Flatten x", vec![])), behind(node("flat = Reshape x sides", vec![]))]);
    check(&cases);
}

#[test]
fn resized_maps_stay_what_they_were() {
    let text = |name: &str, value: &str| text_attribute(name, value);
    let old = |opset, op: &str, mode: &str, by: [f32; 2]| {
        let scales = floats("scales", &[4], &[1.0, 1.0, by[0], by[1]]);
        one(opset, &format!("y = {op} x scales"), vec![text("mode", mode)], vec![scales])
    };
    let mut cases = Vec::new();
    for mode in ["nearest", "linear"] {
        for by in [[2.0, 2.0], [2.0, 3.0], [1.0, 2.5], [1.7, 1.3]] {
            cases.extend([old(9, "Upsample", mode, by), old(10, "Resize", mode, by)]);
        }
        cases.extend([[0.5, 0.5], [0.7, 0.4], [1.0, 0.6]].map(|by| old(10, "Resize", mode, by)));
    }
    cases.push(old(10, "Resize", "linear", [0.7, 1.6]));
    for (mode, coordinates, rounding) in [
        ("nearest", "half_pixel", "round_prefer_floor"),
        ("nearest", "asymmetric", "floor"),
        ("nearest", "tf_half_pixel_for_nn", "floor"),
        ("linear", "pytorch_half_pixel", "floor"),
        ("cubic", "align_corners", "floor"),
    ] {
        for (opset, sides) in [(11, [12, 15]), (12, [9, 7]), (11, [3, 4]), (12, [5, 11])] {
            let attributes = vec![
                text("mode", mode),
                text("coordinate_transformation_mode", coordinates),
                text("nearest_mode", rounding),
            ];
            let constants = vec![floats("none", &[0], &[]), ints("sizes", &[4], &[2, 4, sides[0], sides[1]])];
            cases.push(one(opset, "y = Resize x none none sizes", attributes, constants));
        }
    }
    check(&cases);
}

#[test]
fn pools_and_layers_are_right_to_stay() {
    let kernel = |more: &[AttributeProto]| [&[ints_attribute("kernel_shape", &[3, 3])], more].concat();
    let ceil = || kernel(&[int_attribute("ceil_mode", 1), ints_attribute("strides", &[2, 2])]);
    let (pads, same) = (ints_attribute("pads", &[1, 0, 0, 1]), text_attribute("auto_pad", "SAME_UPPER"));
    let wide = [same.clone(), ints_attribute("strides", &[2, 2])];
    let channels =
        |names: &[&str]| names.iter().map(|name| floats(name, &[4], &[0.5, 1.5, 0.25, 2.0])).collect::<Vec<_>>();
    let moments = vec![float("epsilon", 0.01), float("momentum", 0.8)];
    let cells = |op: &str, gates: i64| {
        let nodes = vec![
            node("s = Reshape x sides", vec![]),
            node(&format!("all z = {op} s w r"), vec![int_attribute("hidden_size", 3)]),
        ];
        let [w, r] = [("w", 10), ("r", 3)].map(|(name, width)| noise(name, &[1, gates * 3, width]));
        case(9, nodes, vec![ints("sides", &[3], &[6, 4, 10]), w, r])
    };
    check(&[
        one(9, "y = BatchNormalization x a b c d", moments, channels(&["a", "b", "c", "d"])),
        one(9, "y = InstanceNormalization x a b", vec![], channels(&["a", "b"])),
        one(9, "y = Conv x w", kernel(&[same]), vec![noise("w", &[2, 4, 3, 3])]),
        one(9, "y = ConvTranspose x w", kernel(&wide), vec![noise("w", &[4, 2, 3, 3])]),
        one(9, "y = MaxPool x", kernel(std::slice::from_ref(&pads)), vec![]),
        one(10, "y = MaxPool x", ceil(), vec![]),
        one(9, "y = AveragePool x", kernel(&[pads, int_attribute("count_include_pad", 1)]), vec![]),
        one(10, "y = AveragePool x", ceil(), vec![]),
        one(9, "y = LpPool x", kernel(&[]), vec![]),
        one(9, "y = LRN x", vec![int_attribute("size", 3)], vec![]),
        one(9, "y = PRelu x slope", vec![], vec![noise("slope", &[4, 1, 1])]),
        one(9, "y = MeanVarianceNormalization x", vec![], vec![]),
        one(9, "y = GlobalAveragePool x", vec![], vec![]),
        cells("LSTM", 4),
        cells("GRU", 3),
    ]);
}

#[test]
fn other_operators_are_right_to_stay() {
    let scattered = || vec![ints("at", &[1, 2, 1, 1], &[2, 0]), noise("new", &[1, 2, 1, 1])];
    let hot = vec![ints("at", &[3], &[0, 2, 5]), ints("depth", &[1], &[4]), floats("values", &[2], &[0.0, 1.0])];
    let bytes = || {
        let zero = ints("zero", &[], &[]);
        let zero = TensorProto { data_type: Some(Element::Uint8 as i32), int32_data: vec![100], ..zero };
        vec![floats("scale", &[], &[0.05]), zero]
    };
    let there_and_back = ["q = QuantizeLinear x scale zero", "y = DequantizeLinear q scale zero"];
    let size = vec![int_attribute("output_height", 2), int_attribute("output_width", 2)];
    let boxes = floats("boxes", &[1, 3, 4], &[0.0, 0.0, 1.0, 1.0, 0.0, 0.1, 1.0, 1.1, 0.0, 5.0, 1.0, 6.0]);
    let scores = floats("scores", &[1, 1, 3], &[0.9, 0.8, 0.7]);
    let block = || int_attribute("blocksize", 2);
    let last = vec![int_attribute("axis", 1), int_attribute("select_last_index", 1)];
    check(&[
        one(9, "y = Scatter x at new", vec![int_attribute("axis", 1)], scattered()),
        one(11, "y = ScatterElements x at new", vec![int_attribute("axis", -3)], scattered()),
        one(9, "y = DepthToSpace x", vec![block()], vec![]),
        one(11, "y = DepthToSpace x", vec![block(), text_attribute("mode", "CRD")], vec![]),
        one(9, "y = ArgMax x", vec![int_attribute("axis", 1)], vec![]),
        one(12, "y = ArgMin x", last, vec![]),
        one(9, "y = OneHot at depth values", vec![], hot),
        one(9, "y = Elu x", vec![float("alpha", 0.3)], vec![]),
        one(9, "y = Erf x", vec![], vec![]),
        one(10, "y = Mod x by", vec![int_attribute("fmod", 1)], vec![floats("by", &[], &[0.7])]),
        one(10, "y = ThresholdedRelu x", vec![], vec![]),
        one(11, "y = Round x", vec![], vec![]),
        one(11, "y = CumSum x axis", vec![], vec![ints("axis", &[], &[2])]),
        one(12, "y = Einsum x", vec![text_attribute("equation", "nchw->nhwc")], vec![]),
        one(12, "y = GatherND x at", vec![int_attribute("batch_dims", 1)], vec![ints("at", &[2, 1], &[3, 0])]),
        one(9, "y = NonZero x", vec![], vec![]),
        one(
            10,
            "y = RoiAlign x rois batch",
            size,
            vec![floats("rois", &[1, 4], &[0.5, 0.5, 4.0, 3.0]), ints("batch", &[1], &[1])],
        ),
        one(10, "y = NonMaxSuppression boxes scores most", vec![], vec![boxes, scores, ints("most", &[1], &[2])]),
        case(10, there_and_back.map(|text| node(text, vec![])).into(), bytes()),
    ]);
}
