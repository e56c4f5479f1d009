//! In-place mixing along the cycles of a partner permutation.

use augraft_operator::Pooled;
use ndarray::Array4;
use rayon::prelude::*;

/// Elements of a band: small enough that two rows of a cycle stay in the cache.
const BAND: usize = 8 * 1024;

/// Calls `step(position, own, partner)` for every sample and band, `partner` being its partner's values before the step.
///
/// `bands` are ranges of each sample's elements, in memory order. Samples are visited along the cycles of the permutation, so that only the first
/// sample of a cycle has to be kept, one band at a time; a partner table that is no permutation is served from a copy of the band.
pub(crate) fn for_each_band<T: Pooled>(
    images: &mut Array4<T>,
    partner: &[usize],
    step: impl Fn(usize, core::ops::Range<usize>, &mut [T], &[T]) + Sync,
) {
    let sample = images.len() / images.dim().0.max(1);
    if sample == 0 {
        return;
    }
    let order = cycles(partner);
    let values = images.as_slice_mut().expect("dense batches are contiguous");
    let mut bands: Vec<Vec<&mut [T]>> = (0..sample.div_ceil(BAND)).map(|_| Vec::with_capacity(partner.len())).collect();
    for sample in values.chunks_mut(sample) {
        for (band, rows) in sample.chunks_mut(BAND).zip(&mut bands) {
            rows.push(band);
        }
    }
    bands.into_par_iter().enumerate().for_each_init(Vec::new, |kept, (at, mut rows)| {
        let start = at * BAND;
        let range = start..start + rows[0].len();
        match &order {
            Some(cycles) => walk(cycles, &mut rows, kept, &range, &step),
            None => copy_all(partner, &mut rows, &range, &step),
        }
    });
}

fn walk<T: Pooled>(
    cycles: &[Vec<usize>],
    rows: &mut [&mut [T]],
    kept: &mut Vec<T>,
    range: &core::ops::Range<usize>,
    step: &impl Fn(usize, core::ops::Range<usize>, &mut [T], &[T]),
) {
    for cycle in cycles {
        kept.clear();
        kept.extend_from_slice(rows[cycle[0]]);
        for pair in cycle.windows(2) {
            if let Ok([own, other]) = rows.get_disjoint_mut([pair[0], pair[1]]) {
                step(pair[0], range.clone(), own, other);
            }
        }
        if let Some(&last) = cycle.last() {
            step(last, range.clone(), rows[last], kept);
        }
    }
}

fn copy_all<T: Pooled>(
    partner: &[usize],
    rows: &mut [&mut [T]],
    range: &core::ops::Range<usize>,
    step: &impl Fn(usize, core::ops::Range<usize>, &mut [T], &[T]),
) {
    let before: Vec<Vec<T>> = rows.iter().map(|row| row.to_vec()).collect();
    for (at, &other) in partner.iter().enumerate() {
        step(at, range.clone(), rows[at], &before[other]);
    }
}

/// The cycles, each in the order sample, partner, partner of the partner; none when it is no permutation.
fn cycles(partner: &[usize]) -> Option<Vec<Vec<usize>>> {
    let mut seen = vec![false; partner.len()];
    for &other in partner {
        if core::mem::replace(seen.get_mut(other)?, true) {
            return None;
        }
    }
    let mut open = vec![true; partner.len()];
    let mut found = Vec::new();
    for start in 0..partner.len() {
        let mut cycle = Vec::new();
        let mut at = start;
        while core::mem::replace(&mut open[at], false) {
            cycle.push(at);
            at = partner[at];
        }
        if !cycle.is_empty() {
            found.push(cycle);
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn swapped(partner: &[usize]) -> Vec<u8> {
        let mut images = Array4::from_shape_fn([partner.len(), 1, 100, 100], |(n, ..)| n as u8);
        for_each_band(&mut images, partner, |_, _, own, other| own.copy_from_slice(other));
        assert!(images.outer_iter().all(|image| image.iter().all(|value| *value == image[[0, 0, 0]])));
        images.outer_iter().map(|image| image[[0, 0, 0]]).collect()
    }

    #[test]
    fn every_sample_sees_its_partner_as_it_was() {
        assert_eq!(swapped(&[2, 0, 1, 3, 5, 4]), [2, 0, 1, 3, 5, 4]);
        assert_eq!(swapped(&[1, 1, 0]), [1, 1, 0]);
        assert_eq!(swapped(&[]), [0u8; 0]);
    }
}
