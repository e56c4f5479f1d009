//! A model, a pipeline over it, and the comparison of the grafted file with its parts.

use std::path::{Path, PathBuf};

use augraft::engine::{DrawSource, ExportOptions, Runtime, Use, Verifier, graft};
use augraft::onnx::{Dim, Grafted, Model};
use augraft::operator::{Batch, Element, Shape};
use augraft::pipeline::{Facts, Plan};
use augraft_testkit::{backends, batch, shape};
use augraft_tests::plan_of;

/// Classes of the labels; models with fewer logits get that many.
pub(crate) const CLASSES: usize = 3;

/// A plan without input steps over the model in `file`: its images enter as the model takes them.
pub(crate) fn plan_over(file: &Path, engine: &str, steps: &str, size: [usize; 2], classes: usize) -> Plan {
    let text = format!(
        "augraft: 1\nseed: 3\nsteps: []\nmodel:\n  file: \"{}\"\n  engine: {engine}\n  steps:\n{steps}",
        file.display()
    );
    plan_of(&text, &Facts { classes, input: Some(shape(Element::F32, 3, size)), ..Facts::default() })
}

/// Two samples or more as they enter a file whose steps are all inside of the model.
pub(crate) fn samples(plan: &Plan, n: usize) -> Batch {
    batch(&Shape { classes: plan.input.classes, ..plan.input.clone() }, n)
}

/// Options for a kind of draws, at the model's opset; the draws of the first three samples of a batch are baked in.
pub(crate) fn options(draws: DrawSource) -> ExportOptions {
    ExportOptions { draws, opset: 18, baked: vec![3, 13, 23] }
}

/// Height and width that a model declares, `open` where it leaves them open.
pub(crate) fn size_of(model: &Model, open: usize) -> [usize; 2] {
    let port = model.inputs().into_iter().next().expect("an input");
    let shape = port.shape.expect("a shape");
    [2, 3].map(|axis| match shape[axis] {
        Dim::Fixed(side) => side as usize,
        _ => open,
    })
}

/// Checks that a grafted file gives, bit for bit, what prefix, host steps and suffix give on `runtime` without optimization.
#[track_caller]
pub(crate) fn assert_equals_parts(
    plan: &Plan,
    file: &Model,
    model: &Model,
    runtime: &dyn Runtime,
    n: usize,
    what: &str,
) {
    let mut verifier =
        Verifier::bind(plan, file, Some(model), runtime, Use::Graph).unwrap_or_else(|error| panic!("{what}: {error}"));
    verifier.compare(samples(plan, n)).unwrap_or_else(|error| panic!("{what}: {error}"));
    for finding in verifier.findings() {
        assert!(finding.holds, "{what} on {}: {finding:?}", runtime.name());
        assert_eq!(finding.largest.unwrap_or(0.0), 0.0, "{what} on {}: {finding:?}", runtime.name());
    }
    let logits = verifier.findings().iter().any(|finding| finding.subject.name() == "logits");
    assert!(logits, "{what}: no logits were compared");
}

/// Grafts `steps` into `model` with every kind of draws, and compares each file on every backend.
#[track_caller]
pub(crate) fn check(folder: &Path, model: &Model, steps: &str, what: &str) -> Vec<Grafted> {
    let file = written(folder, model);
    let plan = plan_over(&file, "tract", steps, size_of(model, 8), CLASSES);
    let mut grafts = Vec::new();
    for draws in [DrawSource::Inputs, DrawSource::Baked, DrawSource::Graph] {
        let grafted = graft(&plan, model, &options(draws)).unwrap_or_else(|error| panic!("{what}: {error}"));
        let reloaded = Model::from_bytes(&grafted.model.to_bytes()).expect("a model");
        for backend in backends().iter().filter(|backend| backend.purpose == Use::Graph) {
            let what = format!("{what}, {} draws", draws.name());
            assert_equals_parts(&plan, &reloaded, model, &*backend.runtime, 3, &what);
        }
        grafts.push(grafted);
    }
    grafts
}

/// The model as a file.
pub(crate) fn written(folder: &Path, model: &Model) -> PathBuf {
    let file = folder.join("model.onnx");
    std::fs::write(&file, model.to_bytes()).expect("a file");
    file
}
