//! The program from its command line to its files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use augraft::data::{Limits, decode, sha256_file};
use augraft_tests::{files, json_lines, npz, photos, read, run, succeed, workspace};
use insta::assert_snapshot;
use serde_json::{Value, json};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_augraft-under-test");

/// What every line of `draws.jsonl` and `labels.jsonl` says that does not depend on the other samples of its batch.
type Own = BTreeMap<u64, BTreeMap<String, Value>>;

/// A temporary folder whose name no file of a run holds by chance.
fn folder() -> TempDir {
    tempfile::Builder::new().prefix("augraft-secret-place-").tempdir().expect("a folder")
}

/// Runs the quickstart into `name` of `folder`.
fn quickstart(folder: &Path, name: &str, flags: &[&str]) -> PathBuf {
    let out = folder.join(name);
    let arguments = ["run", "pipelines/quickstart.yaml", "--out", out.to_str().expect("text")];
    let _ = succeed(PROGRAM, workspace(), &[&arguments, flags].concat());
    out
}

/// One run of the quickstart on four threads, which several tests look at.
static QUICKSTART: LazyLock<PathBuf> = LazyLock::new(|| {
    // Not a temporary folder, because nothing drops a static.
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("secret-place");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).expect("a folder of an earlier test");
    }
    quickstart(&folder, "four", &["--threads", "4"])
});

/// Checks that two runs left the same files, which do not say where they were written.
fn assert_same(first: &Path, second: &Path) {
    let [one, other] = [first, second].map(files);
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    for (name, bytes) in &one {
        assert!(*bytes == other[name], "{name} of {} and {} differ", first.display(), second.display());
        let told = bytes.windows(b"secret-place".len()).any(|window| window == b"secret-place");
        assert!(!told, "{name} names the folder that it was written to");
    }
}

/// Whether ONNX Runtime is here; says that `test` is skipped without it.
fn has_onnxruntime(test: &str) -> bool {
    let found = augraft_testkit::backends().len() == 4;
    if !found {
        eprintln!("skipped {test}: ONNX Runtime is not here");
    }
    found
}

#[test]
fn threads_leave_every_byte_alone() {
    let folder = folder();
    assert_same(&QUICKSTART, &quickstart(folder.path(), "one", &["--threads", "1"]));
}

/// With the engine that takes a tenth of the time.
#[test]
fn repetition_leaves_every_byte_alone() {
    if !has_onnxruntime("repetition_leaves_every_byte_alone") {
        return;
    }
    let folder = folder();
    let run =
        |name: &str, flags: &[&str]| quickstart(folder.path(), name, &[&["--engine", "onnxruntime"], flags].concat());
    let first = run("first", &[]);
    assert_same(&first, &run("again", &[]));
    assert_same(&first, &run("one", &["--threads", "1"]));
    assert_same(&first, &run("four", &["--threads", "4"]));
}

