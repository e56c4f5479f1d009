//! Steps inside of models: grafts that change nothing, engines that agree, sites by pattern and alias.

use std::collections::BTreeMap;
use std::path::Path;

use augraft::data::{Dataset, OnError, Source, load_batch};
use augraft::engine::{
    CutModel, EngineError, ModelForm, OnnxRuntime, Optimization, Outcome, Program, Runtime, Tract, identity_cut_error,
};
use augraft::onnx::{DataType, Graph, Model, Side, Tensor, Value, sites as candidates};
use augraft::operator::{Batch, Images, Labels, Scratch, Shape};
use augraft::pipeline::{Device, Facts, MapLayout, Plan};
use augraft_testkit::batch;
use augraft_tests::{plan_of, shared, workspace};
use ndarray::{Array2, Array4};
use tempfile::TempDir;

/// Output of the first block, of a middle block, and the last feature map.
const EFFICIENTNET: [&str; 3] =
    ["/_blocks.0/_project_conv/Conv_output_0", "/_blocks.7/Add_output_0", "/_swish_1/Clip_output_0"];
/// The same of a ResNet-20.
const RESNET: [&str; 3] =
    ["/layer1/layer1.0/Relu_1_output_0", "/layer2/layer2.1/Relu_1_output_0", "/layer3/layer3.2/Relu_1_output_0"];

/// The first photos as decoded.
fn photos(n: u64) -> Batch {
    let at = workspace().join("pipelines");
    let source = Source::Folder(at.join("data/photos"));
    let dataset = Dataset::open_with_classes(&source, Some(&at.join("models/classes.txt"))).expect("photos");
    let loaded = load_batch(&dataset, &(0..n).collect::<Vec<_>>(), OnError::Fail).expect("photos");
    let labels = Labels::multi_hot(&loaded.labels, dataset.classes().len(), &loaded.index);
    Batch::new(Images::Ragged(loaded.images), labels, loaded.index)
}

/// Normalized photos of `side` x `side` pixels.
fn normalized(n: u64, side: usize) -> Array4<f32> {
    let steps = format!("augraft: 1\nsteps:\n  - resize: {{ size: {side} }}\n  - normalize: imagenet\n");
    let (plan, mut batch) = (plan_of(&steps, &Facts::default()), photos(n));
    augraft::engine::run_steps(&plan.steps, 0, &mut batch, None, &mut Scratch::default()).expect("a run");
    let Images::F32(images) = batch.images else { panic!("normalized images are f32") };
    images
}

fn largest(values: impl Iterator<Item = f32>) -> f32 {
    values.map(f32::abs).max_by(f32::total_cmp).unwrap_or(0.0)
}

fn difference(a: &Array2<f32>, b: &Array2<f32>) -> f32 {
    assert_eq!(a.dim(), b.dim());
    largest((a - b).into_iter())
}

/// ONNX Runtime, where its library is here.
fn onnxruntime(optimization: Optimization) -> Option<OnnxRuntime> {
    OnnxRuntime::load(None, Device::Cpu, optimization).map_err(|error| eprintln!("skipped ONNX Runtime: {error}")).ok()
}

/// Logits of a model in parts; every site must be called once, in order, and the whole model must give the same to the bit.
fn in_parts(runtime: &dyn Runtime, model: &Model, sites: &[&str], images: &Images, what: &str) -> Array2<f32> {
    let sites_of = sites.iter().map(|site| ((*site).to_owned(), MapLayout::Nchw)).collect();
    let form = ModelForm { sites: sites_of, ..ModelForm::default() };
    let parts = CutModel::bind(runtime, model, form).expect("a cut model");
    let start = parts.start(images).expect("images");
    assert_eq!(identity_cut_error(&parts, runtime, model, &start).expect("a run"), 0.0, "{what} drifts");
    let mut seen = Vec::new();
    let end = parts.through(start, &mut |site, map| {
        seen.push(site.to_owned());
        Ok(map)
    });
    assert_eq!(seen, sites);
    parts.finish(&end.expect("a run")).expect("logits")
}

/// Checks a file: clean sites, no drift, engines that agree, samples that do not depend on their batch.
fn check_model(file: &Path, sites: &[&str], side: usize) {
    let name = file.display();
    let model = Model::load(file).expect("a model");
    let candidates = candidates(&model, &BTreeMap::new());
    let clean: Vec<&str> = candidates.iter().filter(|site| site.dominates).map(|site| site.name.as_str()).collect();
    assert!(sites.iter().all(|site| clean.contains(site)), "{name}: {sites:?} dominate the model");
    let images = normalized(2, side);
    let second = Images::F32(images.slice(ndarray::s![1..2, .., .., ..]).to_owned());
    let images = Images::F32(images);
    let one = in_parts(&Tract, &model, sites, &second, &format!("{name} on tract"));
    let ours = in_parts(&Tract, &model, sites, &images, &format!("{name} on tract"));
    assert_eq!(one.row(0), ours.row(1), "{name}: a sample depends on its batch");
    assert!(difference(&one, &ours.slice(ndarray::s![0..1, ..]).to_owned()) > 0.0, "{name} looks at its input");
    let scale = largest(ours.iter().copied());
    for optimization in [Optimization::Off, Optimization::Default] {
        let Some(runtime) = onnxruntime(optimization) else { return };
        let theirs = in_parts(&runtime, &model, sites, &images, &format!("{name} on ONNX Runtime, {optimization:?},"));
        let relative = difference(&theirs, &ours) / scale;
        assert!(relative < 1e-4, "{name}: engines differ by {relative:e}");
    }
}

