//! Annotated objects from the files that they are written in to the files of a run.

use std::fs;
use std::path::{Path, PathBuf};

use augraft::data::{Limits, decode};
use augraft_tests::{json_lines, npz, read, run, succeed};
use image::{Rgb, RgbImage};
use serde_json::{Value, json};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_augraft-under-test");

/// Two black images, `a.png` of 24 x 20 and `b.png` of 16 x 30 pixels, in the folder `images`.
fn images() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    fs::create_dir(folder.path().join("images")).expect("a folder");
    for (name, width, height) in [("a", 24, 20), ("b", 16, 30)] {
        let image = RgbImage::from_pixel(width, height, Rgb([0, 0, 0]));
        image.save(folder.path().join(format!("images/{name}.png"))).expect("an image");
    }
    folder
}

fn write(folder: &TempDir, name: &str, text: &str) {
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, text).expect("a file");
}

/// Runs a pipeline of these lines behind the images of `folder`; returns what it left, and what it said.
fn ran(folder: &TempDir, images: &str, annotations: &str, more: &str) -> (PathBuf, String) {
    let data = format!("data: {{ flat: {images}, annotations: {annotations} }}\n");
    write(folder, "p.yaml", &format!("augraft: 1\n{data}{more}"));
    let out = folder.path().join("out");
    let said = succeed(PROGRAM, folder.path(), &["run", "p.yaml", "--out", "out"]);
    (out, said)
}

/// The objects of every sample.
fn objects(out: &Path) -> Vec<Vec<Value>> {
    let lines = json_lines(&out.join("objects.jsonl"));
    lines.iter().map(|line| line["objects"].as_array().expect("objects").clone()).collect()
}

fn coco(out: &Path) -> Value {
    serde_json::from_str(&read(&out.join("objects.json"))).expect("JSON")
}

/// Objects with keypoints of every visibility, a crowd and an image without any object.
fn annotated() -> TempDir {
    let folder = images();
    let annotations = json!({
        "images": [
            { "id": 7, "file_name": "a.png", "width": 24, "height": 20 },
            { "id": 9, "file_name": "b.png", "width": 16, "height": 30 },
        ],
        "categories": [
            { "id": 3, "name": "car" },
            { "id": 5, "name": "person", "keypoints": ["left", "right", "nose"] },
        ],
        "annotations": [
            {
                "id": 21, "image_id": 7, "category_id": 5, "bbox": [2, 3, 12.25, 10.5], "area": 60, "iscrowd": 0,
                "keypoints": [4.1, 5, 2, 9.3, 5, 1, 0, 0, 0], "num_keypoints": 2,
            },
            { "id": 22, "image_id": 7, "category_id": 3, "bbox": [10, 4, 14, 16], "area": 200, "iscrowd": 1 },
            { "id": 23, "image_id": 9, "category_id": 3, "bbox": [1, 2, 5, 7], "area": 35, "iscrowd": 0 },
        ],
    });
    write(&folder, "a.json", &annotations.to_string());
    folder
}

/// Steps that leave the first image as it is.
const SAME: &str = "steps: [resize: { size: [20, 24] }]\n";
const COCO: &str = "{ coco: a.json, flip_pairs: [[0, 1]] }";

