//! Resamples lines and columns of floats by taps.

use std::ops::{Add, AddAssign, Mul};

use crate::taps::{Lines, Taps};

/// A float of either precision.
pub(crate) trait Float: Copy + Default + Add<Output = Self> + Mul<Output = Self> + AddAssign {}

impl Float for f32 {}
impl Float for f64 {}

/// See [`Resampled::resample_rows`](crate::resample::Resampled::resample_rows); floats are summed in the order of the pixels.
pub(crate) fn resample_rows<F: Float>(across: &Taps<F>, lines: Lines<'_, F>, to: &mut [F]) {
    match across.count {
        1 => rows_by::<F, 1>(across, lines, to),
        2 => rows_by::<F, 2>(across, lines, to),
        3 => rows_by::<F, 3>(across, lines, to),
        4 => rows_by::<F, 4>(across, lines, to),
        5 => rows_by::<F, 5>(across, lines, to),
        6 => rows_by::<F, 6>(across, lines, to),
        _ => {
            for (at, to) in to.chunks_exact_mut(across.first.len()).enumerate() {
                let line = lines.line(at);
                let taps = across.first.iter().zip(across.weights.chunks_exact(across.count));
                for (value, (first, weights)) in to.iter_mut().zip(taps) {
                    *value = weighed(&line[*first..], weights);
                }
            }
        }
    }
}

/// The same with a number of taps that the compiler knows, for four lines at once, so that places and weights are read once for all.
fn rows_by<F: Float, const COUNT: usize>(across: &Taps<F>, lines: Lines<'_, F>, to: &mut [F]) {
    let width = across.first.len();
    let (weights, _) = across.weights.as_chunks::<COUNT>();
    let taps = across.first.iter().zip(weights);
    let mut blocks = to.chunks_exact_mut(4 * width);
    for (block, to) in blocks.by_ref().enumerate() {
        let (above, below) = to.split_at_mut(2 * width);
        let ((a, b), (c, d)) = (above.split_at_mut(width), below.split_at_mut(width));
        let [e, f, g, h] = [0, 1, 2, 3].map(|line| lines.line(4 * block + line));
        let values = a.iter_mut().zip(b).zip(c.iter_mut().zip(d));
        for (((a, b), (c, d)), (first, weights)) in values.zip(taps.clone()) {
            let taken = *first..first + COUNT;
            *a = weighed(&e[taken.clone()], weights);
            *b = weighed(&f[taken.clone()], weights);
            *c = weighed(&g[taken.clone()], weights);
            *d = weighed(&h[taken], weights);
        }
    }
    let done = lines.count / 4 * 4;
    for (at, to) in blocks.into_remainder().chunks_exact_mut(width).enumerate() {
        let line = lines.line(done + at);
        for (value, (first, weights)) in to.iter_mut().zip(taps.clone()) {
            *value = weighed(&line[*first..first + COUNT], weights);
        }
    }
}

#[inline]
fn weighed<F: Float>(pixels: &[F], weights: &[F]) -> F {
    pixels.iter().zip(weights).fold(F::default(), |sum, (pixel, weight)| sum + *pixel * *weight)
}

/// See [`Resampled::resample_columns`](crate::resample::Resampled::resample_columns).
pub(crate) fn resample_columns<F: Float>(down: &Taps<F>, skipped: usize, lines: &[F], to: &mut [F]) {
    let width = to.len() / down.first.len();
    for ((line, first), weights) in to.chunks_exact_mut(width).zip(&down.first).zip(down.weights.chunks(down.count)) {
        let lines = &lines[(first - skipped) * width..];
        match weights {
            [a, b] => average_few(lines, [*a, *b], line),
            [a, b, c] => average_few(lines, [*a, *b, *c], line),
            [a, b, c, d] => average_few(lines, [*a, *b, *c, *d], line),
            _ => {
                line.fill(F::default());
                for (lines, weight) in lines.chunks_exact(width).zip(weights) {
                    line.iter_mut().zip(lines).for_each(|(sum, pixel)| *sum += *pixel * *weight);
                }
            }
        }
    }
}

/// Averages lines as long as `to`.
fn average_few<F: Float, const COUNT: usize>(lines: &[F], weights: [F; COUNT], to: &mut [F]) {
    let lines: [&[F]; COUNT] = core::array::from_fn(|line| &lines[line * to.len()..][..to.len()]);
    for (at, value) in to.iter_mut().enumerate() {
        *value = lines.iter().zip(weights).fold(F::default(), |sum, (line, weight)| sum + line[at] * weight);
    }
}
