use augraft_data::{Dataset, Limits, Source};

use crate::make::{Folder, fixture, png};

fn keys(dataset: &Dataset) -> Vec<(&str, Option<usize>)> {
    (0..dataset.len()).map(|i| (dataset.key(i), dataset.label(i))).collect()
}

#[test]
fn a_folder_has_one_class_for_each_sub_folder() {
    let tmp = Folder::new();
    let pixel = png(1, 1, [5; 3]);
    for path in ["b/2.png", "b/10.JPG", "b/deep/er/1.Jpeg", "B/1.png", "a/.hidden.png", ".git/1.png", "a/readme.md"] {
        tmp.write(path, &pixel);
    }
    let dataset = Dataset::open(&Source::Folder(tmp.path(""))).unwrap();
    assert_eq!(dataset.classes(), ["B", "a", "b"]);
    let expected = [("B/1.png", Some(0)), ("b/10.JPG", Some(2)), ("b/2.png", Some(2)), ("b/deep/er/1.Jpeg", Some(2))];
    assert_eq!(keys(&dataset), expected);
    assert!(dataset.has_labels());
    assert_eq!(dataset.load(3).unwrap().dim(), (1, 1, 3));
}

#[test]
fn a_class_list_orders_the_classes_and_may_name_more() {
    let tmp = Folder::new();
    tmp.write("data/b/1.png", png(1, 1, [0; 3]));
    tmp.write("data/a/1.png", png(1, 1, [0; 3]));
    let list = tmp.write("data/classes.txt", "c\r\nb\r\na\r\n");
    let dataset = Dataset::open(&Source::Folder(tmp.path("data"))).unwrap();
    assert_eq!(dataset.classes(), ["c", "b", "a"]);
    assert_eq!(keys(&dataset), [("b/1.png", Some(1)), ("a/1.png", Some(2))]);
    assert_eq!(dataset.files([0]), [tmp.path("data/b/1.png"), list.clone()]);
    assert_eq!(dataset.files(0..dataset.len()), [tmp.path("data/a/1.png"), tmp.path("data/b/1.png"), list]);

    let other = tmp.write("other.txt", "a\nb");
    let dataset = Dataset::open_with_classes(&Source::Folder(tmp.path("data")), Some(&other)).unwrap();
    assert_eq!(keys(&dataset), [("a/1.png", Some(0)), ("b/1.png", Some(1))]);
}

#[test]
fn a_flat_folder_has_no_labels() {
    let tmp = Folder::new();
    tmp.write("2.png", png(2, 1, [0; 3]));
    tmp.write("1.jpg", fixture("baseline.jpg"));
    tmp.write("masks/1.png", png(2, 1, [0; 3]));
    let dataset = Dataset::open(&Source::Flat(tmp.path(""))).unwrap();
    assert_eq!(keys(&dataset), [("1.jpg", None), ("2.png", None)]);
    assert!(!dataset.has_labels() && dataset.classes().is_empty());
    assert_eq!(dataset.load(1).unwrap().dim(), (1, 2, 3));
    let strict = dataset.with_limits(Limits { max_side: 1, max_pixels: 1 });
    assert!(strict.load(1).is_err());
}

#[test]
fn shards_are_read_in_the_order_of_names_and_members() {
    let tmp = Folder::new();
    let long = format!("{}/1", "long".repeat(40));
    let (image, label) = (format!("{long}.jpg"), format!("{long}.cls"));
    let (red, blue) = (png(1, 1, [255, 0, 0]), png(1, 1, [0, 0, 255]));
    tmp.tar(
        "x-1.tar",
        &[("k2.cls", b" 1\n"), ("k2.json", b"{}"), ("k2.PNG", &red), ("./k1.png", &blue), ("k1.cls", b"0")],
    );
    tmp.tar("x-0.tar", &[(&image, &fixture("baseline.jpg")), (&label, b"3"), ("k9.seg.png", &red)]);
    tmp.write("x-2.txt", "");
    let pattern = tmp.path("x-{0,1}*.tar").to_str().unwrap().to_owned();
    let dataset = Dataset::open(&Source::Shards(pattern)).unwrap();
    let first = format!("x-0.tar/{image}");
    assert_eq!(keys(&dataset), [(&*first, Some(3)), ("x-1.tar/k2.PNG", Some(1)), ("x-1.tar/k1.png", Some(0))]);
    assert_eq!(dataset.classes(), ["0", "1", "2", "3"]);
    assert_eq!(dataset.load(0).unwrap().dim(), (32, 48, 3));
    assert_eq!(dataset.load(1).unwrap().as_slice(), Some(&[255, 0, 0][..]));
    assert_eq!(dataset.load(2).unwrap().as_slice(), Some(&[0, 0, 255][..]));
    assert_eq!(dataset.files(0..dataset.len()), [tmp.path("x-0.tar"), tmp.path("x-1.tar")]);
}

#[test]
fn globs_may_stand_in_folders_too() {
    let tmp = Folder::new();
    for shard in ["a/1/x.tar", "b/1/x.tar", "b/2/x.tar"] {
        tmp.tar(shard, &[("k.png", &png(1, 1, [0; 3])), ("k.cls", b"0")]);
    }
    let pattern = tmp.path("*/1/x.tar").to_str().unwrap().to_owned();
    let dataset = Dataset::open(&Source::Shards(pattern)).unwrap();
    assert_eq!(dataset.files(0..dataset.len()), [tmp.path("a/1/x.tar"), tmp.path("b/1/x.tar")]);
}
