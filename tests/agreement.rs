//! What a run writes agrees with itself: draws, pixels, soft labels and sources of mixed images.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use augraft_tests::{json_lines, npz, photos, succeed};
use ndarray::{Array2, Array3, ArrayD, Axis, s};
use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_augraft-under-test");
const BATCH: usize = 4;
const SAMPLES: usize = 7;
const SIDES: [usize; 2] = [40, 56];

/// A mixed batch of a run, in order.
struct Written {
    images: ArrayD<f32>,
    soft: ArrayD<f32>,
    draws: Vec<Value>,
    labels: Vec<Value>,
}

/// Runs photos through crops, normalization and `mixing`, and reads what was written.
fn written(folder: &Path, name: &str, seed: u64, mixing: &str) -> Vec<Written> {
    let [height, width] = SIDES;
    let steps = format!("steps:\n  - resized_crop: {{ size: [{height}, {width}] }}\n  - normalize: imagenet\n{mixing}");
    let text = format!("augraft: 1\nseed: {seed}\n{}{steps}", photos(&format!("batch: {BATCH}, shuffle: true")));
    std::fs::write(folder.join(format!("{name}.yaml")), text).expect("a file");
    let _ = succeed(PROGRAM, folder, &["run", &format!("{name}.yaml"), "--out", name]);
    let out: PathBuf = folder.join(name);
    let [mut draws, mut labels] =
        ["draws", "labels"].map(|name| json_lines(&out.join(format!("{name}.jsonl"))).into_iter());
    let batch = |number: usize| {
        let file = out.join(format!("batches/{number:06}.npz"));
        let (images, soft) = (npz(&file, "images"), npz(&file, "labels"));
        let records = |lines: &mut std::vec::IntoIter<Value>| lines.by_ref().take(BATCH).collect();
        let (draws, labels) = (records(&mut draws), records(&mut labels));
        Written { images, soft, draws, labels }
    };
    (0..SAMPLES.div_ceil(BATCH)).map(batch).collect()
}

/// The image and where each of its pixels comes from, rebuilt from draws.
#[derive(Clone)]
struct Rebuilt {
    pixels: Array3<f32>,
    /// Weight of each source at each pixel, by position in the batch.
    origin: BTreeMap<usize, Array2<f64>>,
    /// How often a partner came in.
    mixes: usize,
}

impl Rebuilt {
    fn source(row: usize, pixels: Array3<f32>) -> Self {
        let origin = BTreeMap::from([(row, Array2::ones(SIDES))]);
        Self { pixels, origin, mixes: 0 }
    }

    /// Replaces a box by the same box of `other`.
    fn paste(&mut self, other: &Self, [top, left, bottom, right]: [usize; 4]) {
        let inside = s![top..bottom, left..right];
        self.pixels.slice_mut(s![.., top..bottom, left..right]).assign(&other.pixels.slice(s![
            ..,
            top..bottom,
            left..right
        ]));
        self.origin.values_mut().for_each(|origin| origin.slice_mut(inside).fill(0.0));
        for (source, origin) in &other.origin {
            let own = self.origin.entry(*source).or_insert_with(|| Array2::zeros(SIDES));
            own.slice_mut(inside).assign(&origin.slice(inside));
        }
        self.mixes = if bottom > top && right > left { self.mixes.max(other.mixes) + 1 } else { self.mixes };
    }

    /// Blends with `other`.
    fn blend(&mut self, other: &Self, lam: f32) {
        if lam < 1.0 {
            self.pixels.zip_mut_with(&other.pixels, |own, other| *own = *own * lam + *other * (1.0 - lam));
        }
        let lam = f64::from(lam);
        self.origin.values_mut().for_each(|origin| *origin *= lam);
        for (source, origin) in &other.origin {
            let own = self.origin.entry(*source).or_insert_with(|| Array2::zeros(SIDES));
            own.scaled_add(1.0 - lam, origin);
        }
        self.mixes = if lam < 1.0 { self.mixes.max(other.mixes) + 1 } else { self.mixes };
    }