/// A classifier of 8 x 8 images with the feature maps `block.0`, `block.1`, `block.2`, and `flat.0`, which is 0 everywhere.
fn tiny(folder: &Path) -> String {
    let graph = Graph::new(18);
    let sides = [Side::Named("N"), Side::Fixed(3), Side::Fixed(8), Side::Fixed(8)];
    let images = graph.input("images", DataType::F32, &sides);
    let named = |name: &str, op: &'static str, inputs: &[Value<'_>]| {
        let value = graph.declare(name, DataType::F32);
        graph.define(value, op, inputs, vec![]);
        graph.value(value.id())
    };
    let first = named("block", "Mul", &[images, graph.constant(Tensor::scalar(0.5f32))]);
    let second = named("block", "Tanh", &[first]);
    let flat = named("flat", "Sub", &[second, second]);
    let third = named("block", "Add", &[flat, second]);
    let logits = third.unary("GlobalAveragePool").reshape(&[0, -1]);
    graph.output(logits, "logits", &[Side::Named("N"), Side::Fixed(3)]);
    let model = Model::from_proto(graph.into_proto("tiny", &[])).expect("a model");
    let file = folder.join("tiny.onnx");
    std::fs::write(&file, model.to_bytes()).expect("a file");
    file.display().to_string()
}

/// A plan with `model` steps in the tiny model.
fn tiny_plan(folder: &Path, model: &str) -> Plan {
    let file = tiny(folder);
    let steps = "steps:\n  - resize: { size: 8 }\n  - normalize: half\n";
    let text = format!("augraft: 1\nseed: 2\n{steps}model:\n  file: \"{file}\"\n{model}");
    plan_of(&text, &Facts { classes: 3, ..Facts::default() })
}

/// The program after one batch of eight samples, and what came of it.
fn ran(plan: &Plan) -> (Program<'_>, Outcome) {
    let mut program = Program::bind(plan, None).expect("a program");
    let outcome = program.run(batch(&Shape::ragged(3), 8), false).expect("a run");
    assert_eq!(program.drift(), Some(0.0), "a graft that does nothing changes nothing");
    (program, outcome)
}

const CUTMIX: &str = "cutmix: { mode: elem, partner: roll }";

#[test]
fn a_graft_that_changes_nothing_fails_the_run() {
    let folder = TempDir::new().expect("a folder");
    let plan = tiny_plan(folder.path(), &format!("  steps:\n    - at: flat.0\n      {CUTMIX}\n"));
    let (program, _) = ran(&plan);
    let error = program.finish().expect_err("the map is 0 everywhere");
    assert!(error.to_string().starts_with("step `cutmix` at `flat.0` changed nothing"), "{error}");
    let EngineError::NoOp { step, site, acting } = error else { panic!("{error:?}") };
    assert_eq!((step.as_str(), site.as_str()), ("cutmix", "flat.0"));
    assert!((1..=8).contains(&acting));

    let plan = tiny_plan(folder.path(), "  steps:\n    - at: flat.0\n      cutmix: { p: 0.0 }\n");
    ran(&plan).0.finish().expect("nothing was drawn to act");
    let plan = tiny_plan(folder.path(), &format!("  steps:\n    - at: block.1\n      {CUTMIX}\n"));
    ran(&plan).0.finish().expect("this map differs");
}

#[test]
fn a_pattern_gives_one_step_per_site() {
    let folder = TempDir::new().expect("a folder");
    let plan = tiny_plan(folder.path(), &format!("  steps:\n    - at: \"block.*\"\n      {CUTMIX}\n"));
    let (program, outcome) = ran(&plan);
    program.finish().expect("every step acts");
    let sites = ["block.0", "block.1", "block.2"];
    let grafts: Vec<_> = program.grafts().iter().map(|graft| (graft.step.clone(), graft.site.clone())).collect();
    assert_eq!(grafts, sites.map(|site| (format!("cutmix@{site}"), site.to_owned())));
    assert!(program.grafts().iter().all(|graft| graft.changed > 0 && graft.changed < graft.elements));
    let drawn: Vec<_> = outcome.draws.iter().filter(|drawn| drawn.site.is_some()).collect();
    assert_eq!(drawn.iter().filter_map(|drawn| drawn.site.as_deref()).collect::<Vec<_>>(), sites);
    assert!(drawn.windows(2).all(|pair| pair[0].draws != pair[1].draws), "each site has draws of its own");
}

#[test]
fn an_alias_is_another_name_of_a_site() {
    let folder = TempDir::new().expect("a folder");
    let logits = |model: &str| {
        let plan = tiny_plan(folder.path(), model);
        let (program, outcome) = ran(&plan);
        assert_eq!(program.grafts()[0].site, "block.1");
        let predictions = outcome.predictions.expect("predictions");
        let (feature, labels) = predictions.feature.expect("steps at a site");
        assert!(feature != predictions.input && labels.sources().iter().any(|sources| sources.len() == 2));
        feature
    };
    let direct = logits(&format!("  steps:\n    - at: block.1\n      {CUTMIX}\n"));
    let aliased = logits(&format!("  sites: {{ deep: block.1 }}\n  steps:\n    - at: deep\n      {CUTMIX}\n"));
    assert_eq!(direct, aliased);
}

#[test]
fn the_embedded_model_keeps_its_promises() {
    check_model(&workspace().join("pipelines/models/efficientnet-lite0.onnx"), &EFFICIENTNET, 224);
}

#[test]
fn larger_models_keep_their_promises() {
    let Some(shared) = shared("larger_models_keep_their_promises") else { return };
    check_model(&shared.join("models/efficientnet-lite0.onnx"), &EFFICIENTNET, 224);
    for training in ["baseline", "cutmix", "cutout", "mixup"] {
        check_model(&shared.join(format!("models/resnet20-cifar10-{training}.onnx")), &RESNET, 32);
    }
}
