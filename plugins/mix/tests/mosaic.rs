//! A mosaic shows four different samples wherever a batch has four.

use std::collections::BTreeSet;

use augraft_mix::Mosaic;
use augraft_operator::{AnyOperator, Element, Partner, StepKey, Tensor};
use augraft_testkit::{batch, shape};

/// The samples that each sample of a batch of `n` shows: itself, beside, below and across.
fn members(partner: Partner, n: usize, seed: u64) -> Vec<[usize; 4]> {
    let mosaic = Mosaic { partner, ..Mosaic::default() };
    let draws = mosaic.draw(&StepKey::new(seed, "mosaic"), 0, &batch(&shape(Element::U8, 3, [8, 8]), n));
    let column = |name: &str| match draws.column(name) {
        Some(Tensor::I64(positions)) => positions.iter().map(|at| *at as usize).collect::<Vec<_>>(),
        other => panic!("{name}: {other:?}"),
    };
    let [beside, below, across] = ["beside", "below", "across"].map(column);
    (0..n).map(|row| [row, beside[row], below[row], across[row]]).collect()
}

fn distinct(members: &[usize; 4]) -> usize {
    members.iter().collect::<BTreeSet<_>>().len()
}

#[test]
fn four_samples_are_shown_where_a_batch_has_four() {
    for (n, seed) in (4..=9).flat_map(|n| (0..20).map(move |seed| (n, seed))) {
        for partner in [Partner::Derange, Partner::Roll] {
            for shown in members(partner, n, seed) {
                assert!(distinct(&shown) == 4 && shown.iter().all(|at| *at < n), "{partner:?} of {n}: {shown:?}");
            }
        }
    }
}

#[test]
fn a_smaller_batch_is_gone_through_again() {
    for (n, seed) in (1..4).flat_map(|n| (0..20).map(move |seed| (n, seed))) {
        for partner in [Partner::Derange, Partner::Roll] {
            for shown in members(partner, n, seed) {
                assert_eq!(distinct(&shown), n, "{partner:?} of {n}: {shown:?}");
                // The samples follow each other in a cycle of `n`, so that the fourth is the first again, or the one after it.
                assert!((n..4).all(|at| shown[at] == shown[at - n]), "{partner:?} of {n}: {shown:?}");
            }
        }
    }
}
