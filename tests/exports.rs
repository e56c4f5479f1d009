//! Exported files against native runs of the same batch and the same draws.

use augraft::engine::{
    DrawSource, EngineError, ExportOptions, Use, Verifier, export, exported_steps, images_tensor, largest_difference,
    run_steps,
};
use augraft::onnx::{DataType, Model, Tensor};
use augraft::operator::{Batch, Element, Parity, Scratch, Shape};
use augraft::pipeline::{Facts, Plan, Step};
use augraft_testkit::{Backend, backends, batch, shape};
use augraft_tests::{operators, plan_of};

const CLASSES: usize = 3;

/// Files whose draws are inputs.
fn inputs() -> ExportOptions {
    ExportOptions { draws: DrawSource::Inputs, ..ExportOptions::default() }
}

/// The plan of steps on files of any size.
fn planned(steps: &str) -> Plan {
    plan_of(&format!("augraft: 1\nseed: 8\nsteps:\n{steps}"), &Facts { classes: CLASSES, ..Facts::default() })
}

/// Inputs of the exported file and the images and labels that a native run gives.
struct Native {
    inputs: Vec<(String, Tensor)>,
    images: Tensor,
    labels: Tensor,
}

/// Runs `n` samples natively, and keeps what enters the exported steps.
fn native(plan: &Plan, n: usize) -> Native {
    let exported = exported_steps(plan).expect("steps");
    let before = &plan.steps[..plan.steps.len() - exported.len()];
    assert!(!before.is_empty() && !exported.is_empty());
    let (mut samples, mut scratch) = (batch(&Shape::ragged(CLASSES), n), Scratch::default());
    run_steps(before, plan.epoch, &mut samples, None, &mut scratch).expect("a run");
    let soft = |batch: &Batch| Tensor::F32(batch.labels.soft().into_dyn());
    let mut inputs = vec![
        ("images".to_owned(), images_tensor(&samples.images).expect("one size")),
        ("labels".to_owned(), soft(&samples)),
    ];
    for drawn in run_steps(exported, plan.epoch, &mut samples, None, &mut scratch).expect("a run") {
        inputs
            .extend(drawn.draws.columns.into_iter().map(|(field, column)| (format!("{}/{field}", drawn.step), column)));
    }
    let index = samples.index.iter().map(|index| *index as i64).collect();
    let address = [
        ("seed", Tensor::scalar(plan.seed as i64)),
        ("epoch", Tensor::scalar(i64::from(plan.epoch))),
        ("index", Tensor::vector(index)),
    ];
    inputs.extend(address.map(|(name, tensor)| (name.to_owned(), tensor)));
    Native { inputs, images: images_tensor(&samples.images).expect("one size"), labels: soft(&samples) }
}

fn run(backend: &Backend, model: &Model, inputs: &[&(String, Tensor)]) -> Vec<Tensor> {
    let inputs: Vec<_> = inputs.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let outputs = backend.runtime.session(model, backend.purpose).and_then(|session| session.run(&inputs));
    outputs.unwrap_or_else(|error| panic!("{}: {error}", backend.name))
}

