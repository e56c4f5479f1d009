//! Draws have the distributions that they promise. Seeds are fixed; the false-alarm rates are what a new seed would risk.

use std::path::Path;

use augraft::operator::rand_distr::{Beta, Distribution};
use augraft::operator::{AnyOperator, Batch, Draws, Images, Labels, PhiloxRng, Registry, StepKey};
use augraft_tests::{json_lines, shared, succeed};
use ndarray::{Array2, Array4};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_augraft-under-test");

/// Draws of one step for `n` samples of `side` x `side` pixels, which need not exist.
fn draws(name: &str, config: Value, n: usize, side: usize) -> Draws {
    let operator: Box<dyn AnyOperator> =
        Registry::linked().get(name).expect("an operator").parse(config).expect("valid");
    let images = Images::F32(Array4::zeros([n, 0, side, side]));
    let labels = Labels::new(&Array2::zeros([n, 0]), vec![Vec::new(); n]);
    let index = (0..n as u64).collect();
    operator.draw(&StepKey::new(20, name), 0, &Batch::new(images, labels, index))
}

fn integers(draws: &Draws, name: &str) -> Vec<i64> {
    match draws.column(name) {
        Some(augraft::onnx::Tensor::I64(column)) => column.iter().copied().collect(),
        column => panic!("{name}: {column:?}"),
    }
}

/// Mean label weight of the sample itself, and the share of empty boxes, of drawn boxes.
fn measured(n: usize, side: usize) -> (f64, f64) {
    let draws = draws("cutmix", json!({ "mode": "elem" }), n, side);
    let [top, left, bottom, right] = ["top", "left", "bottom", "right"].map(|name| integers(&draws, name));
    let area: Vec<i64> = (0..n).map(|row| (bottom[row] - top[row]) * (right[row] - left[row])).collect();
    let mean = area.iter().sum::<i64>() as f64 / (n * side * side) as f64;
    (1.0 - mean, area.iter().filter(|area| **area == 0).count() as f64 / n as f64)
}

/// The same by summing over every half side and center: half sides are `floor(side * sqrt(1 - lam) / 2)`, with `lam` uniform.
fn expected(side: usize) -> (f64, f64) {
    let at_least = |half: usize| 1.0 - (2.0 * half as f64 / side as f64).powi(2).min(1.0);
    let length = |half: usize| {
        let clipped = (0..side).map(|center| (center + half).min(side) - center.saturating_sub(half));
        clipped.sum::<usize>() as f64 / side as f64
    };
    let halves = 0..=side / 2;
    let area: f64 = halves.map(|half| (at_least(half) - at_least(half + 1)) * length(half).powi(2)).sum();
    (1.0 - area / (side * side) as f64, at_least(0) - at_least(1))
}

/// With 60,000 boxes the mean has a standard error of at most 0.0012 and the share of empty boxes one of at most 0.0012, so 0.004 is 3.3 of them:
/// a false-alarm rate of 0.1 % for each of the twelve numbers, about 1 % for the test.
#[test]
fn official_boxes_have_the_sizes_of_the_papers_code() {
    let table = [
        (224, 0.683, 0.000),
        (56, 0.690, 0.001),
        (32, 0.700, 0.004),
        (14, 0.729, 0.021),
        (8, 0.768, 0.062),
        (7, 0.764, 0.082),
    ];
    for (side, lam, empty) in table {
        let (mean, nothing) = measured(60_000, side);
        let (exact_mean, exact_nothing) = expected(side);
        assert!(
            (exact_mean - lam).abs() < 0.0025 && (exact_nothing - empty).abs() < 0.0025,
            "{side}: {exact_mean} {exact_nothing}"
        );
        for (found, known) in [(mean, lam), (nothing, empty), (mean, exact_mean), (nothing, exact_nothing)] {
            assert!((found - known).abs() < 0.004, "side {side}: {found} is not {known}");
        }
    }
}

