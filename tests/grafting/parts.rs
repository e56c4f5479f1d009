//! Real models: a grafted file is prefix, host step and suffix, bit for bit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use augraft::engine::{Cuts, DrawSource, Optimization, graft, inspect};
use augraft::onnx::{Model, Site};
use augraft_testkit::{onnxruntime, python};
use augraft_tests::{shared, succeed, workspace};
use rayon::prelude::*;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{assert_equals_parts, options, plan_over, size_of};

/// Five feature maps that everything goes through, spread over the model, and one that a skip connection leads around.
pub(crate) fn cuts(sites: &[Site]) -> Vec<String> {
    let maps: Vec<&Site> =
        sites.iter().filter(|site| site.shape.as_ref().is_some_and(|shape| shape.len() == 4)).collect();
    let clean: Vec<&str> = maps.iter().filter(|site| site.dominates).map(|site| site.name.as_str()).collect();
    let skipped: Vec<&str> = maps.iter().filter(|site| !site.dominates).map(|site| site.name.as_str()).collect();
    assert!(clean.len() >= 5, "{} clean cuts", clean.len());
    let spread = (0..5).map(|at| clean[at * (clean.len() - 1) / 4]);
    spread.chain(skipped.get(skipped.len() / 2).copied()).map(str::to_owned).collect()
}

/// Checks a model at its cuts on ONNX Runtime without optimization.
pub(crate) fn check_model(file: &Path, draws: DrawSource, open: usize) {
    let Some(runtime) = onnxruntime(Optimization::Off) else { return };
    let model = Model::load(file).expect("a model");
    let size = size_of(&model, open);
    let sites = inspect(&runtime, &model, Some(size)).expect("its sites").sites;
    for site in cuts(&sites) {
        let step = format!("    - at: \"{site}\"\n      cutmix: {{ mode: elem }}\n");
        let plan = plan_over(file, "onnxruntime", &step, size, 10);
        let grafted =
            graft(&plan, &model, &options(draws)).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert_equals_parts(&plan, &grafted.model, &model, &runtime, 2, &format!("{} at {site}", file.display()));
    }
}

/// The models of `AUGRAFT_SHARED`, with the side of their images.
fn shared_models(test: &str) -> Vec<(PathBuf, usize)> {
    let Some(shared) = shared(test) else { return Vec::new() };
    let efficientnets = ["efficientnet-lite0", "efficientnet-lite0-w8"].map(|name| (name.to_owned(), 224));
    let resnets = ["baseline", "cutout", "mixup", "cutmix"].map(|name| (format!("resnet20-cifar10-{name}"), 32));
    efficientnets
        .into_iter()
        .chain(resnets)
        .map(|(name, side)| (shared.join(format!("models/{name}.onnx")), side))
        .collect()
}

#[test]
fn the_embedded_model_with_draws_in_the_graph_equals_its_parts() {
    check_model(&workspace().join("pipelines/models/efficientnet-lite0.onnx"), DrawSource::Graph, 224);
}

#[test]
fn shared_models_with_draws_in_the_graph_equal_their_parts() {
    let models = shared_models("shared_models_with_draws_in_the_graph_equal_their_parts");
    models.par_iter().for_each(|(file, side)| check_model(file, DrawSource::Graph, *side));
}

#[test]
fn the_count_of_clean_cuts_is_that_of_a_short_python_reference() {
    let Some(python) = python() else { return };
    let mut files = vec![workspace().join("pipelines/models/efficientnet-lite0.onnx")];
    files.extend(
        shared_models("the_count_of_clean_cuts_is_that_of_a_short_python_reference").into_iter().map(|(file, _)| file),
    );
    files.extend(crate::light::files());
    let arguments: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let printed = python.run(&workspace().join("tests/reference/clean_cuts.py"), &arguments).expect("counts");
    let mut counted = BTreeMap::new();
    for line in printed.lines() {
        let words: Vec<&str> = line.rsplitn(3, ' ').collect();
        counted.insert(
            words[2].to_owned(),
            (words[1].parse::<usize>().expect("a number"), words[0].parse::<usize>().expect("a number")),
        );
    }
    for (file, name) in files.iter().zip(&arguments) {
        let cuts = Cuts::of(&Model::load(file).expect("a model"));
        assert_eq!(counted.get(*name), Some(&(cuts.activations, cuts.clean.len())), "{name}");
    }
}

#[test]
fn the_grafted_quickstart_needs_nothing_but_onnxruntime() {
    let Some(python) = python() else { return };
    let folder = TempDir::new().expect("a folder");
    let program = env!("CARGO_BIN_EXE_augraft-under-test");
    let _ = succeed(
        program,
        workspace(),
        &["graft", "pipelines/quickstart.yaml", "-o", &folder.path().join("g.onnx").display().to_string()],
    );
    let file = folder.path().join("g.onnx").display().to_string();
    let script = workspace().join("tests/reference/plain_runtime.py");
    let printed = python.run(&script, &[&file, "--seed", "5", "--epoch", "2", "--batch", "3"]).expect("a report");
    let report: Value = serde_json::from_str(printed.trim()).expect("JSON");
    assert_eq!(report["outputs"], serde_json::json!(["logits", "labels_out"]));
    for (fact, expected) in [("same", true), ("other", true), ("finite", true)] {
        assert_eq!(report[fact], expected, "{fact}: {report}");
    }
    let inputs: Vec<String> =
        Model::load(Path::new(&file)).expect("a model").inputs().into_iter().map(|port| port.name).collect();
    assert_eq!(inputs, ["images", "labels", "seed", "epoch", "index"]);
}

#[test]
fn verify_passes_for_every_pipeline_and_every_kind_of_draws() {
    let folder = TempDir::new().expect("a folder");
    let program = env!("CARGO_BIN_EXE_augraft-under-test");
    let mut pipelines: Vec<PathBuf> = std::fs::read_dir(workspace().join("pipelines"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    pipelines.sort();
    assert!(pipelines.len() >= 5);
    // The input steps of a pipeline with a model are in its graft too.
    let kinds = |pipeline: &PathBuf| {
        let has_model = std::fs::read_to_string(pipeline).expect("text").contains("\nmodel:");
        let kinds: &[(&str, &str)] = if has_model {
            &[("export", "graph"), ("graft", "graph"), ("graft", "inputs")]
        } else {
            &[("export", "graph"), ("export", "inputs"), ("export", "baked")]
        };
        kinds.to_vec()
    };
    let cases: Vec<_> = pipelines
        .iter()
        .flat_map(|pipeline| kinds(pipeline).into_iter().map(move |(kind, draws)| (pipeline, kind, draws)))
        .collect();
    cases.par_iter().for_each(|(pipeline, kind, draws)| {
        let stem = pipeline.file_stem().expect("a name").to_string_lossy();
        let file = folder.path().join(format!("{stem}-{kind}-{draws}.onnx")).display().to_string();
        let name = pipeline.display().to_string();
        // Two photos are enough to mix, and engines without optimization are slow.
        let _ = succeed(
            program,
            workspace(),
            &[kind, &name, "-o", &file, "--draws", draws, "--batch", "2", "--limit", "2"],
        );
        let output = Command::new(program)
            .current_dir(workspace())
            .args(["verify", &file, &name, "--batch", "2", "--limit", "2"])
            .output()
            .expect("the program starts");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{file}: {said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("tract, raw") && said.ends_with(" as promised\n"), "{said}");
    });
}
