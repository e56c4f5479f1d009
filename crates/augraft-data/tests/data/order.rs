use std::collections::BTreeSet;

use augraft_data::Permutation;
use proptest::prelude::*;

fn order(n: u64, seed: u64, epoch: u64) -> Vec<u64> {
    let permutation = Permutation::new(n, seed, epoch);
    (0..n).map(|i| permutation.at(i)).collect()
}

fn is_bijection(n: u64, seed: u64, epoch: u64) -> bool {
    let seen: BTreeSet<u64> = order(n, seed, epoch).into_iter().filter(|&i| i < n).collect();
    seen.len() as u64 == n
}

#[test]
fn small_sizes_are_bijections() {
    assert!((0..300).all(|n| is_bijection(n, 42, n)));
    assert!(is_bijection(65_537, 0, 0));
}

proptest! {
    #[test]
    fn any_size_is_a_bijection(n in 0_u64..5_000, seed: u64, epoch: u64) {
        prop_assert!(is_bijection(n, seed, epoch));
    }

    #[test]
    fn huge_sizes_stay_in_range(n in 1_u64.., seed: u64, position: u64) {
        prop_assert!(Permutation::new(n, seed, 0).at(position % n) < n);
    }
}

#[test]
#[should_panic(expected = "position 3 is beyond the 3 samples")]
fn a_position_beyond_the_end_panics() {
    Permutation::new(3, 0, 0).at(3);
}

#[test]
fn seeds_and_epochs_give_different_orders() {
    let orders: BTreeSet<_> = (0..8).flat_map(|seed| (0..8).map(move |epoch| order(100, seed, epoch))).collect();
    assert_eq!(orders.len(), 64);
}

/// The order is a promise to every user with a stored seed: changed values are a breaking change.
#[test]
fn the_order_is_this_one() {
    assert_eq!(order(10, 42, 0), [1, 6, 2, 8, 9, 0, 5, 4, 3, 7]);
    assert_eq!(order(10, 42, 1), [9, 8, 3, 5, 4, 7, 1, 0, 2, 6]);
    assert_eq!(order(10, 0, 0), [7, 0, 1, 8, 4, 3, 2, 6, 5, 9]);
    let large = Permutation::new(1_281_167, 42, 0);
    assert_eq!([0, 1, 1_281_166].map(|i| large.at(i)), [1_115_073, 399_299, 196_980]);
}

/// Counts how often each sample stands at each position over 20,000 orders; a fair shuffle gives a chi-square with
/// (n - 1)^2 degrees of freedom, so 5 standard deviations and 10 above its mean is a false alarm below 3e-5 for each n.
#[test]
fn every_sample_is_equally_likely_at_every_position() {
    const ORDERS: u64 = 20_000;
    for (n, by_epoch) in [(2_u64, false), (3, false), (5, false), (5, true), (16, false), (17, true)] {
        let mut counts = vec![0_u64; (n * n) as usize];
        for k in 0..ORDERS {
            let (seed, epoch) = if by_epoch { (7, k) } else { (k, 0) };
            for (position, sample) in order(n, seed, epoch).into_iter().enumerate() {
                counts[position * n as usize + sample as usize] += 1;
            }
        }
        let expected = ORDERS as f64 / n as f64;
        let chi2: f64 = counts.iter().map(|&c| (c as f64 - expected).powi(2) / expected).sum();
        let freedom = (n - 1).pow(2) as f64;
        assert!(chi2 < freedom + 5.0 * (2.0 * freedom).sqrt() + 10.0, "n {n}, by epoch {by_epoch}: {chi2}");
    }
}

/// Neighbors must not stay neighbors: in a fair shuffle a sample is followed by its successor once on average, so
/// the count over 1,000 orders is Poisson with mean 1,000 and 5 deviations are a false alarm below 1e-6.
#[test]
fn neighbors_are_separated() {
    let follows = |n| {
        let count = |seed| order(n, seed, 0).windows(2).filter(|w| w[1] == w[0] + 1).count();
        (0..1_000).map(count).sum::<usize>() as f64
    };
    for n in [100, 1_000] {
        assert!((follows(n) - 1_000.0).abs() < 5.0 * 1_000_f64.sqrt() + 10.0, "n {n}: {}", follows(n));
    }
}
