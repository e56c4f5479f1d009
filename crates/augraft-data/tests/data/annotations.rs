use std::path::Path;

use augraft_data::{Annotation, AnnotationSource, BatchPlan, Dataset, Error, OnError, Source, load_batch};
use insta::assert_snapshot;

use crate::make::{Folder, png};

/// The size of the images: height, width.
const SIZE: [usize; 2] = [50, 100];

/// A folder with images of 100 x 50 pixels.
fn images(names: &[&str]) -> Folder {
    let tmp = Folder::new();
    for name in names {
        tmp.write(&format!("images/{name}"), png(100, 50, [0; 3]));
    }
    tmp
}

fn flat(tmp: &Folder) -> Dataset {
    Dataset::open(&Source::Flat(tmp.path("images"))).unwrap()
}

fn labeled(tmp: &Folder) -> Dataset {
    Dataset::open(&Source::Folder(tmp.path("images"))).unwrap()
}

fn coco(tmp: &Folder) -> AnnotationSource {
    AnnotationSource::Coco(tmp.path("coco.json"))
}

fn yolo(tmp: &Folder, keypoints: usize) -> AnnotationSource {
    AnnotationSource::Yolo { folder: tmp.path("labels"), keypoints }
}

fn voc(tmp: &Folder) -> AnnotationSource {
    AnnotationSource::Voc(tmp.path("xml"))
}

/// Writes a COCO file of lists without their brackets.
fn write_coco(tmp: &Folder, images: &str, annotations: &str, categories: &str) {
    let text = format!(
        "{{\"info\": {{}},\n\"images\": [{images}],\n\"annotations\": [{annotations}],\n\"categories\": [{categories}]}}\n"
    );
    tmp.write("coco.json", text);
}

/// The objects of the only image, or what is wrong with them.
fn of_first(tmp: &Folder, source: &AnnotationSource, classes: Option<&Path>) -> Result<Vec<Annotation>, Error> {
    flat(tmp).with_annotations(source, classes)?.annotations(0, SIZE)
}

fn refused(tmp: &Folder, source: &AnnotationSource, classes: Option<&Path>) -> String {
    tmp.redact(&of_first(tmp, source, classes).unwrap_err())
}

fn plain(id: u64, class: usize, bounds: [f32; 4]) -> Annotation {
    Annotation { id, class, bounds, crowd: false, difficult: false, keypoints: Vec::new() }
}

const CATEGORIES: &str = r#"{"id": 7, "name": "dog", "supercategory": "animal"},
    {"id": 3, "name": "person", "keypoints": ["nose", "tail"], "skeleton": [[1, 2]]}"#;

#[test]
fn coco_files_hold_boxes_crowds_and_keypoints() {
    let tmp = images(&["a.png", "b.png", "c.png"]);
    let entries = r#"{"id": 20, "file_name": "b.png", "width": 100, "height": 50}, {"id": 10, "file_name": "./a.png"},
        {"id": 30, "file_name": "elsewhere.png"}"#;
    let annotations = r#"
        {"id": 5, "image_id": 20, "category_id": 7, "bbox": [10, 20.5, 30, 4], "area": 77.5, "iscrowd": 1, "segmentation": {"counts": [1], "size": [50, 100]}},
        {"id": 4, "image_id": 20, "category_id": 3, "bbox": [90, 40, 10.05, 10], "area": 0, "iscrowd": false, "keypoints": [95, 45.5, 2, 0, 0, 0], "num_keypoints": 1},
        {"id": 6, "image_id": 10, "category_id": 3, "bbox": [-20, 0, 40, 60], "iscrowd": null},
        {"id": 8, "image_id": 30, "category_id": 99, "bbox": [0, 0, -1, 1]},
        {"id": 9, "image_id": 31, "category_id": 3, "bbox": [0, 0, 1, 1]}"#;
    write_coco(&tmp, entries, annotations, CATEGORIES);
    let dataset = flat(&tmp).with_annotations(&coco(&tmp), None).unwrap();
    assert!(dataset.has_annotations());
    assert_eq!(dataset.object_classes(), ["person", "dog"]);
    assert_eq!(dataset.keypoint_names(), ["nose", "tail"]);
    let crowd = Annotation { crowd: true, ..plain(5, 1, [10.0, 20.5, 40.0, 24.5]) };
    let keypoints = vec![[95.5, 46.0, 2.0], [0.5, 0.5, 0.0]];
    let cut = Annotation { keypoints, ..plain(4, 0, [90.0, 40.0, 100.0, 50.0]) };
    assert_eq!(dataset.annotations(1, SIZE).unwrap(), [crowd, cut]);
    assert_eq!(dataset.clipped_annotations(), 0, "a twentieth of a pixel is rounding");
    let clone = dataset.clone();
    for _ in 0..2 {
        assert_eq!(clone.annotations(0, SIZE).unwrap(), [plain(6, 0, [0.0, 0.0, 20.0, 50.0])]);
    }
    assert_eq!(dataset.clipped_annotations(), 1, "another epoch counts no box again");
    assert_eq!(dataset.annotations(2, SIZE).unwrap(), []);
    assert_eq!(dataset.files([0]), [tmp.path("coco.json"), tmp.path("images/a.png")]);

    let list = tmp.write("list.txt", "cat\ndog\nperson\n");
    let listed = flat(&tmp).with_annotations(&coco(&tmp), Some(&list)).unwrap();
    assert_eq!(listed.object_classes(), ["cat", "dog", "person"]);
    assert_eq!(listed.annotations(0, SIZE).unwrap()[0].class, 2);
    assert_eq!(listed.files([0]), [tmp.path("coco.json"), tmp.path("images/a.png"), list]);
}

