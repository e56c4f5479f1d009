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
    assert_snapshot!(refused("  metrics: [top1_eror]\n"));
    assert_snapshot!(refused("  metrics: [neither_error]\n"));
    assert_snapshot!(refused("  metrics: [auroc]\n"));
    assert_snapshot!(refused("  metrics: [{ kl: { rule: volume } }]\n"));
    assert_snapshot!(refused("  metrics: [max_box_acc]\n"));
    assert_snapshot!(refused("  metrics: [{ crossing: { x: lam } }]\n  over: { pairs: 4 }\n"));
}

#[test]
fn acts_that_do_not_fit() {
    let act = |at: &str, act: &str, over: &str| {
        refused(&format!("{METRICS}{over}  interventions:\n    - name: act\n      at: [{at}]\n      apply: [{act}]\n"))
    };
    let pairs = "  over: { pairs: 4 }\n";
    assert_snapshot!(act("input", "{ holee: { region: { side: 0.5 } } }", ""));
    assert_snapshot!(act("input", "{ hole: { region: { side: 1.5 } } }", ""));
    assert_snapshot!(act("input", "{ hole: { region: { side: $side } } }", ""));
    assert_snapshot!(act("input", "{ lerp: { lam: 0.5 } }", ""));
    assert_snapshot!(act("input", "{ cutmix: { partner: roll } }", pairs));
    assert_snapshot!(act("deep", "{ replace: { region: { grid: [5, 5], row: 0, column: 0 } } }", pairs));
    assert_snapshot!(act("last", "{ dropblock: { block_size: 7 } }", ""));
    assert_snapshot!(act("depe", "{ dropblock: { block_size: 3 } }", ""));
    assert_snapshot!(act("input", "{ transpose: {} }, { horizontal_flip: {} }, { views: { count: 2 } }", ""));
}

#[test]
fn an_act_that_changes_nothing() {
    let act = "  interventions:\n    - name: flat\n      at: [deep]\n      apply: [{ cutmix: { mode: elem, size: { fixed: [0, 0] } } }]\n";
    let said = refused(&format!("{METRICS}  over: {{ pairs: 4 }}\n{act}"));
    assert_snapshot!(said);
}

#[test]
fn data_that_does_not_fit() {
    let case = Case::new();
    fs::create_dir(case.path().join("photos/zebra")).expect("a folder");
    fs::copy(case.path().join("photos/cup/0.png"), case.path().join("photos/zebra/0.png")).expect("a copy");
    assert_snapshot!(refused_with(&case, "data: { folder: photos }\n", METRICS, &[]));
    assert_snapshot!(refused_with(&Case::new(), "data: { flat: photos/cup }\n", METRICS, &[]));
    assert_snapshot!(refused_with(
        &Case::new(),
        "data: { folder: photos, limit: 1 }\n",
        &format!("{METRICS}  over: {{ pairs: 4 }}\n"),
        &[]
    ));
    assert_snapshot!(refused_with(
        &Case::new(),
        "data: { folder: photos, limit: 4 }\n",
        &format!("{METRICS}  over: {{ pairs: 4 }}\n"),
        &[]
    ));
    let case = Case::new();
    for class in ["apple", "bird", "cup"] {
        for number in 0..4 {
            fs::write(case.path().join(format!("photos/{class}/{number}.png")), b"no picture").expect("a file");
        }
    }
    assert_snapshot!(refused_with(&case, "data: { folder: photos }\n", METRICS, &[]));
    assert_snapshot!(refused_with(&case, "data: { folder: photos, on_error: skip }\n", METRICS, &[]));
}

#[test]
fn maps_that_the_model_has_not() {
    let saliency = |what: &str| refused(&format!("{METRICS}  saliency: {{ {what} }}\n"));
    assert_snapshot!(saliency("methods: [cam], at: deep"));
    assert_snapshot!(saliency("methods: [reciprocam], targets: [b]"));
    assert_snapshot!(saliency("methods: [cam], boxes: nowhere.json"));
}

#[test]
fn bounds_and_folders() {
    assert_snapshot!(refused_with(
        &Case::new(),
        "data: { folder: photos, batch: 4 }\n",
        METRICS,
        &["--memory", "1KiB"]
    ));
    assert_snapshot!(refused_with(
        &Case::new(),
        "data: { folder: photos, batch: 4 }\n",
        METRICS,
        &["--memory", "2 parsecs"]
    ));
    assert_snapshot!(refused_with(
        &Case::new(),
        "data: { folder: photos }\n",
        METRICS,
        &["--set", "data.limit.most=3"]
    ));
    let case = Case::new();
    fs::write(case.path().join("out"), "a file").expect("a file");
    assert_snapshot!(refused_with(&case, "data: { folder: photos }\n", METRICS, &[]));
}

#[test]
fn files_of_another_kind() {
    let case = Case::new();
    fs::write(case.path().join("p.yaml"), "augraft: 1\ndata: { folder: photos }\nsteps: [resize: { size: 8 }]\n")
        .expect("a file");
    let said = |arguments: &[&str]| {
        let output = run(PROGRAM, case.path(), arguments);
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).expect("text")
    };
    assert_snapshot!(said(&["experiment", "p.yaml"]));
    fs::write(
        case.path().join("e.yaml"),
        format!("augraft: 1\ndata: {{ folder: photos }}\nsteps: []\nexperiment:\n{METRICS}"),
    )
    .expect("a file");
    assert_snapshot!(said(&["run", "e.yaml"]));
    assert_snapshot!(said(&["compare", "photos"]));
}
