//! Models whose tensors are not maps N,C,H,W of single precision, that take something else than normalized images, or give several answers.

use std::fs;

use augraft::onnx::proto::attribute_proto::AttributeType;
use augraft::onnx::proto::{AttributeProto, GraphProto, NodeProto, ValueInfoProto};
use augraft::onnx::{DataType, Graph, Model, Side, Tensor, Value};
use augraft_tests::{run, succeed, workspace};
use ndarray::{ArrayD, IxDyn};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_augraft-under-test");

/// Height, width and channels that all differ, so that no axis can stand for another.
const SIDES: [usize; 2] = [8, 6];
const FLOATS: &str = "  - resize: { size: [8, 6] }\n  - normalize: half\n";
const BYTES: &str = "  - resize: { size: [8, 6] }\n";

fn images(graph: &Graph) -> Value<'_> {
    let [height, width] = SIDES.map(Side::Fixed);
    graph.input("images", DataType::F32, &[Side::Named("N"), Side::Fixed(3), height, width])
}

fn weights(shape: &[usize]) -> Tensor {
    let mut at = 0;
    Tensor::F32(ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        at = (at * 5 + 3) % 13;
        at as f32 * 0.125 - 0.75
    }))
}

/// Nine channels of a map N,3,H,W.
fn mixed<'g>(graph: &'g Graph, map: Value<'g>) -> Value<'g> {
    graph.node("Conv", &[map, graph.named_constant(weights(&[9, 3, 1, 1]), "weights")], vec![], DataType::F32)
}

fn finish(graph: &Graph, map: Value<'_>) {
    let logits = map.unary("GlobalAveragePool").unary("Flatten");
    graph.output(logits, "scores", &[Side::Named("N"), Side::Fixed(9)]);
}

fn model(graph: Graph) -> Model {
    Model::from_proto(graph.into_proto("net", &[])).expect("a model")
}

struct Case {
    folder: TempDir,
}

impl Case {
    /// A pipeline over the embedded photos with these input steps, fields of `model`, and steps in it.
    fn new(model: &Model, steps: &str, fields: &str, inside: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        fs::write(folder.path().join("m.onnx"), model.to_bytes()).expect("a file");
        let photos = workspace().join("pipelines/data/photos");
        let inside = if inside.is_empty() { String::new() } else { format!("  steps:\n{inside}") };
        let text = format!(
            "augraft: 1\nseed: 2\ndata: {{ folder: \"{}\", batch: 4 }}\nsteps:\n{steps}model:\n  file: m.onnx\n{fields}{inside}",
            photos.display()
        );
        fs::write(folder.path().join("p.yaml"), text).expect("a file");
        Self { folder }
    }

    fn succeed(&self, arguments: &[&str]) -> String {
        succeed(PROGRAM, self.folder.path(), arguments)
    }

    /// Runs, grafts with every kind of draws and verifies on every engine; returns what `run` said.
    fn hold(&self) -> String {
        let said = self.succeed(&["run", "p.yaml", "--out", "out"]);
        for draws in ["graph", "inputs", "baked"] {
            let _ = self.succeed(&["graft", "p.yaml", "-o", "g.onnx", "--draws", draws]);
            let verified = self.succeed(&["verify", "g.onnx", "p.yaml"]);
            assert!(verified.contains("as promised") && !verified.contains("BEYOND"), "{draws}: {verified}");
        }
        said
    }

