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

pub(crate) fn refused_with(case: &Case, data: &str, experiment: &str, more: &[&str]) -> String {
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

/// Puts what the program said behind what it said before.
pub(crate) fn add(all: &mut String, said: &str) {
    all.push_str(said);
    all.push('\n');
}

#[test]
fn metrics_that_the_experiment_cannot_have() {
    let mut all = String::new();
    add(&mut all, &refused("  metrics: [top1_eror]\n"));
    add(&mut all, &refused("  metrics: [neither_error]\n"));
    add(&mut all, &refused("  metrics: [auroc]\n"));
    add(&mut all, &refused("  metrics: [{ kl: { rule: volume } }]\n"));
    add(&mut all, &refused("  metrics: [max_box_acc]\n"));
    add(&mut all, &refused("  metrics: [{ crossing: { x: lam } }]\n  over: { pairs: 4 }\n"));
    assert_snapshot!(all);
}

#[test]
fn acts_that_do_not_fit() {
    let mut all = String::new();
    let act = |at: &str, act: &str, over: &str| {
        refused(&format!("{METRICS}{over}  interventions:\n    - name: act\n      at: [{at}]\n      apply: [{act}]\n"))
    };
    let pairs = "  over: { pairs: 4 }\n";
    add(&mut all, &act("input", "{ holee: { region: { side: 0.5 } } }", ""));
    add(&mut all, &act("input", "{ hole: { region: { side: 1.5 } } }", ""));
    add(&mut all, &act("input", "{ hole: { region: { side: $side } } }", ""));
    add(&mut all, &act("input", "{ lerp: { lam: 0.5 } }", ""));
    add(&mut all, &act("input", "{ cutmix: { partner: roll } }", pairs));
    add(&mut all, &act("deep", "{ replace: { region: { grid: [5, 5], row: 0, column: 0 } } }", pairs));
    add(&mut all, &act("last", "{ dropblock: { block_size: 7 } }", ""));
    add(&mut all, &act("depe", "{ dropblock: { block_size: 3 } }", ""));
    add(&mut all, &act("input", "{ hole: { region: { sied: 0.5 } } }", ""));
    add(&mut all, &act("input", "{ clip: {} }", ""));
    add(&mut all, &act("deep", "{ hole: { space: pixel } }", ""));
    add(&mut all, &act("input", "{ hole: { region: { row: 1, column: 1 } } }", ""));
    add(&mut all, &act("input", "{ one_of: { steps: [] } }", ""));
    add(&mut all, &act("input", "{ transpose: {} }, { horizontal_flip: {} }, { views: { count: 2 } }", ""));
    assert_snapshot!(all);
}

#[test]
fn sweeps_and_charts_of_nothing() {
    let mut all = String::new();
    let with = |sweep: &str, side: &str, more: &str| {
        refused(&format!(
            "{METRICS}  interventions:\n    - name: act\n      sweep: {{ {sweep} }}\n      apply: [{{ hole: {{ region: {{ side: {side} }} }} }}]\n{more}"
        ))
    };
    add(&mut all, &with("side: [0.1, 0.5]", "$sied", ""));
    add(&mut all, &with("sied: [0.1], side: [0.1]", "$side", ""));
    add(&mut all, &with("p: [0.1, 0.5]", "$p", ""));
    add(&mut all, &with("side: [0.5]", "$side", "  charts: [{ curve: { y: top1_error, x: side } }]\n"));
    add(
        &mut all,
        &with("side: [0.5]", "$side", "  charts: [{ curve: { y: top1, x: sied, of: [nobody] } }, roc: {}]\n"),
    );
    assert_snapshot!(all);
}

#[test]
fn an_act_that_changes_nothing() {
    let mut all = String::new();
    for act in ["keep: { box: [0, 0, 1, 1] }", "clip: { max: 1000000.0 }"] {
        let act = format!("  interventions:\n    - name: flat\n      at: [deep]\n      apply: [{{ {act} }}]\n");
        let said = refused(&format!("{METRICS}  over: {{ pairs: 4 }}\n{act}"));
        add(&mut all, &said);
    }
    assert_snapshot!(all);
}

#[test]
fn an_act_that_is_told_to_do_nothing_gets_a_note() {
    let case = Case::new();
    let noted = |act: &str, more: &str| {
        let act = format!("  interventions:\n    - name: idle\n      at: [deep]\n      apply: [{{ {act} }}]\n{more}");
        let steps = format!("steps: [resize: {{ size: {SIDE} }}, normalize: half]\n");
        let model = format!("model: {{ file: classifier.onnx, sites: {SITES} }}\n");
        let data = "data: { folder: photos, batch: 4 }\n";
        let over = format!("experiment:\n{METRICS}  over: {{ pairs: 4 }}\n{act}");
        fs::write(case.path().join("e.yaml"), format!("augraft: 1\n{data}{steps}{model}{over}")).expect("a file");
        let said = augraft_tests::succeed(PROGRAM, case.path(), &["experiment", "e.yaml", "--out", "out"]);
        said.contains("`idle` at `deep` changes nothing, as it is told")
    };
    for act in ["prune: { quantile: 0 }", "clip: { quantile: 1 }", "lerp: { lam: 1 }"] {
        assert!(noted(act, ""), "{act}");
        assert!(!noted(act, "      allow_no_change: true\n"), "{act} is allowed");
    }
    assert!(!noted("prune: { quantile: 0.99 }", ""), "it changes something");
}

#[test]
fn data_that_does_not_fit() {
    let mut all = String::new();
    let case = Case::new();
    fs::create_dir(case.path().join("photos/zebra")).expect("a folder");
    fs::copy(case.path().join("photos/cup/0.png"), case.path().join("photos/zebra/0.png")).expect("a copy");
    add(&mut all, &refused_with(&case, "data: { folder: photos }\n", METRICS, &[]));
    let case = Case::new();
    fs::remove_dir_all(case.path().join("photos/cup")).expect("a folder");
    add(&mut all, &refused_with(&case, "data: { folder: photos }\n", METRICS, &[]));
    add(&mut all, &refused_with(&Case::new(), "data: { flat: photos/cup }\n", METRICS, &[]));
    add(
        &mut all,
        &refused_with(
            &Case::new(),
            "data: { folder: photos, limit: 1 }\n",
            &format!("{METRICS}  over: {{ pairs: 4 }}\n"),
            &[],
        ),
    );
    add(
        &mut all,
        &refused_with(
            &Case::new(),
            "data: { folder: photos, limit: 4 }\n",
            &format!("{METRICS}  over: {{ pairs: 4 }}\n"),
            &[],
        ),
    );
    let case = Case::new();
    for class in ["apple", "bird", "cup"] {
        for number in 0..4 {
            fs::write(case.path().join(format!("photos/{class}/{number}.png")), b"no picture").expect("a file");
        }
    }
    add(&mut all, &refused_with(&case, "data: { folder: photos }\n", METRICS, &[]));
    add(&mut all, &refused_with(&case, "data: { folder: photos, on_error: skip }\n", METRICS, &[]));
    assert_snapshot!(all);
}

#[test]
fn maps_that_the_model_has_not() {
    let mut all = String::new();
    let saliency = |what: &str| refused(&format!("{METRICS}  saliency: {{ {what} }}\n"));
    add(&mut all, &saliency("methods: [cam], at: deep"));
    add(&mut all, &saliency("methods: [reciprocam], targets: [b]"));
    add(&mut all, &saliency("methods: [cam], boxes: nowhere.json"));
    let behind = |at: &str, method: &str, map: &str| {
        let acts = format!(
            "  interventions:\n    - name: act\n      at: [{at}]\n      apply: [{{ zero: {{ channels: [0] }} }}]\n"
        );
        refused(&format!("{METRICS}  saliency: {{ methods: [{method}], at: {map} }}\n{acts}"))
    };
    add(&mut all, &behind("deep", "score_cam", "last"));
    add(&mut all, &behind("last", "reciprocam", "deep"));
    assert_snapshot!(all);
}

#[test]
fn bounds_and_folders() {
    let mut all = String::new();
    add(&mut all, &refused_with(&Case::new(), "data: { folder: photos, batch: 4 }\n", METRICS, &["--memory", "1KiB"]));
    add(
        &mut all,
        &refused_with(&Case::new(), "data: { folder: photos, batch: 4 }\n", METRICS, &["--memory", "2 parsecs"]),
    );
    add(&mut all, &refused_with(&Case::new(), "data: { folder: photos }\n", METRICS, &["--set", "data.limit.most=3"]));
    let case = Case::new();
    fs::write(case.path().join("out"), "a file").expect("a file");
    add(&mut all, &refused_with(&case, "data: { folder: photos }\n", METRICS, &[]));
    assert_snapshot!(all);
}

#[test]
fn files_of_another_kind() {
    let mut all = String::new();
    let case = Case::new();
    fs::write(case.path().join("p.yaml"), "augraft: 1\ndata: { folder: photos }\nsteps: [resize: { size: 8 }]\n")
        .expect("a file");
    let said = |arguments: &[&str]| {
        let output = run(PROGRAM, case.path(), arguments);
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).expect("text")
    };
    add(&mut all, &said(&["experiment", "p.yaml"]));
    fs::write(
        case.path().join("e.yaml"),
        format!("augraft: 1\ndata: {{ folder: photos }}\nsteps: []\nexperiment:\n{METRICS}"),
    )
    .expect("a file");
    add(&mut all, &said(&["run", "e.yaml"]));
    add(&mut all, &said(&["compare", "photos"]));
    assert_snapshot!(all);
}
