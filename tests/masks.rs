//! Masks move and mix with their images.

use std::fs;
use std::path::Path;

use augraft_tests::{json_lines, npz, run, succeed, workspace};
use image::{GrayImage, Luma, RgbImage};
use insta::assert_snapshot;
use ndarray::{ArrayD, Axis, s};
use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_augraft-under-test");
const CLASSES: usize = 8;

/// The steps over the photos of the repository and their masks, written to a folder.
fn written(folder: &TempDir, name: &str, steps: &str) -> std::path::PathBuf {
    let at = workspace().join("pipelines/data");
    let [photos, masks] = ["photos", "masks"].map(|name| at.join(name).display().to_string());
    let data =
        format!("data: {{ folder: \"{photos}\", masks: {{ folder: \"{masks}\", classes: {CLASSES} }}, batch: 7 }}");
    let file = folder.path().join(format!("{name}.yaml"));
    let start = "  - resized_crop: { size: [40, 36] }\n  - normalize: half\n";
    fs::write(&file, format!("augraft: 1\nseed: 9\n{data}\nsteps:\n{start}{steps}")).expect("a file");
    let out = folder.path().join(name);
    let _ = succeed(PROGRAM, folder.path(), &["run", &file.display().to_string(), "--out", &out.display().to_string()]);
    out
}

fn masks<T: ndarray_npy::ReadableElement>(out: &Path) -> ArrayD<T> {
    npz(&out.join("batches/000000.npz"), "masks")
}

fn number(record: &Value, name: &str) -> usize {
    record[name].as_u64().expect("a number") as usize
}

#[test]
fn class_ids_stay_class_ids_and_show_the_objects() {
    let folder = TempDir::new().expect("a folder");
    let ids = masks::<u8>(&written(&folder, "plain", ""));
    assert_eq!(ids.shape(), [7, 40, 36]);
    for (row, mask) in ids.outer_iter().enumerate() {
        let objects = mask.iter().filter(|id| usize::from(**id) == row + 1).count();
        assert!(objects > 10, "mask {row} shows its object in {objects} pixels");
        assert!(mask.iter().all(|id| *id == 0 || usize::from(*id) == row + 1), "mask {row} has no class between two");
    }
}

#[test]
fn a_paste_brings_the_mask_of_its_partner() {
    let folder = TempDir::new().expect("a folder");
    let plain = masks::<u8>(&written(&folder, "plain", ""));
    let out = written(&folder, "mixed", "  - cutmix: { mode: elem, label: visible_mask }\n");
    let mixed = masks::<u8>(&out);
    let labels = json_lines(&out.join("labels.jsonl"));
    for (row, draw) in json_lines(&out.join("draws.jsonl")).iter().enumerate() {
        let partner = number(draw, "cutmix/partner");
        let [top, left, bottom, right] =
            ["top", "left", "bottom", "right"].map(|edge| number(draw, &format!("cutmix/{edge}")));
        let mut expected = plain.index_axis(Axis(0), row).to_owned();
        expected.slice_mut(s![top..bottom, left..right]).assign(&plain.slice(s![partner, top..bottom, left..right]));
        assert_eq!(mixed.index_axis(Axis(0), row), expected, "mask {row}");
        let shown = |class: usize| expected.iter().filter(|id| usize::from(**id) == class).count() as f64;
        let (own, other) = (shown(row + 1), if partner == row { 0.0 } else { shown(partner + 1) });
        let lam = labels[row]["lam"].as_f64().expect("a weight");
        if own + other > 0.0 {
            let expected = if partner == row { 1.0 } else { own / (own + other) };
            assert!((lam - expected).abs() < 1e-6, "label {row}: {lam} is not {expected}");
        }
    }
}

#[test]
fn a_blend_gives_shares_that_sum_to_one() {
    let folder = TempDir::new().expect("a folder");
    let plain = masks::<u8>(&written(&folder, "plain", ""));
    let out = written(&folder, "mixed", "  - mixup: { mode: elem }\n  - horizontal_flip: { p: 1 }\n");
    let shares = masks::<f32>(&out);
    assert_eq!(shares.shape(), [7, CLASSES, 40, 36]);
    assert!(shares.sum_axis(Axis(1)).iter().all(|sum| (sum - 1.0).abs() < 1e-6));
    for (row, draw) in json_lines(&out.join("draws.jsonl")).iter().enumerate() {
        let (lam, partner) = (draw["mixup/lam"].as_f64().expect("a weight") as f32, number(draw, "mixup/partner"));
        for ((class, y, x), share) in shares.slice(s![row, .., .., ..]).indexed_iter() {
            let shows = |row: usize| f32::from(usize::from(plain[[row, y, 35 - x]]) == class);
            let expected = shows(row) * lam + shows(partner) * (1.0 - lam);
            assert!((share - expected).abs() < 1e-6, "{row} {class} {y} {x}: {share} is not {expected}");
        }
    }
}