/// The largest distance between two empirical distribution functions.
fn kolmogorov_smirnov(mut a: Vec<f32>, mut b: Vec<f32>) -> f64 {
    a.sort_by(f32::total_cmp);
    b.sort_by(f32::total_cmp);
    let below = |sorted: &[f32], at: f32| sorted.partition_point(|value| *value <= at) as f64 / sorted.len() as f64;
    a.iter().chain(&b).map(|at| (below(&a, *at) - below(&b, *at)).abs()).fold(0.0, f64::max)
}

/// Two samples of n = 40,000 differ by more than `sqrt(ln(2 / r) / n)` with a probability of at most r; r is one in a million here.
#[test]
fn beta_draws_have_the_distribution_of_rand_distr() {
    const N: usize = 40_000;
    let threshold = ((2.0f64 / 1e-6).ln() / N as f64).sqrt();
    let independent = |alpha: f64| -> Vec<f32> {
        let beta = Beta::new(alpha, alpha).expect("a distribution");
        let mut words = PhiloxRng::new(7);
        (0..N).map(|_| beta.sample(&mut words) as f32).collect()
    };
    for alpha in [0.2, 0.5, 2.0] {
        let drawn = draws("mixup", json!({ "mode": "elem", "alpha": alpha }), N, 8);
        let column = drawn.column("lam").and_then(|column| column.as_f32()).expect("weights");
        let drawn: Vec<f32> = column.iter().copied().collect();
        let distance = kolmogorov_smirnov(drawn.clone(), independent(alpha));
        assert!(distance < threshold, "alpha {alpha}: {distance} is not below {threshold}");
        let other = kolmogorov_smirnov(drawn, independent(alpha * 1.15));
        assert!(other > threshold, "alpha {alpha}: the test cannot tell it from {}", alpha * 1.15);
    }
}

/// The standard errors over 10,000 boxes are 0.0027 and 0.0007: false-alarm rates of 0.03 % and 1 %.
#[test]
fn cutmix_of_cifar_has_the_sizes_of_the_papers_code() {
    let Some(shared) = shared("cutmix_of_cifar_has_the_sizes_of_the_papers_code") else { return };
    let folder = tempfile::TempDir::new().expect("a folder");
    let data = shared.join("data/cifar10");
    let steps =
        "steps:\n  - center_crop: { size: 32 }\n  - normalize: cifar10\n  - cutmix: { alpha: 1, p: 1, mode: elem }\n";
    let (shards, classes) = (data.join("test-*.tar"), data.join("classes.txt"));
    let source =
        format!("data: {{ shards: \"{}\", classes: \"{}\", batch: 100 }}\n", shards.display(), classes.display());
    std::fs::write(folder.path().join("p.yaml"), format!("augraft: 1\nseed: 3\n{source}{steps}")).expect("a file");
    let _ = succeed(PROGRAM, folder.path(), &["run", "p.yaml", "--out", "out"]);
    let (mean, empty) = recorded(&folder.path().join("out"));
    assert!((0.69..=0.71).contains(&mean), "mean lam {mean}");
    assert!((0.002..=0.006).contains(&empty), "empty boxes {empty}");
}

/// Mean weight and share of empty boxes of a run over 10,000 images of 32 x 32 pixels.
fn recorded(out: &Path) -> (f64, f64) {
    let (labels, draws) = (json_lines(&out.join("labels.jsonl")), json_lines(&out.join("draws.jsonl")));
    assert_eq!((labels.len(), draws.len()), (10_000, 10_000));
    let mut area = Vec::new();
    for (label, draw) in labels.iter().zip(&draws) {
        let side = |name: &str| draw[format!("cutmix/{name}")].as_i64().expect("a place");
        let box_area = (side("bottom") - side("top")) * (side("right") - side("left"));
        let alone = label["sources"].as_array().map_or(0, Vec::len) == 1;
        let lam = if alone { 1.0 } else { 1.0 - box_area as f64 / 1024.0 };
        assert!((label["lam"].as_f64().expect("a weight") - lam).abs() < 1e-6, "{label} {draw}");
        area.push(box_area);
    }
    let mean = area.iter().sum::<i64>() as f64 / 10_000.0 / 1024.0;
    (1.0 - mean, area.iter().filter(|area| **area == 0).count() as f64 / 10_000.0)
}
