use std::fs;

use augraft_data::{
    JsonLines, Limits, NpzArray, OutputFolder, atomic_write, decode, sha256_file, write_json, write_npz, write_png,
};
use insta::assert_snapshot;
use ndarray::{Array, Array1, Array3, Array4, arr1, s};
use ndarray_npy::NpzReader;

use crate::make::Folder;

fn names(tmp: &Folder) -> Vec<String> {
    let entries = fs::read_dir(tmp.path("")).unwrap();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn outputs_appear_whole_or_not_at_all() {
    let tmp = Folder::new();
    let folder = OutputFolder::create(tmp.path("new/out")).unwrap();
    fs::write(folder.path().join("a.txt"), "1").unwrap();
    assert!(!tmp.path("new").exists());
    drop(folder);
    assert!(names(&tmp).is_empty());
    OutputFolder::create(tmp.path("new/out")).unwrap().commit().unwrap();
    assert!(tmp.path("new/out").is_dir());

    for content in ["1", "2"] {
        let folder = OutputFolder::create(tmp.path("out")).unwrap();
        fs::write(folder.path().join("run.json"), content).unwrap();
        assert_eq!(folder.commit().unwrap(), tmp.path("out"));
        assert_eq!(fs::read_to_string(tmp.path("out/run.json")).unwrap(), content);
    }
    assert_eq!(names(&tmp), ["new", "out"]);
}

#[cfg(unix)]
#[test]
fn outputs_have_the_permissions_of_a_plain_folder() {
    use std::os::unix::fs::PermissionsExt;
    let tmp = Folder::new();
    fs::create_dir(tmp.path("plain")).unwrap();
    OutputFolder::create(tmp.path("out")).unwrap().commit().unwrap();
    let mode = |name| fs::metadata(tmp.path(name)).unwrap().permissions().mode();
    assert_eq!(mode("out"), mode("plain"));
}

#[test]
fn other_folders_are_not_replaced() {
    let tmp = Folder::new();
    tmp.write("photos/1.jpg", "");
    assert_snapshot!(tmp.redact(&OutputFolder::create(tmp.path("photos")).unwrap_err()), @"the output folder `TMP/photos` exists and is not the output of an earlier run (it has no run.json); choose another `out` or empty it");
    tmp.write("file", "");
    assert!(OutputFolder::create(tmp.path("file")).is_err());
    fs::create_dir(tmp.path("empty")).unwrap();
    OutputFolder::create(tmp.path("empty")).unwrap().commit().unwrap();

    let late = OutputFolder::create(tmp.path("late")).unwrap();
    tmp.write("late/theirs.txt", "kept");
    assert!(late.commit().is_err());
    assert_eq!(names(&tmp), ["empty", "file", "late", "photos"]);
    assert_eq!(fs::read_to_string(tmp.path("late/theirs.txt")).unwrap(), "kept");
}

#[test]
fn png_round_trips() {
    let tmp = Folder::new();
    let image = Array3::from_shape_fn((3, 5, 3), |(y, x, c)| (y * 50 + x * 7 + c) as u8);
    write_png(&tmp.path("a.png"), &image.view()).unwrap();
    assert_eq!(decode(&fs::read(tmp.path("a.png")).unwrap(), Limits::default()).unwrap(), image);
    let flipped = image.slice(s![.., ..;-1, ..]);
    write_png(&tmp.path("b.png"), &flipped).unwrap();
    assert_eq!(decode(&fs::read(tmp.path("b.png")).unwrap(), Limits::default()).unwrap(), flipped);
    assert_snapshot!(tmp.redact(&write_png(&tmp.path("c.png"), &Array3::zeros((2, 2, 4)).view()).unwrap_err()), @"cannot write `TMP/c.png`: an array of shape [2, 2, 4] is not an RGB image; pass one of [height, width, 3]");
}

#[test]
fn npz_is_the_same_bytes_every_time() {
    let tmp = Folder::new();
    let images = Array4::<f32>::from_elem((2, 3, 4, 5), 0.5);
    let index = Array1::<i64>::from_iter(0..2);
    let scalar = Array::from_elem((), 7_u8);
    let write = |name| {
        let path = tmp.path(name);
        let arrays = [
            ("images", NpzArray::F32(images.view().into_dyn())),
            ("index", NpzArray::I64(index.view().into_dyn())),
            ("reversed", NpzArray::I64(index.slice(s![..;-1]).into_dyn())),
            ("scalar", NpzArray::U8(scalar.view().into_dyn())),
        ];
        write_npz(&path, &arrays).unwrap();
        sha256_file(&path).unwrap()
    };
    assert_eq!(write("a.npz"), write("b.npz"));
    assert_snapshot!(write("a.npz"), @"3b7a515b5d91b7acc302cec39f6436c264a75fc485c0241123f3f25ed4ada0d4");
    let mut npz = NpzReader::new(fs::File::open(tmp.path("a.npz")).unwrap()).unwrap();
    assert_eq!(npz.names().unwrap(), ["images", "index", "reversed", "scalar"]);
    let reversed: Array1<i64> = npz.by_name("reversed").unwrap();
    assert_eq!(reversed, arr1(&[1, 0]));
}

#[test]
fn text_files() {
    let tmp = Folder::new();
    write_json(&tmp.path("run.json"), &serde_json::json!({"b": 1, "a": [2]})).unwrap();
    assert_eq!(fs::read_to_string(tmp.path("run.json")).unwrap(), "{\n  \"b\": 1,\n  \"a\": [\n    2\n  ]\n}\n");
    let mut lines = JsonLines::create(tmp.path("rows.jsonl")).unwrap();
    lines.write(&[1, 2]).unwrap();
    lines.write(&"three").unwrap();
    lines.finish().unwrap();
    assert_eq!(fs::read_to_string(tmp.path("rows.jsonl")).unwrap(), "[1,2]\n\"three\"\n");
    atomic_write(&tmp.path("rows.jsonl"), b"new").unwrap();
    assert_eq!(fs::read(tmp.path("rows.jsonl")).unwrap(), b"new");
    assert_eq!(names(&tmp), ["rows.jsonl", "run.json"]);
    let digest = sha256_file(&tmp.path("rows.jsonl")).unwrap();
    assert_eq!(digest, "11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437");
    assert!(tmp.redact(&atomic_write(&tmp.path("no/such/file"), b"").unwrap_err()).starts_with("cannot write `TMP/no"));
}
