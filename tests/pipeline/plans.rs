//! From a pipeline to a plan: shapes, ids, sites, warnings, `explain`.

use std::path::{Path, PathBuf};

use augraft::operator::{Element, Registry, Shape, StepKey};
use augraft::pipeline::{
    Answer, Device, EngineKind, Facts, ImageLayout, ModelFacts, ModelSpec, Overrides, PipelineSpec, Plan, Report,
    SiteFacts, plan,
};
use insta::assert_snapshot;

fn model_facts() -> ModelFacts {
    let site = |name: &str, shape: &[usize], dominates| SiteFacts {
        name: name.to_owned(),
        shape: shape.to_vec(),
        dominates,
        channels_last: (shape.len() == 4).then_some(false),
        element: None,
    };
    ModelFacts {
        input: "images".to_owned(),
        input_shape: vec![Some(3), Some(224), Some(224)],
        layout: ImageLayout::Nchw,
        element: Element::F32,
        classes: 1000,
        answer: (Answer::Logits, "its last operator is Gemm".to_owned()),
        sites: vec![
            site("/stem/Clip_output_0", &[1, 32, 112, 112], true),
            site("/blocks.1/conv/Conv_output_0", &[1, 24, 56, 56], false),
            site("/blocks.1/Add_output_0", &[1, 24, 56, 56], true),
            site("/blocks.2/Add_output_0", &[1, 40, 28, 28], true),
            site("/head/Flatten_output_0", &[1, 1280], true),
            SiteFacts {
                element: Some("int8".to_owned()),
                ..site("/blocks.1/half/Cast_output_0", &[1, 24, 56, 56], true)
            },
        ],
        others: vec![("/blocks.1/Shape_output_0".to_owned(), "is made of the sizes of tensors".to_owned())],
    }
}

fn spec(text: &str) -> PipelineSpec {
    PipelineSpec::parse(text, Path::new("some/folder/quick.yaml"), &Registry::linked())
        .unwrap_or_else(|report| panic!("{report}"))
}

fn facts() -> Facts {
    Facts { classes: 10, samples: Some(100), ..Facts::default() }
}

fn planned(text: &str, overrides: &Overrides) -> Result<Plan, Report> {
    plan(&spec(text), overrides, &facts(), &mut |_: &ModelSpec, _| Ok::<_, String>(model_facts()))
}

fn plan_of(text: &str) -> Plan {
    planned(text, &Overrides::default()).unwrap_or_else(|report| panic!("{report}"))
}