#[test]
fn a_run_leaves_the_files_that_it_promises() {
    let out = &QUICKSTART;
    let names: Vec<String> = files(out).into_keys().collect();
    let images = (0..7).map(|index| format!("images/{index:06}.png"));
    let mut expected: Vec<String> = images.chain(["batches/000000.npz".to_owned()]).collect();
    let single = ["draws.jsonl", "labels.jsonl", "model.onnx", "predictions.jsonl", "preview.png", "run.json"]
        .map(str::to_owned);
    expected.extend(single);
    expected.sort();
    assert_eq!(names, expected);

    let record: Value = serde_json::from_str(&read(&out.join("run.json"))).expect("JSON");
    let hash = |path: &Path| json!(sha256_file(path).expect("a file"));
    let written = record["written"].as_object().expect("files");
    assert_eq!(written.len(), names.len() - 1, "every file but run.json itself");
    for (name, digest) in written {
        assert_eq!(*digest, hash(&out.join(name)), "{name}");
    }
    let read = record["read"].as_object().expect("files");
    for (name, digest) in read {
        assert_eq!(*digest, hash(&workspace().join(name)), "{name}");
    }
    assert_eq!(read.len(), 7 + 3, "photos, pipeline, classes, model");
    assert_eq!(
        (&record["samples"], &record["seed"], &record["model"]["no_op_drift"]),
        (&json!(7), &json!(5), &json!(0.0))
    );

    let batch = out.join("batches/000000.npz");
    assert_eq!(npz::<f32>(&batch, "images").shape(), [7, 3, 224, 224]);
    assert_eq!(npz::<f32>(&batch, "labels").shape(), [7, 1000]);
    assert_eq!(npz::<i64>(&batch, "index").iter().copied().collect::<Vec<_>>(), (0..7).collect::<Vec<i64>>());
    for index in 0..7 {
        let bytes = std::fs::read(out.join(format!("images/{index:06}.png"))).expect("an image");
        assert_eq!(decode(&bytes, Limits::default()).expect("a PNG").dim(), (224, 224, 3));
    }
    for (prediction, label) in predictions(out).iter().zip(json_lines(&out.join("labels.jsonl"))) {
        for stage in ["clean", "input", "feature"] {
            assert_eq!(prediction[stage]["top5"].as_array().map(Vec::len), Some(5), "{prediction}");
        }
        assert_eq!(prediction["input"]["sources"], label["sources"]);
        assert!(weight(&prediction["feature"]["lam"]) <= weight(&label["lam"]), "a graft takes weight, never adds it");
    }
}

fn predictions(out: &Path) -> Vec<Value> {
    json_lines(&out.join("predictions.jsonl"))
}

