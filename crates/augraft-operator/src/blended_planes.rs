//! Planes of sources and weights where samples blend.

use ndarray::{Array3, Array4, ArrayViewMut3, s};

use crate::runs::Runs;
use crate::scratch::{Scratch, parallel};

/// How much a sample and its partner weigh where both may show at one pixel.
pub(crate) enum Weighed<'a> {
    /// This weight of the sample itself.
    Everywhere(f32),
    /// Weights of both at each pixel.
    Each(&'a [Array3<f32>; 2]),
    /// These pixels are the partner's.
    Taken(&'a Runs),
}

impl Weighed<'_> {
    /// The weights of both at every pixel of a plane.
    fn factors(&self, plane: usize) -> Vec<[f32; 2]> {
        match self {
            Self::Everywhere(lam) => vec![[*lam, 1.0 - lam]; plane],
            Self::Each([kept, taken]) => {
                let both = kept.iter().zip(taken);
                both.map(|(kept, taken)| if *taken > 0.0 { [*kept, *taken] } else { [1.0, 0.0] }).collect()
            }
            Self::Taken(runs) => {
                let mut factors = vec![[1.0, 0.0]; plane];
                runs.iter().for_each(|run| factors[run.clone()].fill([0.0, 1.0]));
                factors
            }
        }
    }
}

/// The planes of blends: the sources of both, equal ones merged.
pub(crate) fn blended_planes<'a>(
    stack: &Array4<f32>,
    partner: &[usize],
    shares: impl Fn(usize) -> Weighed<'a> + Sync,
    scratch: &mut Scratch,
) -> Array4<f32> {
    let (n, channels, height, width) = stack.dim();
    let (layers, plane) = (channels / 2, height * width);
    let values = stack.as_slice().unwrap_or_default();
    let of = |row: usize| &values[row * channels * plane..(row + 1) * channels * plane];
    let mut doubled: Array4<f32> = scratch.take_dense([n, 2 * channels, height, width]);
    let (rows, mut counts) = ((0..n).collect::<Vec<usize>>(), vec![0; n]);
    let samples = doubled.outer_iter_mut().zip(&mut counts).collect();
    parallel(samples, &rows, |(mut sample, count): (ArrayViewMut3<'_, f32>, &mut usize), row| {
        sample.fill(0.0);
        let Some(sample) = sample.as_slice_mut() else { return };
        let sources = [of(*row), of(partner[*row])];
        for (at, factors) in shares(*row).factors(plane).into_iter().enumerate() {
            let mut found = 0;
            for (from, factor) in sources.into_iter().zip(factors) {
                for layer in 0..layers {
                    let (id, weight) = (from[layer * plane + at], from[(layers + layer) * plane + at] * factor);
                    if id == 0.0 || weight == 0.0 {
                        continue;
                    }
                    let known = (0..found).find(|known| sample[known * plane + at] == id).unwrap_or(found);
                    found = found.max(known + 1);
                    sample[known * plane + at] = id;
                    sample[(channels + known) * plane + at] += weight;
                }
            }
            *count = found.max(*count);
        }
    });
    let most = counts.into_iter().max().unwrap_or(0).max(1);
    if most == channels {
        return doubled;
    }
    let mut compact: Array4<f32> = scratch.take_dense([n, 2 * most, height, width]);
    compact.slice_mut(s![.., ..most, .., ..]).assign(&doubled.slice(s![.., ..most, .., ..]));
    compact.slice_mut(s![.., most.., .., ..]).assign(&doubled.slice(s![.., channels..channels + most, .., ..]));
    scratch.give_dense(doubled);
    compact
}
