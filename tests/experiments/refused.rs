//! Experiments that cannot be: one clear error each, at its place, and nothing that looks complete.

use std::fs;

use augraft_tests::run;
use insta::assert_snapshot;

use crate::support::{Case, PROGRAM, SIDE, SITES};

const METRICS: &str = "  metrics: [top1]\n";

/// What the program says to a file with this `experiment`, on images of the model's own classes.
fn refused(experiment: &str) -> String {
    refused_with(&Case::new(), "data: { folder: photos, batch: 4 }\n", experiment, &[])
}

fn refused_with(case: &Case, data: &str, experiment: &str, more: &[&str]) -> String {
    let steps = format!("steps: [resize: {{ size: {SIDE} }}, normalize: half]\n");
    let model = format!("model: {{ file: classifier.onnx, sites: {SITES} }}\n");
    let text = format!("augraft: 1\n{data}{steps}{model}experiment:\n{experiment}");
    fs::write(case.path().join("e.yaml"), text).expect("a file");
    let arguments: Vec<&str> = ["experiment", "e.yaml", "--out", "out/here"].iter().chain(more).copied().collect();
    let output = run(PROGRAM, case.path(), &arguments);
    let said = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(!["panicked", "backtrace"].iter().any(|word| said.contains(word)), "{said}");
    assert!(!case.path().join("out/here").exists(), "nothing looks complete: {said}");
    said.replace(&case.path().display().to_string(), "<case>")
}

#[test]
fn metrics_that_the_experiment_cannot_have() {
    let mut all = Vec::new();
    all.push(refused("  metrics: [top1_eror]\n"));
    all.push(refused("  metrics: [neither_error]\n"));
    all.push(refused("  metrics: [auroc]\n"));
    all.push(refused("  metrics: [{ kl: { rule: volume } }]\n"));
    all.push(refused("  metrics: [max_box_acc]\n"));
    all.push(refused("  metrics: [{ crossing: { x: lam } }]\n  over: { pairs: 4 }\n"));
    assert_snapshot!(all.join("\n\n"));
}

#[test]
fn acts_that_do_not_fit() {
    let mut all = Vec::new();
    let act = |at: &str, act: &str, over: &str| {
        refused(&format!("{METRICS}{over}  interventions:\n    - name: act\n      at: [{at}]\n      apply: [{act}]\n"))
    };
    let pairs = "  over: { pairs: 4 }\n";
    all.push(act("input", "{ holee: { region: { side: 0.5 } } }", ""));
    all.push(act("input", "{ hole: { region: { side: 1.5 } } }", ""));
    all.push(act("input", "{ hole: { region: { side: $side } } }", ""));
    all.push(act("input", "{ lerp: { lam: 0.5 } }", ""));
    all.push(act("input", "{ cutmix: { partner: roll } }", pairs));
    all.push(act("deep", "{ replace: { region: { grid: [5, 5], row: 0, column: 0 } } }", pairs));
    all.push(act("last", "{ dropblock: { block_size: 7 } }", ""));
    all.push(act("depe", "{ dropblock: { block_size: 3 } }", ""));
    all.push(act("input", "{ hole: { region: { sied: 0.5 } } }", ""));
    all.push(act("input", "{ clip: {} }", ""));
    all.push(act("deep", "{ hole: { space: pixel } }", ""));
    all.push(act("input", "{ hole: { region: { row: 1, column: 1 } } }", ""));
    all.push(act("input", "{ one_of: { steps: [] } }", ""));
    all.push(act("input", "{ transpose: {} }, { horizontal_flip: {} }, { views: { count: 2 } }", ""));
    assert_snapshot!(all.join("\n\n"));
}

#[test]
fn sweeps_and_charts_of_nothing() {
    let mut all = Vec::new();
    let with = |sweep: &str, side: &str, more: &str| {
        refused(&format!(
            "{METRICS}  interventions:\n    - name: act\n      sweep: {{ {sweep} }}\n      apply: [{{ hole: {{ region: {{ side: {side} }} }} }}]\n{more}"
        ))
    };
    all.push(with("side: [0.1, 0.5]", "$sied", ""));
    all.push(with("sied: [0.1], side: [0.1]", "$side", ""));
    all.push(with("p: [0.1, 0.5]", "$p", ""));
    all.push(with("side: [0.5]", "$side", "  charts: [{ curve: { y: top1_error, x: side } }]\n"));
    all.push(with("side: [0.5]", "$side", "  charts: [{ curve: { y: top1, x: sied, of: [nobody] } }, roc: {}]\n"));
    assert_snapshot!(all.join("\n\n"));
}

