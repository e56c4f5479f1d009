//! Data that cannot be read, and images of every kind.

use std::fs;

use augraft_tests::{run, workspace};
use image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, RgbaImage};
use insta::assert_snapshot;
use serde_json::json;
use tar::{Builder, Header};

use crate::support::{Case, RUN};

const RESIZED: &str = "steps: [resize: { size: 8 }]\n";

/// What a pipeline over `data` is refused with.
fn over(case: &Case, data: &str) -> String {
    case.file("p.yaml", format!("augraft: 1\ndata: {data}\n{RESIZED}").as_bytes()).run()
}

/// The first half of a JPEG.
fn half_jpeg() -> Vec<u8> {
    let photo = workspace().join("pipelines/data/photos/espresso/coffee.jpg");
    let bytes = fs::read(photo).expect("a photo");
    bytes[..bytes.len() / 2].to_vec()
}

/// A tar file of small members.
fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).expect("a member");
    }
    builder.into_inner().expect("a tar file")
}

fn png(image: impl Into<DynamicImage>) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, ImageFormat::Png).expect("a PNG");
    bytes.into_inner()
}

#[test]
fn a_missing_folder() {
    assert_snapshot!(over(&Case::new(), "{ folder: phtos }"), @"
    error[bad-data]: the folder `phtos` does not exist; check the path
     --> p.yaml:2:17
      |
    2 | data: { folder: phtos }
      |                 ^^^^^
    ");
    assert_snapshot!(over(&Case::new(), "{ folder: photos, classes: names.txt }"), @"
    error[bad-data]: the class list `names.txt` does not exist; check the path
     --> p.yaml:2:34
      |
    2 | data: { folder: photos, classes: names.txt }
      |                                  ^^^^^^^^^
    ");
}

#[test]
fn an_empty_folder() {
    let case = Case::new();
    fs::create_dir(case.path().join("nothing")).expect("a folder");
    assert_snapshot!(over(&case, "{ folder: nothing }"), @"
    error[bad-data]: `nothing` holds no images; add files that end in .jpg, .jpeg or .png
     --> p.yaml:2:17
      |
    2 | data: { folder: nothing }
      |                 ^^^^^^^
    ");
    assert_snapshot!(over(&case, "{ flat: photos }"), @"
    error[bad-data]: `photos` holds only folders, such as `cat`, and no images; use `folder:` to read one class from each
     --> p.yaml:2:15
      |
    2 | data: { flat: photos }
      |               ^^^^^^
    ");
    assert_snapshot!(over(&case, "{ folder: photos/cat }"), @"
    error[bad-data]: `photos/cat` holds the image `a.png` outside of any class folder; use `flat:` for images without labels, or move it into a class folder
     --> p.yaml:2:17
      |
    2 | data: { folder: photos/cat }
      |                 ^^^^^^^^^^
    ");
    assert_snapshot!(over(&case, "{ folder: p.yaml }"), @"
    error[bad-data]: `p.yaml` is a file, not a folder; name the folder that holds the images, or use `shards:` for tar files
     --> p.yaml:2:17
      |
    2 | data: { folder: p.yaml }
      |                 ^^^^^^
    ");
}

#[test]
fn shards_that_match_nothing() {
    assert_snapshot!(over(&Case::new(), "{ shards: \"train-*.tar\" }"), @r#"
    error[bad-data]: no file matches the pattern `train-*.tar`; check the path and that the files end as the pattern does
     --> p.yaml:2:17
      |
    2 | data: { shards: "train-*.tar" }
      |                 ^^^^^^^^^^^^^
    "#);
}

#[test]
fn a_label_that_is_no_number() {
    let case = Case::new();
    let photo = png(GrayImage::new(4, 4));
    case.file("a.tar", &tar(&[("one.png", &photo), ("one.cls", b"cat")]));
    assert_snapshot!(over(&case, "{ shards: a.tar }"), @r#"
    error[bad-data]: `a.tar/one.cls` holds "cat", which is not a class index; write a number from 0
     --> p.yaml:2:17
      |
    2 | data: { shards: a.tar }
      |                 ^^^^^
    "#);
    case.file("a.tar", &tar(&[("one.png", &photo)]));
    assert_snapshot!(over(&case, "{ shards: a.tar }"), @"
    error[bad-data]: `a.tar/one.png` has no label; add the member `one.cls` with its class index
     --> p.yaml:2:17
      |
    2 | data: { shards: a.tar }
      |                 ^^^^^
    ");
    case.file("a.tar", b"this is no tar file");
    assert_snapshot!(over(&case, "{ shards: a.tar }"), @"
    error[bad-data]: the shard `a.tar` is damaged: the header of member 0 is not that of a tar file; copy or build it again
     --> p.yaml:2:17
      |
    2 | data: { shards: a.tar }
      |                 ^^^^^
    ");
}

#[test]
fn a_truncated_image() {
    let case = Case::new();
    case.file("photos/cat/half.jpg", &half_jpeg());
    assert_snapshot!(over(&case, "{ folder: photos }"), @"error: the image `cat/half.jpg` cannot be decoded: the JPEG data end early; repair or remove it, or set `on_error: skip`");
}

#[test]
fn skipped_images_are_counted_and_listed() {
    let case = Case::new();
    case.file("photos/cat/half.jpg", &half_jpeg()).file("photos/dog/text.png", b"no image");
    let text = format!("augraft: 1\ndata: {{ folder: photos, on_error: skip }}\n{RESIZED}");
    assert_snapshot!(case.file("p.yaml", text.as_bytes()).accepted(RUN), @"
    2 images could not be read and were skipped; run.json lists them
    out/here: 4 images
    ");
    let record = case.record();
    assert_eq!(record["samples"], 4);
    let listed = json!([
        { "index": 2, "path": "cat/half.jpg", "reason": "the JPEG data end early" },
        { "index": 5, "path": "dog/text.png", "reason": "it is neither a JPEG nor a PNG" },
    ]);
    assert_eq!(record["skipped"], listed);
}

#[test]
fn only_skipped_images() {
    let case = Case::new();
    case.file("bad/cat/a.jpg", &half_jpeg()).file("bad/dog/b.png", b"no image");
    assert_snapshot!(over(&case, "{ folder: bad, on_error: skip }"), @"
    error[no-images]: no image could be read; the first of 2 is `cat/a.jpg`: the JPEG data end early
     --> p.yaml:2:1
      |
    2 | data: { folder: bad, on_error: skip }
      | ^^^^
      |
      = help: repair the files, or name others
    ");
}

#[test]
fn an_image_that_claims_too_many_pixels() {
    let mut bytes = png(GrayImage::new(4, 4));
    bytes[16..20].copy_from_slice(&40_000u32.to_be_bytes());
    let case = Case::new();
    case.file("photos/cat/huge.png", &bytes);
    assert_snapshot!(over(&case, "{ folder: photos }"), @"error: the image `cat/huge.png` cannot be decoded: its header claims 40000 x 4 pixels, more than 20000 a side or 100000000 in all; repair or remove it, or set `on_error: skip`");
}

#[test]
fn a_batch_without_images() {
    assert_snapshot!(over(&Case::new(), "{ folder: photos, batch: 64, drop_last: true }"), @"
    error[no-batch]: there is no full batch: `drop_last` leaves out the rest of 4 samples, and `batch` is 64
     --> p.yaml:2:47
      |
    2 | data: { folder: photos, batch: 64, drop_last: true }
      |                                               ^^^^
      |
      = help: lower `batch`, or leave `drop_last` out
    ");
}

#[test]
fn what_does_not_fill_a_batch_is_counted() {
    let case = Case::new();
    let text = format!("augraft: 1\ndata: {{ folder: photos, batch: 3, drop_last: true }}\n{RESIZED}");
    assert_snapshot!(case.file("p.yaml", text.as_bytes()).accepted(RUN), @"
    1 samples do not fill a batch and were left out (drop_last)
    out/here: 3 images
    ");
    assert_eq!(case.record()["dropped"], 1);
}

#[test]
fn only_what_is_read_is_recorded() {
    let case = Case::new();
    case.pipeline(RESIZED);
    let _ = case.accepted(&["run", "p.yaml", "--out", "out/here", "--limit", "1"]);
    let read = case.record()["read"].as_object().expect("files").keys().filter(|file| file.contains("photos")).count();
    assert_eq!(read, 1);
}

#[test]
fn every_kind_of_png_becomes_rgb() {
    let wide: ImageBuffer<Luma<u16>, Vec<u16>> = ImageBuffer::from_pixel(5, 4, Luma([0x8cff]));
    let kinds = [
        ("one_pixel", png(GrayImage::from_pixel(1, 1, Luma([50]))), [50, 50, 50]),
        ("gray", png(GrayImage::from_pixel(3, 7, Luma([90]))), [90, 90, 90]),
        ("wide", png(wide), [0x8c, 0x8c, 0x8c]),
        ("alpha", png(RgbaImage::from_pixel(6, 6, image::Rgba([10, 20, 30, 0]))), [10, 20, 30]),
    ];
    for (name, bytes, expected) in kinds {
        let case = Case::new();
        case.file("flat/x.png", &bytes)
            .file("p.yaml", format!("augraft: 1\ndata: {{ flat: flat }}\n{RESIZED}").as_bytes());
        let _ = case.accepted(RUN);
        let written = image::open(case.path().join("out/here/images/000000.png")).expect("an image");
        let DynamicImage::ImageRgb8(pixels) = written else { panic!("{name} is not RGB") };
        assert_eq!(pixels.dimensions(), (8, 8), "{name}");
        assert!(pixels.pixels().all(|pixel| pixel.0 == expected), "{name}: {:?}", pixels.get_pixel(0, 0));
    }
}

#[test]
fn folders_of_classes_in_order_are_warned_of_where_batches_are_of_one_class() {
    let case = Case::new();
    let said = |data: &str, more: &[&str]| {
        let text = format!("augraft: 1\ndata: {{ folder: photos, {data} }}\nsteps: [resize: {{ size: 8 }}, cutmix]\n");
        case.file("p.yaml", text.as_bytes());
        let output = run(env!("CARGO_BIN_EXE_augraft-under-test"), case.path(), &[RUN, more].concat());
        assert!(output.status.success());
        String::from_utf8(output.stderr).expect("text")
    };
    let of_classes = said("batch: 2", &[]);
    assert!(of_classes.contains("warning[sorted-by-class]") && of_classes.contains("p.yaml:3:"), "{of_classes}");
    assert!(said("batch: 4", &["--batch", "2"]).contains("sorted-by-class"));
    for (data, more) in [("batch: 4", &[][..]), ("batch: 2, shuffle: true", &[]), ("batch: 2", &["--batch", "4"])] {
        let said = said(data, more);
        assert!(!said.contains("sorted-by-class"), "{data}: {said}");
    }
}