/// Exports `steps` and compares it with native runs in every runtime: bit for bit without `within`, else up to it.
fn check(steps: &str, within: Option<f32>) {
    let plan = planned(steps);
    let exact = exported_steps(&plan).expect("steps").iter().all(|step| step.operator.parity() == Parity::Exact);
    assert_eq!(exact, within.is_none(), "the steps promise what is checked");
    let mixing = plan.steps.iter().filter(|step| step.effects.mixes).count();
    let cuts = |step: &Step| step.effects.mixes && !step.effects.blends;
    let behind = plan.steps.iter().position(cuts).map_or(&[][..], |cut| &plan.steps[cut + 1..]);
    let counted = behind.iter().any(|step| cuts(step) || (step.effects.moves && !step.effects.permutes));
    let file = |draws, opset| {
        let baked = batch(&Shape::ragged(CLASSES), 4).index;
        let written = |opset| export(&plan, &ExportOptions { draws, opset, baked: baked.clone() });
        // Labels behind a cut that another step cuts or resamples are counted pixel by pixel, with what opset 13 lacks.
        let file = if opset < 16 && counted {
            let refused = written(opset).expect_err("too old").to_string();
            assert!(refused.contains("that needs opset 16"), "{refused}");
            written(16)
        } else {
            written(opset)
        };
        (draws, file.expect("a model"))
    };
    // The kinds differ in where draws come from, so that one batch of each shows that they are those of the first.
    let files = [
        (file(DrawSource::Inputs, 18), vec![1, 4, 7]),
        (file(DrawSource::Inputs, 13), vec![4]),
        (file(DrawSource::Graph, 18), vec![4]),
        (file(DrawSource::Graph, 21), vec![7]),
        (file(DrawSource::Baked, 21), vec![4]),
    ];
    for ((draws, model), n) in files.iter().flat_map(|(file, sizes)| sizes.iter().map(move |n| (file, *n))) {
        let native = native(&plan, n);
        let names: Vec<String> = model.inputs().into_iter().map(|port| port.name).collect();
        let given: Vec<&(String, Tensor)> = native.inputs.iter().filter(|(name, _)| names.contains(name)).collect();
        assert_eq!(names.len(), given.len(), "{draws:?}: {names:?}");
        for backend in backends() {
            let [images, labels] = &run(&backend, model, &given)[..] else { panic!("two outputs") };
            if mixing > 1 {
                // Weights of several sources are added in another order.
                let far = largest_difference(labels, &native.labels);
                assert!(far <= f32::EPSILON, "labels of {n}, {}: {far:e}", backend.name);
            } else {
                assert!(labels.to_le_bytes() == native.labels.to_le_bytes(), "labels of {n}, {}", backend.name);
            }
            // The bytes, because equal floats may have different bits.
            match within {
                None => assert!(images.to_le_bytes() == native.images.to_le_bytes(), "images of {n}, {}", backend.name),
                Some(within) => {
                    let distance = largest_difference(images, &native.images);
                    assert!(distance <= within, "images of {n}, {}: {distance:e}", backend.name);
                }
            }
        }
        assert!(n == 1 || images_change(&native), "the steps do something");
    }
}

fn images_change(native: &Native) -> bool {
    native.inputs[0].1.to_le_bytes() != native.images.to_le_bytes()
}

#[test]
fn exact_steps_on_bytes_and_floats_are_bit_for_bit() {
    check(
        "  - random_crop: { size: [20, 18], padding: 6 }
  - horizontal_flip: { p: 0.5 }
  - vertical_flip: { p: 0.5 }
  - random_crop: { size: [16, 18], padding: 3 }
  - cutout: { length: 5, count: 2, fill: 9 }
  - center_crop: { size: [14, 16] }
  - normalize: imagenet
  - cutout: { length: 6, p: 0.7 }
  - random_erasing: { p: 0.9 }
  - cutmix: { alpha: 1.0, mode: elem }
  - mixup: { alpha: 0.4, mode: elem }
",
        None,
    );
}

#[test]
fn mixing_bytes_is_bit_for_bit() {
    check(
        "  - center_crop: { size: [15, 13] }
  - cutmix: { alpha: 0.5, mode: elem, p: 0.8 }
  - mixup: { alpha: 2, mode: elem }
  - horizontal_flip: { p: 0.5 }
  - vertical_flip: { p: 0.5 }
  - cutmix: { alpha: 2, partner: roll }
",
        None,
    );
    check("  - center_crop: { size: 12 }\n  - normalize: half\n  - mixup: { partner: flip }\n", None);
}

#[test]
fn resampled_bytes_are_within_a_level() {
    check("  - resized_crop: { size: [24, 20] }\n  - resize: { size: [17, 31] }\n", Some(1.0));
    check("  - resize: { size: [21, 26] }\n  - resized_crop: { size: 16, scale: [0.2, 1.0] }\n", Some(1.0));
}

#[test]
fn resampled_floats_and_dropped_blocks_are_within_their_promise() {
    let unit = "  - center_crop: { size: [24, 20] }\n  - normalize: { mean: [0, 0, 0], std: [1, 1, 1] }\n";
    for steps in [
        "  - resize: { size: [17, 31] }\n",
        "  - resized_crop: { size: [16, 22], scale: [0.1, 1.0] }\n",
        "  - dropblock: { p: 0.1, block_size: 3 }\n",
        "  - resized_crop: { size: 18 }\n  - cutmix: { mode: elem }\n  - resize: { size: 14 }\n  - dropblock: { p: 0.2, block_size: 5 }\n  - mixup: {}\n",
    ] {
        check(&format!("{unit}{steps}"), Some(1e-5));
    }
}