#[test]
fn padding_is_of_no_class_before_and_after_a_blend() {
    let folder = TempDir::new().expect("a folder");
    let ids = masks::<u8>(&written(&folder, "padded", "  - pad: { padding: 3 }\n"));
    assert_eq!(ids.shape(), [7, 46, 42]);
    assert!(ids.indexed_iter().all(|(at, id)| (*id == 255) == (at[1] < 3 || at[1] >= 43 || at[2] < 3 || at[2] >= 39)));
    let shares = masks::<f32>(&written(&folder, "mixed", "  - pad: { padding: 3 }\n  - mixup: { mode: elem }\n"));
    assert!(shares.slice(s![.., .., ..3, ..]).iter().all(|share| *share == 0.0));
    let turned = masks::<u8>(&written(&folder, "turned", "  - affine: { degrees: [45, 45] }\n"));
    assert!(turned.iter().any(|id| *id == 255) && turned.iter().all(|id| *id == 255 || usize::from(*id) < CLASSES));
}

#[test]
fn soft_masks_are_verified_within_what_their_weights_promise() {
    let folder = TempDir::new().expect("a folder");
    let _ = written(&folder, "steps", "  - smoothmix: { mode: elem }\n  - horizontal_flip\n");
    let _ = succeed(PROGRAM, folder.path(), &["export", "steps.yaml", "-o", "steps.onnx"]);
    let said = succeed(PROGRAM, folder.path(), &["verify", "steps.onnx", "steps.yaml"]);
    assert!(said.contains("masks_out") && said.contains("as promised"), "{said}");
}

#[test]
fn exported_files_move_masks_too() {
    let folder = TempDir::new().expect("a folder");
    let steps = "  - horizontal_flip\n  - random_crop: { size: 32, padding: 3 }\n  - cutmix: { mode: elem, label: visible_mask }\n  - mixup: { mode: elem }\n  - cutmix: { mode: half, partner: flip }\n";
    let _ = written(&folder, "steps", steps);
    let _ = succeed(PROGRAM, folder.path(), &["export", "steps.yaml", "-o", "steps.onnx"]);
    let said = succeed(PROGRAM, folder.path(), &["verify", "steps.onnx", "steps.yaml"]);
    assert!(said.contains("masks_out") && said.contains("as promised"), "{said}");
}

#[test]
fn an_ignored_id_is_of_no_class_and_keeps_its_weight_in_a_blend() {
    let folder = TempDir::new().expect("a folder");
    for (photo, ignored) in [("a", 255u8), ("b", 2)] {
        for name in ["photos/cat", "masks/cat"] {
            fs::create_dir_all(folder.path().join(name)).expect("a folder");
        }
        RgbImage::new(8, 4).save(folder.path().join(format!("photos/cat/{photo}.png"))).expect("a photo");
        let id = |x, _| Luma([if x < 2 { ignored } else { u8::from(x < 5) }]);
        GrayImage::from_fn(8, 4, id).save(folder.path().join(format!("masks/cat/{photo}.png"))).expect("a mask");
    }
    let made = |name: &str, ignore: u8, steps: &str| {
        let data = format!(
            "{{ folder: photos, masks: {{ folder: masks, classes: 3, ignore: {ignore} }}, on_error: skip, batch: 2 }}"
        );
        let steps = format!("  - resize: {{ size: [4, 8] }}\n  - normalize: unit\n{steps}");
        fs::write(folder.path().join("p.yaml"), format!("augraft: 1\ndata: {data}\nsteps:\n{steps}")).expect("a file");
        let _ = succeed(PROGRAM, folder.path(), &["run", "p.yaml", "--out", name]);
        folder.path().join(name)
    };
    let ids = masks::<u8>(&made("of-255", 255, ""));
    assert_eq!(ids.slice(s![0, 0, ..]).to_vec(), [255, 255, 1, 1, 1, 0, 0, 0]);
    assert_eq!(ids.slice(s![1, 0, ..]).to_vec(), [2, 2, 1, 1, 1, 0, 0, 0]);
    // An id that would be that of a class is of none where the file says so.
    let ids = masks::<u8>(&made("of-2", 2, ""));
    assert_eq!(ids.slice(s![0, 0, ..]).to_vec(), [255, 255, 1, 1, 1, 0, 0, 0]);
    let shares = masks::<f32>(&made("mixed", 255, "  - mixup: { mode: elem, partner: roll, alpha: 1000 }\n"));
    let sums: Vec<f32> = shares.sum_axis(Axis(1)).slice(s![0, 0, ..]).to_vec();
    assert!(sums[2..].iter().all(|sum| (sum - 1.0).abs() < 1e-6), "{sums:?}");
    assert!(
        sums[..2].iter().all(|sum| *sum < 0.999) && shares[[0, 2, 0, 0]] > 0.0,
        "the partner's class is seen where the sample has none: {sums:?}"
    );
}