    /// Reverses the rows (axis 0) or the columns (axis 1).
    fn mirror(&mut self, axis: usize) {
        self.pixels.invert_axis(Axis(axis + 1));
        self.origin.values_mut().for_each(|origin| origin.invert_axis(Axis(axis)));
    }

    /// The share of the pixels that come from each source.
    fn shares(&self) -> BTreeMap<usize, f64> {
        let shares = self.origin.iter().map(|(source, origin)| (*source, origin.mean().unwrap_or_default()));
        shares.filter(|(_, share)| *share > 0.0).collect()
    }
}

fn integer(record: &Value, name: &str) -> usize {
    record[name].as_u64().unwrap_or_else(|| panic!("{name} of {record}")) as usize
}

/// Applies the drawn step `id` to a whole batch.
fn step(batch: &[Rebuilt], draws: &[Value], id: &str) -> Vec<Rebuilt> {
    let mixed = |(own, draw): (&Rebuilt, &Value)| {
        let mut mixed = own.clone();
        if id.ends_with("flip") {
            if draw[format!("{id}/apply")] == true {
                mixed.mirror(usize::from(id == "horizontal_flip"));
            }
        } else if let Some(lam) = draw.get(format!("{id}/lam")).filter(|_| id.starts_with("mixup")) {
            mixed.blend(&batch[integer(draw, &format!("{id}/partner"))], lam.as_f64().expect("a weight") as f32);
        } else {
            mixed.paste(
                &batch[integer(draw, &format!("{id}/partner"))],
                ["top", "left", "bottom", "right"].map(|side| integer(draw, &format!("{id}/{side}"))),
            );
        }
        mixed
    };
    batch.iter().zip(draws).map(mixed).collect()
}

/// Weights by position in the batch, of the list `[[index, weight], ...]`; the first entry is the sample itself.
fn sources(label: &Value, index: &[usize]) -> BTreeMap<usize, f64> {
    let position = |wanted: u64| index.iter().position(|index| *index as u64 == wanted).expect("a sample of the batch");
    let entries = label["sources"].as_array().expect("a list").iter();
    let entry = |entry: &Value| (position(entry[0].as_u64().expect("an index")), entry[1].as_f64().expect("a weight"));
    entries.map(entry).filter(|(_, weight)| *weight != 0.0).collect()
}

fn assert_close(found: &BTreeMap<usize, f64>, expected: &BTreeMap<usize, f64>, what: &str) {
    let close = |key: &usize| found.get(key).zip(expected.get(key)).is_some_and(|(a, b)| (a - b).abs() < 1e-6);
    assert!(found.len() == expected.len() && found.keys().all(close), "{what}: {found:?} is not {expected:?}");
}

