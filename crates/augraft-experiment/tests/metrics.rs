//! The metrics against the libraries whose conventions they follow: `tests/metrics/generate.py` wrote the values.

use augraft_experiment::metrics::{
    self, Rect, auroc, auroc_interval, auroc_variance, box_ious, components, energy_share, fpr_at_tpr, iou, kl,
    largest_box, loc, max_box_acc, max_box_acc_v2, normalize, rank, reliability, resize_bicubic, tnr95,
};
use ndarray::Array2;
use serde_json::Value;

/// Of values in f64.
const RELATIVE: f64 = 1e-9;
/// Of values in f64 that should be 0.
const TINY: f64 = 1e-15;
/// torchmetrics sums in f32.
const TORCHMETRICS: f64 = 1e-6;
/// `OpenCV` resizes in f32.
const OPENCV: f64 = 1e-5;
/// scikit-learn scales maps in f64 and gives them in f32.
const NORMALIZED: f64 = 1e-7;

fn vectors(topic: &str) -> Value {
    let file: Value = serde_json::from_str(include_str!("metrics/vectors.json")).unwrap();
    assert!(!file[topic].is_null(), "{topic}");
    file[topic].clone()
}

fn cases(topic: &str) -> Vec<Value> {
    vectors(topic).as_array().unwrap().clone()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn singles(value: &Value) -> Vec<f32> {
    floats(value).into_iter().map(|number| number as f32).collect()
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn map(value: &Value) -> Array2<f32> {
    let rows: Vec<Vec<f32>> = value.as_array().unwrap().iter().map(singles).collect();
    Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, j)| rows[i][j])
}

fn rect(value: &Value) -> Rect {
    let ends = floats(value);
    Rect { top: ends[0], left: ends[1], bottom: ends[2], right: ends[3] }
}

/// Compares what both sides compute in f64.
#[track_caller]
fn close(actual: &[f64], expected: &Value) {
    let expected = if expected.is_array() { floats(expected) } else { vec![expected.as_f64().unwrap()] };
    assert_eq!(actual.len(), expected.len());
    for (actual, expected) in actual.iter().zip(&expected) {
        assert!((actual - expected).abs() <= RELATIVE * expected.abs() + TINY, "{actual} is not {expected}");
    }
}

/// Compares with a value that the reference computed in f32.
#[track_caller]
fn near(actual: f64, expected: &Value, tolerance: f64) {
    let expected = expected.as_f64().unwrap();
    assert!((actual - expected).abs() <= tolerance, "{actual} is not {expected}");
}

#[test]
fn scores_of_one_sample() {
    for case in cases("softmax") {
        let logits = singles(&case["logits"]);
        let probabilities = metrics::softmax(&logits);
        close(&probabilities, &case["softmax"]);
        close(&[metrics::entropy(&probabilities)], &case["entropy"]);
        close(&[metrics::energy(&logits)], &case["energy"]);
        let ranks: Vec<f64> = (0..logits.len()).map(|class| rank(&logits, class).unwrap() as f64).collect();
        close(&ranks, &case["rank"]);
        for target in case["targets"].as_array().unwrap() {
            let pair = |pair: &Value| (pair[0].as_u64().unwrap() as usize, pair[1].as_f64().unwrap());
            let label: Vec<(usize, f64)> = target["label"].as_array().unwrap().iter().map(pair).collect();
            close(&[metrics::cross_entropy(&logits, &label)], &target["cross_entropy"]);
            close(&[metrics::brier(&probabilities, &label)], &target["brier"]);
            close(&[kl(&label, &logits)], &target["kl"]);
        }
    }
}

#[test]
fn intervals_and_tests() {
    for case in cases("wilson") {
        close(&metrics::wilson(case["successes"].as_f64().unwrap(), count(&case["n"])), &case["interval"]);
    }
    for case in cases("mcnemar") {
        close(&[metrics::mcnemar(count(&case["b"]), count(&case["c"]))], &case["p_value"]);
    }
    for case in cases("holm") {
        close(&metrics::holm(&floats(&case["p_values"])), &case["adjusted"]);
    }
    for case in cases("mean") {
        close(&metrics::mean_interval(&floats(&case["values"])), &case["interval"]);
    }
}

#[test]
fn bootstrap_draws_by_philox() {
    for case in cases("bootstrap") {
        let values = floats(&case["values"]);
        let mut mean = |indices: &[usize]| indices.iter().map(|&i| values[i]).sum::<f64>() / indices.len() as f64;
        let interval =
            metrics::bootstrap(values.len(), count(&case["replicates"]) as u32, count(&case["seed"]), &mut mean);
        close(&interval, &case["interval"]);
    }
}