/// What a run says of a photo with this mask.
fn refused(mask: impl Fn(&Path), more: &str) -> String {
    let folder = TempDir::new().expect("a folder");
    for name in ["photos/cat", "masks/cat"] {
        fs::create_dir_all(folder.path().join(name)).expect("a folder");
    }
    RgbImage::new(6, 4).save(folder.path().join("photos/cat/a.png")).expect("a photo");
    mask(&folder.path().join("masks/cat/a.png"));
    let text = format!(
        "augraft: 1\ndata: {{ folder: photos, {more} }}\nsteps:\n  - resize: {{ size: 4 }}\n  - cutmix: {{ label: visible_mask }}\n"
    );
    fs::write(folder.path().join("p.yaml"), text).expect("a file");
    let output = run(PROGRAM, folder.path(), &["run", "p.yaml", "--out", "out"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!folder.path().join("out").exists());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let said = said.lines().skip_while(|line| !line.starts_with("error")).collect::<Vec<_>>().join("\n");
    said.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn masks_that_cannot_be_used_are_named() {
    let given = "masks: { folder: masks, classes: 3 }";
    assert_snapshot!(refused(|_| {}, given), @"error: the mask `masks/cat/a.png` of the image `cat/a.png` does not exist; add it, or set `on_error: skip`");
    let sized = |file: &Path| GrayImage::new(6, 5).save(file).expect("a mask");
    assert_snapshot!(refused(sized, given), @"error: the mask `masks/cat/a.png` has 6 x 5 pixels, but its image 6 x 4; make them one size");
    let colored = |file: &Path| RgbImage::new(6, 4).save(file).expect("a mask");
    assert_snapshot!(refused(colored, given), @"error: the mask `masks/cat/a.png` cannot be used: it has colors, and not one class id for each pixel; write class ids as a gray or palette PNG of 8 bits");
    let deep = |file: &Path| image::ImageBuffer::<Luma<u16>, Vec<u16>>::new(6, 4).save(file).expect("a mask");
    assert_snapshot!(refused(deep, given), @"error: the mask `masks/cat/a.png` cannot be used: it has 16 bits a pixel, and class ids have 8; write class ids as a gray or palette PNG of 8 bits");
    let cut = |file: &Path| {
        GrayImage::new(6, 4).save(file).expect("a mask");
        let bytes = fs::read(file).expect("a file");
        fs::write(file, &bytes[..bytes.len() - 9]).expect("a file");
    };
    assert_snapshot!(refused(cut, given), @"error: the mask `masks/cat/a.png` cannot be used: the PNG data end early; write class ids as a gray or palette PNG of 8 bits");
    let binary = |file: &Path| {
        GrayImage::from_fn(6, 4, |x, _| Luma([if x > 2 { 255 } else { 0 }])).save(file).expect("a mask");
    };
    assert_snapshot!(refused(binary, "masks: { folder: masks, classes: 2 }"), @"error: the mask `masks/cat/a.png` has the class id 255 in row 0, column 3, and there are 2 classes; write 0 and 1 for two classes, or say that 255 is no class with `ignore: 255`");
    assert_snapshot!(refused(binary, given), @"error: the mask `masks/cat/a.png` has the class id 255 in row 0, column 3, and there are 3 classes; say that it is no class with `ignore: 255`");
    let beyond = |file: &Path| GrayImage::from_fn(6, 4, |x, _| Luma([x as u8])).save(file).expect("a mask");
    assert_snapshot!(refused(beyond, given), @"error: the mask `masks/cat/a.png` has the class id 3 in row 0, column 3, and there are 3 classes; raise `classes`, or write ids from 0 on");
    assert_snapshot!(refused(|_| {}, "masks: { folder: nowhere, classes: 3 }"), @"
    error[bad-data]: the folder of masks `nowhere` does not exist; check the path
     --> p.yaml:2:42
      |
    2 | data: { folder: photos, masks: { folder: nowhere, classes: 3 } }
      |                                          ^^^^^^^
    ");
    assert_snapshot!(refused(|_| {}, "batch: 2"), @"
    error[no-masks]: `cutmix` takes its labels from masks, but there are none
     --> p.yaml:5:22
      |
    5 |   - cutmix: { label: visible_mask }
      |                      ^^^^^^^^^^^^
      |
      = help: add `masks: { folder: DIR, classes: K }` to `data`, or choose another `label`
    ");
}
