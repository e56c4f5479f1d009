use std::path::{Path, PathBuf};

use augraft_data::{BatchPlan, Dataset, Limits, OnError, Source, decode, load_batch};

/// Returns the folder of large data sets, or says that the test does nothing without one.
fn shared() -> Option<PathBuf> {
    let folder = std::env::var_os("AUGRAFT_SHARED").map(PathBuf::from);
    if folder.is_none() {
        assert!(!is_required("shared"), "AUGRAFT_SHARED does not name a folder with real data");
        eprintln!("skipped: AUGRAFT_SHARED does not name a folder with real data");
    }
    folder
}

fn is_required(name: &str) -> bool {
    std::env::var("AUGRAFT_REQUIRE").unwrap_or_default().split(',').any(|required| required.trim() == name)
}

#[test]
fn every_cifar_test_image_opens() {
    let Some(shared) = shared() else { return };
    let pattern = shared.join("data/cifar10/test-*.tar").to_str().unwrap().to_owned();
    let dataset = Dataset::open(&Source::Shards(pattern)).unwrap();
    assert_eq!((dataset.len(), dataset.classes().len()), (10_000, 10));
    let mut counts = [0; 10];
    let plan = BatchPlan { batch: 1_000, shuffle: Some((1, 0)), drop_last: false, limit: None };
    for b in 0..plan.len(dataset.len()) {
        let loaded = load_batch(&dataset, &plan.indices(b, dataset.len()), OnError::Fail).unwrap();
        assert!(loaded.images.iter().all(|image| image.dim() == (32, 32, 3)));
        loaded.labels.into_iter().for_each(|label| counts[label[0]] += 1);
    }
    assert_eq!(counts, [1_000; 10]);
}

#[test]
fn every_imagenet_photo_decodes_and_none_does_when_cut() {
    let Some(shared) = shared() else { return };
    let dataset = Dataset::open(&Source::Folder(shared.join("data/imagenet-sample"))).unwrap();
    assert_eq!((dataset.len(), dataset.classes().len()), (250, 250));
    let indices: Vec<u64> = (0..250).collect();
    let loaded = load_batch(&dataset, &indices, OnError::Fail).unwrap();
    assert!(loaded.images.iter().all(|image| image.len() > 10_000));
    for i in (0..250).step_by(25) {
        let bytes = dataset.read(i).unwrap();
        for length in (1..32).map(|k| bytes.len() * k / 32).chain([bytes.len() - 2, bytes.len() - 1]) {
            let cut = decode(&bytes[..length], Limits::default());
            assert!(cut.is_err(), "{} cut to {length} bytes", dataset.key(i));
        }
    }
}

/// The photos that ship have class indices of the model as labels, and a box for each file that lies inside it.
#[test]
fn the_embedded_photos_fit_the_embedded_model() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines");
    let photos = root.join("data/photos");
    let classes = root.join("models/classes.txt");
    let dataset = Dataset::open_with_classes(&Source::Folder(photos.clone()), Some(&classes)).unwrap();
    assert_eq!(dataset.classes().len(), 1_000);
    assert!(dataset.classes().iter().all(|name| name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))));
    let boxes = std::fs::read_to_string(photos.join("boxes.json")).unwrap();
    let boxes: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&boxes).unwrap();
    let licenses = std::fs::read_to_string(photos.join("LICENSES.md")).unwrap();
    assert_eq!(boxes.len(), dataset.len());
    for i in 0..dataset.len() {
        let (key, label, (height, width, _)) =
            (dataset.key(i), dataset.label(i).unwrap(), dataset.load(i).unwrap().dim());
        assert!(width.max(height) <= 320 && licenses.contains(key), "{key}");
        let entry = &boxes[key];
        assert_eq!(entry["class"], label, "{key}");
        assert_eq!(entry["name"], *dataset.classes()[label], "{key}");
        let [left, top, right, bottom] = [0, 1, 2, 3].map(|side| entry["box"][side].as_u64().unwrap() as usize);
        assert!(left < right && right <= width && top < bottom && bottom <= height, "{key}");
    }
}