#[test]
fn an_act_that_changes_nothing() {
    let mut all = Vec::new();
    let act = "  interventions:\n    - name: flat\n      at: [deep]\n      apply: [{ keep: { box: [0, 0, 1, 1] } }]\n";
    let said = refused(&format!("{METRICS}  over: {{ pairs: 4 }}\n{act}"));
    all.push(said);
    assert_snapshot!(all.join("\n\n"));
}

#[test]
fn data_that_does_not_fit() {
    let mut all = Vec::new();
    let case = Case::new();
    fs::create_dir(case.path().join("photos/zebra")).expect("a folder");
    fs::copy(case.path().join("photos/cup/0.png"), case.path().join("photos/zebra/0.png")).expect("a copy");
    all.push(refused_with(&case, "data: { folder: photos }\n", METRICS, &[]));
    let case = Case::new();
    fs::remove_dir_all(case.path().join("photos/cup")).expect("a folder");
    all.push(refused_with(&case, "data: { folder: photos }\n", METRICS, &[]));
    all.push(refused_with(&Case::new(), "data: { flat: photos/cup }\n", METRICS, &[]));
    all.push(refused_with(
        &Case::new(),
        "data: { folder: photos, limit: 1 }\n",
        &format!("{METRICS}  over: {{ pairs: 4 }}\n"),
        &[],
    ));
    all.push(refused_with(
        &Case::new(),
        "data: { folder: photos, limit: 4 }\n",
        &format!("{METRICS}  over: {{ pairs: 4 }}\n"),
        &[],
    ));
    let case = Case::new();
    for class in ["apple", "bird", "cup"] {
        for number in 0..4 {
            fs::write(case.path().join(format!("photos/{class}/{number}.png")), b"no picture").expect("a file");
        }
    }
    all.push(refused_with(&case, "data: { folder: photos }\n", METRICS, &[]));
    all.push(refused_with(&case, "data: { folder: photos, on_error: skip }\n", METRICS, &[]));
    assert_snapshot!(all.join("\n\n"));
}

#[test]
fn maps_that_the_model_has_not() {
    let mut all = Vec::new();
    let saliency = |what: &str| refused(&format!("{METRICS}  saliency: {{ {what} }}\n"));
    all.push(saliency("methods: [cam], at: deep"));
    all.push(saliency("methods: [reciprocam], targets: [b]"));
    all.push(saliency("methods: [cam], boxes: nowhere.json"));
    let behind = |at: &str, method: &str, map: &str| {
        let acts = format!(
            "  interventions:\n    - name: act\n      at: [{at}]\n      apply: [{{ zero: {{ channels: [0] }} }}]\n"
        );
        refused(&format!("{METRICS}  saliency: {{ methods: [{method}], at: {map} }}\n{acts}"))
    };
    all.push(behind("deep", "score_cam", "last"));
    all.push(behind("last", "reciprocam", "deep"));
    assert_snapshot!(all.join("\n\n"));
}

#[test]
fn bounds_and_folders() {
    let mut all = Vec::new();
    all.push(refused_with(&Case::new(), "data: { folder: photos, batch: 4 }\n", METRICS, &["--memory", "1KiB"]));
    all.push(refused_with(&Case::new(), "data: { folder: photos, batch: 4 }\n", METRICS, &["--memory", "2 parsecs"]));
    all.push(refused_with(&Case::new(), "data: { folder: photos }\n", METRICS, &["--set", "data.limit.most=3"]));
    let case = Case::new();
    fs::write(case.path().join("out"), "a file").expect("a file");
    all.push(refused_with(&case, "data: { folder: photos }\n", METRICS, &[]));
    assert_snapshot!(all.join("\n\n"));
}

#[test]
fn files_of_another_kind() {
    let mut all = Vec::new();
    let case = Case::new();
    fs::write(case.path().join("p.yaml"), "augraft: 1\ndata: { folder: photos }\nsteps: [resize: { size: 8 }]\n")
        .expect("a file");
    let said = |arguments: &[&str]| {
        let output = run(PROGRAM, case.path(), arguments);
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).expect("text")
    };
    all.push(said(&["experiment", "p.yaml"]));
    fs::write(
        case.path().join("e.yaml"),
        format!("augraft: 1\ndata: {{ folder: photos }}\nsteps: []\nexperiment:\n{METRICS}"),
    )
    .expect("a file");
    all.push(said(&["run", "e.yaml"]));
    all.push(said(&["compare", "photos"]));
    assert_snapshot!(all.join("\n\n"));
}