/// Every operator with its defaults and the cases of its fixture, as a file that draws by itself.
#[test]
fn every_exportable_operator_is_exported() {
    let backends: Vec<Backend> = backends().into_iter().filter(|backend| backend.purpose != Use::Graph).collect();
    let exportable = operators().into_iter().filter(|operator| !matches!(operator.parity(), Parity::NativeOnly(_)));
    for operator in exportable {
        let shapes = [Element::F32, Element::U8].map(|element| shape(element, 3, [32, 32]));
        let Some(shape) = shapes.into_iter().find(|shape| operator.check(shape).is_ok()) else { continue };
        // The file of this operator is not named in the pipeline.
        if operator.name() == "vignette" {
            continue;
        }
        let steps = format!("augraft: 1\nsteps:\n  - {}: {}\n", operator.name(), operator.config());
        let plan = plan_of(&steps, &Facts { classes: CLASSES, input: Some(shape.clone()), ..Facts::default() });
        let model = export(&plan, &ExportOptions::default());
        let model = match model {
            Ok(model) => model,
            Err(EngineError::Step { help: Some(_), .. }) => continue,
            Err(error) => panic!("{steps}: {error}"),
        };
        let mut samples = batch(&shape, 5);
        let index: Vec<i64> = samples.index.iter().map(|index| *index as i64).collect();
        let inputs = [
            ("images".to_owned(), images_tensor(&samples.images).expect("one size")),
            ("labels".to_owned(), Tensor::F32(samples.labels.soft().into_dyn())),
            ("seed".to_owned(), Tensor::scalar(plan.seed as i64)),
            ("epoch".to_owned(), Tensor::scalar(i64::from(plan.epoch))),
            ("index".to_owned(), Tensor::vector(index)),
        ];
        let names: Vec<String> = model.inputs().into_iter().map(|port| port.name).collect();
        let given: Vec<&(String, Tensor)> = inputs.iter().filter(|(name, _)| names.contains(name)).collect();
        run_steps(&plan.steps, plan.epoch, &mut samples, None, &mut Scratch::default()).expect("a run");
        let native = images_tensor(&samples.images).expect("one size");
        let allowed = match (operator.parity(), samples.shape().element) {
            (Parity::Within(_), Element::U8) => 1.0,
            (Parity::Within(within), Element::F32) => within,
            _ => 0.0,
        };
        for backend in &backends {
            let [images, labels] = &run(backend, &model, &given)[..] else { panic!("two outputs") };
            let distance = largest_difference(images, &native);
            assert!(distance <= allowed, "{steps} on {}: {distance:e}", backend.name);
            let soft = Tensor::F32(samples.labels.soft().into_dyn());
            assert!(largest_difference(labels, &soft) <= 1e-6, "{steps} on {}: labels", backend.name);
        }
    }
}

