//! A third opinion: files pass the checker and strict shape inference of Python's `onnx`, and its reference evaluator gives what native steps give.

use augraft::engine::{DrawSource, ExportOptions, export, graft};
use augraft::onnx::{Model, Tensor};
use augraft::operator::{Element, Shape, StepKey};
use augraft::pipeline::Facts;
use augraft_testkit::{Case, Expectation, address, is_lowered, lower_operator, python, record_draws, shape};
use augraft_tests::{operators, plan_of, workspace};

const CLASSES: usize = 3;

/// Usual, odd, tall and single-pixel sizes, bytes and floats.
fn shapes() -> Vec<Shape> {
    let feature = Shape { image_size: Some([96, 64]), ..shape(Element::F32, 5, [12, 8]) };
    vec![shape(Element::U8, 3, [13, 7]), shape(Element::F32, 3, [20, 9]), shape(Element::F32, 3, [1, 1]), feature]
}

#[test]
fn the_reference_evaluator_agrees_on_every_operator() {
    let Some(python) = python() else { return };
    let (mut cases, mut expected) = (Vec::new(), Vec::new());
    for operator in operators() {
        for shape in shapes().iter().filter(|shape| is_lowered(&*operator, shape)) {
            let model =
                lower_operator(&*operator, shape, 18).unwrap_or_else(|error| panic!("{}: {error}", operator.name()));
            for n in [0, 2, 5] {
                let expectation = Expectation::of(&*operator, shape, n).expect("a native run");
                cases.push(Case { model: model.clone(), inputs: expectation.inputs.clone() });
                let what = format!("{} {} on {n} of {}", operator.name(), operator.config(), shape.describe());
                expected.push((what, operator.parity(), expectation));
            }
        }
    }
    assert!(cases.len() > 200, "{} cases", cases.len());
    let results = python.evaluate(&cases);
    let broken: Vec<String> = results
        .into_iter()
        .zip(expected)
        .filter_map(|(result, (what, parity, expectation))| {
            let problem = result.map_or_else(Some, |outputs| expectation.problem(&outputs, parity));
            problem.map(|problem| format!("{what}: {problem}"))
        })
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_reference_evaluator_draws_the_same_numbers() {
    let Some(python) = python() else { return };
    let (seed, index): (u64, Vec<u64>) = (12, (0..40).map(|row| row * 0x1234_5677).collect());
    let (mut cases, mut expected) = (Vec::new(), Vec::new());
    for operator in operators() {
        let size = if operator.name() == "dropblock" { [4, 5] } else { [37, 50] };
        let shape = shape(Element::F32, 2, size);
        if operator.columns().is_empty() || operator.check(&shape).is_err() {
            continue;
        }
        let file = record_draws(&*operator, "drawn", &shape).expect("a file");
        cases.push(Case { model: file.model, inputs: address(seed, &index) });
        let (native, _) = operator.draw_audited(&StepKey::new(seed, "drawn"), 3, &index, &shape);
        expected.push((operator.name(), native));
    }
    for (result, (name, native)) in python.evaluate(&cases).into_iter().zip(expected) {
        let drawn = result.unwrap_or_else(|problem| panic!("{name}: {problem}"));
        let native: Vec<Tensor> = native.columns.into_iter().map(|(_, column)| column).collect();
        assert_eq!(drawn, native, "{name}");
    }
}

/// Operators with an ONNX form in few files, and the first opset that can carry them with constant draws.
const EVERYTHING: [(&str, i64); 3] = [
    (
        "  - resize: { size: [20, 24] }
  - random_crop: { size: [18, 20], padding: 3 }
  - resized_crop: { size: 16, scale: [0.3, 1.0] }
  - center_crop: { size: [18, 14] }
  - horizontal_flip
  - vertical_flip
  - normalize: imagenet
  - cutout: { length: 4, count: 2 }
  - random_erasing: { p: 0.8 }
",
        13,
    ),
    (
        "  - normalize: half
  - dropblock: { p: 0.1, block_size: 3 }
  - cutmix: { alpha: 0.5, mode: elem }
",
        13,
    ),
    (
        "  - cutmix: { alpha: 0.5, mode: elem }
  - mixup: { alpha: 0.4 }
  - horizontal_flip
  - cutmix: { partner: flip }
",
        16,
    ),
];

#[test]
fn files_of_every_opset_pass_the_checker() {
    let Some(python) = python() else { return };
    let (mut cases, mut names) = (Vec::new(), Vec::new());
    for (steps, first) in EVERYTHING {
        let input = shape(Element::U8, 3, [26, 23]);
        let plan = plan_of(
            &format!("augraft: 1\nsteps:\n{steps}"),
            &Facts { classes: CLASSES, input: Some(input), ..Facts::default() },
        );
        let sources = [(DrawSource::Graph, 18), (DrawSource::Inputs, first), (DrawSource::Baked, first)];
        for (draws, opset) in
            sources.into_iter().flat_map(|(draws, first)| (first..=24).map(move |opset| (draws, opset)))
        {
            let model = export(&plan, &ExportOptions { draws, opset, baked: vec![4, 5, 6] }).expect("a file");
            assert_eq!(model.opset(), opset);
            cases.push(Case { model, inputs: Vec::new() });
            names.push(format!("{} draws at opset {opset}", draws.name()));
        }
    }
    let quickstart = std::fs::read_to_string(workspace().join("pipelines/quickstart.yaml")).expect("a pipeline");
    let plan = plan_of(&quickstart, &Facts { classes: 1000, ..Facts::default() });
    let model = Model::load(&workspace().join("pipelines/models/efficientnet-lite0.onnx")).expect("a model");
    let grafted = graft(&plan, &model, &ExportOptions::default()).expect("a graft");
    cases.push(Case { model: grafted.model, inputs: Vec::new() });
    names.push("the grafted quickstart".to_owned());
    let results = python.evaluate(&cases);
    let broken: Vec<String> = results
        .into_iter()
        .zip(names)
        .filter_map(|(result, name)| Some(format!("{name}: {}", result.err()?)))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
