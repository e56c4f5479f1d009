//! Experiments of the repository run, go on after a kill, and do not depend on memory, threads or batch.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use augraft_tests::{files, read};

use crate::support::{Case, PROGRAM, numbers};

/// The experiments, and a metric that each must print.
const EXPERIMENTS: [(&str, &str); 10] = [
    ("occlusion", "top1_error"),
    ("in_between", "neither_error"),
    ("in_between_by_depth", "linearity"),
    ("ood", "auroc_energy"),
    ("calibration", "ece"),
    ("cam_wsol", "max_box_acc_v2"),
    ("cam_on_mix", "energy_in_region"),
    ("patching", "recovered"),
    ("drop_sensitivity", "flip_rate"),
    ("label_fidelity", "kl_complete"),
];

#[test]
fn every_experiment_of_the_repository_runs_on_other_data_and_another_model() {
    let case = Case::new();
    for (name, metric) in EXPERIMENTS {
        let printed = case.run(name, 4, name, &[]);
        assert!(printed.contains("report.html"), "{name}: {printed}");
        let summary = case.summary(name);
        assert!(summary.iter().any(|row| row["metric"] == metric && row["value"] != ""), "{name}: no {metric}");
        let rows = case.rows(name);
        let units = numbers(&rows, "unit").len();
        assert!(units >= 12, "{name}: {units} rows");
        let page = read(&case.path().join(name).join("report.html"));
        let written: serde_json::Value =
            serde_json::from_str(&read(&case.path().join(name).join("manifest.json"))).expect("JSON");
        let charts = written["chart_fields"].as_array().expect("charts").len();
        assert_eq!(page.matches("\"kind\":\"").count(), charts, "{name}: every chart is drawn");
        assert!(!page.contains("{{"), "{name}: a placeholder is left");
        assert!(written["no_op_drift"].is_null() || written["no_op_drift"] == 0.0, "{name}");
        assert!(!case.path().join(format!("{name}.partial")).exists(), "{name}");
    }
}

#[test]
fn a_run_that_is_killed_goes_on_to_the_same_bytes() {
    let case = Case::new();
    let long = ["--set", "experiment.over.pairs=160"];
    case.run("in_between_by_depth", 4, "whole", &long);
    let arguments = [case.arguments("in_between_by_depth", 4, "broken"), long.map(str::to_owned).to_vec()].concat();
    let mut child = Command::new(PROGRAM)
        .current_dir(case.path())
        .args(&arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let chunks = case.path().join("broken.partial/chunks");
    let done = || {
        std::fs::read_dir(&chunks).map_or(0, |entries| {
            entries
                .filter_map(Result::ok)
                .filter(|entry| entry.path().extension().is_some_and(|end| end == "npz"))
                .count()
        })
    };
    let started = Instant::now();
    while done() < 5 {
        assert!(started.elapsed() < Duration::from_mins(2), "no chunk was written");
        sleep(Duration::from_millis(2));
    }
    child.kill().expect("a kill");
    child.wait().expect("an end");
    let before = done();
    assert!((5..40).contains(&before), "{before} chunks: it was over before it was killed");
    assert!(!case.path().join("broken").exists(), "nothing looks complete");
    let resumed: Vec<&str> = arguments.iter().map(String::as_str).chain(["--resume"]).collect();
    let _ = augraft_tests::succeed(PROGRAM, case.path(), &resumed);
    assert_eq!(files(&case.path().join("broken")), files(&case.path().join("whole")));
    assert!(!case.path().join("broken.partial").exists());
}

#[test]
fn bytes_do_not_depend_on_memory_or_threads() {
    let case = Case::new();
    case.run("in_between_by_depth", 4, "usual", &[]);
    case.run("in_between_by_depth", 4, "tight", &["--memory", "115KiB", "--threads", "1"]);
    let (usual, mut tight) = (files(&case.path().join("usual")), files(&case.path().join("tight")));
    for name in ["rows.parquet", "summary.csv"] {
        assert_eq!(tight.remove(name), usual.get(name).cloned(), "{name}");
    }
    let passes = |out: &str| {
        let manifest: serde_json::Value =
            serde_json::from_str(&read(&case.path().join(out).join("manifest.json"))).expect("JSON");
        manifest["multiply_adds"]["passes"].as_f64().expect("passes")
    };
    assert!(passes("tight") > passes("usual"), "the bound made it compute something again");
}

#[test]
fn probabilities_agree_across_batch_sizes() {
    let case = Case::new();
    case.run("in_between_by_depth", 3, "small", &[]);
    case.run("in_between_by_depth", 16, "large", &[]);
    let order = |out: &str| {
        let rows = case.rows(out);
        let columns = ["setting", "unit", "image", "partner", "p_a", "p_b", "lam_eff"].map(|name| numbers(&rows, name));
        let mut order: Vec<Vec<f64>> =
            (0..columns[0].len()).map(|row| columns.iter().map(|column| column[row]).collect()).collect();
        order.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
        order
    };
    let (small, large) = (order("small"), order("large"));
    assert_eq!(small.len(), large.len());
    for (a, b) in small.iter().zip(&large) {
        assert_eq!(a[..4], b[..4]);
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5), "{a:?} {b:?}");
    }
}

#[test]
fn runs_are_compared_side_by_side() {
    let case = Case::new();
    case.run("occlusion", 4, "runs/first", &[]);
    case.run("occlusion", 4, "runs/second", &["--set", "seed=3"]);
    let printed =
        augraft_tests::succeed(PROGRAM, case.path(), &["compare", "runs/first", "runs/second", "--out", "both"]);
    let head = printed.lines().next().expect("a header");
    assert!(
        head.ends_with("first                 second") || head.contains("first") && head.contains("second"),
        "{printed}"
    );
    let summary = case.summary("both");
    assert_eq!(summary.len(), case.summary("runs/first").len() + case.summary("runs/second").len());
    let page = read(&case.path().join("both/report.html"));
    assert!(page.contains("first, center") && page.contains("second, center"), "a line for each run");
}

#[test]
fn a_plan_says_what_it_costs() {
    let case = Case::new();
    let mut arguments = case.arguments("in_between_by_depth", 4, "unused");
    arguments[0] = "explain".to_owned();
    arguments.drain(2..4);
    let printed = |memory: &str| {
        let all: Vec<&str> = arguments.iter().map(String::as_str).chain(["--memory", memory]).collect();
        let text = augraft_tests::succeed(PROGRAM, case.path(), &all);
        let (_, plan) = text.split_once("\nexperiment\n").expect("the plan of the experiment");
        plan.to_owned()
    };
    insta::assert_snapshot!(printed("2GiB"));
    let changed = |line: &&str| line.contains("passes") || line.contains("peak bytes");
    let tight: Vec<String> = printed("115KiB").lines().filter(changed).map(str::to_owned).collect();
    insta::assert_snapshot!(tight.join("\n"));
}