#[test]
fn a_run_writes_the_objects_of_a_coco_file_in_every_form() {
    let folder = annotated();
    let (out, said) = ran(&folder, "images", COCO, "steps: [resize: { size: [40, 48] }]\n");
    assert!(!said.contains("clipped"), "{said}");
    let objects = objects(&out);
    assert_eq!(objects.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    let person = &objects[0][0];
    assert_eq!((&person["class"], &person["name"], &person["origin"]), (&json!(1), &json!("person"), &json!([0, 21])));
    assert_eq!(person["box"], json!([4.0, 6.0, 28.5, 27.0]));
    assert_eq!(person["crowd"], Value::Null);
    // COCO counts the middles of pixels from 0, and everything else here their edges.
    let left = &person["keypoints"][0];
    assert!((left[0].as_f64().expect("x") - 9.2).abs() < 1e-5 && left[1] == json!(11.0), "{left}");
    assert_eq!([0, 1, 2].map(|at| person["keypoints"][at][2].clone()), [json!(true), json!(true), json!(false)]);
    assert_eq!((&objects[0][1]["crowd"], &objects[0][1]["name"]), (&json!(true), &json!("car")));

    let batch = out.join("batches/000000.npz");
    assert_eq!(npz::<f32>(&batch, "boxes").shape(), [2, 2, 4]);
    assert_eq!(npz::<f32>(&batch, "boxes").iter().copied().take(4).collect::<Vec<_>>(), [4.0, 6.0, 28.5, 27.0]);
    let flags = |name: &str| npz::<u8>(&batch, name).iter().copied().collect::<Vec<_>>();
    assert_eq!(npz::<i64>(&batch, "box_classes").iter().copied().collect::<Vec<_>>(), [1, 0, 0, 0]);
    assert_eq!(flags("box_valid"), [1, 1, 1, 0]);
    assert_eq!(flags("box_ignore"), [0, 0, 0, 0]);
    assert_eq!(npz::<f32>(&batch, "box_weights").iter().copied().collect::<Vec<_>>(), [1.0, 1.0, 1.0, 0.0]);
    assert_eq!(npz::<f32>(&batch, "keypoints").shape(), [2, 2, 3, 2]);
    assert_eq!(flags("keypoint_visible"), [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);

    let coco = coco(&out);
    assert_eq!(coco["images"][1], json!({ "id": 1, "file_name": "images/000001.png", "width": 48, "height": 40 }));
    assert_eq!(coco["annotations"][0]["bbox"], json!([4.0, 6.0, 24.5, 21.0]));
    let visibility = [2, 5, 8].map(|at| coco["annotations"][0]["keypoints"][at].clone());
    assert_eq!(visibility, [json!(2), json!(1), json!(0)], "hidden stays hidden");
    assert_eq!((&coco["annotations"][0]["num_keypoints"], &coco["annotations"][1]["iscrowd"]), (&json!(2), &json!(1)));
    assert_eq!(coco["categories"][0]["name"], "car");
}

#[test]
fn what_a_run_wrote_reads_back_as_the_same_objects() {
    let folder = annotated();
    let kept = |out: &Path| -> Vec<Vec<Value>> {
        let kept = |object: &Value| json!([object["class"], object["name"], object["box"], object["crowd"]]);
        objects(out).iter().map(|objects| objects.iter().map(kept).collect()).collect()
    };
    let keypoints = |out: &Path| coco(out)["annotations"][0]["keypoints"].clone();
    // Its left edge has more digits than its width keeps in f32, so that the right edge would come back as another number.
    let fine = json!({
        "images": [{ "id": 1, "file_name": "a.png" }],
        "categories": [{ "id": 1, "name": "car" }],
        "annotations": [{ "id": 1, "image_id": 1, "category_id": 1, "bbox": [0.5 + f64::powi(2.0, -20), 1, 19.5 + f64::powi(2.0, -20), 9] }],
    });
    write(&folder, "fine.json", &fine.to_string());
    let turned =
        "steps:\n  - resize: { size: [37, 53] }\n  - affine: { degrees: [7, 7] }\n  - horizontal_flip: { p: 1 }\n";
    for (at, (annotations, steps, count)) in [(COCO, turned, 3), ("fine.json", SAME, 1)].into_iter().enumerate() {
        let (out, _) = ran(&folder, "images", annotations, steps);
        let first = folder.path().join(format!("first-{at}"));
        fs::rename(&out, &first).expect("a folder");
        let [images, file] = ["images", "objects.json"].map(|name| format!("first-{at}/{name}"));
        let same = if steps == SAME { SAME } else { "steps: [resize: { size: [37, 53] }]\n" };
        let (second, said) = ran(&folder, &images, &file, same);
        assert!(!said.contains("clipped"), "{said}");
        assert_eq!(kept(&first).concat().len(), count);
        assert_eq!(kept(&first), kept(&second), "{steps}");
        assert_eq!(keypoints(&first), keypoints(&second), "{steps}");
    }
}

#[test]
fn yolo_lines_are_shares_of_the_image() {
    let folder = images();
    write(&folder, "names.txt", "cat\ndog\n");
    write(&folder, "labels/a.txt", "1 0.5 0.5 0.5 0.25\n\n0 0.25 0.5 0.5 1\n");
    let (out, _) = ran(&folder, "images", "{ yolo: labels, classes: names.txt }", SAME);
    let objects = objects(&out);
    assert_eq!(objects.iter().map(Vec::len).collect::<Vec<_>>(), [2, 0], "an image without a file has no objects");
    assert_eq!((&objects[0][0]["name"], &objects[0][0]["box"]), (&json!("dog"), &json!([6.0, 7.5, 18.0, 12.5])));
    assert_eq!((&objects[0][1]["name"], &objects[0][1]["box"]), (&json!("cat"), &json!([0.0, 0.0, 12.0, 20.0])));
    assert!(coco(&out)["categories"].as_array().is_some_and(|classes| classes.len() == 2));
}

#[test]
fn yolo_lines_have_keypoints() {
    let folder = images();
    write(&folder, "labels/a.txt", "0 0.5 0.5 0.5 0.5 0.5 0.5 2 0.25 0.75 1\n");
    write(&folder, "labels/b.txt", "0 0.5 0.5 0.5 0.5 0.5 0.5 0 0.5 0.4 2\n");
    let (out, _) = ran(&folder, "images", "{ yolo: labels, keypoints: 2 }", SAME);
    let objects = objects(&out);
    assert_eq!(objects[0][0]["keypoints"], json!([[12.0, 10.0, true], [6.0, 15.0, true]]));
    assert_eq!(objects[1][0]["keypoints"][0][2], json!(false));
    let keypoints = &coco(&out)["annotations"][0]["keypoints"];
    assert_eq!(*keypoints, json!([11.5, 9.5, 2, 5.5, 14.5, 1]));
}

/// A file of Pascal VOC with one object.
fn voc(name: &str, [left, top, right, bottom]: [usize; 4], difficult: usize) -> String {
    let corners = format!("<xmin>{left}</xmin><ymin>{top}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>");
    let object = format!("<name>{name}</name><difficult>{difficult}</difficult><bndbox>{corners}</bndbox>");
    format!("<annotation><object>{object}</object></annotation>")
}

#[test]
fn voc_files_count_pixels_from_1() {
    let folder = images();
    write(&folder, "labels/a.xml", &voc("dog", [1, 1, 24, 10], 0));
    write(&folder, "labels/b.xml", &voc("cat", [9, 16, 16, 30], 1));
    let (out, _) = ran(&folder, "images", "{ voc: labels }", SAME);
    let objects = objects(&out).concat();
    assert_eq!((&objects[0]["class"], &objects[0]["box"]), (&json!(1), &json!([0.0, 0.0, 24.0, 10.0])));
    assert_eq!((&objects[1]["class"], &objects[1]["box"]), (&json!(0), &json!([12.0, 10.0, 24.0, 20.0])));
    assert_eq!((&objects[0]["difficult"], &objects[1]["difficult"]), (&Value::Null, &json!(true)));
}

#[test]
fn rules_say_which_objects_are_kept() {
    let folder = annotated();
    // The left half of the first image: the person loses little, the crowd nearly all.
    let crop = "steps:\n  - resize: { size: [20, 24] }\n  - center_crop: { size: [20, 12] }\n";
    let left = |rules: &str| {
        let (out, _) = ran(&folder, "images", COCO, &format!("{rules}{crop}"));
        let ignored =
            npz::<u8>(&out.join("batches/000000.npz"), "box_ignore").iter().filter(|flag| **flag == 1).count();
        let ids: Vec<Value> = objects(&out).concat().iter().map(|object| object["origin"][1].clone()).collect();
        (ids, ignored)
    };
    assert_eq!(left(""), (vec![json!(21), json!(22), json!(23)], 0));
    assert_eq!(left("objects: { min_area: 20 }\n"), (vec![json!(21), json!(22)], 0));
    assert_eq!(left("objects: { min_visibility: 0.6 }\n"), (vec![json!(21)], 0));
    assert_eq!(left("objects: { min_side: 4 }\n"), (vec![json!(21), json!(22)], 0));
    let marked = "objects: { min_visibility: 0.6, on_drop: ignore }\n";
    assert_eq!(left(marked), (vec![json!(21), json!(22), json!(23)], 2));
    let ignored = coco(&folder.path().join("out"));
    let ignored = ignored["annotations"].as_array().expect("objects").iter().map(|object| object["ignore"].clone());
    assert_eq!(ignored.collect::<Vec<_>>(), [json!(0), json!(1), json!(1)]);
}

#[test]
fn a_blend_writes_the_objects_of_both_with_their_weights() {
    let folder = annotated();
    let steps = "steps:\n  - resize: { size: 20 }\n  - mixup: { lam_dist: { fixed: 0.25 }, partner: roll }\n";
    let (out, _) = ran(&folder, "images", COCO, steps);
    let weights = npz::<f32>(&out.join("batches/000000.npz"), "box_weights");
    assert_eq!(weights.iter().copied().collect::<Vec<_>>(), [0.25, 0.25, 0.75, 0.25, 0.75, 0.75]);
    let weights: Vec<Value> = objects(&out).concat().iter().map(|object| object["weight"].clone()).collect();
    assert_eq!(weights.len(), 6);
    assert_eq!(coco(&out)["annotations"][2]["weight"], json!(0.75));
}

#[test]
fn boxes_that_reach_out_of_their_images_are_counted() {
    let folder = images();
    write(&folder, "labels/a.txt", "0 0.5 0.5 0.5 0.25\n0 0.9 0.5 0.5 0.25\n");
    let (out, said) = ran(&folder, "images", "{ yolo: labels }", SAME);
    assert_eq!(said, "1 box reaches out of its image and was clipped\nout: 2 images\n");
    let record: Value = serde_json::from_str(&read(&out.join("run.json"))).expect("JSON");
    assert_eq!(record["clipped_boxes"], json!(1));
    write(&folder, "labels/b.txt", "0 0.1 0.5 0.5 0.25\n");
    let (_, said) = ran(&folder, "images", "{ yolo: labels }", SAME);
    assert_eq!(said, "2 boxes reach out of their images and were clipped\nout: 2 images\n");
}

#[test]
fn the_preview_shows_boxes_and_keypoints() {
    let folder = images();
    let annotations = json!({
        "images": [{ "id": 1, "file_name": "a.png" }],
        "categories": [{ "id": 1, "name": "person", "keypoints": ["seen", "hidden", "none"] }],
        "annotations": [{
            "id": 1, "image_id": 1, "category_id": 1, "bbox": [6, 4, 12, 12],
            "keypoints": [8.5, 9.5, 2, 14.5, 9.5, 1, 11.5, 6.5, 0],
        }],
    });
    write(&folder, "a.json", &annotations.to_string());
    let (out, _) = ran(
        &folder,
        "images",
        "a.json",
        "steps:\n  - resize: { size: [20, 24] }\n  - horizontal_flip: { p: 1 }\n  - cutout: { length: 2, p: 0 }\n",
    );
    let sheet = decode(&fs::read(out.join("preview.png")).expect("a preview"), Limits::default()).expect("a PNG");
    // Tiles of 192 pixels, 8 for each of the image's, begin 76 below the top and 12 from the left, and 204 further on.
    for (tile, flips) in [(12, true), (216, true)] {
        let at = |x: usize, y: usize| {
            let x = if flips { 192 - x } else { x };
            [0, 1, 2].map(|channel| sheet[[76 + y, tile + x, channel]])
        };
        let (color, black) = ([0, 229, 155], [0, 0, 0]);
        for (x, y) in [(49, 80), (143, 80), (96, 33), (96, 127)] {
            assert_eq!(at(x, y), color, "the edge at {x}, {y} of the tile at {tile}");
        }
        for (x, y) in [(52, 80), (44, 80), (96, 37)] {
            assert_eq!(at(x, y), black, "beside the edge at {x}, {y} of the tile at {tile}");
        }
        assert_eq!(at(72, 80), color, "a visible keypoint is a disk");
        assert_eq!((at(120, 80), at(123, 80)), (black, color), "a hidden keypoint is a ring");
        assert_eq!(at(96, 56), black, "a keypoint that is not labeled is not shown");
    }
}

#[test]
fn verify_compares_objects() {
    let folder = annotated();
    let steps = "steps:\n  - resize: { size: 24 }\n  - horizontal_flip: { p: 0.5 }\n  - affine: { degrees: [-20, 20] }\n  - mixup: { mode: elem, partner: roll }\n";
    let _ = ran(&folder, "images", COCO, &format!("objects: {{ min_visibility: 0.3, on_drop: ignore }}\n{steps}"));
    for draws in ["graph", "inputs", "baked"] {
        let _ = succeed(PROGRAM, folder.path(), &["export", "p.yaml", "-o", "m.onnx", "--draws", draws]);
        let said = succeed(PROGRAM, folder.path(), &["verify", "m.onnx", "p.yaml"]);
        let tables = said.matches("images_out").count();
        assert!(tables >= 2 && said.matches("boxes_out").count() == tables, "{said}");
    }
}

#[test]
fn verify_makes_boxes_up_where_there_is_no_data() {
    let folder = images();
    write(&folder, "labels/a.txt", "0 0.5 0.5 0.5 0.25\n");
    let steps = "objects: { min_side: 3 }\nsteps:\n  - resize: { size: 24 }\n  - horizontal_flip: { p: 0.5 }\n  - cutmix: { mode: elem }\n";
    let _ = ran(&folder, "images", "{ yolo: labels }", steps);
    let _ = succeed(PROGRAM, folder.path(), &["export", "p.yaml", "-o", "m.onnx"]);
    write(&folder, "bare.yaml", &format!("augraft: 1\n{steps}"));
    let said = succeed(PROGRAM, folder.path(), &["verify", "m.onnx", "bare.yaml"]);
    assert!(said.contains("boxes_out") && said.contains("15 samples in 3 batches are as promised"), "{said}");
    // Another rule leaves other objects.
    write(&folder, "bare.yaml", &format!("augraft: 1\n{}", steps.replace("min_side: 3", "min_side: 9")));
    assert_eq!(run(PROGRAM, folder.path(), &["verify", "m.onnx", "bare.yaml"]).status.code(), Some(1));
}

#[test]
fn verify_asks_for_the_data_that_a_file_was_written_from() {
    let folder = annotated();
    let steps = "steps:\n  - resize: { size: 24 }\n  - horizontal_flip: { p: 0.5 }\n";
    let _ = ran(&folder, "images", COCO, steps);
    write(&folder, "bare.yaml", &format!("augraft: 1\n{steps}"));
    let output = run(PROGRAM, folder.path(), &["verify", "out/model.onnx", "bare.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    let expected = "error: the file takes `keypoints`, and the pipeline has no data that says what they are; name the pipeline that the file was written from\n";
    assert_eq!(said, expected);
}
