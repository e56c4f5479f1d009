//! Outputs that cannot be written.

use insta::assert_snapshot;

use crate::support::{Case, RUN};

const NOISY: &str = "steps: [resize: { size: 8 }, normalize: unit, fmix]\n";

fn without_data(steps: &str) -> Case {
    let case = Case::new();
    case.file("p.yaml", format!("augraft: 1\n{steps}").as_bytes());
    case
}

#[test]
fn a_run_without_data() {
    assert_snapshot!(without_data("steps: [resize: { size: 8 }]\n").run(), @"error: p.yaml has no data; add `data: { folder: DIR, batch: 64 }` (or flat:, shards:)");
    assert_snapshot!(without_data("steps: [resize: { size: 8 }]\n").refused(&["snapshot", "p.yaml"]), @"error: p.yaml has no data; add `data: { folder: DIR, batch: 64 }` (or flat:, shards:)");
}

#[test]
fn an_output_folder_that_is_not_ours() {
    let case = Case::new();
    case.pipeline("steps: [resize: { size: 8 }]\n").file("out/here/thesis.txt", b"precious");
    assert_snapshot!(case.run(), @"error: the output folder `out/here` exists and is not the output of an earlier run (it has no run.json); choose another `out` or empty it");
    case.file("file", b"");
    assert_snapshot!(case.refused(&["run", "p.yaml", "--out", "file"]), @"error: the output folder `file` exists and is not the output of an earlier run (it has no run.json); choose another `out` or empty it");
    assert_snapshot!(case.refused(&["run", "p.yaml", "--out", "file/below"]), @"error: cannot write in `file`: not a directory; check the path, its permissions and the free space");
}

#[test]
fn an_export_of_a_native_step() {
    let case = Case::new();
    assert_snapshot!(case.pipeline(NOISY).refused(&["export", "p.yaml", "--output", "m.onnx"]), @"error: step `fmix`: runs natively only, because its mask comes from a Fourier transform; leave the step out of what is exported");
    assert_snapshot!(case.accepted(RUN), @"
    model.onnx not written: step `fmix`: runs natively only, because its mask comes from a Fourier transform; leave the step out of what is exported
    out/here: 4 images
    ");
}

#[test]
fn a_run_says_whether_its_file_keeps_what_the_steps_promise() {
    let case = Case::new();
    let _ = case.pipeline("steps: [resize: { size: 8 }, normalize, mixup, horizontal_flip]\n").accepted(RUN);
    let record = case.record();
    assert_eq!((&record["export"], &record["export_problem"]), (&"model.onnx".into(), &serde_json::Value::Null));
}

#[test]
fn an_export_without_data_or_size() {
    let case = without_data("steps: [horizontal_flip, normalize]\n");
    assert_snapshot!(case.accepted(&["export", "p.yaml", "--output", "m.onnx"]), @"m.onnx: 2 steps, 133 nodes, opset 18");
    let sized = case.accepted(&["export", "p.yaml", "--output", "m.onnx", "--size", "8", "8"]);
    assert_snapshot!(sized, @"m.onnx: 2 steps, 128 nodes, opset 18");
    let needy = without_data("steps: [horizontal_flip, random_crop: { size: 8 }]\n");
    assert_snapshot!(needy.accepted(&["export", "p.yaml", "--output", "m.onnx"]), @"m.onnx: 0 steps, 1 node, opset 18");
    let sized = ["export", "p.yaml", "--output", "no/folder/m.onnx", "--size", "8", "8"];
    assert_snapshot!(without_data("steps: [horizontal_flip]\n").refused(&sized), @"error: cannot write `no/folder/m.onnx`: No such file or directory (os error 2); check the path, its permissions and the free space");
}

#[test]
fn an_export_with_data_and_flags_that_stand_in_for_it() {
    let case = Case::new();
    case.pipeline("steps: [resize: { size: 8 }]\n");
    assert_snapshot!(case.refused(&["export", "p.yaml", "-o", "m.onnx", "--classes", "3"]), @"error: --size and --classes stand in for data, but the pipeline has data; leave them out");
}

#[test]
fn an_export_after_its_last_step() {
    let case = Case::new();
    assert_snapshot!(case.pipeline("steps: [resize: { size: 8 }]\n").accepted(&["export", "p.yaml", "-o", "m.onnx"]), @"m.onnx: 0 steps, 2 nodes, opset 18");
    let model = augraft::onnx::Model::load(&case.path().join("m.onnx")).expect("a model");
    let sides = model.inputs().remove(0).shape.expect("a shape");
    assert_eq!(format!("{sides:?}"), r#"[Symbol("N"), Fixed(3), Fixed(8), Fixed(8)]"#);
}

#[test]
fn a_snapshot_of_nothing() {
    let case = Case::new();
    case.file(
        "p.yaml",
        b"augraft: 1\ndata: { folder: photos, batch: 64, drop_last: true }\nsteps: [resize: { size: 8 }]\n",
    );
    assert_snapshot!(case.refused(&["snapshot", "p.yaml"]), @"
    error[no-batch]: there is no full batch: `drop_last` leaves out the rest of 4 samples, and `batch` is 64
     --> p.yaml:2:47
      |
    2 | data: { folder: photos, batch: 64, drop_last: true }
      |                                               ^^^^
      |
      = help: lower `batch`, or leave `drop_last` out
    ");
}

#[test]
fn a_snapshot_that_was_never_taken() {
    let case = Case::new();
    assert_snapshot!(case.pipeline("steps: [resize: { size: 8 }]\n").refused(&["snapshot", "p.yaml", "--check"]), @"error: p.yaml.snap: No such file or directory (os error 2); write it with `augraft snapshot p.yaml`");
}