fn lines(found: &[augraft::pipeline::Diagnostic]) -> String {
    let line = |found: &augraft::pipeline::Diagnostic| {
        let help = found.help.as_deref().unwrap_or("-");
        format!("{}:{} {} | {} | {help}", found.span.line, found.span.column, found.code, found.message)
    };
    found.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn refused(text: &str) -> String {
    lines(&planned(text, &Overrides::default()).expect_err("a problem").diagnostics)
}

fn warnings(steps: &str) -> String {
    lines(&plan_of(&format!("augraft: 1\ndata: {{ flat: x }}\nsteps:\n{steps}\n")).warnings)
}

fn warned(text: &str, facts: &Facts) -> String {
    let planned =
        plan(&spec(text), &Overrides::default(), facts, &mut |_: &ModelSpec, _| Ok::<_, String>(model_facts()));
    lines(&planned.unwrap_or_else(|report| panic!("{report}")).warnings)
}

fn at_model(steps: &str) -> String {
    let input = "  - resized_crop: { size: 224 }\n  - normalize\n";
    format!(
        "augraft: 1\nsteps:\n{input}model:\n  file: net.onnx\n  sites: {{ deep: /blocks.2/Add_output_0 }}\n  steps:\n{steps}\n"
    )
}

const WHOLE: &str = "\
augraft: 1
seed: 42
data: { folder: photos, batch: 8, shuffle: true, classes: ../names.txt }
steps:
  - resized_crop: { size: 224, scale: [0.25, 1.0] }
  - horizontal_flip
  - normalize: imagenet
  - cutmix: { alpha: 1.0, p: 0.5 }
  - cutmix
model:
  file: net.onnx
  engine: onnxruntime
  device: cuda:1
  sites: { deep: /blocks.2/Add_output_0 }
  steps:
    - at: /blocks.?/Add_output_0
      mixup: { alpha: 0.4 }
    - at: deep
      id: mine
      cutmix: { frame: project }
";

#[test]
fn a_plan_is_explained() {
    assert_snapshot!(plan_of(WHOLE).explain(), @"
    pipeline  quick.yaml
    seed      42
    epoch     0
    data      folder photos, batch 8, classes ../names.txt, shuffle
    input     u8 [N][3,H,W], 10 classes
    out       out/quick

    steps
      resized_crop     resized_crop { scale: [0.25, 1.0] }  u8 [N][3,H,W] -> u8 [N,3,224,224]      within 1e-5  draws top, left, bottom, right
      horizontal_flip  horizontal_flip                      u8 [N,3,224,224]                       exact        draws apply
      normalize        normalize imagenet                   u8 [N,3,224,224] -> f32 [N,3,224,224]  exact        draws nothing
      cutmix           cutmix { p: 0.5 }                    f32 [N,3,224,224]                      exact        draws apply, lam, top, left, bottom, right, partner
      cutmix-2         cutmix                               f32 [N,3,224,224]                      exact        draws apply, lam, top, left, bottom, right, partner

    model      net.onnx
    engine     onnxruntime on cuda:1
    images as  images
    outputs    1000 classes

    at /blocks.1/Add_output_0 [N,24,56,56]: everything goes through it
      mixup@/blocks.1/Add_output_0  mixup { alpha: 0.4 }  f32 [N,24,56,56]  exact  draws apply, lam, partner

    at deep = /blocks.2/Add_output_0 [N,40,28,28]: everything goes through it
      mixup@/blocks.2/Add_output_0  mixup { alpha: 0.4 }       f32 [N,40,28,28]  exact  draws apply, lam, partner
      mine                          cutmix { frame: project }  f32 [N,40,28,28]  exact  draws apply, lam, top, left, bottom, right, partner
    ");
    assert_snapshot!(plan_of("augraft: 1\nsteps: []\n").explain(), @"
    pipeline  quick.yaml
    seed      0
    epoch     0
    data      none
    input     u8 [N][3,H,W], 10 classes
    out       out/quick

    steps
      none
    ");
}

#[test]
fn paths_start_from_the_pipeline_and_out_does_not() {
    let plan = plan_of(WHOLE);
    assert_eq!(
        plan.data.as_ref().and_then(|data| data.classes.clone()),
        Some(PathBuf::from("some/folder/../names.txt"))
    );
    assert_eq!(plan.model.map(|model| model.file), Some(PathBuf::from("some/folder/net.onnx")));
    assert_eq!(plan.out, PathBuf::from("out/quick"));
    assert_eq!(plan_of("augraft: 1\nsteps: []\nout: here").out, PathBuf::from("here"));
}

#[test]
fn ids_key_the_draws() {
    let plan = plan_of(WHOLE);
    let model = plan.model.expect("a model");
    let steps = plan.steps.iter().chain(model.sites.iter().flat_map(|site| &site.steps));
    let ids: Vec<&str> = steps.clone().map(|step| step.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "resized_crop",
            "horizontal_flip",
            "normalize",
            "cutmix",
            "cutmix-2",
            "mixup@/blocks.1/Add_output_0",
            "mixup@/blocks.2/Add_output_0",
            "mine",
        ]
    );
    for step in steps {
        assert_eq!(step.key, StepKey::new(42, &step.id));
    }
}

#[test]
fn flags_win_over_the_file() {
    let overrides = Overrides {
        seed: Some(7),
        epoch: Some(3),
        batch: Some(2),
        limit: Some(5),
        out: Some("there".into()),
        model: Some("other.onnx".into()),
        engine: Some(EngineKind::Tract),
        device: Some(Device::Cpu),
    };
    let mut asked = None;
    let planned = plan(&spec(WHOLE), &overrides, &facts(), &mut |model: &ModelSpec, _| {
        asked = Some((model.file.clone(), model.engine, model.device));
        Ok::<_, String>(model_facts())
    });
    let plan = planned.expect("a plan");
    assert_eq!((plan.seed, plan.epoch, plan.out), (7, 3, PathBuf::from("there")));
    assert_eq!(plan.data.map(|data| (data.batch, data.limit)), Some((2, Some(5))));
    assert_eq!(plan.model.map(|model| (model.engine, model.device)), Some((EngineKind::Tract, Device::Cpu)));
    assert_eq!(asked, Some((PathBuf::from("other.onnx"), EngineKind::Tract, Device::Cpu)));
    let zero = Overrides { limit: Some(0), seed: Some(u64::MAX), ..Overrides::default() };
    assert_snapshot!(lines(&planned_report(&zero)), @"
    2:7 out-of-range | --seed must be at most 9223372036854775807 | -
    3:1 out-of-range | --limit must be at least 1 | -
    ");
}

fn planned_report(overrides: &Overrides) -> Vec<augraft::pipeline::Diagnostic> {
    planned(WHOLE, overrides).expect_err("a problem").diagnostics
}

#[test]
fn a_fixed_input_is_dense() {
    let facts = Facts { classes: 2, input: Some(Shape::ragged(2).resized([20, 30])), ..Facts::default() };
    let text = "augraft: 1\nsteps: [cutmix]\n";
    let plan = plan(&spec(text), &Overrides::default(), &facts, &mut |_: &ModelSpec, _| Err("no model".to_owned()));
    assert_eq!(plan.expect("a plan").steps[0].before.describe(), "u8 [N,3,20,30]");
}

#[test]
fn steps_that_do_not_fit_are_reported_at_their_parameter() {
    assert_snapshot!(refused("augraft: 1\nsteps:\n  - cutmix\n  - normalize\n"), @"3:5 step-does-not-fit | `cutmix` needs images of one size, but here they still have the sizes of their files | put `resized_crop`, `resize`, `random_crop` or `center_crop` before this step");
    assert_snapshot!(refused("augraft: 1\nsteps:\n  - resize: { size: 9 }\n  - cutout: { length: 1, fill: [0, 0] }\n  - normalize: { mean: [0], std: [0] }\n"), @"
    4:26 step-does-not-fit | `cutout.fill`: the list needs one value per channel, 3 in all | -
    5:18 step-does-not-fit | `normalize.mean`: has 1 values for 3 channels | -
    ");
    assert_snapshot!(refused("augraft: 1\nsteps:\n  - resized_crop: { size: 9, scale: [0.5, 2] }\n  - normalize\n  - cutout: { fill: [1] }\n"), @"
    3:43 step-does-not-fit | `resized_crop.scale[1]`: a share of the area is at most 1 | -
    5:15 step-does-not-fit | `cutout.fill`: the list needs one value per channel, 3 in all | -
    ");
}

#[test]
fn the_images_must_fit_the_model() {
    let model = "model: { file: net.onnx }\n";
    assert_snapshot!(refused(&format!("augraft: 1\nsteps: []\n{model}")), @"3:16 model-input | the model takes f32 [N,3,224,224], but the steps end with u8 [N][3,H,W] | add `resized_crop: { size: 224 }` and `normalize: imagenet` to `steps`");
    assert_snapshot!(refused(&format!("augraft: 1\nsteps: [normalize: unit, resize: {{ size: 200 }}]\n{model}")), @"2:20 step-does-not-fit | `normalize` needs images of one size, but here they still have the sizes of their files | put `resized_crop`, `resize`, `random_crop` or `center_crop` before this step");
    assert_snapshot!(refused(&format!("augraft: 1\nsteps: [resize: {{ size: 200 }}, normalize: unit]\n{model}")), @"3:16 model-input | the model takes f32 [N,3,224,224], but the steps end with f32 [N,3,200,200] | add `resize: { size: 224 }` to `steps`");
    let text = at_model("    []");
    let many = Facts { classes: 1001, ..facts() };
    let report =
        plan(&spec(&text), &Overrides::default(), &many, &mut |_: &ModelSpec, _| Ok::<_, String>(model_facts()))
            .expect_err("classes");
    assert_snapshot!(lines(&report.diagnostics), @"6:9 too-many-classes | there are more classes (1001) than the model has outputs (1000) | give the model's classes with `data.classes`, or use another model");
    let report = plan(&spec(&text), &Overrides::default(), &many, &mut |_: &ModelSpec, _| {
        Err("net.onnx: no such file".to_owned())
    });
    assert_snapshot!(report.expect_err("no file").render(false), @"
    error[bad-model]: net.onnx: no such file
     --> some/folder/quick.yaml:6:9
      |
    6 |   file: net.onnx
      |         ^^^^^^^^
    ");
    assert_snapshot!(refused(&text.replace("file: net.onnx", "file: net.onnx\n  device: cuda:0")), @"7:11 bad-device | tract runs on the CPU only, not on cuda:0 | use `engine: onnxruntime`, or `device: cpu`");
}

#[test]
fn sites_are_tensors_of_the_model_in_its_order() {
    assert_snapshot!(refused(&at_model("    - { at: /blocks.1/Ad_output_0, cutmix: }\n    - { at: '*Mul*', cutmix: }")), @"
    9:13 unknown-site | the model has no tensor: `/blocks.1/Ad_output_0` | near: `/blocks.1/Add_output_0`, `/blocks.2/Add_output_0` or `/blocks.1/half/Cast_output_0`; `augraft sites some/folder/net.onnx` lists all
    10:13 unknown-site | the pattern matches no tensor of the model: `*Mul*` | near: `deep`, `/stem/Clip_output_0` or `/blocks.1/Add_output_0`; `augraft sites some/folder/net.onnx` lists all
    ");
    assert_snapshot!(refused(&at_model("    - { at: deep, cutmix: }").replace("deep: /blocks.2/Add", "deep: /blocks.2/Sub")), @"7:18 unknown-site | the model has no tensor: `/blocks.2/Sub_output_0` | near: `/blocks.2/Add_output_0`, `/blocks.1/Add_output_0` or `/blocks.1/conv/Conv_output_0`; `augraft sites some/folder/net.onnx` lists all");
    assert_snapshot!(refused(&at_model("    - { at: /blocks.1/half/Cast_output_0, cutmix: }\n    - { at: /blocks.1/Shape_output_0, cutmix: }")), @"
    9:13 site-type | the tensor `/blocks.1/half/Cast_output_0` is int8 | steps act on floats; choose a tensor before or behind
    10:13 idle-site | the tensor `/blocks.1/Shape_output_0` is made of the sizes of tensors | a step there would change nothing; choose another tensor
    ");
    assert!(
        plan_of(&at_model("    - { at: /head/Flatten_output_0, mixup: }")).model.is_some(),
        "channels without a plane"
    );
    assert_snapshot!(refused(&at_model("    - { at: deep, cutmix: }\n    - { at: /stem/Clip_output_0, mixup: }")), @"10:13 site-order | `/stem/Clip_output_0` is computed before `deep`, but its step is written after it | write the steps in the order in which the model computes their tensors");
    assert_snapshot!(refused(&at_model("    - { at: deep, resize: { size: 7 } }")), @"9:19 site-shape | `resize` makes f32 [N,40,7,7] of f32 [N,40,28,28], but the model goes on with the shape it had | choose a step that keeps the shape");
    assert_eq!(
        plan_of(&at_model("    - { at: deep, cutmix: }")).model.map(|model| model.sites[0].alias.clone()),
        Some(Some("deep".to_owned()))
    );
}

#[test]
fn an_operator_by_a_former_name_keeps_its_id_and_its_options() {
    let plan = plan_of(
        "augraft: 1\nsteps:\n  - resize: { size: 8 }\n  - normalize\n  - add_noise\n  - gaussian_noise: { std: 0.3 }\n  - add_noise: { std: 0.2 }\n  - { add_noise: { relative: false }, id: mine }\n",
    );
    let known = |step: &augraft::pipeline::Step| format!("{} {} {}", step.id, step.name, step.operator.config());
    assert_snapshot!(plan.steps[2..].iter().map(known).collect::<Vec<_>>().join("\n"), @r#"
    add_noise noise {"distribution":"gaussian","std":0.1,"relative":true,"p":1.0}
    gaussian_noise noise {"distribution":"gaussian","std":0.3,"relative":false,"p":1.0}
    add_noise-2 noise {"distribution":"gaussian","std":0.2,"relative":true,"p":1.0}
    mine noise {"distribution":"gaussian","std":0.1,"relative":false,"p":1.0}
    "#);
    assert_snapshot!(lines(&plan.warnings), @"
    5:5 renamed-operator | `add_noise` is called `noise` now | write `noise: { relative: true }`, and `id: add_noise` to keep its draws
    6:5 renamed-operator | `gaussian_noise` is called `noise` now | write `noise: { std: 0.3 }`, and `id: gaussian_noise` to keep its draws
    7:5 renamed-operator | `add_noise` is called `noise` now | write `noise: { relative: true, std: 0.2 }`, and `id: add_noise-2` to keep its draws
    8:7 renamed-operator | `add_noise` is called `noise` now | write `noise: { relative: false }`
    ");
    assert_eq!(plan.steps[2].key, StepKey::new(0, "add_noise"));
    let twice = plan_of("augraft: 1\nsteps:\n  - repeat: { count: 2, steps: [add_noise] }\n");
    assert_snapshot!(lines(&twice.warnings), @"3:33 renamed-operator | `add_noise` is called `noise` now | write `noise: { relative: true }`, and `id: add_noise` to keep its draws");
    let wrong = "augraft: 1\nsteps:\n  - add_nois\n  - gaussian_noise: { st: 1 }\n";
    let refused = PipelineSpec::parse(wrong, Path::new("p.yaml"), &Registry::linked()).expect_err("problems");
    assert_snapshot!(lines(&refused.diagnostics), @"
    3:5 unknown-operator | there is no operator `add_nois` | did you mean `noise`?
    4:23 unknown-field | unknown field `st` in `noise` | did you mean `std`? fields: `distribution`, `std`, `relative`, `p`
    ");
}

#[test]
fn doubtful_pipelines_are_warned_of() {
    assert_snapshot!(warnings("  - resize: { size: 8 }\n  - cutout\n  - normalize"), @"5:5 erase-before-normalize | `cutout` comes before `normalize`, so its fill of 0 is black and not the mean color | put it after `normalize`, or give a `fill` in bytes");
    assert_snapshot!(warnings("  - resize: { size: 8 }\n  - mixup: { p: 0.5 }\n  - cutmix: { p: 0 }"), @"
    5:5 mixup-on-bytes | `mixup` blends bytes here, and rounds each blend to a whole level | put it after `normalize`
    6:18 idle-step | `cutmix` never acts with `p: 0` | leave the step out, or raise `p`
    ");
    let alone = Facts { classes: 10, samples: Some(101), ..Facts::default() };
    let plain = "augraft: 1\ndata: { flat: x, batch: 10 }\nsteps:\n  - resize: { size: 8 }\n  - cutmix\n";
    assert_snapshot!(warned(plain, &alone), @"5:5 last-sample-alone | the last of 101 samples is alone in its batch of 10, so `cutmix` mixes it with itself | set `drop_last: true`, or use another `batch`");
    assert_eq!(warned(&plain.replace("batch: 10", "batch: 10, drop_last: true"), &alone), "");
    let sorted = Facts { classes: 10, samples: Some(100), sorted: true, ..Facts::default() };
    assert_snapshot!(warned(plain, &sorted), @"5:5 sorted-by-class | the samples are read class by class, so `cutmix` mostly mixes samples of one class and few labels become soft | set `shuffle: true` in `data`");
    assert_eq!(warned(&plain.replace("batch: 10", "batch: 10, shuffle: true"), &sorted), "");
    let overrides = |batch| Overrides { batch: Some(batch), ..Overrides::default() };
    let flip = "augraft: 1\ndata: { flat: x }\nsteps:\n  - resize: { size: 8 }\n  - cutmix: { partner: flip }\n";
    assert_snapshot!(lines(&planned(flip, &overrides(7)).expect("a plan").warnings), @"5:24 odd-batch-with-flip | with 7 samples in a batch, `partner: flip` mixes the middle one with itself | use an even batch, or `partner: roll`");
    assert_snapshot!(lines(&planned(flip, &overrides(1)).expect("a plan").warnings), @"5:5 batch-of-one | a batch of one sample has no partner, so `cutmix` mixes it with itself | raise `data.batch` (and `limit`)");
    let bypassed = plan_of(&at_model("    - { at: /blocks.1/conv/Conv_output_0, cutmix: }"));
    assert_snapshot!(bypassed.render_warnings(false), @"
    warning[skip-connection]: a skip connection leads around `/blocks.1/conv/Conv_output_0`, and `cutmix` leaves what it carries unmixed
     --> some/folder/quick.yaml:9:43
      |
    9 |     - { at: /blocks.1/conv/Conv_output_0, cutmix: }
      |                                           ^^^^^^
      |
      = help: choose a tensor that `augraft sites MODEL` lists without --all
    ");
}

#[test]
fn values_in_another_unit_than_the_images_are_refused() {
    let steps = |steps: &str| refused(&format!("augraft: 1\nsteps:\n  - resize: {{ size: 8 }}\n{steps}"));
    assert_snapshot!(steps("  - normalize: { mean: [123.7, 116.3, 103.5], std: [58.4, 57.1, 57.4] }\n"), @"4:25 step-does-not-fit | `normalize.mean[0]`: the statistics are those of pixels of 0 to 1, and this is one of pixels of 0 to 255 | divide `mean` and `std` by 255");
    assert_snapshot!(steps("  - normalize\n  - normalize: half\n"), @"5:16 step-does-not-fit | `normalize` acts on images that are normalized already | leave one of the two steps out");
    assert_snapshot!(steps("  - random_erasing: { compat: official }\n"), @"4:5 step-does-not-fit | `random_erasing.fill[0]`: the images are bytes here, and 0.4914 is no level of 0 to 255 | write a whole number, or put the step after `normalize`");
    assert_snapshot!(steps("  - mosaic: { partner: dataset }\n"), @"4:24 step-does-not-fit | `mosaic.partner`: each sample has one donor, and a mosaic shows three other images | use `derange` or `permute`, with a larger batch");
    assert_snapshot!(steps("  - cutout: { fill: 300 }\n"), @"4:21 step-does-not-fit | `cutout.fill`: the images are bytes here, and 300 is no level of 0 to 255 | write a whole number, or put the step after `normalize`");
}

#[test]
fn sound_pipelines_are_not_warned_of() {
    let sound = [
        "  - resize: { size: 8 }\n  - cutout: { fill: 127 }\n  - normalize\n  - mixup\n  - cutmix\n  - center_crop: { size: 4 }",
        "  - resize: { size: 8 }\n  - normalize\n  - cutout\n  - mixup\n  - center_crop: { size: 4 }\n  - cutmix: { partner: flip }\n  - cutmix",
    ];
    assert_eq!(sound.map(warnings), ["", ""]);
}