/// Compares everything written with what the draws say, and returns the samples rebuilt.
fn check(mixing: &str, steps: &[&str], seed: u64) -> Vec<Rebuilt> {
    let folder = TempDir::new().expect("a folder");
    let plain = written(folder.path(), "plain", seed, "");
    let mixed = written(folder.path(), "mixed", seed, mixing);
    let mut seen = Vec::new();
    for (plain, mixed) in plain.iter().zip(&mixed) {
        let index: Vec<usize> = mixed.draws.iter().map(|draw| integer(draw, "index")).collect();
        let class =
            |row: usize| plain.soft.index_axis(Axis(0), row).iter().position(|weight| *weight == 1.0).expect("a class");
        let pixels = |row| {
            plain.images.index_axis(Axis(0), row).to_owned().into_dimensionality().expect("channels, rows, columns")
        };
        let mut batch: Vec<Rebuilt> = (0..index.len()).map(|row| Rebuilt::source(row, pixels(row))).collect();
        for id in steps {
            batch = step(&batch, &mixed.draws, id);
        }
        for (row, rebuilt) in batch.iter().enumerate() {
            let what = format!("seed {seed}, sample {}", index[row]);
            let bits = |value: &f32| value.to_bits();
            let image = mixed.images.index_axis(Axis(0), row);
            assert!(image.iter().map(bits).eq(rebuilt.pixels.iter().map(bits)), "{what}: pixels differ");

            let label = &mixed.labels[row];
            assert_eq!(integer(label, "index"), index[row]);
            let shares = rebuilt.shares();
            assert_close(&sources(label, &index), &shares, &what);
            assert_eq!(
                label["sources"][0],
                serde_json::json!([index[row], label["lam"]]),
                "the sample itself comes first"
            );
            let own = shares.get(&row).copied().unwrap_or_default();
            assert!((label["lam"].as_f64().expect("a weight") - own).abs() < 1e-6, "{what}: {label}");

            let mut expected: BTreeMap<usize, f64> = BTreeMap::new();
            for (source, weight) in &shares {
                *expected.entry(class(*source)).or_default() += weight;
            }
            let soft = mixed.soft.index_axis(Axis(0), row);
            let soft = soft.iter().enumerate().filter(|(_, weight)| **weight != 0.0);
            let soft: BTreeMap<usize, f64> = soft.map(|(class, weight)| (class, f64::from(*weight))).collect();
            assert_close(&soft, &expected, &what);
            let listed = label["label"].as_array().into_iter().flatten();
            let listed = listed
                .map(|entry| (entry[0].as_u64().expect("a class") as usize, entry[1].as_f64().expect("a weight")));
            assert_close(&listed.collect(), &soft, &what);
        }
        seen.extend(batch);
    }
    assert_eq!(seen.len(), SAMPLES);
    seen
}

/// Checks that some sample of several seeds was mixed `times` times.
fn assert_mixed(seen: &[Rebuilt], times: usize) {
    assert!(
        seen.iter().any(|rebuilt| rebuilt.mixes == times && rebuilt.shares().len() > 1),
        "something is mixed {times} times"
    );
}

#[test]
fn one_paste_weighs_as_many_pixels_as_it_brings() {
    let elem: Vec<Rebuilt> =
        (0..4).flat_map(|seed| check("  - cutmix: { p: 0.8, mode: elem }\n", &["cutmix"], seed)).collect();
    assert_mixed(&elem, 1);
    assert_mixed(&check("  - cutmix: { mode: batch, alpha: 0.5 }\n", &["cutmix"], 0), 1);
}

#[test]
fn a_blend_of_pastes_weighs_as_many_pixels_as_it_brings() {
    let (cutmix, mixup) = ("  - cutmix: { mode: elem }\n", "  - mixup: { alpha: 0.5, mode: elem }\n");
    for seed in 0..3 {
        assert_mixed(&check(&format!("{cutmix}{mixup}"), &["cutmix", "mixup"], seed), 2);
        assert_mixed(&check(&format!("{mixup}{cutmix}"), &["mixup", "cutmix"], seed), 2);
    }
}

#[test]
fn boxes_move_with_mirrored_pixels() {
    let cutmix = "  - cutmix: { mode: elem }\n";
    let flips = "  - horizontal_flip: { p: 0.5 }\n  - vertical_flip: { p: 0.5 }\n";
    let steps = ["cutmix", "horizontal_flip", "vertical_flip", "cutmix-2"];
    for seed in 0..4 {
        assert_mixed(&check(&format!("{cutmix}{flips}{cutmix}"), &steps, seed), 2);
    }
}

#[test]
fn a_second_paste_counts_what_it_covers_of_the_first() {
    let first = "  - cutmix: { alpha: 1, p: 1, mode: elem }\n";
    let second = "  - cutmix: { alpha: 1, p: 0.7, mode: elem }\n";
    let two: Vec<Rebuilt> =
        (0..6).flat_map(|seed| check(&format!("{first}{second}"), &["cutmix", "cutmix-2"], seed)).collect();
    assert_mixed(&two, 2);
    let three = format!("{first}  - mixup: {{ alpha: 0.5 }}\n{second}");
    assert_mixed(&check(&three, &["cutmix", "mixup", "cutmix-2"], 1), 3);
}
