//! Pipelines and models that cannot become a file, files that are not what they should be, operators whose files are wrong.

use augraft::onnx::proto::{NodeProto, OperatorSetIdProto};
use augraft::onnx::{DataType, Graph, Model, Side, Tensor, Value};
use insta::assert_snapshot;

use crate::nets::{ANY, EIGHT, net, net_of_the_first, net_that_answers_once, net_with_reshape};
use crate::support::{Case, NORMALIZED};

/// What `augraft` says to these arguments over a pipeline with the lines `pipeline`, beside a small model `net.onnx`.
fn refused(pipeline: &str, arguments: &[&str]) -> String {
    let case = Case::new();
    let model = Model::from_proto(net(ANY, EIGHT, 10).into_proto("net", &[])).expect("a model");
    case.file("net.onnx", &model.to_bytes());
    case.file("p.yaml", format!("augraft: 1\n{pipeline}").as_bytes());
    case.refused(arguments)
}

const EXPORT: &[&str] = &["export", "p.yaml", "-o", "out.onnx"];
const GRAFT: &[&str] = &["graft", "p.yaml", "-o", "out.onnx"];

fn export(pipeline: &str, more: &[&str]) -> String {
    refused(pipeline, &[EXPORT, more].concat())
}

fn graft(pipeline: &str, more: &[&str]) -> String {
    refused(pipeline, &[GRAFT, more].concat())
}