/// The class of the objects of each sample, where the image with the id 1 has class 0, and so on.
fn matches(tmp: &Folder, dataset: Dataset, names: &[&str]) -> Result<String, String> {
    let list = |line: &dyn Fn(usize, &str) -> String| {
        names.iter().enumerate().map(|(id, name)| line(id + 1, name)).collect::<Vec<_>>().join(",")
    };
    write_coco(
        tmp,
        &list(&|id, name| format!(r#"{{"id": {id}, "file_name": "{name}"}}"#)),
        &list(&|id, _| format!(r#"{{"id": {id}, "image_id": {id}, "category_id": {id}, "bbox": [0, 0, 1, 1]}}"#)),
        &list(&|id, name| format!(r#"{{"id": {id}, "name": "{name}"}}"#)),
    );
    let dataset = dataset.with_annotations(&coco(tmp), None).map_err(|error| tmp.redact(&error))?;
    let name = |i| {
        let found = dataset.annotations(i, SIZE).unwrap();
        found.first().map_or("-", |object| &dataset.object_classes()[object.class]).to_owned()
    };
    Ok((0..dataset.len()).map(name).collect::<Vec<_>>().join(" "))
}

#[test]
fn coco_names_images_by_path_then_by_name() {
    let tmp = images(&["train/1.png", "train/2.png", "val/1.png"]);
    let found = |names: &[&str]| matches(&tmp, labeled(&tmp), names).unwrap();
    assert_eq!(found(&["val/1.png", "train/1.png", "2.png"]), "train/1.png 2.png val/1.png");
    assert_eq!(found(&[r"val\\1.png", "2.png"]), r"- 2.png val\1.png");
    assert_eq!(found(&["images/val/1.png", "other/2.png"]), "- other/2.png images/val/1.png");
    assert_eq!(found(&["train/1.png"]), "train/1.png - -");
    let refused = |names: &[&str]| matches(&tmp, labeled(&tmp), names).unwrap_err();
    assert_snapshot!(refused(&["1.png"]), @"the annotation file `TMP/coco.json` has `1.png`, which could be the image `train/1.png` or `val/1.png`; write its path as `file_name`");
    assert_snapshot!(refused(&["x/2.png", "y/2.png"]), @"the annotation file `TMP/coco.json` has `x/2.png` and `y/2.png`, and the image `train/2.png` could be either; write its path as `file_name`");
    assert_snapshot!(refused(&["2.png", "./2.png"]), @"the annotation file `TMP/coco.json` has the image `2.png` twice, with the ids 1 and 2; keep one");
    assert_snapshot!(refused(&["x/3.png", "4.png"]), @"the annotation file `TMP/coco.json` has none of the images of the data: it has `x/3.png`, and the data `train/1.png`; make `file_name` the path below the folder of images");
    assert_snapshot!(refused(&[]), @"the annotation file `TMP/coco.json` has no images; name the file that lists those of the data");

    let pixel = png(100, 50, [0; 3]);
    tmp.tar("x.tar", &[("deep/1.png", &pixel), ("deep/1.cls", b"0"), ("2.png", &pixel), ("2.cls", b"0")]);
    let shards = Dataset::open(&Source::Shards(tmp.path("x.tar").to_str().unwrap().to_owned())).unwrap();
    assert_eq!(matches(&tmp, shards, &["2.png", "deep/1.png"]).unwrap(), "deep/1.png 2.png");
}

#[test]
fn broken_coco_files() {
    let tmp = images(&["a.png"]);
    let image = r#"{"id": 1, "file_name": "a.png", "width": 100, "height": 50}"#;
    let with = |annotation: &str| {
        write_coco(&tmp, image, &format!(r#"{{"id": 17, "image_id": 1, {annotation}}}"#), CATEGORIES);
        refused(&tmp, &coco(&tmp), None)
    };
    assert_snapshot!(refused(&tmp, &coco(&tmp), None), @"the annotation file `TMP/coco.json` does not exist; check the path");
    assert_snapshot!(with(r#""category_id": 5, "bbox": [0, 0, 1, 1]"#), @"annotation 17 of the annotation file `TMP/coco.json` has the category 5, which is not among the `categories` of the file; correct or add it");
    assert_snapshot!(with(r#""category_id": 7, "bbox": [0, 0, 1]"#), @"line 3 of the annotation file `TMP/coco.json` cannot be read as COCO JSON: invalid length 3, expected an array of length 4 at column 77; correct it, or name a file with `images`, `annotations` and `categories`");
    assert_snapshot!(with(r#""category_id": 7"#), @"line 3 of the annotation file `TMP/coco.json` cannot be read as COCO JSON: missing field `bbox` at column 59; correct it, or name a file with `images`, `annotations` and `categories`");
    assert_snapshot!(with(r#""category_id": 7, "bbox": [9, 9, -2, 3.5]"#), @"annotation 17 of the annotation file `TMP/coco.json` has a `bbox` with a negative size, -2 x 3.5 pixels; write [left, top, width, height], or set `on_error: skip`");
    assert_snapshot!(with(r#""category_id": 7, "bbox": [9, 9, 2, 0]"#), @"annotation 17 of the annotation file `TMP/coco.json` has a box without area, 2 x 0 pixels; correct or remove it, or set `on_error: skip`");
    assert_snapshot!(with(r#""category_id": 7, "bbox": [100, 9, 2, 2]"#), @"annotation 17 of the annotation file `TMP/coco.json` has a box from (100, 9) to (102, 11), outside of its image of 100 x 50 pixels; correct or remove it, or set `on_error: skip`");
    assert_snapshot!(with(r#""category_id": 7, "bbox": [NaN, 9, 2, 2]"#), @"line 3 of the annotation file `TMP/coco.json` cannot be read as COCO JSON: expected value at column 70; correct it, or name a file with `images`, `annotations` and `categories`");
    assert_snapshot!(with(r#""category_id": 7, "bbox": [0, 0, 2, 2], "keypoints": [1, 1, 2]"#), @"annotation 17 of the annotation file `TMP/coco.json` has 3 numbers in `keypoints`, but the category `dog` names 0 keypoints; write x, y, visibility for each");
    assert_snapshot!(with(r#""category_id": 3, "bbox": [0, 0, 2, 2], "keypoints": [1, 1, 2]"#), @"annotation 17 of the annotation file `TMP/coco.json` has 3 numbers in `keypoints`, but the category `person` names 2 keypoints; write x, y, visibility for each");
    assert_snapshot!(with(r#""category_id": 3, "bbox": [0, 0, 2, 2], "keypoints": [1, 1, 2, 1, 1, 3]"#), @"annotation 17 of the annotation file `TMP/coco.json` has keypoint 1 with the visibility 3; write 0 (not labeled), 1 (hidden) or 2 (visible)");
    tmp.write("coco.json", "[]");
    assert_snapshot!(refused(&tmp, &coco(&tmp), None), @"line 1 of the annotation file `TMP/coco.json` cannot be read as COCO JSON: invalid length 0, expected an object with `images`, `annotations` and `categories` at column 2; correct it, or name a file with `images`, `annotations` and `categories`");
    tmp.write("coco.json", "{\"images\": [],\n\"annotations\": [}");
    assert_snapshot!(refused(&tmp, &coco(&tmp), None), @"line 2 of the annotation file `TMP/coco.json` cannot be read as COCO JSON: expected value at column 17; correct it, or name a file with `images`, `annotations` and `categories`");

    let categories = |text: &str| {
        write_coco(&tmp, image, "", text);
        refused(&tmp, &coco(&tmp), None)
    };
    assert_snapshot!(categories(r#"{"id": 1, "name": "cat"}, {"id": 1, "name": "dog"}"#), @"the annotation file `TMP/coco.json` has the category 1 twice, as `cat` and `dog`; give one another id");
    assert_snapshot!(categories(r#"{"id": 1, "name": "cat", "keypoints": ["ear"]}, {"id": 2, "name": "dog", "keypoints": ["tail"]}"#), @"the annotation file `TMP/coco.json` has other keypoints for the category `dog` than for `cat`; write the categories to files of their own");

    let object = r#"{"id": 17, "image_id": 1, "category_id": 7, "bbox": [0, 0, 1, 1]}"#;
    let list = tmp.write("list.txt", "person\n");
    write_coco(&tmp, image, object, CATEGORIES);
    assert_snapshot!(refused(&tmp, &coco(&tmp), Some(&list)), @"annotation 17 of the annotation file `TMP/coco.json` has the category `dog`, which is no name in the class list; add it to the list");
    assert_snapshot!(refused(&tmp, &coco(&tmp), Some(&tmp.path("absent.txt"))), @"the class list `TMP/absent.txt` does not exist; check the path");
    write_coco(&tmp, r#"{"id": 1, "file_name": "a.png", "width": 50, "height": 100}"#, object, CATEGORIES);
    assert_snapshot!(refused(&tmp, &coco(&tmp), None), @"annotation 17 of the annotation file `TMP/coco.json` is of an image of 50 x 100 pixels, but the image has 100 x 50; make them one size");
}

#[test]
fn yolo_files_hold_boxes_and_polygons_in_shares() {
    let tmp = images(&["train/a.png", "train/b.jpg", "val/c.png"]);
    tmp.write(
        "labels/train/a.txt",
        "\u{feff}2 0.5 0.5 0.2 0.4\r\n\n0 0.1 0.2 0.3 0.2 0.2 0.6\n1.0 0 0 1 0 1 1.0000004 0 1\n",
    );
    tmp.write("labels/c.txt", "0 0.9 0.5 0.4 0.5");
    tmp.write("labels/classes.txt", "not read");
    let dataset = labeled(&tmp).with_annotations(&yolo(&tmp, 0), None).unwrap();
    assert_eq!(dataset.object_classes(), ["0", "1", "2"]);
    assert_eq!(dataset.keypoint_names(), [""; 0]);
    let expected = [
        plain(0, 2, [40.0, 15.0, 60.0, 35.0]),
        plain(1, 0, [10.0, 10.0, 30.0, 30.0]),
        plain(2, 1, [0.0, 0.0, 100.0, 50.0]),
    ];
    assert_eq!(dataset.annotations(0, SIZE).unwrap(), expected);
    assert_eq!(dataset.clipped_annotations(), 0);
    assert_eq!(dataset.annotations(1, SIZE).unwrap(), []);
    assert_eq!(dataset.annotations(2, SIZE).unwrap(), [plain(0, 0, [70.0, 12.5, 100.0, 37.5])]);
    assert_eq!(dataset.clipped_annotations(), 1);
    assert_eq!(dataset.files([1]), [tmp.path("images/train/b.jpg")]);
    assert_eq!(dataset.files([2]), [tmp.path("images/val/c.png"), tmp.path("labels/c.txt")]);
    let list = tmp.write("names.txt", "x\ny\nz\nw\n");
    let dataset = labeled(&tmp).with_annotations(&yolo(&tmp, 0), Some(&list)).unwrap();
    assert_eq!(dataset.object_classes(), ["x", "y", "z", "w"]);
}

#[test]
fn yolo_files_hold_keypoints_with_and_without_visibility() {
    let tmp = images(&["a.png"]);
    tmp.write("labels/a.txt", "0 .5 .5 .2 .4 .45 .5 2 0 0 0.0\n0 .5 .5 .2 .4 .55 .4 -1 -1");
    let dataset = flat(&tmp).with_annotations(&yolo(&tmp, 2), None).unwrap();
    assert_eq!(dataset.keypoint_names(), ["0", "1"]);
    let found = dataset.annotations(0, SIZE).unwrap();
    assert_eq!(found[0].keypoints, [[45.0, 25.0, 2.0], [0.0, 0.0, 0.0]]);
    assert_eq!(found[1].keypoints, [[55.0, 20.0, 2.0], [-100.0, -50.0, 0.0]]);
}

#[test]
fn broken_yolo_files() {
    let tmp = images(&["a.png"]);
    assert_snapshot!(refused(&tmp, &yolo(&tmp, 0), None), @"the folder of annotations `TMP/labels` does not exist; check the path");
    tmp.write("labels/b.txt", "");
    assert_snapshot!(refused(&tmp, &yolo(&tmp, 0), None), @"the annotation file `TMP/labels/a.txt` of the image `a.png` does not exist, nor that of any other image; name the folder that holds `a.txt`");
    let list = tmp.write("names.txt", "cat\ndog\n");
    let with = |keypoints: usize, line: &str| {
        tmp.write(
            "labels/a.txt",
            format!("0 .5 .5 .1 .1 .5 .5 2\n{line}\n")
                .replace(" .5 .5 2", if keypoints == 0 { "" } else { " .5 .5 2" }),
        );
        refused(&tmp, &yolo(&tmp, keypoints), Some(&list))
    };
    assert_snapshot!(with(0, "1 .5 .5 .1"), @"line 2 of the annotation file `TMP/labels/a.txt` has 4 numbers; write `class cx cy w h`, or `class x y ...` with at least 3 points, or set `keypoints`");
    assert_snapshot!(with(0, "1 .5 .5 .1 .1 .9"), @"line 2 of the annotation file `TMP/labels/a.txt` has 6 numbers; write `class cx cy w h`, or `class x y ...` with at least 3 points, or set `keypoints`");
    assert_snapshot!(with(1, "1 .5 .5 .1 .1"), @"line 2 of the annotation file `TMP/labels/a.txt` has 5 numbers, but with 1 keypoints it takes 7 (`class cx cy w h`, then `x y` for each) or 8 (`x y visibility`); correct the line or `keypoints`");
    assert_snapshot!(with(0, "1 .5 .5 .1 x"), @"line 2 of the annotation file `TMP/labels/a.txt` holds `x`, which is no finite number; correct it");
    assert_snapshot!(with(0, "1 .5 .5 .1 nan"), @"line 2 of the annotation file `TMP/labels/a.txt` holds `nan`, which is no finite number; correct it");
    assert_snapshot!(with(0, "1.5 .5 .5 .1 .1"), @"line 2 of the annotation file `TMP/labels/a.txt` has the class 1.5, which is no whole number from 0 to 65535; begin it with the class");
    assert_snapshot!(with(0, "70000 .5 .5 .1 .1"), @"line 2 of the annotation file `TMP/labels/a.txt` has the class 70000, which is no whole number from 0 to 65535; begin it with the class");
    assert_snapshot!(with(0, "2 .5 .5 .1 .1"), @"line 2 of the annotation file `TMP/labels/a.txt` has the class 2, but the classes end at 1; correct the line or the class list");
    assert_snapshot!(with(0, "1 .5 .5 -.1 .1"), @"line 2 of the annotation file `TMP/labels/a.txt` has a box with a negative size, -10 x 5 pixels; correct or remove it, or set `on_error: skip`");
    assert_snapshot!(with(0, "1 .5 .5 0 .1"), @"line 2 of the annotation file `TMP/labels/a.txt` has a box without area, 0 x 5 pixels; correct or remove it, or set `on_error: skip`");
    assert_snapshot!(with(0, "1 50 25 10 10"), @"line 2 of the annotation file `TMP/labels/a.txt` has a box from (4500, 1000) to (5500, 1500), outside of its image of 100 x 50 pixels; correct or remove it, or set `on_error: skip`");
    assert_snapshot!(with(1, "1 .5 .5 .1 .1 .5 .5 3"), @"line 2 of the annotation file `TMP/labels/a.txt` has keypoint 0 with the visibility 3; write 0 (not labeled), 1 (hidden) or 2 (visible)");
    tmp.write("labels/a.txt", b"0 .5 .5 .1 .1 \xff");
    assert_snapshot!(refused(&tmp, &yolo(&tmp, 0), None), @"the annotation file `TMP/labels/a.txt` is not UTF-8 text; save it as UTF-8");
}

#[test]
fn a_file_of_two_images_is_refused() {
    let tmp = images(&["train/1.png", "val/1.png", "val/2.png"]);
    tmp.write("labels/1.txt", "0 .5 .5 .1 .1");
    tmp.write("labels/train/1.txt", "0 .5 .5 .1 .1");
    let dataset = labeled(&tmp).with_annotations(&yolo(&tmp, 0), None).unwrap();
    assert_eq!(dataset.annotations(0, SIZE).unwrap().len(), 1);
    assert_eq!(dataset.annotations(2, SIZE).unwrap().len(), 0);
    assert_snapshot!(tmp.redact(&dataset.annotations(1, SIZE).unwrap_err()), @"the annotation file `TMP/labels/1.txt` could belong to the image `train/1.png` or `val/1.png`; move it to the path of its image, such as `val/1.txt`");
}

fn voc_text(objects: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<annotation>\n<size><width>100</width><height>50</height></size>\n{objects}\n</annotation>\n"
    )
}

fn voc_object(name: &str, corners: [&str; 4], more: &str) -> String {
    let [x0, y0, x1, y1] = corners;
    format!(
        "<object><name>{name}</name>{more}<bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object>"
    )
}

#[test]
fn voc_files_count_pixels_from_one() {
    let tmp = images(&["a.png", "b.png"]);
    let part = "<difficult>1</difficult><part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>";
    let objects = [
        voc_object("dog", ["1", "1", "100", "50"], part),
        voc_object("cat", ["11", "21.5", " 12 ", "22"], "<difficult>0</difficult>"),
    ];
    tmp.write("xml/a.xml", voc_text(&objects.concat()));
    tmp.write("xml/b.xml", "<annotation><size><width>0</width><height>0</height></size></annotation>");
    tmp.write("xml/unused/c.xml", voc_text(&voc_object("bird", ["1", "1", "2", "2"], "")));
    let dataset = flat(&tmp).with_annotations(&voc(&tmp), None).unwrap();
    assert_eq!(dataset.object_classes(), ["bird", "cat", "dog"]);
    let difficult = Annotation { difficult: true, ..plain(0, 2, [0.0, 0.0, 100.0, 50.0]) };
    assert_eq!(dataset.annotations(0, SIZE).unwrap(), [difficult, plain(1, 1, [10.0, 20.5, 12.0, 22.0])]);
    assert_eq!(dataset.annotations(1, SIZE).unwrap(), []);
    assert_eq!(dataset.clipped_annotations(), 0);
    let list = tmp.write("names.txt", "dog\ncat\n");
    let dataset = flat(&tmp).with_annotations(&voc(&tmp), Some(&list)).unwrap();
    assert_eq!(dataset.annotations(0, SIZE).unwrap()[0].class, 0);
    assert_eq!(dataset.files([0]), [tmp.path("images/a.png"), list, tmp.path("xml/a.xml")]);
}

#[test]
fn broken_voc_files() {
    let tmp = images(&["a.png", "b.png"]);
    tmp.write("xml/b.xml", voc_text(""));
    let list = tmp.write("names.txt", "cat\ndog\n");
    assert_snapshot!(refused(&tmp, &voc(&tmp), None), @"the annotation file `TMP/xml/a.xml` of the image `a.png` does not exist; add it, or set `on_error: skip`");
    let with = |text: &str| {
        tmp.write("xml/a.xml", text);
        refused(&tmp, &voc(&tmp), Some(&list))
    };
    let object = |name: &str, corners: [&str; 4], more: &str| with(&voc_text(&voc_object(name, corners, more)));
    assert_snapshot!(with("<annotation>\n<object></annotation>"), @"line 2 of the annotation file `TMP/xml/a.xml` is no XML: expected 'object' tag, not 'annotation' at 2:9; repair the file");
    assert_snapshot!(with("<!DOCTYPE a [<!ENTITY b \"c\">]><annotation/>"), @"line 1 of the annotation file `TMP/xml/a.xml` is no XML: XML with DTD detected; repair the file");
    assert_snapshot!(with("<svg/>"), @"line 1 of the annotation file `TMP/xml/a.xml` begins with `<svg>`; a file of Pascal VOC begins with `<annotation>`");
    assert_snapshot!(with(&voc_text("").replace("100", "200")), @"the annotation file `TMP/xml/a.xml` is for an image of 200 x 50 pixels, but the image has 100 x 50; make them one size");
    assert_snapshot!(object("cow", ["1", "1", "2", "2"], ""), @"line 4 of the annotation file `TMP/xml/a.xml` has an object `cow`, which is no name in the class list; correct it or add the name to the list");
    assert_snapshot!(object("", ["1", "1", "2", "2"], ""), @"line 4 of the annotation file `TMP/xml/a.xml` has an object without `<name>`; add it");
    assert_snapshot!(with(&voc_text("<object><name>cat</name></object>")), @"line 4 of the annotation file `TMP/xml/a.xml` has an object `cat` without `<bndbox>`; add it");
    assert_snapshot!(object("cat", ["1", "1", "", "2"], ""), @"line 4 of the annotation file `TMP/xml/a.xml` has an object `cat` without `<xmax>` in its `<bndbox>`; add it");
    assert_snapshot!(object("cat", ["1", "1", "NaN", "2"], ""), @"line 4 of the annotation file `TMP/xml/a.xml` has an object `cat` with `NaN` as `<xmax>`; write a number");
    assert_snapshot!(object("cat", ["1", "1", "2", "2"], "<difficult>yes</difficult>"), @"line 4 of the annotation file `TMP/xml/a.xml` has an object `cat` with `yes` as `<difficult>`; write 0 or 1");
    assert_snapshot!(object("cat", ["9", "1", "2", "2"], ""), @"line 4 of the annotation file `TMP/xml/a.xml` has a box with a negative size, -6 x 2 pixels; correct or remove it, or set `on_error: skip`");
    assert_snapshot!(object("cat", ["101", "1", "102", "2"], ""), @"line 4 of the annotation file `TMP/xml/a.xml` has a box from (100, 0) to (102, 2), outside of its image of 100 x 50 pixels; correct or remove it, or set `on_error: skip`");
}

#[test]
fn objects_are_loaded_with_their_images() {
    let tmp = images(&["a.png", "b.png", "c.png"]);
    tmp.write("labels/a.txt", "0 .5 .5 .1 .1");
    tmp.write("labels/b.txt", "0 .5 .5");
    let dataset = flat(&tmp).with_annotations(&yolo(&tmp, 0), None).unwrap();
    let plan = BatchPlan { batch: 3, shuffle: None, drop_last: false, limit: None };
    let loaded = load_batch(&dataset, &plan.indices(0, 3), OnError::Skip).unwrap();
    assert_eq!(loaded.index, [0, 2]);
    let counts: Vec<usize> = loaded.annotations.unwrap().iter().map(Vec::len).collect();
    assert_eq!(counts, [1, 0]);
    assert_snapshot!(tmp.redact(&loaded.skipped[0].reason), @"line 1 of the annotation file `TMP/labels/b.txt` has 3 numbers; write `class cx cy w h`, or `class x y ...` with at least 3 points, or set `keypoints`");
    let failed = load_batch(&dataset, &[1], OnError::Fail).unwrap_err();
    assert_eq!(failed.to_string(), loaded.skipped[0].reason);
    assert_eq!(load_batch(&flat(&tmp), &[0], OnError::Fail).unwrap().annotations, None);
    assert_snapshot!(flat(&tmp).annotations(0, SIZE).unwrap_err(), @"the annotation file `` does not exist; check the path");
}