#[test]
fn a_file_says_where_it_comes_from() {
    let steps = "  - resized_crop: { size: 24 }\n  - normalize: half\n  - cutmix: {}\n";
    let plan = planned(steps);
    let model = export(&plan, &inputs()).expect("a model");
    let metadata = |key: &str| {
        let entry = model.proto().metadata_props.iter().find(|entry| entry.key() == key);
        entry.map_or_else(|| panic!("no {key}"), |entry| entry.value().to_owned())
    };
    assert_eq!(metadata("augraft_version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(metadata("augraft_pipeline"), format!("augraft: 1\nseed: 8\nsteps:\n{steps}"));
    assert_eq!(metadata("augraft_steps_before"), "resized_crop");
    assert_eq!(metadata("augraft_draws"), "inputs");
    assert_eq!(model.inputs()[0].dtype, DataType::U8.to_proto());
    let reloaded = Model::from_bytes(&model.to_bytes()).expect("a model");
    assert_eq!(reloaded, model);
}

#[test]
fn what_cannot_be_exported_says_why() {
    let native = planned("  - resize: { size: 8 }\n  - normalize: half\n  - fmix: {}\n");
    assert!(matches!(export(&native, &inputs()), Err(EngineError::Step { step, .. }) if step == "fmix"));
    let ragged = planned("  - horizontal_flip: {}\n");
    assert!(matches!(export(&ragged, &inputs()), Err(EngineError::Unfit(_))));
}

#[test]
fn square_images_run_in_every_engine() {
    // A product of one value with itself is a square, which the embedded engine has not for integers.
    for mixing in ["mixup: { alpha: 0.4 }", "cutmix: {}", "mosaic: {}", "resizemix: {}"] {
        check(
            &format!(
                "  - center_crop: {{ size: 24 }}\n  - normalize: half\n  - {mixing}\n  - horizontal_flip: {{ p: 0.5 }}\n"
            ),
            None,
        );
    }
}

/// Verifies a file of `steps` with draws of every kind on every backend, and returns how many samples were compared.
fn verified(steps: &str, n: usize) -> usize {
    let plan = planned(steps);
    let samples = batch(&Shape::ragged(CLASSES), n);
    let mut compared = 0;
    for draws in [DrawSource::Graph, DrawSource::Inputs, DrawSource::Baked] {
        let options = ExportOptions { draws, baked: samples.index.clone(), ..ExportOptions::default() };
        let file = export(&plan, &options).expect("a file");
        for backend in backends() {
            let what = format!("{steps} on {}, draws {}", backend.name, draws.name());
            let mut verifier = Verifier::bind(&plan, &file, None, &*backend.runtime, backend.purpose).expect("a file");
            verifier.compare(samples.clone()).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(verifier.findings().iter().all(|finding| finding.holds), "{what}: {:?}", verifier.findings());
            compared = verifier.findings().last().map_or(0, |finding| finding.samples);
        }
    }
    compared
}

#[test]
fn steps_behind_views_and_halves_are_compared_whole() {
    let start = "  - center_crop: { size: [14, 20] }\n";
    let behind = |steps: &str| format!("{start}{steps}");
    assert_eq!(verified(&behind("  - views: { count: 2 }\n  - cutmix: { mode: elem }\n  - horizontal_flip\n"), 3), 6);
    assert_eq!(verified(&behind("  - cutmix: { mode: half, partner: flip }\n  - horizontal_flip\n  - mixup\n"), 6), 3);
    assert_eq!(verified(&behind("  - mixup: { partner: dataset }\n  - vertical_flip\n  - cutmix\n"), 6), 3);
    assert_eq!(
        verified(&behind("  - cutmix: { mode: half, partner: flip }\n  - views: { count: 3 }\n  - gridmix\n"), 4),
        6
    );
    for features in
        ["moex: { partner: dataset }", "mixstyle: { partner: dataset, p: 1 }", "patchup: { partner: dataset, p: 1 }"]
    {
        assert_eq!(
            verified(&behind(&format!("  - normalize: half\n  - {features}\n  - cutmix\n")), 6),
            3,
            "{features}"
        );
    }
}

#[test]
fn a_file_grows_by_the_same_nodes_with_every_paste() {
    let nodes = |count: usize| {
        let steps =
            format!("  - center_crop: {{ size: 16 }}\n  - repeat: {{ count: {count}, steps: [cutmix: {{}}] }}\n");
        export(&planned(&steps), &inputs()).expect("a file").operators().len()
    };
    let [four, eight, sixteen] = [4, 8, 16].map(nodes);
    assert_eq!(sixteen - eight, 2 * (eight - four));
}

#[test]
fn many_pastes_and_collages_are_compared_on_every_engine() {
    let steps = |steps: &str| format!("  - center_crop: {{ size: [14, 18] }}\n  - normalize: half\n{steps}");
    let _ = verified(&steps("  - repeat: { count: 16, steps: [cutmix: { mode: elem }] }\n"), 7);
    let _ = verified(&steps("  - repeat: { count: 5, steps: [mosaic: { mode: elem }] }\n"), 7);
    // A sample shows at most 2 to the power of its blends.
    let _ =
        verified(&steps("  - repeat: { count: 5, steps: [mixup: { mode: elem }] }\n  - cutmix: { mode: elem }\n"), 7);
}

#[test]
fn more_sources_than_a_file_holds_are_refused_by_number() {
    for before in ["", "  - cutmix\n"] {
        let mixed = |count: usize| {
            let blends = format!("  - repeat: {{ count: {count}, steps: [mixup: {{}}] }}\n");
            export(&planned(&format!("  - center_crop: {{ size: 12 }}\n  - normalize\n{before}{blends}")), &inputs())
        };
        assert!(mixed(5).is_ok());
        let Err(EngineError::Step { step, message, .. }) = mixed(6) else { panic!("a file of 64 sources") };
        assert!(step.contains("mixup") && message.contains("at most 32 sources"), "{step}: {message}");
    }
}