#[test]
fn an_export_that_cannot_be() {
    assert_snapshot!(export("steps: [cutmix]\n", &["--opset", "17"]), @"error: opset 17 is not one of 18 to 24; draws in the graph need BitwiseXor, which came with 18; or use `--draws inputs` or `--draws baked`");
    assert_snapshot!(export("steps: [cutmix]\n", &["--draws", "inputs", "--opset", "12"]), @"error: opset 12 is not one of 13 to 24; older ones are for grafts into old models");
    assert_snapshot!(export("steps: [cutmix]\n", &["--draws", "baked"]), @"error: constant draws depend on the size of the images, which is left open; give it with `--size H W`");
    assert_snapshot!(export("steps: [cutmix]\n", &["--draws", "baked", "--batch", "4"]), @"error: constant draws depend on the size of the images, which is left open; give it with `--size H W`");
    assert_snapshot!(export("steps: [normalize: half, fmix]\n", &[]), @"error: step `fmix`: runs natively only, because its mask comes from a Fourier transform; leave the step out of what is exported");
    assert_snapshot!(export("steps: [normalize: half, dropblock]\n", &[]), @"
    error[step-does-not-fit]: `dropblock` needs the size of the images, which is left open here
     --> p.yaml:2:26
      |
    2 | steps: [normalize: half, dropblock]
      |                          ^^^^^^^^^
      |
      = help: give it with `--size H W`
    ");
    assert_snapshot!(export("data: { folder: photos }\nsteps: [resize: { size: 8 }, cutmix]\n", &["--size", "4", "4"]), @"error: --size and --classes stand in for data, but the pipeline has data; leave them out");
    assert_snapshot!(export(&format!("steps:\n  - normalize\n{}", "  - mixup\n".repeat(6)), &["--classes", "3"]), @"error: step `mixup-6`: the labels of an exported file follow at most 32 sources in a pixel, and with this step there may be 64; leave the step out of what is exported; each blend doubles the sources, a paste does not");
    assert_snapshot!(export("steps: [cutmix, gridmix]\n", &["--draws", "inputs", "--opset", "13", "--classes", "3"]), @"error: step `gridmix`: its labels are counted pixel by pixel, because several steps cut and move the samples; that needs opset 16, and the file has 13; use `--opset 16` or a later one, or one mixing step");
}

#[test]
fn draws_of_an_unknown_kind() {
    let case = Case::new();
    case.file("p.yaml", b"augraft: 1\nsteps: [cutmix]\n");
    assert_snapshot!(case.refused(&[EXPORT, &["--draws", "grpah"]].concat()), @"
    error: invalid value 'grpah' for '--draws <graph|inputs|baked>': `grpah` is no source of draws; there are `graph`, `inputs` and `baked`

    For more information, try '--help'.
    ");
}

#[test]
fn a_graft_that_cannot_be() {
    assert_snapshot!(graft("steps: [cutmix]\n", &[]), @"error: p.yaml names no model; give one with --model FILE");
    assert_snapshot!(graft("steps: []\n", &["--model", "net.onnx"]), @"error: there is nothing to graft: no step has images of one size, and none is at a site");
    assert_snapshot!(graft("steps: []\n", &["--model", "absent.onnx"]), @"error: cannot read absent.onnx: it does not exist; check the path");
    let bytes = "steps: [cutmix]\nmodel: { file: net.onnx }\n";
    assert_snapshot!(graft(bytes, &["--size", "8", "8"]), @"
    error[model-input]: the model takes f32 [N,3,8,8], but the steps end with u8 [N,3,8,8]
     --> p.yaml:3:16
      |
    3 | model: { file: net.onnx }
      |                ^^^^^^^^
      |
      = help: add `normalize: imagenet` to `steps`
    ");
    let absent = "steps: []\nmodel:\n  file: net.onnx\n  steps:\n    - at: rleu.0\n      cutmix: {}\n";
    assert_snapshot!(graft(absent, &[]), @"
    error[unknown-site]: the model has no tensor: `rleu.0`
     --> p.yaml:6:11
      |
    6 |     - at: rleu.0
      |           ^^^^^^
      |
      = help: near: `relu.0`, `flatten.0` or `globalaveragepool.0`; `augraft sites net.onnx` lists all
    ");
}

#[test]
fn a_batch_that_is_baked_in_can_be_freed() {
    let case = Case::new();
    let model = Model::from_proto(net_with_reshape().into_proto("net", &[])).expect("a model");
    case.file("baked.onnx", &model.to_bytes());
    case.file(
        "p.yaml",
        b"augraft: 1\nsteps: []\nmodel:\n  file: baked.onnx\n  steps:\n    - at: relu.0\n      cutmix: {}\n",
    );
    assert_snapshot!(case.refused(GRAFT), @"
    error[bad-model]: the batch of the model is baked in, but mixing needs several samples at once: the Reshape that makes 'reshape.0' always gives the shape [1, 3]; export the model with a named batch dimension, or let the target begin with 0; `augraft doctor MODEL --fix-batch FILE` may free it
     --> p.yaml:4:9
      |
    4 |   file: baked.onnx
      |         ^^^^^^^^^^
    ");
    assert_snapshot!(case.accepted(&["doctor", "baked.onnx", "--fix-batch", "free.onnx"]).lines().take(10).collect::<Vec<_>>().join("\n"), @"
    model        baked.onnx, 4 nodes, opset 18
    input        images f32 [N,3,8,8]
    output       logits f32 [N,10]
    sites        3 activations, 3 of them clean cuts
    batch        baked in: the Reshape that makes 'reshape.0' always gives the shape [1, 3]; export the model with a named batch dimension, or let the target begin with 0
                 freed, by 1 change:
                   Reshape 'Reshape_reshape.0' keeps the batch: its target is [0, 3]
                 written to free.onnx
                 what follows is said of the model with a free batch
    tract        runs it; at batch 2 an output differs from that of each sample alone by 0e0 at most, of 4.101
    ");
    let _ = case.accepted(&[GRAFT, &["--model", "free.onnx"]].concat());
    let again = case.accepted(&["doctor", "free.onnx", "--fix-batch", "again.onnx"]);
    assert!(
        again.contains("batch        free already, so again.onnx was not written") && again.contains("sites "),
        "{again}"
    );
    assert!(!case.path().join("again.onnx").exists());
}

#[test]
fn a_model_that_keeps_its_first_sample_is_not_freed_and_answers_nobody() {
    let case = Case::new();
    let written = |name: &str, net: Graph| {
        case.file(name, &Model::from_proto(net.into_proto("net", &[])).expect("a model").to_bytes());
    };
    written("first.onnx", net_of_the_first());
    let output = augraft_tests::run(
        env!("CARGO_BIN_EXE_augraft-under-test"),
        case.path(),
        &["doctor", "first.onnx", "--fix-batch", "free.onnx"],
    );
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert_snapshot!(said.trim(), @"error: the batch cannot be freed by its shapes alone: tract answers 3 samples with `logits` of the shape [1, 10], not one row for each; export the model with a dynamic batch");
    assert!(!case.path().join("free.onnx").exists());
    written("once.onnx", net_that_answers_once());
    case.pipeline("steps: [resize: { size: 8 }, normalize]\nmodel:\n  file: once.onnx\n  steps:\n    - at: relu.0\n      cutmix: {}\n");
    let _ = case.accepted(GRAFT);
    let said = case.refused(&["verify", "out.onnx", "p.yaml"]);
    assert_snapshot!(said, @"error: the model answers 4 samples with an output of the shape [1, 10], not one row for each: something in it keeps one batch size; see `augraft doctor` on the model");
}

#[test]
fn a_file_that_is_verified_against_something_else() {
    let case = Case::new();
    let model = Model::from_proto(net(ANY, EIGHT, 10).into_proto("net", &[])).expect("a model");
    case.file("net.onnx", &model.to_bytes());
    case.pipeline(NORMALIZED);
    assert_snapshot!(case.refused(&["verify", "net.onnx", "p.yaml"]), @"error: net.onnx: it was not written by `augraft export` or `augraft graft`, which say in the metadata what is inside");
    let _ = case.accepted(EXPORT);
    case.pipeline("steps: [resize: { size: 8 }, resize: { size: 9 }, normalize: half]\n");
    case.file(
        "q.yaml",
        b"augraft: 1\ndata: { folder: photos }\nsteps: [center_crop: { size: 8 }, normalize: imagenet]\n",
    );
    assert_snapshot!(case.refused(&["verify", "out.onnx", "q.yaml"]), @"error: the file begins behind the steps [resize], and the pipeline's batches of one size behind [center_crop]; name the pipeline that the file was written from, or write it anew");
    assert_snapshot!(case.refused(&["verify", "absent.onnx", "p.yaml"]), @"error: cannot read absent.onnx: it does not exist; check the path");
}

#[test]
fn a_file_that_does_something_else_than_its_pipeline_fails_the_check() {
    let case = Case::new();
    case.pipeline("steps: [resize: { size: 8 }, normalize: imagenet, cutmix: { mode: elem }]\n");
    let _ = case.accepted(EXPORT);
    case.pipeline("steps: [resize: { size: 8 }, normalize: half, cutmix: { mode: elem, alpha: 0.3 }]\n");
    let output =
        augraft_tests::run(env!("CARGO_BIN_EXE_augraft-under-test"), case.path(), &["verify", "out.onnx", "p.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stdout).expect("text");
    let raw: Vec<&str> = said.lines().take_while(|line| !line.is_empty()).collect();
    assert_snapshot!(raw.join("\n"), @"
    tract, raw
      step         draws differing       largest       allowed
      normalize             0 of 4   1.5537252e0           0e0  BEYOND
      cutmix                4 of 4   6.797384e-1           0e0  BEYOND
      images_out                 -   6.797384e-1           0e0  BEYOND
      labels_out                 -           0e0           0e0
    ");
    assert_snapshot!(String::from_utf8(output.stderr).expect("text").replace(" on ONNX Runtime", ""), @"out.onnx: 12 rows are beyond what the steps promise");
}

/// A model for an operator: `images` plus `amount`.
fn operator_model(edit: impl FnOnce(&Graph, Value<'_>, Value<'_>)) -> Graph {
    let graph = Graph::new(18);
    let images = graph.input("images", DataType::F32, &[ANY, Side::Named("C"), Side::Named("H"), Side::Named("W")]);
    let amount = graph.input("amount", DataType::F32, &[ANY]);
    edit(&graph, graph.value(images.id()), graph.value(amount.id()));
    graph
}

const HEADER: &str = "operator: 1
name: brighten
description: Adds a drawn amount.
model: op.onnx
role: color
parity: exact
parameters:
  amount: { draw: uniform, range: [-1, 1], default: [-0.1, 0.1], description: What is added. }
";

/// What `augraft` says to a pipeline with an operator of this header and this model.
fn operator(header: &str, model: &[u8]) -> String {
    let case = Case::new();
    case.file("op.yaml", header.as_bytes()).file("op.onnx", model);
    case.file("p.yaml", b"augraft: 1\noperators: [op.yaml]\nsteps: [normalize: half, brighten]\n");
    case.refused(EXPORT)
}

fn adding() -> Vec<u8> {
    let graph = operator_model(|graph, images, amount| {
        let sum = graph.value(images.id()) + graph.value(amount.id()).unsqueeze(&[1, 2, 3]);
        graph.output(sum, "images_out", &[ANY, Side::Named("C"), Side::Named("H"), Side::Named("W")]);
    });
    Model::from_proto(graph.into_proto("op", &[])).expect("a model").to_bytes()
}

#[test]
fn an_operator_that_is_a_file_works() {
    let case = Case::new();
    case.file("op.yaml", HEADER.as_bytes()).file("op.onnx", &adding());
    case.file("p.yaml", b"augraft: 1\noperators: [op.yaml]\nsteps: [normalize: half, brighten]\n");
    let _ = case.accepted(EXPORT);
    let _ = case.accepted(&["verify", "out.onnx", "p.yaml"]);
    assert!(case.accepted(&["operators", "--file", "op.yaml"]).contains("brighten"));
}

#[test]
fn a_header_that_is_wrong() {
    let model = adding();
    let wrong = HEADER
        .replace("role: color", "role: colour")
        .replace("range: [-1, 1]", "range: [0, 1]")
        .replace("name: brighten", "name: Brighten");
    let case = Case::new();
    case.file("op.yaml", wrong.as_bytes()).file("op.onnx", &model);
    case.file("p.yaml", b"augraft: 1\noperators: [op.yaml]\nsteps: []\n");
    let run = || augraft_tests::run(env!("CARGO_BIN_EXE_augraft-under-test"), case.path(), EXPORT);
    assert_snapshot!(case.refused_with(3, run), @"
    error[wrong-type]: `name` must look like `vignette` or `film_grain`, but is the text `Brighten`
     --> op.yaml:2:7
      |
    2 | name: Brighten
      |       ^^^^^^^^

    error[unknown-choice]: `role` must be `geometry`, `color`, `mix` or `erase`, but is `colour`
     --> op.yaml:5:7
      |
    5 | role: colour
      |       ^^^^^^
      |
      = help: did you mean `color`?

    error[wrong-value]: `amount`: the default must lie in the range [0, 1], smaller end first
     --> op.yaml:8:3
      |
    8 |   amount: { draw: uniform, range: [0, 1], default: [-0.1, 0.1], description: What is added. }
      |   ^^^^^^
    ");
    assert_snapshot!(operator(&HEADER.replace("amount:", "strength:"), &model), @"
    error[bad-model]: the input `amount` of the model is given nothing: there is no parameter `amount`
     --> op.yaml:4:8
      |
    4 | model: op.onnx
      |        ^^^^^^^
    ");
    assert_snapshot!(operator(&format!("{HEADER}output: image\n"), &model), @"
    error[bad-model]: the model has no output `image`
     --> op.yaml:9:9
      |
    9 | output: image
      |         ^^^^^
    ");
    assert_snapshot!(operator(&format!("{HEADER}inputs: {{ amount: amuont }}\n"), &model), @r#"
    error[unknown-choice]: the input `amount` gets "amuont", which is neither `images` nor a parameter
     --> op.yaml:9:19
      |
    9 | inputs: { amount: amuont }
      |                   ^^^^^^
      |
      = help: there are `images`, `amount`
    "#);
    assert_snapshot!(operator(&HEADER.replace("role: color", "role: mix"), &model), @"
    error[missing-field]: an operator that mixes says how labels mix along
     --> op.yaml:5:7
      |
    5 | role: mix
      |       ^^^
      |
      = help: add `labels: { lam: PARAMETER, partner: PARAMETER }`
    ");
    assert_snapshot!(operator(&HEADER.replace("name: brighten", "name: cutmix"), &model), @"error: op.yaml: there is an operator `cutmix` already, from augraft-mix; give the new one another name");
    assert_snapshot!(operator(HEADER, b"no model"), @"
    error[bad-model]: op.onnx is not an ONNX model: it is cut off, damaged or of another format (invalid wire type value: 6); name a whole .onnx file
     --> op.yaml:4:8
      |
    4 | model: op.onnx
      |        ^^^^^^^
    ");
}

#[test]
fn a_header_that_does_not_exist() {
    let case = Case::new();
    case.file("p.yaml", b"augraft: 1\noperators: [ops/absent.yaml]\nsteps: [cutmix]\n");
    assert_snapshot!(case.refused(EXPORT), @"
    error[unreadable]: there is no file `ops/absent.yaml`
     --> p.yaml:2:13
      |
    2 | operators: [ops/absent.yaml]
      |             ^^^^^^^^^^^^^^^
      |
      = help: name the YAML header of the operator, relative to this file
    ");
}

#[test]
fn a_model_that_cannot_be_written_into_other_files() {
    let edited = |edit: fn(&mut NodeProto)| {
        let mut proto = Model::from_bytes(&adding()).expect("a model").into_proto();
        edit(proto.graph.as_mut().expect("a graph").node.last_mut().expect("a node"));
        proto.opset_import.push(OperatorSetIdProto { domain: Some("com.example".to_owned()), version: Some(1) });
        Model::from_proto(proto).expect("a model").to_bytes()
    };
    assert_snapshot!(operator(HEADER, &edited(|node| node.domain = Some("com.example".to_owned()))), @"
    error[bad-model]: Add 'Add_images_out' is no standard operator, but of the domain 'com.example'
     --> op.yaml:4:8
      |
    4 | model: op.onnx
      |        ^^^^^^^
      |
      = help: an operator is made of standard operators, so that it can be written into other files
    ");
    assert_snapshot!(operator(HEADER, &edited(|node| node.op_type = Some("RandomNormalLike".to_owned()))), @"
    error[bad-model]: RandomNormalLike 'Add_images_out' draws random numbers of its own; make them inputs
     --> op.yaml:4:8
      |
    4 | model: op.onnx
      |        ^^^^^^^
      |
      = help: an operator is made of standard operators, so that it can be written into other files
    ");
    let bytes = operator_model(|graph, images, amount| {
        let _ = graph.value(amount.id());
        let sum = graph.value(images.id()).cast(DataType::U8);
        graph.output(sum, "images_out", &[ANY, Side::Named("C"), Side::Named("H"), Side::Named("W")]);
        let _ = graph.constant(Tensor::scalar(1f32));
    });
    let bytes = Model::from_proto(bytes.into_proto("op", &[])).expect("a model").to_bytes();
    let case = Case::new();
    case.file("op.yaml", HEADER.as_bytes()).file("op.onnx", &bytes);
    case.file("p.yaml", b"augraft: 1\ndata: { folder: photos }\noperators: [op.yaml]\nsteps: [resize: { size: 8 }, normalize: half, brighten]\n");
    assert_snapshot!(case.refused(&["run", "p.yaml", "--out", "out/here"]), @"
    error[bad-model]: the model does not give images of the size and type that it gets
     --> op.yaml:4:8
      |
    4 | model: op.onnx
      |        ^^^^^^^
    ");
}

#[test]
fn operators_that_an_engine_lacks_or_takes_for_others() {
    let examined = |op: &'static str| {
        let graph = Graph::new(18);
        let images = graph.input("images", DataType::F32, &[ANY, Side::Fixed(3), Side::Fixed(8), Side::Fixed(8)]);
        graph.output(images.unary(op).unary("GlobalAveragePool").unary("Flatten"), "logits", &[ANY, Side::Fixed(3)]);
        let mut proto = Model::from_proto(graph.into_proto("net", &[])).expect("a model").into_proto();
        proto.graph.as_mut().expect("a graph").node[0].domain = Some("com.example".to_owned());
        proto.opset_import.push(OperatorSetIdProto { domain: Some("com.example".to_owned()), version: Some(1) });
        let case = Case::new();
        case.file("net.onnx", &Model::from_proto(proto).expect("a model").to_bytes());
        let said = case.accepted(&["doctor", "net.onnx"]);
        said.lines().skip(4).take_while(|line| !line.starts_with("onnx")).collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(examined("Quantum"), @"tract        does not run it: it lacks the operators com.example:Quantum");
    assert_snapshot!(examined("Relu"), @"
    tract        runs it; at batch 2 an output differs from that of each sample alone by 0e0 at most, of 0.604
                   but it takes com.example:Relu for standard operators of that name
                 identity-cut error 0 at 2 of 2 clean cuts
    ");
}

#[test]
fn a_healthy_model_has_no_drift() {
    let case = Case::new();
    case.model(net(ANY, EIGHT, 10), "");
    let said = case.accepted(&["doctor", "net.onnx"]);
    assert_snapshot!(said.lines().take(6).collect::<Vec<_>>().join("\n"), @"
    model        net.onnx, 4 nodes, opset 18
    input        images f32 [N,3,8,8]
    output       logits f32 [N,10]
    sites        3 activations, 3 of them clean cuts
    tract        runs it; at batch 2 an output differs from that of each sample alone by 0e0 at most, of 4.101
                 identity-cut error 0 at 3 of 3 clean cuts
    ");
    let errors: Vec<&str> = said.lines().filter(|line| line.contains("identity-cut error")).map(str::trim).collect();
    assert!(!errors.is_empty(), "{said}");
    assert!(errors.iter().all(|error| *error == "identity-cut error 0 at 3 of 3 clean cuts"), "{said}");
}

#[test]
fn baked_draws_of_samples_that_are_not_there() {
    let case = Case::new();
    case.pipeline("steps: [resize: { size: 8 }, cutmix]\n");
    let _ = case.accepted(&[EXPORT, &["--draws", "baked"]].concat());
    std::fs::remove_dir_all(case.path().join("photos/dog")).expect("a folder");
    assert_snapshot!(case.refused(&["verify", "out.onnx", "p.yaml"]), @"error: the draws of sample 2 are baked in, but there are 2 samples; name the pipeline that the file was written from");
}

#[test]
fn an_operator_that_does_not_do_what_it_says() {
    let side = |name| Side::Named(name);
    let images = || vec![ANY, side("C"), side("H"), side("W")];
    let model = |edit: &dyn Fn(&Graph, Value<'_>, Value<'_>)| {
        let graph = operator_model(|graph, images, amount| edit(graph, images, amount));
        Model::from_proto(graph.into_proto("op", &[])).expect("a model").to_bytes()
    };
    let smaller = model(&|graph, x, amount| {
        let sum = graph.value(x.id()) + graph.value(amount.id()).unsqueeze(&[1, 2, 3]);
        graph.output(sum.slice(2, 0, 2), "images_out", &images());
    });
    assert_snapshot!(operator(HEADER, &smaller), @"
    error[bad-model]: the model does not give images of the size and type that it gets
     --> op.yaml:4:8
      |
    4 | model: op.onnx
      |        ^^^^^^^
    ");
    let depends = model(&|graph, x, amount| {
        let mean = graph.value(x.id()).reduce_sum(0).unsqueeze(&[0]);
        graph.output(
            graph.value(x.id()) + mean + graph.value(amount.id()).unsqueeze(&[1, 2, 3]),
            "images_out",
            &images(),
        );
    });
    assert_snapshot!(operator(HEADER, &depends), @"
    error[bad-model]: what it makes of a sample depends on the others in the batch (by 1.8591202e0), which only the role `mix` may
     --> op.yaml:4:8
      |
    4 | model: op.onnx
      |        ^^^^^^^
    ");
    let flat = model(&|graph, x, amount| {
        graph.output(graph.value(x.id()) * graph.value(amount.id()), "images_out", &images());
    });
    let said = operator(HEADER, &flat);
    assert!(said.starts_with("error[bad-model]: tract cannot run the model"), "{said}");
    let undefined = model(&|graph, x, amount| {
        let root = (graph.value(x.id()) - graph.constant(Tensor::scalar(2f32))).unary("Sqrt");
        graph.output(root + graph.value(amount.id()).unsqueeze(&[1, 2, 3]), "images_out", &images());
    });
    assert_snapshot!(operator(HEADER, &undefined), @"
    error[bad-model]: it makes NaN of images of 0 to 1
     --> op.yaml:4:8
      |
    4 | model: op.onnx
      |        ^^^^^^^
    ");
    let graph = Graph::new(18);
    let x = graph.input("images", DataType::F32, &images());
    let amount = graph.input("amount", DataType::F32, &[ANY, Side::Fixed(1), Side::Fixed(1), Side::Fixed(1)]);
    graph.output(x + amount, "images_out", &images());
    let broad = Model::from_proto(graph.into_proto("op", &[])).expect("a model").to_bytes();
    assert_snapshot!(operator(HEADER, &broad), @"
    error[bad-model]: the input `amount` of the model must take one number per sample, [N]
     --> op.yaml:4:8
      |
    4 | model: op.onnx
      |        ^^^^^^^
    ");
    assert_snapshot!(operator(&HEADER.replace("draw: uniform", "draw: normal"), &adding()), @"
    error[unknown-choice]: `amount` needs `draw`, which is one of `uniform`, `integer`, `beta`, `chance`, `partner` or `constant`
     --> op.yaml:8:19
      |
    8 |   amount: { draw: normal, range: [-1, 1], default: [-0.1, 0.1], description: What is added. }
      |                   ^^^^^^
    ");
    assert_snapshot!(operator(&HEADER.replace("  amount:", "  out:"), &adding()), @"
    error[bad-name]: `out` cannot be the name of a parameter
     --> op.yaml:8:3
      |
    8 |   out: { draw: uniform, range: [-1, 1], default: [-0.1, 0.1], description: What is added. }
      |   ^^^
      |
      = help: use lower case letters, digits and `_`; `p`, `apply`, `images` and `out` have a meaning already
    ");
}

#[test]
fn a_file_is_verified_on_tract_alone_where_onnx_runtime_is_missing() {
    let case = Case::new();
    case.pipeline("steps: [resize: { size: 8 }, normalize: imagenet]\n");
    let _ = case.accepted(EXPORT);
    let output = {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_augraft-under-test"));
        command
            .current_dir(case.path())
            .args(["verify", "out.onnx", "p.yaml"])
            .env("ORT_DYLIB_PATH", "/nowhere/lib.so");
        command.output().expect("the program starts")
    };
    let said = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success() && said.starts_with("ONNX Runtime: not compared: "), "{said}");
    assert!(said.ends_with("out.onnx: 4 samples in 1 batch is as promised, on tract alone\n"), "{said}");
    let named = ["verify", "out.onnx", "p.yaml", "--onnxruntime", "/nowhere/lib.so"];
    assert_snapshot!(case.refused(&named), @"error: ONNX Runtime was not found (looked at /nowhere/lib.so); get it with `cargo xtask onnxruntime`, or name the library with --onnxruntime PATH or ORT_DYLIB_PATH");
}