fn weight(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

#[test]
fn engines_agree_on_the_quickstart() {
    if !has_onnxruntime("engines_agree_on_the_quickstart") {
        return;
    }
    let folder = folder();
    let other = quickstart(folder.path(), "onnxruntime", &["--engine", "onnxruntime"]);
    let (own, other) = (files(&QUICKSTART), (files(&other), predictions(&other)));
    for name in own.keys().filter(|name| !["predictions.jsonl", "run.json"].contains(&name.as_str())) {
        assert!(own[name] == other.0[name], "{name} depends on the engine");
    }
    let own = predictions(&QUICKSTART);
    assert_eq!(own.len(), 7);
    for (own, other) in own.iter().zip(&other.1) {
        for stage in ["clean", "input", "feature"] {
            let (own, other) = (&own[stage]["top5"], &other[stage]["top5"]);
            assert_eq!(own[0]["class"], other[0]["class"], "{stage}");
            for (own, other) in own.as_array().into_iter().flatten().zip(other.as_array().into_iter().flatten()) {
                assert!((weight(&own["p"]) - weight(&other["p"])).abs() < 1e-4, "{stage}: {own} {other}");
            }
        }
    }
}

/// Writes `p.yaml` into a folder.
fn pipeline(folder: &Path, text: &str) {
    std::fs::write(folder.join("p.yaml"), text).expect("a file");
}

#[test]
fn snapshots_hold_until_a_seed_changes() {
    let folder = folder();
    let small = |seed: u64| {
        let steps = "steps:\n  - center_crop: { size: 4 }\n  - cutmix: { mode: elem, partner: roll }\n";
        format!("augraft: 1\nseed: {seed}\n{}{steps}", photos("batch: 2"))
    };
    pipeline(folder.path(), &small(1));
    let output = run(PROGRAM, folder.path(), &["snapshot", "p.yaml", "--check"]);
    assert_eq!(output.status.code(), Some(2), "there is nothing to compare with yet");
    assert!(String::from_utf8_lossy(&output.stderr).contains("write it with `augraft snapshot p.yaml`"));
    assert_eq!(succeed(PROGRAM, folder.path(), &["snapshot", "p.yaml"]), "p.yaml.snap\n");
    assert_eq!(succeed(PROGRAM, folder.path(), &["snapshot", "p.yaml", "--check"]), "p.yaml.snap: unchanged\n");
    assert_snapshot!(read(&folder.path().join("p.yaml.snap")), @"
    seed 1, epoch 0, 2 samples: [0, 1]

    center_crop -> u8 [N,3,4,4]
      channel 0: mean 199.1250, min 175.0000, max 249.0000
      channel 1: mean 136.3438, min 104.0000, max 173.0000
      channel 2: mean 107.4375, min 67.0000, max 139.0000
      sha256 c19e91b3df01d8e3fa8910393bf93a478c0d32225a9c79b739065176d3d6a9b1

    cutmix -> u8 [N,3,4,4]
      apply: true true
      lam: 0.2800886631011963 0.8030363917350769
      top: 0 0
      left: 2 3
      bottom: 2 0
      right: 4 3
      partner: 1 0
      channel 0: mean 200.3750, min 175.0000, max 249.0000
      channel 1: mean 132.0938, min 104.0000, max 173.0000
      channel 2: mean 103.0625, min 67.0000, max 139.0000
      sha256 6692631456d43df8c88593f5e26e1b145535440ea7c1c51d82612fb34a5182ae

    label of 0: 0:0.75 1:0.25
    label of 1: 1:1
    ");

    pipeline(folder.path(), &small(2));
    let output = run(PROGRAM, folder.path(), &["snapshot", "p.yaml", "--check"]);
    assert_eq!(output.status.code(), Some(1));
    assert_snapshot!(String::from_utf8_lossy(&output.stderr), @"
    warning[last-sample-alone]: the last of 7 samples is alone in its batch of 2, so `cutmix` mixes it with itself
     --> p.yaml:6:5
      |
    6 |   - cutmix: { mode: elem, partner: roll }
      |     ^^^^^^
      |
      = help: set `drop_last: true`, or use another `batch`
    p.yaml.snap differs (- as recorded, + now):
      line 1:
        - seed 1, epoch 0, 2 samples: [0, 1]
        + seed 2, epoch 0, 2 samples: [0, 1]
      line 11:
        -   lam: 0.2800886631011963 0.8030363917350769
        +   lam: 0.6033622026443481 0.4657430648803711
      line 12:
        -   top: 0 0
        +   top: 0 1
      line 13:
        -   left: 2 3
        +   left: 0 0
      line 14:
        -   bottom: 2 0
        +   bottom: 2 3
      line 15:
        -   right: 4 3
        +   right: 1 1
      line 17:
        -   channel 0: mean 200.3750, min 175.0000, max 249.0000
        +   channel 0: mean 199.9688, min 178.0000, max 249.0000
      line 18:
        -   channel 1: mean 132.0938, min 104.0000, max 173.0000
        +   channel 1: mean 137.0625, min 106.0000, max 173.0000
      line 19:
        -   channel 2: mean 103.0625, min 67.0000, max 139.0000
        +   channel 2: mean 108.1562, min 82.0000, max 139.0000
      line 20:
        -   sha256 6692631456d43df8c88593f5e26e1b145535440ea7c1c51d82612fb34a5182ae
        +   sha256 503c0ea3bb2c440e1e7d15e317d20292a5d00cb134677fd54e0dd6ec1ab925ad
      line 22:
        - label of 0: 0:0.75 1:0.25
        + label of 0: 0:0.875 1:0.125
      line 23:
        - label of 1: 1:1
        + label of 1: 1:0.875 0:0.125
    ");
}

/// Runs a pipeline and keeps what each sample decided on its own.
fn own_draws(batch: usize, flags: &[&str]) -> Own {
    let folder = folder();
    let steps = "steps:\n  - resized_crop: { size: [20, 24] }\n  - horizontal_flip: { p: 0.5 }\n  - cutmix: { p: 0.6, mode: elem }\n";
    pipeline(folder.path(), &format!("augraft: 1\nseed: 11\n{}{steps}", photos(&format!("batch: {batch}"))));
    let _ = succeed(PROGRAM, folder.path(), &[&["run", "p.yaml", "--out", "out"], flags].concat());
    let [draws, labels] = ["draws", "labels"].map(|name| json_lines(&folder.path().join(format!("out/{name}.jsonl"))));
    assert_eq!(draws.len(), labels.len());
    let own = |(draw, label): (&Value, &Value)| {
        let index = draw["index"].as_u64().expect("an index");
        assert_eq!(draw["index"], label["index"]);
        let fields = draw.as_object().into_iter().flatten().filter(|(name, _)| *name != "cutmix/partner");
        let mut fields: BTreeMap<String, Value> = fields.map(|(name, value)| (name.clone(), value.clone())).collect();
        let side = |name: &str| draw[format!("cutmix/{name}")].as_i64().expect("a place");
        let area = (side("bottom") - side("top")) * (side("right") - side("left"));
        // A sample that meets itself keeps all of its weight.
        let alone = label["sources"].as_array().map_or(0, Vec::len) == 1;
        let lam = if alone { json!(1.0 - area as f64 / 480.0) } else { label["lam"].clone() };
        assert!((weight(&lam) - (1.0 - area as f64 / 480.0)).abs() < 1e-6, "{label} {draw}");
        fields.insert("lam".to_owned(), json!((weight(&lam) * 480.0).round()));
        (index, fields)
    };
    draws.iter().zip(&labels).map(own).collect()
}

#[test]
fn samples_draw_alike_in_every_batch_and_limit() {
    let whole = own_draws(4, &[]);
    assert_eq!(whole.len(), 7);
    let applied = |apply| whole.values().filter(|fields| fields["cutmix/apply"] == json!(apply)).count();
    assert!(applied(true) > 0 && applied(false) > 0, "the seed shows both");
    assert_eq!(own_draws(2, &[]), whole);
    assert_eq!(own_draws(7, &["--threads", "1"]), whole);
    for (batch, limit) in [(2, 3), (4, 5)] {
        let part = own_draws(batch, &["--limit", &limit.to_string()]);
        assert_eq!(part.len(), limit);
        assert!(part.iter().all(|(index, fields)| whole[index] == *fields));
    }
    assert_ne!(own_draws(4, &["--epoch", "1"]), whole);
}

/// Some lines of a text, each cut after `width` characters.
fn lines(text: &str, range: core::ops::Range<usize>, width: usize) -> String {
    let cut = |line: &str| line.chars().take(width).collect::<String>();
    text.lines().skip(range.start).take(range.len()).map(cut).collect::<Vec<_>>().join("\n")
}

#[test]
fn explain_shows_the_plan() {
    let text = succeed(PROGRAM, workspace(), &["explain", "pipelines/quickstart.yaml", "--seed", "9", "--limit", "4"]);
    assert_snapshot!(text, @"
    pipeline  quickstart.yaml
    seed      9
    epoch     0
    data      folder data/photos, batch 8, limit 4, classes models/classes.txt
    input     u8 [N][3,H,W], 1000 classes
    out       out/quickstart

    steps
      resized_crop     resized_crop { scale: [0.5, 1.0] }  u8 [N][3,H,W] -> u8 [N,3,224,224]      within 1e-5  draws top, left, bottom, right
      horizontal_flip  horizontal_flip                     u8 [N,3,224,224]                       exact        draws apply
      normalize        normalize imagenet                  u8 [N,3,224,224] -> f32 [N,3,224,224]  exact        draws nothing
      cutmix           cutmix { p: 0.8, mode: elem }       f32 [N,3,224,224]                      exact        draws apply, lam, top, left, bottom, right, partner

    model      models/efficientnet-lite0.onnx
    engine     tract on cpu
    images as  images
    outputs    1000 classes

    at middle = /_blocks.10/Add_output_0 [N,112,14,14]: everything goes through it
      cutmix-2  cutmix { frame: project }  f32 [N,112,14,14]  exact  draws apply, lam, top, left, bottom, right, partner
    ");
}

#[test]
fn operators_are_listed_and_described() {
    let table = succeed(PROGRAM, workspace(), &["operators"]);
    let cutmix = table.lines().find(|line| line.starts_with("cutmix ")).expect("a line");
    assert!(cutmix.contains("Pastes a box of a partner image"), "{cutmix}");
    let page = succeed(PROGRAM, workspace(), &["operators", "cutmix"]);
    let parameters = page.split("Parameters").nth(1).expect("a part");
    assert_snapshot!(format!("{}\n{}", lines(&page, 0..3, 200), lines(parameters, 1..4, 120)), @"
    cutmix (mix)

    Pastes a box of a partner image and mixes the labels by area.
      alpha      a number, 0.01 to 1000                                                                                     
      lam_dist   `beta` or `uniform`, or a map of `fixed`                                                                   
      p          a number, 0 to 1
    ");
    let output = run(PROGRAM, workspace(), &["operators", "cutmixx"]);
    assert_eq!(output.status.code(), Some(2));
    assert_snapshot!(String::from_utf8_lossy(&output.stderr), @"error: there is no operator `cutmixx`; did you mean `cutmix`?");
}

#[test]
fn sites_lists_where_steps_can_act() {
    let table = succeed(PROGRAM, workspace(), &["sites", "pipelines/models/efficientnet-lite0.onnx"]);
    let all = table.lines().count();
    assert_snapshot!(format!("{}\n...\n{}", lines(&table, 0..6, 120), lines(&table, all - 6..all, 120)), @"
    tensor                                     operator              shape               layout  dominates  cost after
    /_conv_stem/Conv_output_0                  Conv                  [N,32,112,112]      nchw    yes             97.2%
    /_swish/Clip_output_0                      Clip                  [N,32,112,112]      nchw    yes             97.2%
    /_blocks.0/_depthwise_conv/Conv_output_0   Conv                  [N,32,112,112]      nchw    yes             96.2%
    /_blocks.0/_swish/Clip_output_0            Clip                  [N,32,112,112]      nchw    yes             96.2%
    /_blocks.0/_project_conv/Conv_output_0     Conv                  [N,16,112,112]      nchw    yes             94.6%
    ...
    /_blocks.15/_project_conv/Conv_output_0    Conv                  [N,320,7,7]         nchw    yes              5.5%
    /_conv_head/Conv_output_0                  Conv                  [N,1280,7,7]        nchw    yes              0.3%
    /_swish_1/Clip_output_0                    Clip                  [N,1280,7,7]        nchw    yes              0.3%
    /_avg_pooling/GlobalAveragePool_output_0   GlobalAveragePool     [N,1280,1,1]        nchw    yes              0.3%
    45 more feature maps have skip connections around them (a graft there leaves what those carry unmixed); --all lists them
    The model answers with 1000 classes, logits: its last operator is Gemm
    ");
}

#[test]
fn every_view_of_a_view_is_a_sample_of_its_own() {
    let folder = TempDir::new().expect("a folder");
    let steps = "steps:\n  - resize: { size: 40 }\n  - views: { count: 3 }\n  - five_crop: { size: 24 }\n  - normalize: half\n  - mixup: { mode: elem }\n";
    let text = format!("augraft: 1\n{}{steps}", photos("batch: 7"));
    std::fs::write(folder.path().join("p.yaml"), text).expect("a file");
    let _ = succeed(PROGRAM, folder.path(), &["run", "p.yaml", "--out", "out"]);
    let out = folder.path().join("out");
    assert_eq!(std::fs::read_dir(out.join("images")).expect("images").count(), 7 * 15);
    let draws = json_lines(&out.join("draws.jsonl"));
    let of = |index: u64| draws.iter().filter(move |draw| draw["index"] == index);
    let views: Vec<u64> = of(2).map(|draw| draw["view"].as_u64().unwrap_or(0)).collect();
    assert_eq!(views, (0..15).collect::<Vec<_>>());
    let corners: Vec<[i64; 2]> = of(2)
        .map(|draw| ["top", "left"].map(|edge| draw[format!("five_crop/{edge}")].as_i64().expect("a place")))
        .collect();
    assert_eq!(corners[..5], [[0, 0], [0, 16], [16, 0], [16, 16], [8, 8]]);
    assert_eq!(corners[..5], corners[10..]);
    let weights: Vec<String> = of(2).map(|draw| draw["mixup/lam"].to_string()).collect();
    assert!(weights.iter().all(|weight| weights.iter().filter(|other| *other == weight).count() == 1), "{weights:?}");
    let view = npz::<i64>(&out.join("batches/000000.npz"), "view");
    assert_eq!(view.iter().take(16).copied().collect::<Vec<_>>(), (0..15).chain([0]).collect::<Vec<_>>());
}
