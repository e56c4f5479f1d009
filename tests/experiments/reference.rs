//! A second opinion: plain Python computes every row again from the images, with ONNX Runtime and numpy alone.

use std::fs;
use std::process::Command;

use augraft_testkit::python;
use augraft_tests::{npz, succeed, workspace};
use ndarray::ArrayD;
use serde_json::{Map, Value, json};

use crate::support::{Case, PROGRAM, SIDE, SITES};

/// The model's input for all images of a folder, as a file of numpy.
fn prepared(case: &Case, name: &str, folder: &str, steps: &str) -> String {
    let text = format!("augraft: 1\ndata: {{ folder: {folder}, batch: 64 }}\nsteps: [{steps}]\n");
    fs::write(case.path().join("p.yaml"), text).expect("a file");
    let _ = succeed(PROGRAM, case.path(), &["run", "p.yaml", "--out", &format!("prepared/{name}")]);
    let images: ArrayD<f32> = npz(&case.path().join(format!("prepared/{name}/batches/000000.npz")), "images");
    let file = format!("{name}.npy");
    ndarray_npy::write_npy(case.path().join(&file), &images).expect("a file");
    file
}

/// A row of the summary with numbers in place of their texts.
fn numbered(row: &Map<String, Value>) -> Value {
    let number = |(name, cell): (&String, &Value)| {
        let text = cell.as_str().unwrap_or_default();
        let texts = ["set", "intervention", "site", "method", "metric"];
        let value = if texts.contains(&name.as_str()) {
            json!(text)
        } else {
            text.parse::<f64>().map_or(Value::Null, Value::from)
        };
        (name.clone(), value)
    };
    Value::Object(row.iter().map(number).collect())
}

/// What Python says of a run.
fn check(case: &Case, kind: &str, out: &str, more: Value) {
    let Some(python) = python() else { return };
    let rows = case.rows(out);
    let column = |name: &str| rows[name].as_array().expect("a column");
    let variables: Vec<&str> = rows.keys().filter_map(|name| name.strip_prefix("sweep_")).collect();
    let mut settings: Vec<Value> = Vec::new();
    for (row, number) in column("setting").iter().enumerate() {
        if number.as_u64() == Some(settings.len() as u64) {
            let values: Map<String, Value> = variables
                .iter()
                .map(|name| ((*name).to_owned(), column(&format!("sweep_{name}"))[row].clone()))
                .collect();
            settings.push(
                json!({ "intervention": column("intervention")[row], "site": column("site")[row], "values": values }),
            );
        }
    }
    // The script knows variables by their names; that of `lam` is the weight that was asked for as well.
    let mut named = rows.clone();
    for name in variables.iter().filter(|name| **name != "lam") {
        named.insert((*name).to_owned(), rows[&format!("sweep_{name}")].clone());
    }
    named.retain(|name, _| !name.starts_with("sweep_"));
    let steps = format!("resize: {{ size: {SIDE} }}, normalize: half");
    let sites: Map<String, Value> = SITES
        .trim_matches(['{', '}'])
        .split(", ")
        .filter_map(|pair| pair.split_once(": "))
        .map(|(alias, tensor)| (alias.to_owned(), json!(tensor)))
        .collect();
    let mut described = json!({
        "kind": kind,
        "model": "classifier.onnx",
        "images": prepared(case, "images", "photos", &steps),
        "sets": {},
        "pixel_zero": [-1.0, -1.0, -1.0],
        "sites": sites,
        "head": "relu.3",
        "rows": named,
        "maps": format!("{out}/maps.npz"),
        "settings": settings,
        "summary": case.summary(out).iter().map(numbered).collect::<Vec<_>>(),
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        described[name] = value.clone();
    }
    let file = case.path().join("case.json");
    fs::write(&file, described.to_string()).expect("a file");
    let output = Command::new(python.interpreter())
        .arg(workspace().join("tests/reference/experiments.py"))
        .arg(&file)
        .env("PYTHONPATH", python.packages())
        .output()
        .expect("Python starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{kind}: {said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.lines().count() > 0, "{kind}: nothing was checked");
}

#[test]
fn occlusion_is_that_of_plain_python() {
    let case = Case::new();
    case.run("occlusion", 5, "out", &[]);
    check(&case, "occlusion", "out", json!({}));
}

#[test]
fn in_between_is_that_of_plain_python() {
    let case = Case::new();
    case.run("in_between", 5, "out", &[]);
    check(&case, "in_between", "out", json!({}));
}

#[test]
fn in_between_by_depth_is_that_of_plain_python() {
    let case = Case::new();
    case.run("in_between_by_depth", 5, "out", &[]);
    check(&case, "in_between_by_depth", "out", json!({ "frame": "project" }));
}

#[test]
fn feature_cutmix_by_depth_is_that_of_plain_python() {
    let case = Case::new();
    let interventions = "experiment.interventions=[{name: cutmix, at: [input, shallow, deep], allow_no_change: true, apply: [{cutmix: {mode: elem}}]}]";
    let metrics = "experiment.metrics=[neither_error, linearity, lam_eff]";
    case.run(
        "in_between_by_depth",
        5,
        "out",
        &["--set", interventions, "--set", metrics, "--set", "experiment.charts=[]"],
    );
    check(&case, "feature_cutmix", "out", json!({}));
}

#[test]
fn maps_and_calibration_are_those_of_plain_python() {
    let case = Case::new();
    case.run("cam_wsol", 5, "maps", &["--set", "experiment.saliency.methods=[cam]"]);
    check(&case, "cam", "maps", json!({ "targets": ["a"] }));
    case.run("calibration", 5, "calibration", &[]);
    check(&case, "calibration", "calibration", json!({ "leave_out": ["cutout"] }));
}

#[test]
fn scores_of_other_images_are_those_of_plain_python() {
    let case = Case::new();
    let sets = format!(
        "experiment.sets=[{{name: small, data: {{folder: \"{0}/photos\"}}, steps: [{{resize: {{size: 4}}}}, {{resize: {{size: {SIDE}}}}}, {{normalize: half}}]}}]",
        case.path().display()
    );
    let file = workspace().join("pipelines/experiments/ood.yaml").display().to_string();
    let values = case.values(5);
    let mut arguments = vec!["experiment", &file, "--out", "out", "--set", &sets];
    arguments.extend(values.iter().map(String::as_str));
    let _ = succeed(PROGRAM, case.path(), &arguments);
    let small = prepared(
        &case,
        "small",
        "photos",
        &format!("resize: {{ size: 4 }}, resize: {{ size: {SIDE} }}, normalize: half"),
    );
    check(&case, "ood", "out", json!({ "sets": { "small": small } }));
}