    fn refused(&self, arguments: &[&str]) -> String {
        let output = run(PROGRAM, self.folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

/// A map N,H,W,C called `rows`.
fn channels_last() -> Model {
    let graph = Graph::new(18);
    let rows = graph.name(mixed(&graph, images(&graph)).transpose(&[0, 2, 3, 1]).unary("Relu"), "rows");
    finish(&graph, (rows * graph.constant(Tensor::scalar(0.5f32))).transpose(&[0, 3, 1, 2]));
    model(graph)
}

#[test]
fn a_box_in_a_map_with_channels_last_cuts_rows_and_columns() {
    let step = "    - at: rows\n      cutmix: { mode: elem }\n";
    let case = Case::new(&channels_last(), FLOATS, "", step);
    let said = case.succeed(&["explain", "p.yaml"]);
    assert!(said.contains("rows [N,8,6,9], channels last") && said.contains("[N,9,8,6]"), "{said}");
    let _ = case.hold();
    let listed = case.succeed(&["sites", "m.onnx"]);
    assert!(listed.lines().any(|line| line.starts_with("rows") && line.contains("nhwc")), "{listed}");
    // The lam of a label is the share of what stayed: of all channels at a place, or of none.
    let written = fs::read_to_string(case.folder.path().join("out/draws.jsonl")).expect("draws");
    let draw: serde_json::Value = serde_json::from_str(written.lines().next().expect("a draw")).expect("JSON");
    assert!(draw.to_string().contains("bottom"), "{draw}");
    let of = |said: &str| case.succeed(&["graft", "p.yaml", "-o", said]);
    let _ = of("g.onnx");
}

#[test]
fn axes_that_the_model_does_not_show_must_be_said_where_they_count() {
    let graph = Graph::new(18);
    let sides = [Side::Named("N"), Side::Fixed(5), Side::Fixed(6), Side::Fixed(7)];
    let map = graph.name(graph.input("images", DataType::F32, &sides).unary("Relu"), "map");
    graph.output(map.unary("Sigmoid").reshape(&[0, -1]), "scores", &[Side::Named("N"), Side::Fixed(210)]);
    let bare = model(graph);
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("m.onnx"), bare.to_bytes()).expect("a file");
    let tried = |inside: &str| {
        let text = format!("augraft: 1\nsteps: []\nmodel:\n  file: m.onnx\n  steps:\n    - at: map\n{inside}");
        fs::write(folder.path().join("p.yaml"), text).expect("a file");
        run(PROGRAM, folder.path(), &["graft", "p.yaml", "-o", "g.onnx", "--classes", "210"])
    };
    let refused = tried("      cutmix: { mode: elem }\n");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("does not show which axes are channels") && said.contains("layout: nchw"), "{said}");
    for accepted in ["      layout: nchw\n      cutmix: { mode: elem }\n", "      mixup: {}\n"] {
        let output = tried(accepted);
        assert!(output.status.success(), "{accepted}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let words = String::from_utf8_lossy(&tried("      layout: nwhc\n      mixup: {}\n").stderr).into_owned();
    assert!(words.contains("nhwc") && words.contains("p.yaml:7"), "{words}");
}

#[test]
fn steps_act_on_half_precision() {
    let graph = Graph::new(18);
    let half = graph.name((mixed(&graph, images(&graph)).cast(DataType::F16)).unary("Relu"), "half");
    finish(&graph, half.unary("Neg").cast(DataType::F32));
    let case = Case::new(&model(graph), FLOATS, "", "    - at: half\n      cutmix: { mode: elem }\n");
    assert!(case.hold().contains("cutmix at half"));
    let listed = case.succeed(&["sites", "m.onnx"]);
    assert!(listed.lines().any(|line| line.starts_with("half")), "{listed}");
}

#[test]
fn integers_are_listed_as_what_they_are_and_refused() {
    let graph = Graph::new(18);
    let whole = graph.name(mixed(&graph, images(&graph)).cast(DataType::I32), "whole");
    finish(&graph, (whole + whole).cast(DataType::F32));
    let case = Case::new(&model(graph), FLOATS, "", "    - at: whole\n      mixup: {}\n");
    let listed = case.succeed(&["sites", "m.onnx"]);
    assert!(listed.lines().any(|line| line.starts_with("whole") && line.contains("[N,9,8,6] int32")), "{listed}");
    let said = case.refused(&["graft", "p.yaml", "-o", "g.onnx"]);
    assert!(said.contains("`whole` is int32") && said.contains("p.yaml:10"), "{said}");
}

#[test]
fn a_model_may_take_bytes_with_channels_last() {
    let graph = Graph::new(18);
    let [height, width] = SIDES.map(Side::Fixed);
    let bytes = graph.input("images", DataType::U8, &[Side::Named("N"), height, width, Side::Fixed(3)]);
    let floats = bytes.cast(DataType::F32) * graph.constant(Tensor::scalar(1f32 / 256.0));
    let first = graph.name(floats.transpose(&[0, 3, 1, 2]), "first");
    finish(&graph, mixed(&graph, first));
    let model = model(graph);
    let step = "    - at: first\n      cutmix: { mode: elem }\n";
    let case = Case::new(&model, BYTES, "", step);
    assert!(case.succeed(&["explain", "p.yaml"]).contains("images [N,H,W,C]"));
    let _ = case.hold();
    let said = Case::new(&model, FLOATS, "", step).refused(&["run", "p.yaml", "--out", "out"]);
    assert!(said.contains("u8 [N,8,6,3]") && said.contains("leave out"), "{said}");
}

#[test]
fn a_model_of_gray_images_names_the_step_that_makes_them() {
    let graph = Graph::new(18);
    let [height, width] = SIDES.map(Side::Fixed);
    let gray = graph.input("images", DataType::F32, &[Side::Named("N"), Side::Fixed(1), height, width]);
    let kernel = graph.named_constant(weights(&[9, 1, 1, 1]), "weights");
    let map = graph.name(graph.node("Conv", &[gray, kernel], vec![], DataType::F32), "map");
    finish(&graph, map.unary("Relu"));
    let model = model(graph);
    let step = "    - at: map\n      cutmix: { mode: elem }\n";
    let said = Case::new(&model, FLOATS, "", step).refused(&["run", "p.yaml", "--out", "out"]);
    assert!(said.contains("grayscale: { channels: 1 }"), "{said}");
    let steps = "  - resize: { size: [8, 6] }\n  - grayscale: { channels: 1 }\n  - normalize: half\n";
    let _ = Case::new(&model, steps, "", step).hold();
}

/// A model that takes a mask too, and gives two maps beside its scores.
fn several() -> Model {
    let graph = Graph::new(18);
    let image = images(&graph);
    let plane = |channels| {
        let [height, width] = SIDES.map(Side::Fixed);
        [Side::Named("N"), Side::Fixed(channels), height, width]
    };
    let mask = graph.input("mask", DataType::F32, &plane(1));
    let map = graph.name(mixed(&graph, image * mask), "map");
    let after = map.unary("Relu");
    graph.output(after, "segments", &plane(9));
    finish(&graph, after);
    let best = graph.node("ReduceMax", &[after, graph.ints(&[1])], vec![], DataType::F32);
    graph.output(best, "best", &plane(1));
    model(graph)
}

#[test]
fn other_inputs_get_values_and_every_output_is_compared() {
    let step = "    - at: map\n      cutmix: { mode: elem }\n";
    let alone = Case::new(&several(), FLOATS, "", step).refused(&["run", "p.yaml", "--out", "out"]);
    assert!(alone.contains("2 inputs (images, mask)") && alone.contains("model.inputs"), "{alone}");
    for output in ["scores", "1"] {
        let fields = format!("  inputs: {{ mask: 0.5 }}\n  output: {output}\n");
        let case = Case::new(&several(), FLOATS, &fields, step);
        let _ = case.hold();
        let verified = case.succeed(&["verify", "g.onnx", "p.yaml"]);
        assert!(["logits", "segments", "best"].iter().all(|name| verified.contains(name)), "{verified}");
    }
    let listed = Case::new(&several(), FLOATS, "", "").succeed(&["sites", "m.onnx", "--input", "mask=1"]);
    assert!(listed.contains("map"), "{listed}");
    for (fields, words) in [
        ("  inputs: { mask: [1, 2] }\n", "the shape [2]"),
        ("  inputs: { musk: 1 }\n", "no input `musk`"),
        ("  inputs: { mask: 1 }\n  output: score\n", "no such output"),
        ("  inputs: { mask: 1 }\n", "logits N x K are needed"),
    ] {
        let said = Case::new(&several(), FLOATS, fields, step).refused(&["run", "p.yaml", "--out", "out"]);
        assert!(said.contains(words), "{fields}: {said}");
    }
}

/// A classifier whose last node is an `If` on the first image; both branches read `map`.
fn branching() -> Model {
    let graph = Graph::new(18);
    let image = images(&graph);
    let map = graph.name(mixed(&graph, image), "map");
    finish(&graph, map);
    let flag = graph.constant(Tensor::scalar(true));
    graph.output(flag, "flag", &[]);
    let mut proto = graph.into_proto("net", &[]);
    let graph = proto.graph.as_mut().expect("a graph");
    graph.output.retain(|output| output.name() != "flag");
    let flag = graph.node.iter().find(|node| node.output == ["flag"]).map(|node| node.input[0].clone());
    let flag = flag.unwrap_or_else(|| "flag".to_owned());
    graph.node.retain(|node| node.output != ["flag"]);
    let pool = graph.node.iter_mut().find(|node| node.op_type() == "GlobalAveragePool").expect("a pool");
    let branch = |name: &str| {
        let inner = format!("{name}.pooled");
        let body = GraphProto {
            name: Some(name.to_owned()),
            node: vec![NodeProto {
                op_type: Some("GlobalAveragePool".to_owned()),
                input: vec!["map".to_owned()],
                output: vec![inner.clone()],
                ..NodeProto::default()
            }],
            output: vec![ValueInfoProto { name: Some(inner), ..ValueInfoProto::default() }],
            ..GraphProto::default()
        };
        let kind = Some(AttributeType::Graph as i32);
        AttributeProto { name: Some(name.to_owned()), r#type: kind, g: Some(body), ..AttributeProto::default() }
    };
    pool.op_type = Some("If".to_owned());
    pool.input = vec![flag];
    pool.attribute = vec![branch("then_branch"), branch("else_branch")];
    Model::from_proto(proto).expect("a model")
}

#[test]
fn a_tensor_that_is_read_inside_a_branch_can_be_cut() {
    let case =
        Case::new(&branching(), FLOATS, "  engine: onnxruntime\n", "    - at: map\n      cutmix: { mode: elem }\n");
    let said = case.hold();
    assert!(said.contains("identity-cut error: largest change of a logit 0e0"), "{said}");
    let _ = case.succeed(&["doctor", "m.onnx"]);
}

#[test]
fn probabilities_are_told_and_their_logarithms_taken() {
    let graph = Graph::new(18);
    let map = graph.name(mixed(&graph, images(&graph)), "map");
    let logits = map.unary("GlobalAveragePool").unary("Flatten");
    let shares = graph.node("Softmax", &[logits], vec![augraft::onnx::int_attribute("axis", 1)], DataType::F32);
    graph.output(shares, "shares", &[Side::Named("N"), Side::Fixed(9)]);
    let model = model(graph);
    let step = "    - at: map\n      cutmix: { mode: elem }\n";
    let read = |case: &Case| {
        let _ = case.hold();
        let text = fs::read_to_string(case.folder.path().join("out/predictions.jsonl")).expect("predictions");
        let row: serde_json::Value = serde_json::from_str(text.lines().next().expect("a row")).expect("JSON");
        row
    };
    let case = Case::new(&model, FLOATS, "", step);
    let said = case.succeed(&["explain", "p.yaml"]);
    assert!(said.contains("probabilities") && said.contains("Softmax"), "{said}");
    let (found, taken) = (read(&case), read(&Case::new(&model, FLOATS, "  output: logits\n", step)));
    assert_ne!(found, taken, "a second softmax flattens the answer");
}

#[test]
fn tensors_and_parts_of_a_model_are_written() {
    let case = Case::new(&channels_last(), FLOATS, "", "");
    let said = case.succeed(&["tensors", "m.onnx", "p.yaml", "--at", "rows", "-o", "rows.npz"]);
    assert!(said.contains("rows [") && said.contains(", 8, 6, 9]"), "{said}");
    assert!(case.folder.path().join("rows.npz").is_file());
    let said = case.succeed(&["split", "m.onnx", "--at", "rows", "-o", "parts"]);
    assert!(said.contains("images -> rows") && said.contains("rows -> scores"), "{said}");
    for part in ["part_0.onnx", "part_1.onnx"] {
        let part = Model::load(&case.folder.path().join("parts").join(part)).expect("a model");
        assert_eq!(part.inputs().len(), 1);
    }
    let said = case.refused(&["split", "m.onnx", "--at", "row", "-o", "parts"]);
    assert!(said.contains("rows"), "{said}");
}

/// Makes a node of an operator that no schema of ours knows, or that has none of ours.
fn node<'g>(graph: &'g Graph, op: &'static str, inputs: &[Value<'g>]) -> Value<'g> {
    graph.node(op, inputs, vec![], DataType::F32)
}

#[test]
fn doctor_says_what_draws_what_trains_and_what_is_no_number() {
    let said = |map: &dyn for<'g> Fn(&'g Graph, Value<'g>) -> Value<'g>| {
        let graph = Graph::new(18);
        let changed = map(&graph, mixed(&graph, images(&graph)));
        finish(&graph, changed);
        let case = Case::new(&model(graph), FLOATS, "", "");
        case.succeed(&["doctor", "m.onnx"])
    };
    let drawing = said(&|graph, map| map + node(graph, "RandomNormalLike", &[map]));
    assert!(drawing.contains("draws at run time"), "{drawing}");
    let dropping = said(&|graph, map| {
        let flag = graph.constant(Tensor::scalar(true));
        node(graph, "Dropout", &[map, graph.constant(Tensor::scalar(0.5f32)), flag])
    });
    assert!(dropping.contains("in training mode"), "{dropping}");
    let centered = said(&|graph, map| map - node(graph, "ReduceMean", &[map, graph.ints(&[0])]));
    assert!(centered.contains("samples disturb each other"), "{centered}");
    let broken = said(&|graph, map| node(graph, "Log", &[map - graph.constant(Tensor::scalar(1e6f32))]));
    assert!(broken.contains("not all numbers"), "{broken}");
    let sound = said(&|_, map| map.unary("Relu"));
    for word in ["unsteady", "disturb", "numbers"] {
        assert!(!sound.contains(word), "{sound}");
    }
}

#[test]
fn what_tract_lacks_is_compared_on_onnx_runtime_alone() {
    let graph = Graph::new(18);
    let map = graph.name(mixed(&graph, images(&graph)), "map");
    finish(&graph, node(&graph, "FusedMatMul", &[map, graph.constant(weights(&[6, 6]))]));
    let mut proto = model(graph).into_proto();
    proto
        .opset_import
        .push(augraft::onnx::proto::OperatorSetIdProto { domain: Some("com.microsoft".to_owned()), version: Some(1) });
    let nodes = &mut proto.graph.as_mut().expect("a graph").node;
    let activation = nodes.iter_mut().find(|node| node.op_type() == "FusedMatMul").expect("a node");
    activation.domain = Some("com.microsoft".to_owned());
    let model = Model::from_proto(proto).expect("a model");
    let step = "    - at: map\n      cutmix: { mode: elem }\n";
    let refused = Case::new(&model, FLOATS, "", step).refused(&["run", "p.yaml", "--out", "out"]);
    assert!(refused.contains("it lacks the operators com.microsoft:FusedMatMul"), "{refused}");
    let case = Case::new(&model, FLOATS, "  engine: onnxruntime\n", step);
    let _ = case.hold();
    let verified = case.succeed(&["verify", "g.onnx", "p.yaml"]);
    assert!(verified.contains("tract was left out") && verified.contains("on ONNX Runtime alone"), "{verified}");
}

#[test]
fn a_key_is_taken_out_by_null() {
    let case = Case::new(&channels_last(), FLOATS, "  output: nothing\n", "");
    let said = case.refused(&["explain", "p.yaml"]);
    assert!(said.contains("no such output"), "{said}");
    let said = case.succeed(&["explain", "p.yaml", "--set", "model.output=null", "--set", "model.absent=null"]);
    assert!(said.contains("images as"), "{said}");
}

#[test]
fn a_size_that_fits_is_named_where_another_does_not() {
    let graph = Graph::new(18);
    let open = [Side::Named("N"), Side::Fixed(3), Side::Named("H"), Side::Named("W")];
    let map = graph.name(graph.input("images", DataType::F32, &open).unary("Relu"), "map");
    let rows = map.unary("Flatten").matmul(graph.constant(weights(&[3 * 32 * 32, 9])));
    graph.output(rows, "scores", &[Side::Named("N"), Side::Fixed(9)]);
    let case = Case::new(&model(graph), FLOATS, "", "");
    let said = case.refused(&["sites", "m.onnx"]);
    assert!(said.contains("images of 224 x 224") && said.contains("it runs on 32 x 32"), "{said}");
    assert!(case.succeed(&["sites", "m.onnx", "--size", "32", "32"]).contains("map"));
    assert!(case.succeed(&["doctor", "m.onnx", "--size", "32", "32"]).contains("runs it"));
}

#[test]
fn windows_are_printed_as_such_and_take_no_step() {
    let graph = Graph::new(18);
    let map = mixed(&graph, images(&graph));
    let windows = graph.name(map.reshape(&[-1, 9, 4, 6]).unary("Relu"), "windows");
    finish(&graph, windows.reshape(&[-1, 9, 8, 6]));
    let case = Case::new(&model(graph), FLOATS, "", "    - at: windows\n      cutmix: { mode: elem }\n");
    let line = |listed: String| listed.lines().find(|line| line.starts_with("windows")).map(str::to_owned);
    assert_eq!(line(case.succeed(&["sites", "m.onnx"])), None);
    let listed = line(case.succeed(&["sites", "m.onnx", "--all"])).expect("a line");
    assert!(listed.contains("[2N,9,4,6]"), "{listed}");
    let said = case.refused(&["run", "p.yaml", "--out", "out"]);
    assert!(said.contains("2 rows for one image"), "{said}");
}

#[test]
fn images_that_cannot_be_read_are_counted_where_tensors_are_written() {
    let case = Case::new(&channels_last(), FLOATS, "", "");
    let photos = case.folder.path().join("mine");
    fs::create_dir(&photos).expect("a folder");
    fs::write(photos.join("torn.jpg"), b"no image").expect("a file");
    let written = fs::read_to_string(case.folder.path().join("p.yaml")).expect("a pipeline");
    let text: Vec<&str> = written.lines().filter(|line| !line.starts_with("data:")).collect();
    let text = format!("data: {{ flat: mine, on_error: skip }}\n{}\n", text.join("\n"));
    fs::write(case.folder.path().join("p.yaml"), text).expect("a file");
    let arguments = ["tensors", "m.onnx", "p.yaml", "--at", "rows", "-o", "rows.npz"];
    assert!(case.refused(&arguments).contains("no image could be read"));
    let whole = workspace().join("pipelines/data/photos");
    let class = fs::read_dir(whole).expect("classes").flatten().map(|entry| entry.path()).find(|path| path.is_dir());
    let photo = fs::read_dir(class.expect("a class")).expect("photos").flatten().next().expect("a photo").path();
    fs::copy(&photo, photos.join("whole.jpg")).expect("a copy");
    let said = case.succeed(&arguments);
    assert!(said.contains("left out: 1") && said.contains("rows [1, 8, 6, 9]"), "{said}");
}
