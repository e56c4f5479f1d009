//! In-place mixing along the cycles of a partner permutation.

use core::ops::Range;

use ndarray::Array4;
use rayon::prelude::*;

use crate::scratch::{Pooled, Scratch};

/// Elements of a band: small enough that two rows of a cycle stay in the cache.
const BAND: usize = 16 * 1024;

/// What a mixing kernel does to one band of one sample.
pub(crate) trait Mixer<T>: Sync {
    /// The part of `band` (a range of the elements of sample `at`) that depends on its partner; empty where nothing changes.
    fn reads(&self, at: usize, band: Range<usize>) -> Range<usize>;
    /// Mixes that part: `own` and `other` are the values of `range` in the sample and, before any mixing, in its partner.
    fn mix(&self, at: usize, range: Range<usize>, own: &mut [T], other: &[T]);
}

/// Mixes every sample with its partner in place, band by band on all threads.
///
/// Samples are visited along the cycles of the permutation, so that only a part of the first sample of a cycle has to be kept, one band at a time; a
/// partner table that is no permutation is served from a copy of the band.
pub(crate) fn mix_bands<T: Pooled>(
    images: &mut Array4<T>,
    partner: &[usize],
    scratch: &mut Scratch,
    mixer: &impl Mixer<T>,
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
    scratch.lend(BAND.min(sample), |buffers| {
        bands.into_par_iter().enumerate().for_each(|(at, mut rows)| match &order {
            None => copy_all(partner, &mut rows, at * BAND, mixer),
            Some(cycles) => buffers.with(|kept| {
                for cycle in cycles {
                    walk(cycle, &mut rows, at * BAND, kept, mixer);
                }
            }),
        });
    });
}

fn walk<T: Pooled>(cycle: &[usize], rows: &mut [&mut [T]], start: usize, kept: &mut Vec<T>, mixer: &impl Mixer<T>) {
    let (Some(&first), Some(&last)) = (cycle.first(), cycle.last()) else { return };
    let band = start..start + rows[first].len();
    let local = |range: &Range<usize>| range.start - start..range.end - start;
    let needed = mixer.reads(last, band.clone());
    kept.clear();
    if !needed.is_empty() {
        kept.extend_from_slice(&rows[first][local(&needed)]);
    }
    for pair in cycle.windows(2) {
        let range = mixer.reads(pair[0], band.clone());
        if range.is_empty() {
            continue;
        }
        if let Ok([own, other]) = rows.get_disjoint_mut([pair[0], pair[1]]) {
            let place = local(&range);
            mixer.mix(pair[0], range, &mut own[place.clone()], &other[place]);
        }
    }
    if !needed.is_empty() {
        let place = local(&needed);
        mixer.mix(last, needed, &mut rows[last][place], kept);
    }
}

fn copy_all<T: Pooled>(partner: &[usize], rows: &mut [&mut [T]], start: usize, mixer: &impl Mixer<T>) {
    let before: Vec<Vec<T>> = rows.iter().map(|row| row.to_vec()).collect();
    for (at, &other) in partner.iter().enumerate() {
        let range = mixer.reads(at, start..start + rows[at].len());
        if !range.is_empty() {
            let place = range.start - start..range.end - start;
            mixer.mix(at, range, &mut rows[at][place.clone()], &before[other][place]);
        }
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

    struct Swap;

    impl Mixer<u8> for Swap {
        fn reads(&self, _: usize, band: Range<usize>) -> Range<usize> {
            band
        }
        fn mix(&self, _: usize, _: Range<usize>, own: &mut [u8], other: &[u8]) {
            own.copy_from_slice(other);
        }
    }

    fn swapped(partner: &[usize]) -> Vec<u8> {
        let mut images = Array4::from_shape_fn([partner.len(), 1, 200, 100], |(n, ..)| n as u8);
        mix_bands(&mut images, partner, &mut Scratch::default(), &Swap);
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
