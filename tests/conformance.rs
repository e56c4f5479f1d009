//! What the tests of the plugins cannot see: the operator that is an ONNX file, boxes drawn in image space, combinators in a graph.

use augraft::engine::{ExportOptions, export, load_operator};
use augraft::onnx::prune;
use augraft::operator::{Element, Registry, Shape};
use augraft::pipeline::Facts;
use augraft_testkit::{
    DrawComparison, DrawFile, backends, compare_draws, conformance, random_configurations, record_draws, shape,
};
use augraft_tests::{plan_of, workspace};

/// Seeds of the draws in the graph.
const SEEDS: [u64; 3] = [0, 7, i64::MAX as u64];

#[test]
fn an_operator_that_is_a_file_keeps_its_promises() {
    let vignette = load_operator(&workspace().join("pipelines/operators/vignette.yaml"));
    let vignette = vignette.unwrap_or_else(|report| panic!("{report}"));
    let operators = std::iter::once(vignette.default_operator()).chain(random_configurations(&vignette, 3, 11));
    let backends = backends();
    let broken: Vec<String> = operators.flat_map(|operator| conformance(&*operator, &backends)).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// Draws of steps within combinators, and the epochs around the ends of a ramp.
#[test]
fn combinators_decide_alike_in_the_graph() {
    let steps = "augraft: 1\nsteps:\n\
        \x20 - one_of:\n      p: 0.9\n      weights: [1, 2, 0.5]\n      mode: elem\n      steps:\n\
        \x20       - cutmix: { partner: roll, p: 0.7 }\n\
        \x20       - some_of:\n            count: [1, 2]\n            mode: batch\n            steps:\n\
        \x20             - horizontal_flip\n              - vertical_flip: { p: 1 }\n              - cutout: { p: 0.5 }\n\
        \x20       - schedule:\n            epochs: [0, 7]\n            curve: cosine\n            steps:\n\
        \x20             - mixup: { partner: flip, mode: elem }\n\
        \x20 - schedule:\n      epochs: [1, 3]\n      curve: off_after\n      steps:\n        - random_erasing: { p: 1 }\n";
    let shape = Shape { image_size: None, ..shape(Element::F32, 2, [17, 22]) };
    let plan = plan_of(steps, &Facts { classes: 3, input: Some(shape.clone()), ..Facts::default() });
    let exported = export(&plan, &ExportOptions::default()).expect("a file");
    for step in &plan.steps {
        let columns: Vec<String> =
            step.operator.columns().iter().map(|field| format!("{}/{}", step.id, field.name)).collect();
        let file = DrawFile { model: prune(&exported, &columns).expect("its draws"), id: step.id.clone() };
        for backend in backends() {
            let compared = augraft_testkit::compare_step_draws(step, &shape, &file, &backend, 4000, &SEEDS);
            assert_eq!(compared, Ok(DrawComparison { rows: 12_000, different: 0 }), "{}", step.id);
        }
    }
}

#[test]
fn boxes_drawn_in_image_space_are_projected_alike_in_the_graph() {
    let operator = Registry::linked()
        .get("cutmix")
        .expect("cutmix")
        .parse(serde_json::from_str(r#"{"mode":"elem","frame":"project","alpha":0.2,"p":0.7}"#).expect("JSON"));
    let operator = operator.expect("a configuration");
    let shape = Shape { image_size: Some([224, 161]), ..shape(Element::F32, 2, [12, 10]) };
    let file = record_draws(&*operator, "projected", &shape).expect("a file");
    for backend in backends() {
        let compared = compare_draws(&*operator, &shape, &file, &backend, 20_000, &SEEDS[..1]);
        assert_eq!(compared, Ok(DrawComparison { rows: 20_000, different: 0 }));
    }
}
