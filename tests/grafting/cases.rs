//! Small models with everything that makes a graft hard.

use augraft::engine::{DrawSource, EngineError, Verifier, graft};
use augraft::onnx::proto::attribute_proto::AttributeType;
use augraft::onnx::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto};
use augraft::onnx::{DataType, Graph, Model, Side, Tensor, Value};
use ndarray::{ArrayD, IxDyn};
use tempfile::TempDir;

use crate::support::{check, options, plan_over, samples, written};

const CUTMIX: &str = "cutmix: { mode: elem, p: 0.9 }";

/// A classifier of 8 x 8 images written for `opset`: `first` = Relu, `second` = Conv, `third` = `second` + `first`, then the mean over all places.
fn net(opset: i64) -> Model {
    let graph = Graph::new(opset);
    let sides = [Side::Named("batch"), Side::Fixed(3), Side::Fixed(8), Side::Fixed(8)];
    let images = graph.input("data", DataType::F32, &sides);
    let weights = ArrayD::from_shape_fn(IxDyn(&[3, 3, 1, 1]), |at| (at[0] * 2 + at[1]) as f32 * 0.25 - 0.5);
    let first = graph.name(images.unary("Relu"), "first");
    let weights = graph.named_constant(Tensor::F32(weights), "weights");
    let second = graph.name(graph.node("Conv", &[first, weights], vec![], DataType::F32), "second");
    let third = graph.name(second + first, "third");
    finish(&graph, third);
    Model::from_proto(graph.into_proto("net", &[])).expect("a model")
}

fn finish(graph: &Graph, map: Value<'_>) {
    let scores = map.unary("GlobalAveragePool").unary("Flatten");
    graph.output(scores, "scores", &[Side::Named("batch"), Side::Fixed(3)]);
}

fn edited(model: &Model, edit: impl FnOnce(&mut ModelProto)) -> Model {
    let mut proto = model.clone().into_proto();
    edit(&mut proto);
    Model::from_proto(proto).expect("a model")
}

fn graph_of(proto: &mut ModelProto) -> &mut GraphProto {
    proto.graph.as_mut().expect("a graph")
}

fn at(sites: &[&str]) -> String {
    let steps: Vec<String> = sites.iter().map(|site| format!("    - at: {site}\n      {CUTMIX}\n")).collect();
    steps.concat()
}

fn ports(model: &Model) -> [Vec<String>; 2] {
    [model.inputs(), model.outputs()].map(|ports| ports.into_iter().map(|port| port.name).collect())
}

#[test]
fn every_opset_from_9_to_24_takes_a_graft() {
    let folder = TempDir::new().expect("a folder");
    for opset in [9, 10, 11, 12, 13, 15, 17, 18, 19, 20, 21, 22, 23, 24] {
        let grafts = check(folder.path(), &net(opset), &at(&["first", "second"]), &format!("opset {opset}"));
        for (grafted, draws) in grafts.iter().zip([DrawSource::Inputs, DrawSource::Baked, DrawSource::Graph]) {
            let raised = draws == DrawSource::Graph && opset < 18;
            assert_eq!(grafted.model.opset(), if raised { 18 } else { opset }, "{draws:?}");
        }
    }
}

#[test]
fn every_mixing_and_erasing_step_can_be_written_for_opset_9() {
    let folder = TempDir::new().expect("a folder");
    let steps = "    - at: first
      mixup: { alpha: 0.5, mode: elem }
    - at: second
      cutout: { length: 4, count: 2 }
    - at: second
      random_erasing: { p: 1 }
    - at: second
      horizontal_flip: {}
    - at: third
      vertical_flip: {}
";
    check(folder.path(), &net(9), steps, "opset 9");
}

#[test]
fn a_pattern_puts_steps_at_several_sites_and_their_labels_follow_one_another() {
    let folder = TempDir::new().expect("a folder");
    for grafted in check(folder.path(), &net(18), &at(&["\"?ir*\"", "second"]), "a pattern") {
        let [inputs, outputs] = ports(&grafted.model);
        assert_eq!(inputs[..2], ["images", "labels"]);
        assert_eq!(outputs, ["logits", "labels_out"]);
    }
}

#[test]
fn a_site_that_is_an_output_too_keeps_its_value_there() {
    let folder = TempDir::new().expect("a folder");
    let model = edited(&net(18), |proto| {
        let info = ValueInfoProto { name: Some("first".to_owned()), ..ValueInfoProto::default() };
        graph_of(proto).output.push(typed(info));
    });
    let grafted = check(folder.path(), &model, &at(&["first"]), "an output").pop().expect("a graft");
    assert_eq!(ports(&grafted.model)[1], ["logits", "first", "labels_out"]);
    let graph = grafted.model.proto().graph.as_ref().expect("a graph");
    let readers = graph.node.iter().filter(|node| node.op_type() == "Conv" && node.input.contains(&"first".to_owned()));
    assert_eq!(readers.count(), 0, "the model goes on with the mixed map");
}