#[test]
fn calibration() {
    for case in cases("calibration") {
        let bins = reliability(&floats(&case["confidence"]), &floats(&case["credit"]), count(&case["of"]) as usize);
        let filled: Vec<usize> = (0..bins.len()).filter(|&k| bins[k].n > 0).collect();
        let expected = case["bins"].as_array().unwrap();
        assert_eq!(filled.len(), expected.len());
        for (&k, expected) in filled.iter().zip(expected) {
            close(&[k as f64], &expected["bin"]);
            close(&[bins[k].n as f64], &expected["n"]);
            close(&[bins[k].confidence], &expected["confidence"]);
            close(&[bins[k].accuracy], &expected["accuracy"]);
        }
        let [ece, mce] = [metrics::ece(&bins), metrics::mce(&bins)];
        close(&[ece], &case["ece"]);
        close(&[mce], &case["mce"]);
        if case.get("torchmetrics_ece").is_some() {
            near(ece, &case["torchmetrics_ece"], TORCHMETRICS);
            near(mce, &case["torchmetrics_mce"], TORCHMETRICS);
        }
    }
}

#[test]
fn detection() {
    for case in cases("detection") {
        let [positive, negative] = ["positive", "negative"].map(|kind| floats(&case[kind]));
        let curve = metrics::roc(&positive, &negative);
        close(&[auroc(&positive, &negative)], &case["auroc"]);
        close(&[metrics::aupr(&positive, &negative)], &case["aupr"]);
        close(&[fpr_at_tpr(&curve, 0.95)], &case["fpr95"]);
        close(&[1.0 - tnr95(&curve)], &case["fpr95"]);
        close(&[metrics::detection_accuracy(&curve)], &case["detection_accuracy"]);
        if let Some(expected) = case.get("roc") {
            assert_eq!(curve.threshold[0], f64::INFINITY);
            close(&curve.fpr, &expected["fpr"]);
            close(&curve.tpr, &expected["tpr"]);
            close(&curve.threshold[1..], &expected["threshold"]);
        }
        if let Some(expected) = case.get("variance") {
            close(&[auroc_variance(&positive, &negative)], expected);
            close(&auroc_interval(&positive, &negative), &case["interval"]);
        }
    }
}

#[test]
fn bicubic_resizing() {
    for case in cases("resize") {
        let size = [0, 1].map(|axis| count(&case["size"][axis]) as usize);
        let resized = resize_bicubic(map(&case["map"]).view(), size);
        assert_eq!(resized.dim(), (size[0], size[1]));
        for element in case["elements"].as_array().unwrap() {
            let at = [0, 1].map(|axis| count(&element[axis]) as usize);
            near(f64::from(resized[at]), &element[2], OPENCV);
        }
    }
}

#[test]
fn connected_components() {
    for case in cases("components") {
        let rows: Vec<&[u8]> =
            case["mask"].as_array().unwrap().iter().map(|row| row.as_str().unwrap().as_bytes()).collect();
        let mask = Array2::from_shape_fn((rows.len(), rows[0].len()), |(i, j)| rows[i][j] == b'#');
        let found = components(mask.view());
        let expected: Vec<(Rect, usize)> =
            case["components"].as_array().unwrap().iter().map(|each| (rect(each), count(&each[4]) as usize)).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn localization() {
    let set = vectors("localization");
    let mut ious = [Vec::new(), Vec::new()];
    for (k, image) in set["images"].as_array().unwrap().iter().enumerate() {
        let map = map(&image["map"]);
        let truth: Vec<Rect> = image["truth"].as_array().unwrap().iter().map(rect).collect();
        let scaled = normalize(map.view());
        for element in image["normalized"].as_array().unwrap() {
            let at = [0, 1].map(|axis| count(&element[axis]) as usize);
            near(f64::from(scaled[at]), &element[2], NORMALIZED);
        }
        assert_eq!(largest_box(map.view(), 0.15), Some(rect(&image["largest_box"])));
        assert_eq!(loc(true, map.view(), &truth), image["loc"].as_bool().unwrap());
        let last = truth[truth.len() - 1];
        let region = Array2::from_shape_fn(map.dim(), |(i, j)| {
            let cell = Rect { top: i as f64, left: j as f64, bottom: (i + 1) as f64, right: (j + 1) as f64 };
            iou(&cell, &last) > 0.0
        });
        close(&[energy_share(map.view(), region.view())], &image["energy_share"]);
        let overlaps = box_ious(scaled.view(), &truth);
        close(&overlaps.largest, &set["largest"][k]);
        close(&overlaps.best, &set["best"][k]);
        ious[0].push(overlaps.largest);
        ious[1].push(overlaps.best);
    }
    close(&[max_box_acc(&ious[0], 0.5)], &set["max_box_acc"]);
    close(&[max_box_acc_v2(&ious[1])], &set["max_box_acc_v2"]);
}

#[test]
fn curves() {
    for case in cases("curve") {
        let [x, a, b, lam] = ["x", "a", "b", "lam"].map(|name| floats(&case[name]));
        close(&[metrics::area(&x, &a)], &case["area"]);
        close(&[metrics::linearity(&a, &b, &lam)], &case["linearity"]);
        let place = metrics::crossing(&x, &a, &b);
        assert_eq!(place.is_some(), case["crossing"].is_number());
        if let Some(place) = place {
            close(&[place], &case["crossing"]);
        }
    }
}
