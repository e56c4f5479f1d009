use augraft_data::{BatchPlan, Dataset, OnError, Source, load_batch};
use insta::assert_snapshot;
use proptest::prelude::*;

use crate::make::{Folder, fixture, png};

const PLAN: BatchPlan = BatchPlan { batch: 4, shuffle: None, drop_last: false, limit: None };

#[test]
fn batches_cut_the_order() {
    assert_eq!(PLAN.len(10), 3);
    assert_eq!(PLAN.indices(2, 10), [8, 9]);
    assert_eq!(PLAN.indices(3, 10), [0_u64; 0]);
    assert_eq!(BatchPlan { drop_last: true, ..PLAN }.len(10), 2);
    assert_eq!(BatchPlan { limit: Some(5), ..PLAN }.indices(1, 10), [4]);
    assert_eq!(BatchPlan { limit: Some(99), ..PLAN }.len(10), 3);
    assert!(PLAN.is_empty(0) && BatchPlan { limit: Some(0), ..PLAN }.is_empty(10));
}

proptest! {
    #[test]
    fn the_order_does_not_depend_on_the_batch_size(n in 0_usize..200, batch in 1_usize..50, seed: u64, epoch: u64) {
        let plan = BatchPlan { batch, shuffle: Some((seed, epoch)), drop_last: false, limit: None };
        let one = BatchPlan { batch: n.max(1), ..plan };
        let all: Vec<u64> = (0..plan.len(n)).flat_map(|b| plan.indices(b, n)).collect();
        prop_assert_eq!(all, one.indices(0, n));
    }
}

fn three_with_a_broken_one(tmp: &Folder) -> Dataset {
    tmp.write("a/cat/0.png", png(1, 1, [0; 3]));
    tmp.write("a/cat/1.png", "broken");
    tmp.write("a/dog/2.jpg", &fixture("baseline.jpg")[..400]);
    tmp.write("a/dog/3.png", png(2, 2, [3; 3]));
    Dataset::open(&Source::Folder(tmp.path("a"))).unwrap()
}

#[test]
fn broken_samples_are_skipped_and_listed() {
    let tmp = Folder::new();
    let dataset = three_with_a_broken_one(&tmp);
    let loaded = load_batch(&dataset, &[3, 2, 1, 0, 3], OnError::Skip).unwrap();
    assert_eq!(loaded.index, [3, 0, 3]);
    assert_eq!(loaded.labels, [vec![1], vec![0], vec![1]]);
    assert_eq!(loaded.images.iter().map(|i| i.dim().0).collect::<Vec<_>>(), [2, 1, 2]);
    assert_snapshot!(serde_json::to_string_pretty(&loaded.skipped).unwrap(), @r#"
    [
      {
        "index": 2,
        "path": "dog/2.jpg",
        "reason": "the JPEG data end early"
      },
      {
        "index": 1,
        "path": "cat/1.png",
        "reason": "it is neither a JPEG nor a PNG"
      }
    ]
    "#);
}

#[test]
fn the_first_broken_sample_in_batch_order_fails() {
    let tmp = Folder::new();
    let dataset = three_with_a_broken_one(&tmp);
    assert_snapshot!(load_batch(&dataset, &[0, 2, 1], OnError::Fail).unwrap_err(), @"the image `dog/2.jpg` cannot be decoded: the JPEG data end early; repair or remove it, or set `on_error: skip`");
    assert_eq!(load_batch(&dataset, &[3, 0], OnError::Fail).unwrap().index, [3, 0]);
}