fn typed(info: ValueInfoProto) -> ValueInfoProto {
    let graph = Graph::new(18);
    let _ = graph.input("x", DataType::F32, &[Side::Named("batch"), Side::Fixed(3), Side::Fixed(8), Side::Fixed(8)]);
    let proto = graph.into_proto("types", &[]);
    let r#type = proto.graph.expect("a graph").input[0].r#type.clone();
    ValueInfoProto { r#type, ..info }
}

#[test]
fn initializers_may_be_listed_as_inputs() {
    let folder = TempDir::new().expect("a folder");
    for (ir_version, opset) in [(3, 9), (8, 18)] {
        let model = edited(&net(opset), |proto| {
            proto.ir_version = Some(ir_version);
            let graph = graph_of(proto);
            let listed = graph.initializer.iter().map(input_of).collect::<Vec<_>>();
            graph.input.extend(listed);
        });
        for grafted in check(folder.path(), &model, &at(&["first"]), &format!("IR {ir_version}")) {
            let graph = grafted.model.proto().graph.as_ref().expect("a graph");
            let listed = |name: &str| graph.input.iter().any(|input| input.name() == name);
            let all = graph.initializer.iter().all(|tensor| listed(tensor.name()));
            assert_eq!(all, grafted.model.proto().ir_version() < 4, "old files list every initializer");
            assert!(ports(&grafted.model)[0].starts_with(&["images".to_owned(), "labels".to_owned()]));
        }
    }
}

fn input_of(tensor: &TensorProto) -> ValueInfoProto {
    let sides: Vec<Side> = tensor.dims.iter().map(|side| Side::Fixed(*side as usize)).collect();
    let graph = Graph::new(18);
    let dtype = DataType::from_proto(tensor.data_type()).expect("a known type");
    let _ = graph.input(tensor.name(), dtype, &sides);
    graph.into_proto("types", &[]).graph.expect("a graph").input[0].clone()
}

#[test]
fn names_that_the_file_needs_are_taken_from_the_model() {
    let folder = TempDir::new().expect("a folder");
    let model = edited(&net(18), |proto| {
        let graph = graph_of(proto);
        let names = [("second", "logits"), ("third", "seed"), ("weights", "constant.0"), ("first", "labels")];
        for node in &mut graph.node {
            for name in node.input.iter_mut().chain(&mut node.output) {
                if let Some((_, new)) = names.iter().find(|(old, _)| old == name) {
                    *name = (*new).to_owned();
                }
            }
        }
        for tensor in graph.initializer.iter_mut().filter(|tensor| tensor.name() == "weights") {
            tensor.name = Some("constant.0".to_owned());
        }
    });
    for grafted in check(folder.path(), &model, &at(&["labels", "logits"]), "clashes") {
        let renamed: Vec<&str> = grafted.renamed.iter().map(|(old, _)| old.as_str()).collect();
        assert!(["labels", "logits"].iter().all(|name| renamed.contains(name)), "{renamed:?}");
        assert!(grafted.renamed.iter().all(|(old, new)| *new == format!("{old}.model")));
    }
}

#[test]
fn external_data_come_into_the_one_file() {
    let folder = TempDir::new().expect("a folder");
    let model = net(18);
    let mut proto = model.clone().into_proto();
    let tensor = &mut graph_of(&mut proto).initializer[0];
    std::fs::write(folder.path().join("weights.bin"), tensor.raw_data.take().expect("raw data")).expect("a file");
    tensor.data_location = Some(1);
    tensor.external_data = vec![augraft::onnx::proto::StringStringEntryProto {
        key: Some("location".to_owned()),
        value: Some("weights.bin".to_owned()),
    }];
    let file = folder.path().join("external.onnx");
    std::fs::write(&file, prost::Message::encode_to_vec(&proto)).expect("a file");
    let loaded = Model::load(&file).expect("a model");
    for grafted in check(folder.path(), &loaded, &at(&["second"]), "external data") {
        let graph = grafted.model.proto().graph.as_ref().expect("a graph");
        assert!(graph.initializer.iter().all(|tensor| tensor.external_data.is_empty()));
    }
}

/// The classifier with an `If` whose branches read `third`.
fn branching() -> Model {
    edited(&net(18), |proto| {
        let graph = graph_of(proto);
        let branch = |name: &str, op: &str| {
            let output = format!("{name}_out");
            let node = NodeProto {
                op_type: Some(op.to_owned()),
                input: vec!["third".to_owned()],
                output: vec![output.clone()],
                ..NodeProto::default()
            };
            let value = ValueInfoProto { name: Some(output), ..ValueInfoProto::default() };
            let body = GraphProto {
                name: Some(name.to_owned()),
                node: vec![node],
                output: vec![value],
                ..GraphProto::default()
            };
            AttributeProto {
                name: Some(name.to_owned()),
                r#type: Some(AttributeType::Graph as i32),
                g: Some(body),
                ..AttributeProto::default()
            }
        };
        graph.initializer.push(Tensor::scalar(true).to_proto("yes"));
        let pool = graph.node.iter_mut().find(|node| node.op_type() == "GlobalAveragePool").expect("a pool");
        pool.op_type = Some("If".to_owned());
        pool.input = vec!["yes".to_owned()];
        pool.attribute = vec![branch("then_branch", "GlobalAveragePool"), branch("else_branch", "GlobalMaxPool")];
    })
}

#[test]
fn readers_inside_of_an_if_get_the_mixed_map() {
    let folder = TempDir::new().expect("a folder");
    let model = branching();
    let file = written(folder.path(), &model);
    let plan = plan_over(&file, "tract", &at(&["third"]), [8, 8], 3);
    let grafted = graft(&plan, &model, &options(DrawSource::Inputs)).expect("a graft");
    // The model cannot be cut there, so that a model without the `If`, whose branch is always the first, stands for the parts.
    let plain = net(18);
    let grafted_plain = graft(&plan, &plain, &options(DrawSource::Inputs)).expect("a graft");
    for backend in augraft_testkit::backends() {
        let inputs = drawn_inputs(&plan);
        let inputs: Vec<_> = inputs.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let run = |model: &Model| {
            backend.runtime.session(model, backend.purpose).and_then(|session| session.run(&inputs)).expect("a run")
        };
        let (with_if, without) = (run(&grafted.model), run(&grafted_plain.model));
        assert_eq!(with_if, without, "{}", backend.name);
        let plain_inputs = [("data", inputs[0].1)];
        let unmixed = backend
            .runtime
            .session(&model, backend.purpose)
            .and_then(|session| session.run(&plain_inputs))
            .expect("a run");
        assert_ne!(unmixed[0], with_if[0], "{}: the mixed map changes the logits", backend.name);
    }
}

/// Images, labels and the native draws of a plan whose steps are at one site.
fn drawn_inputs(plan: &augraft::pipeline::Plan) -> Vec<(String, Tensor)> {
    let batch = crate::support::samples(plan, 3);
    let augraft::operator::Images::F32(images) = &batch.images else { panic!("floats") };
    let mut inputs = vec![
        ("images".to_owned(), Tensor::F32(images.clone().into_dyn())),
        ("labels".to_owned(), Tensor::F32(batch.labels.soft().into_dyn())),
    ];
    for step in &plan.model.as_ref().expect("a model").sites[0].steps {
        let (draws, _) = step.operator.draw_audited(&step.key, 0, &batch.index, &step.before);
        inputs.extend(draws.columns.into_iter().map(|(field, column)| (format!("{}/{field}", step.id), column)));
    }
    inputs
}

#[test]
fn what_cannot_be_grafted_is_refused_with_the_reason() {
    let folder = TempDir::new().expect("a folder");
    let refused = |model: &Model, steps: &str, draws: DrawSource| {
        let plan = plan_over(&written(folder.path(), &net(18)), "tract", steps, [8, 8], 3);
        match graft(&plan, model, &options(draws)) {
            Ok(_) => panic!("grafted"),
            Err(error) => error.to_string(),
        }
    };
    let unread = edited(&net(18), |proto| {
        let graph = graph_of(proto);
        graph.node.push(NodeProto {
            op_type: Some("Relu".to_owned()),
            input: vec!["third".to_owned()],
            output: vec!["unread".to_owned()],
            ..NodeProto::default()
        });
    });
    insta::assert_snapshot!(refused(&edited(&net(9), |proto| proto.opset_import[0].version = Some(8)), &at(&["first"]), DrawSource::Graph), @"draws in the graph: opset 18 is needed, and the model has 8; models of 9 or later are raised, export this one with a later opset");
    let dropping = edited(&net(11), |proto| {
        let graph = graph_of(proto);
        let mut dropout = graph.node[0].clone();
        (dropout.op_type, dropout.name) = (Some("Dropout".to_owned()), Some("drop".to_owned()));
        dropout.output = vec!["kept".to_owned(), "mask".to_owned()];
        graph.node.push(dropout);
        graph.output.push(ValueInfoProto { name: Some("mask".to_owned()), ..ValueInfoProto::default() });
    });
    insta::assert_snapshot!(refused(&dropping, &at(&["first"]), DrawSource::Graph), @"the model cannot be raised from opset 11 to 18: Dropout 'drop' gives the mask of what is kept, which opsets 10 and 12 changed; export the model for inference, or with opset 12 or later; or use `--draws inputs` or `--draws baked`, which keep opset 11");
    insta::assert_snapshot!(refused(&edited(&net(21), |proto| proto.opset_import[0].version = Some(30)), &at(&["first"]), DrawSource::Inputs), @"the model has opset 30; grafts are written for 9 to 24");
    let other = edited(&net(18), |proto| {
        for node in &mut graph_of(proto).node {
            for name in node.input.iter_mut().chain(&mut node.output).filter(|name| *name == "first") {
                *name = "frist".to_owned();
            }
        }
    });
    insta::assert_snapshot!(refused(&other, &at(&["first"]), DrawSource::Inputs), @"the model has no activation named 'first'; did you mean 'frist', 'third', 'data'?");
    let plan = plan_over(&written(folder.path(), &other), "tract", &at(&["third"]), [8, 8], 3);
    let unread = edited(&unread, |proto| {
        for node in &mut graph_of(proto).node {
            node.input.iter_mut().filter(|name| *name == "third").for_each(|name| *name = "second".to_owned());
        }
    });
    let error = graft(&plan, &unread, &options(DrawSource::Graph)).expect_err("nothing reads the site");
    insta::assert_snapshot!(error, @"the model cannot be cut at 'third': no node reads it, so that a step there would change nothing");
    let empty = plan_over(&written(folder.path(), &net(18)), "tract", "    []\n", [8, 8], 3);
    let error = graft(&empty, &net(18), &options(DrawSource::Graph)).expect_err("no steps");
    assert!(matches!(error, EngineError::Unfit(_)));
    insta::assert_snapshot!(error, @"there is nothing to graft: no step has images of one size, and none is at a site");
}

/// A plan with `steps` on bytes before the model in `file`.
fn plan_with_steps(file: &std::path::Path, steps: &str) -> augraft::pipeline::Plan {
    let text = format!("augraft: 1\nseed: 9\n{steps}model: {{ file: \"{}\" }}\n", file.display());
    let input = augraft_testkit::shape(augraft::operator::Element::U8, 3, [8, 8]);
    augraft_tests::plan_of(&text, &augraft::pipeline::Facts { classes: 3, input: Some(input), ..Default::default() })
}

#[test]
fn input_steps_alone_are_grafted_and_verified() {
    let folder = TempDir::new().expect("a folder");
    let model = net(18);
    let plan = plan_with_steps(
        &written(folder.path(), &model),
        "steps: [horizontal_flip, normalize, cutmix: { mode: elem }]\n",
    );
    let grafted = graft(&plan, &model, &options(DrawSource::Graph)).expect("a graft");
    for backend in augraft_testkit::backends() {
        let what = "steps at the input";
        crate::support::assert_equals_parts(&plan, &grafted.model, &model, &*backend.runtime, 3, what);
    }
}

#[test]
fn boxes_in_image_space_at_three_sites_are_verified_on_every_engine() {
    let folder = TempDir::new().expect("a folder");
    let model = net(18);
    let step = |site: &str| format!("    - at: {site}\n      cutmix: {{ mode: elem, frame: project }}\n");
    let steps: String = ["first", "second", "third"].map(step).concat();
    let plan = plan_over(&written(folder.path(), &model), "tract", &steps, [8, 8], 3);
    for draws in [DrawSource::Graph, DrawSource::Inputs] {
        let grafted = graft(&plan, &model, &options(draws)).expect("a graft");
        for backend in augraft_testkit::backends() {
            let mut verifier = Verifier::bind(&plan, &grafted.model, Some(&model), &*backend.runtime, backend.purpose)
                .expect("a file");
            verifier.compare(samples(&plan, 3)).expect("a comparison");
            assert!(
                verifier.findings().iter().all(|finding| finding.holds),
                "{}: {:?}",
                backend.name,
                verifier.findings()
            );
        }
    }
}

#[test]
fn a_graft_can_be_grafted_again() {
    let folder = TempDir::new().expect("a folder");
    let model = net(18);
    let plan = plan_over(&written(folder.path(), &model), "tract", &at(&["first"]), [8, 8], 0);
    let once = graft(&plan, &model, &options(DrawSource::Graph)).expect("a graft").model;
    let baked = graft(&plan, &model, &options(DrawSource::Baked)).expect("a graft").model;
    assert!(graft(&plan, &once, &options(DrawSource::Inputs)).is_err(), "it has more inputs than images");
    let again = edited(&baked, |proto| {
        proto.metadata_props.clear();
        graph_of(proto).input[0] = net(18).proto().graph.as_ref().expect("a graph").input[0].clone();
        graph_of(proto).input[0].name = Some("images".to_owned());
    });
    let twice = graft(&plan, &again, &options(DrawSource::Inputs)).expect("a graft").model;
    let names: Vec<&str> = twice.proto().graph.as_ref().expect("a graph").node.iter().map(NodeProto::name).collect();
    let unique: std::collections::BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(unique.len(), names.len(), "ONNX Runtime refuses two nodes of one name");
    for backend in augraft_testkit::backends() {
        let _ = backend.runtime.session(&twice, backend.purpose).expect("a session");
    }
}

#[test]
fn a_model_may_call_its_input_as_the_file_calls_its_output() {
    let folder = TempDir::new().expect("a folder");
    let model = edited(&net(18), |proto| {
        let graph = graph_of(proto);
        graph.input[0].name = Some("logits".to_owned());
        for name in graph.node.iter_mut().flat_map(|node| &mut node.input).filter(|name| *name == "data") {
            *name = "logits".to_owned();
        }
    });
    check(folder.path(), &model, &at(&["first"]), "an input called logits");
}

#[test]
fn logits_may_have_sides_of_one_behind_the_classes() {
    let folder = TempDir::new().expect("a folder");
    let model = edited(&net(18), |proto| {
        let graph = graph_of(proto);
        let pool = graph.node.iter().position(|node| node.op_type() == "GlobalAveragePool").expect("a pool");
        let pooled = graph.node[pool].output[0].clone();
        graph.node.retain(|node| node.op_type() != "Flatten");
        graph.output[0] = ValueInfoProto { name: Some(pooled), ..typed(ValueInfoProto::default()) };
        graph.output[0].r#type = None;
    });
    check(folder.path(), &model, &at(&["first"]), "logits N x K x 1 x 1");
}

#[test]
fn a_model_is_raised_to_the_opset_of_an_operator_that_is_a_file() {
    let folder = TempDir::new().expect("a folder");
    let model = net(17);
    let file = written(folder.path(), &model);
    let text = format!(
        "augraft: 1\noperators: [operators/vignette.yaml]\nsteps: [normalize: half, vignette]\nmodel: {{ file: \"{}\" }}\n",
        file.display()
    );
    let input = augraft_testkit::shape(augraft::operator::Element::U8, 3, [8, 8]);
    let plan = augraft_tests::plan_of(
        &text,
        &augraft::pipeline::Facts { classes: 3, input: Some(input), ..Default::default() },
    );
    let grafted = graft(&plan, &model, &options(DrawSource::Inputs)).expect("a graft");
    assert_eq!(grafted.model.opset(), 18);
    let grafted = graft(&plan, &net(9), &options(DrawSource::Inputs)).expect("a graft");
    assert_eq!(grafted.model.opset(), 18);
}

#[test]
fn a_file_that_was_changed_by_a_little_fails_its_verification() {
    let folder = TempDir::new().expect("a folder");
    let model = net(18);
    let steps = "    - at: first\n      dropblock: { block_size: 3, p: 0.3 }\n";
    let plan = plan_over(&written(folder.path(), &model), "tract", steps, [8, 8], 3);
    let grafted = graft(&plan, &model, &options(DrawSource::Graph)).expect("a graft").model;
    let changed = edited(&grafted, |proto| {
        let weights =
            graph_of(proto).initializer.iter_mut().find(|tensor| tensor.name() == "weights").expect("weights");
        let mut bytes = weights.raw_data.take().expect("raw data").to_vec();
        bytes[1] ^= 0x40;
        weights.raw_data = Some(bytes.into());
    });
    for backend in augraft_testkit::backends().iter().filter(|backend| backend.purpose == augraft::engine::Use::Graph) {
        let holds = |file: &Model| {
            let verifier =
                augraft::engine::Verifier::bind(&plan, file, Some(&model), &*backend.runtime, backend.purpose);
            let mut verifier = verifier.expect("a verifier");
            verifier.compare(crate::support::samples(&plan, 3)).expect("a comparison");
            verifier.findings().iter().all(|finding| finding.holds)
        };
        assert!(holds(&grafted) && !holds(&changed), "{}", backend.name);
    }
}
