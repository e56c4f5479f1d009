//! Annotations that cannot be used.

use insta::assert_snapshot;

use crate::support::Case;

/// What a pipeline with these annotations is refused with.
fn with(case: &Case, annotations: &str) -> String {
    let data = format!("data: {{ folder: photos, annotations: {annotations} }}\n");
    case.file("p.yaml", format!("augraft: 1\n{data}steps: [resize: {{ size: 8 }}]\n").as_bytes()).run()
}

/// A COCO file with one object of the first photo, with `more` in it.
fn coco(more: &str) -> String {
    let image = r#"{"id": 1, "file_name": "cat/a.png"}"#;
    let object = format!(r#"{{"id": 5, "image_id": 1, "category_id": 2{more}}}"#);
    format!(r#"{{"images": [{image}], "categories": [{{"id": 2, "name": "cat"}}], "annotations": [{object}]}}"#)
}

#[test]
fn a_missing_file() {
    let case = Case::new();
    assert_snapshot!(with(&case, "objects.json"), @"
    error[bad-data]: the annotation file `objects.json` does not exist; check the path
     --> p.yaml:2:38
      |
    2 | data: { folder: photos, annotations: objects.json }
      |                                      ^^^^^^^^^^^^
    ");
    assert_snapshot!(with(&case, "{ yolo: labels }"), @"
    error[bad-data]: the folder of annotations `labels` does not exist; check the path
     --> p.yaml:2:46
      |
    2 | data: { folder: photos, annotations: { yolo: labels } }
      |                                              ^^^^^^
    ");
    case.file("labels/other.txt", b"");
    assert_snapshot!(with(&case, "{ yolo: labels }"), @"
    error[bad-data]: the annotation file `labels/cat/a.txt` of the image `cat/a.png` does not exist, nor that of any other image; name the folder that holds `cat/a.txt`
     --> p.yaml:2:46
      |
    2 | data: { folder: photos, annotations: { yolo: labels } }
      |                                              ^^^^^^
    ");
}

#[test]
fn a_broken_coco_file() {
    let case = Case::new();
    case.file("objects.json", b"{\"images\": [],\n  \"annotations\": [}");
    assert_snapshot!(with(&case, "objects.json"), @"
    error[bad-data]: line 2 of the annotation file `objects.json` cannot be read as COCO JSON: expected value at column 19; correct it, or name a file with `images`, `annotations` and `categories`
     --> p.yaml:2:38
      |
    2 | data: { folder: photos, annotations: objects.json }
      |                                      ^^^^^^^^^^^^
    ");
    case.file("objects.json", b"[]");
    assert_snapshot!(with(&case, "objects.json"), @"
    error[bad-data]: line 1 of the annotation file `objects.json` cannot be read as COCO JSON: invalid length 0, expected an object with `images`, `annotations` and `categories` at column 2; correct it, or name a file with `images`, `annotations` and `categories`
     --> p.yaml:2:38
      |
    2 | data: { folder: photos, annotations: objects.json }
      |                                      ^^^^^^^^^^^^
    ");
    case.file("objects.json", coco("").as_bytes());
    assert_snapshot!(with(&case, "objects.json"), @"
    error[bad-data]: line 1 of the annotation file `objects.json` cannot be read as COCO JSON: missing field `bbox` at column 150; correct it, or name a file with `images`, `annotations` and `categories`
     --> p.yaml:2:38
      |
    2 | data: { folder: photos, annotations: objects.json }
      |                                      ^^^^^^^^^^^^
    ");
}

#[test]
fn an_object_that_cannot_be() {
    let case = Case::new();
    case.file("objects.json", coco(r#", "bbox": [1, 2, -3, 4]"#).as_bytes());
    assert_snapshot!(with(&case, "objects.json"), @"error: annotation 5 of the annotation file `objects.json` has a `bbox` with a negative size, -3 x 4 pixels; write [left, top, width, height], or set `on_error: skip`");
    case.file(
        "objects.json",
        coco(r#", "bbox": [1, 2, 3, 4]"#).replace("category_id\": 2", "category_id\": 3").as_bytes(),
    );
    assert_snapshot!(with(&case, "objects.json"), @"error: annotation 5 of the annotation file `objects.json` has the category 3, which is not among the `categories` of the file; correct or add it");
    case.file("objects.json", coco(r#", "bbox": [1, 2, 3, 4]"#).as_bytes()).file("names.txt", b"dog\n");
    assert_snapshot!(with(&case, "{ coco: objects.json, classes: names.txt }"), @"error: annotation 5 of the annotation file `objects.json` has the category `cat`, which is no name in the class list; add it to the list");
}

#[test]
fn a_missing_voc_file() {
    let case = Case::new();
    let object =
        "<object><name>cat</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>4</xmax><ymax>5</ymax></bndbox></object>";
    case.file("labels/a.xml", format!("<annotation>{object}</annotation>").as_bytes());
    assert_snapshot!(with(&case, "{ voc: labels }"), @"error: the annotation file `labels/cat/b.xml` of the image `cat/b.png` does not exist; add it, or set `on_error: skip`");
    case.file("labels/a.xml", b"<annotation>\n<object></annotation>");
    assert_snapshot!(with(&case, "{ voc: labels }"), @"error: line 2 of the annotation file `labels/a.xml` is no XML: expected 'object' tag, not 'annotation' at 2:9; repair the file");
}

#[test]
fn a_wrong_yolo_line() {
    let case = Case::new();
    case.file("labels/a.txt", b"0 0.5 0.5 0.5 0.5\n0 0.5 0.5 0.5\n");
    assert_snapshot!(with(&case, "{ yolo: labels }"), @"error: line 2 of the annotation file `labels/a.txt` has 4 numbers; write `class cx cy w h`, or `class x y ...` with at least 3 points, or set `keypoints`");
    case.file("labels/a.txt", b"2 0.5 0.5 0.5 0.5\n").file("names.txt", b"cat\ndog\n");
    assert_snapshot!(with(&case, "{ yolo: labels, classes: names.txt }"), @"error: line 1 of the annotation file `labels/a.txt` has the class 2, but the classes end at 1; correct the line or the class list");
    case.file("labels/a.txt", b"0 0.5 0.5 0.5 0.5\n");
    assert_snapshot!(with(&case, "{ yolo: labels, keypoints: 2 }"), @"error: line 1 of the annotation file `labels/a.txt` has 5 numbers, but with 2 keypoints it takes 9 (`class cx cy w h`, then `x y` for each) or 11 (`x y visibility`); correct the line or `keypoints`");
    assert_snapshot!(with(&case, "{ yolo: labels, flip_pairs: [[0, 1]] }"), @"
    error[wrong-value]: `flip_pairs[0]` has keypoint 1, but there are 0 keypoints
     --> p.yaml:2:67
      |
    2 | data: { folder: photos, annotations: { yolo: labels, flip_pairs: [[0, 1]] } }
      |                                                                   ^
      |
      = help: keypoints count from 0; their number is `keypoints` with `yolo`, and 0 with `voc`
    ");
}

#[test]
fn a_list_of_classes_that_cannot_be_used() {
    let case = Case::new();
    case.file("labels/a.txt", b"0 0.5 0.5 0.5 0.5\n").file("twice.txt", b"cat\ncat\n");
    assert_snapshot!(with(&case, "{ yolo: labels, classes: names.txt }"), @"
    error[bad-data]: the class list `names.txt` does not exist; check the path
     --> p.yaml:2:63
      |
    2 | data: { folder: photos, annotations: { yolo: labels, classes: names.txt } }
      |                                                               ^^^^^^^^^
    ");
    assert_snapshot!(with(&case, "{ yolo: labels, classes: twice.txt }"), @"
    error[bad-data]: line 2 of the class list `twice.txt` repeats `cat` of line 1; write one name a line, each once
     --> p.yaml:2:63
      |
    2 | data: { folder: photos, annotations: { yolo: labels, classes: twice.txt } }
      |                                                               ^^^^^^^^^
    ");
}
