//! Mixes images, masks and label planes with those of partners natively.

use core::ops::Range;
use std::sync::Arc;

use ndarray::{Array4, ArrayView3, Axis};

use crate::cycles::{Mixer, mix_bands};
use crate::images::Images;
use crate::mixing::{Mixing, Patch, Region, Shows};
use crate::move_images::Content;
use crate::pixel::Pixel;
use crate::scalar::Row;
use crate::scratch::{Scratch, parallel};

/// A position in the batch.
pub(crate) fn position(drawn: i64) -> usize {
    usize::try_from(drawn).unwrap_or_default()
}

impl Mixing<Row> {
    /// Whether a rectangle or a blend shows another sample.
    pub(crate) fn shows_others(&self, row: usize) -> bool {
        let shown = |patch: &Patch<Row>| !patch.is_empty() && patch.source(row) != row;
        match self {
            Self::Paste(patch) => shown(patch),
            Self::Collage(patches) => patches.iter().any(shown),
            Self::Blend { lam, .. } => *lam < 1.0 && self.partner(row) != row,
            Self::None | Self::Region { .. } | Self::Values { .. } => false,
        }
    }

    /// The position of the first partner; that of the sample itself where there is none.
    pub(crate) fn partner(&self, row: usize) -> usize {
        match self {
            Self::None => row,
            Self::Paste(patch) => patch.source(row),
            Self::Collage(patches) => {
                patches.iter().find(|patch| patch.partner.is_some()).map_or(row, |patch| patch.source(row))
            }
            Self::Blend { partner, .. } | Self::Region { partner, .. } | Self::Values { partner, .. } => {
                position(*partner)
            }
        }
    }
}

impl Patch<Row> {
    pub(crate) fn source(&self, row: usize) -> usize {
        self.partner.map_or(row, position)
    }

    /// Rows and columns.
    pub(crate) fn sides(&self) -> [usize; 2] {
        let [top, left, bottom, right] = self.edges;
        [bottom - top, right - left].map(|side| side.max(0) as usize)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sides().contains(&0)
    }
}

/// Mixes the pixels of every sample; the mixings of a step are of one kind, and `regions` belongs to [`Mixing::Region`].
pub(crate) fn mix_images(
    mixings: &[Mixing<Row>],
    regions: &[Arc<Region>],
    images: &mut Images,
    content: Content,
    scratch: &mut Scratch,
) {
    match images {
        Images::U8(images) => mix_dense(mixings, regions, images, content, scratch),
        Images::F32(images) => mix_dense(mixings, regions, images, content, scratch),
        Images::Ragged(_) => {}
    }
}

fn mix_dense<T: Pixel>(
    mixings: &[Mixing<Row>],
    regions: &[Arc<Region>],
    images: &mut Array4<T>,
    content: Content,
    scratch: &mut Scratch,
) {
    let (_, _, height, width) = images.dim();
    let partner: Vec<usize> = mixings.iter().enumerate().map(|(row, mixing)| mixing.partner(row)).collect();
    match mixings.first() {
        None | Some(Mixing::None | Mixing::Values { .. }) => {}
        Some(Mixing::Paste(first)) => {
            let patches: Vec<&Patch<Row>> = mixings
                .iter()
                .filter_map(|mixing| if let Mixing::Paste(patch) = mixing { Some(patch) } else { None })
                .collect();
            if first.shows == Shows::Place {
                let boxes: Vec<Frame> = patches.iter().map(|patch| Frame::new(patch, height, width)).collect();
                return mix_bands(images, &partner, scratch, &Paste(&boxes));
            }
            let smooth = first.shows == Shows::Bilinear && content == Content::Values;
            paste_resized(images, &patches, &partner, scratch, smooth);
        }
        Some(Mixing::Collage(_)) => {
            let patches: Vec<&[Patch<Row>]> = mixings
                .iter()
                .map(|mixing| if let Mixing::Collage(patches) = mixing { &patches[..] } else { &[] })
                .collect();
            compose(images, &patches, scratch);
        }
        Some(Mixing::Blend { .. }) => {
            let lam = |mixing: &Mixing<Row>| if let Mixing::Blend { lam, .. } = mixing { *lam as f32 } else { 1.0 };
            let lam: Vec<f32> = mixings.iter().map(lam).collect();
            mix_bands(images, &partner, scratch, &Blend(&lam));
        }
        Some(Mixing::Region { .. }) => {
            mix_bands(images, &partner, scratch, &Regional { regions, plane: height * width });
        }
    }
}

/// A box within planes of `height` x `width`.
struct Frame {
    rows: Range<usize>,
    columns: Range<usize>,
    height: usize,
    width: usize,
}

impl Frame {
    fn new(patch: &Patch<Row>, height: usize, width: usize) -> Self {
        let [top, left, bottom, right] = patch.edges.map(|edge| edge as usize);
        Self { rows: top..bottom, columns: left..right, height, width }
    }

    /// The rows of the box among the rows of all planes that `range` touches, plane by plane.
    fn rows_in(&self, range: &Range<usize>) -> impl DoubleEndedIterator<Item = Range<usize>> + '_ {
        let (first, last) = (range.start / self.width, range.end.div_ceil(self.width));
        let planes = if self.columns.is_empty() { 0..0 } else { first / self.height..last.div_ceil(self.height) };
        let rows = move |plane: usize| {
            let top = plane * self.height;
            (top + self.rows.start).max(first)..(top + self.rows.end).min(last)
        };
        planes.map(rows).filter(|rows| !rows.is_empty())
    }

    /// The elements of the box in a row of a plane, limited to `range`.
    fn elements(&self, row: usize, range: &Range<usize>) -> Range<usize> {
        let at = |column: usize| (row * self.width + column).clamp(range.start, range.end);
        at(self.columns.start)..at(self.columns.end)
    }
}

/// Copies the boxes of the partners.
struct Paste<'a>(&'a [Frame]);

impl<T: Copy> Mixer<T> for Paste<'_> {
    fn reads(&self, at: usize, band: Range<usize>) -> Range<usize> {
        let patch = &self.0[at];
        let mut planes = patch.rows_in(&band);
        let Some(first) = planes.next() else { return 0..0 };
        let last = planes.next_back().map_or(first.end, |rows| rows.end) - 1;
        patch.elements(first.start, &band).start..patch.elements(last, &band).end
    }

    fn mix(&self, at: usize, range: Range<usize>, own: &mut [T], other: &[T]) {
        let patch = &self.0[at];
        for row in patch.rows_in(&range).flatten() {
            let elements = patch.elements(row, &range);
            let place = elements.start - range.start..elements.end - range.start;
            own[place.clone()].copy_from_slice(&other[place]);
        }
    }
}

/// Blends with these weights; a weight of 1 leaves a sample alone, so that infinities of the partner do not spread.
struct Blend<'a>(&'a [f32]);

impl<T: Pixel> Mixer<T> for Blend<'_> {
    fn reads(&self, at: usize, band: Range<usize>) -> Range<usize> {
        if self.0[at] < 1.0 { band } else { 0..0 }
    }

    fn mix(&self, at: usize, _: Range<usize>, own: &mut [T], other: &[T]) {
        let (lam, rest) = (self.0[at], 1.0 - self.0[at]);
        let blend = |own: T, other: T| T::nearest(own.real() * lam + other.real() * rest);
        own.iter_mut().zip(other).for_each(|(own, other)| *own = blend(*own, *other));
    }
}

/// Takes regions from the partners, or blends with weights per pixel; planes have `plane` elements.
struct Regional<'a> {
    regions: &'a [Arc<Region>],
    plane: usize,
}

impl<T: Pixel> Mixer<T> for Regional<'_> {
    fn reads(&self, at: usize, band: Range<usize>) -> Range<usize> {
        match &*self.regions[at] {
            Region::Taken(runs) => runs.span(self.plane, band),
            Region::Weights(_) => band,
        }
    }

    fn mix(&self, at: usize, range: Range<usize>, own: &mut [T], other: &[T]) {
        match &*self.regions[at] {
            Region::Taken(runs) => {
                for run in runs.within(self.plane, range.clone()) {
                    let place = run.start - range.start..run.end - range.start;
                    own[place.clone()].copy_from_slice(&other[place]);
                }
            }
            Region::Weights(weights) => {
                let [Some(kept), Some(taken)] = weights.each_ref().map(|weights| weights.as_slice()) else { return };
                // One channel of weights serves all.
                let shared = kept.len();
                let mut start = range.start;
                while start < range.end {
                    let first = start % shared;
                    let length = (shared - first).min(range.end - start);
                    let place = start - range.start..start - range.start + length;
                    let weights = kept[first..first + length].iter().zip(&taken[first..first + length]);
                    for ((own, other), (kept, taken)) in own[place.clone()].iter_mut().zip(&other[place]).zip(weights) {
                        if *kept == 0.0 {
                            // A product would make NaN of an infinity that is not shown.
                            *own = *other;
                        } else if *taken > 0.0 {
                            *own = T::nearest(own.real() * kept + other.real() * taken);
                        }
                    }
                    start += length;
                }
            }
        }
    }
}

/// Fills the rectangles with whole images; these are resized before any rectangle is filled.
fn paste_resized<T: Pixel>(
    images: &mut Array4<T>,
    patches: &[&Patch<Row>],
    partner: &[usize],
    scratch: &mut Scratch,
    smooth: bool,
) {
    let channels = images.dim().1;
    let buffer = |patch: &&Patch<Row>| scratch.take(channels * patch.sides().iter().product::<usize>());
    let mut buffers: Vec<Vec<T>> = patches.iter().map(buffer).collect();
    let before = images.view();
    let sources: Vec<_> = patches.iter().zip(partner).collect();
    parallel(buffers.iter_mut().collect(), &sources, |buffer: &mut Vec<T>, (patch, partner)| {
        if !buffer.is_empty() {
            resize(before.index_axis(Axis(0), **partner), patch.sides(), smooth, buffer);
        }
    });
    let pasted: Vec<(&&Patch<Row>, Vec<T>)> = patches.iter().zip(buffers).collect();
    parallel(images.outer_iter_mut().collect(), &pasted, |mut image, (patch, buffer)| {
        let [height, width] = patch.sides();
        let (top, left) = (patch.edges[0] as usize, patch.edges[1] as usize);
        for (at, line) in buffer.chunks_exact(width.max(1)).enumerate() {
            let mut row = image.slice_mut(ndarray::s![at / height, top + at % height, left..left + width]);
            row.iter_mut().zip(line).for_each(|(value, new)| *value = *new);
        }
    });
    for (_, buffer) in pasted {
        scratch.give(buffer);
    }
}

/// The place in `side` pixels that pixel `at` of `out` shows: a pixel, the one behind it, and the weight of that one.
fn tap(at: usize, out: usize, side: usize) -> (usize, usize, f32) {
    let twice = 2 * out;
    let place = ((2 * at + 1) * side).saturating_sub(out);
    let low = place / twice;
    (low, (low + 1).min(side - 1), ((place % twice) as f64 / twice as f64) as f32)
}

/// The pixel of `side` that pixel `at` of `out` shows, where a whole image is made to fit.
pub(crate) fn fitted(at: usize, out: usize, side: usize) -> usize {
    at * side / out
}

/// Resizes `image` (channels, rows, columns) to `[height, width]`, row by row into `to`.
fn resize<T: Pixel>(image: ArrayView3<'_, T>, [height, width]: [usize; 2], smooth: bool, to: &mut [T]) {
    let [rows, columns] = [image.dim().1, image.dim().2];
    let across: Vec<_> = (0..width).map(|x| tap(x, width, columns)).collect();
    let nearest: Vec<usize> = (0..width).map(|x| fitted(x, width, columns)).collect();
    for (at, line) in to.chunks_exact_mut(width).enumerate() {
        let (plane, y) = (image.index_axis(Axis(0), at / height), at % height);
        if !smooth {
            let row = plane.row(fitted(y, height, rows));
            line.iter_mut().zip(&nearest).for_each(|(value, x)| *value = row[*x]);
            continue;
        }
        let (low, high, weight) = tap(y, height, rows);
        let (above, below) = (plane.row(low), plane.row(high));
        for (value, (left, right, share)) in line.iter_mut().zip(&across) {
            let upper = above[*left].real() * (1.0 - share) + above[*right].real() * share;
            let lower = below[*left].real() * (1.0 - share) + below[*right].real() * share;
            *value = T::nearest(upper * (1.0 - weight) + lower * weight);
        }
    }
}

/// Puts every sample together from parts of several images.
fn compose<T: Pixel>(images: &mut Array4<T>, patches: &[&[Patch<Row>]], scratch: &mut Scratch) {
    if patches.iter().all(|patches| patches.iter().all(Patch::is_empty)) {
        return;
    }
    let (n, channels, height, width) = images.dim();
    let mut composed: Array4<T> = scratch.take_dense([n, channels, height, width]);
    let jobs: Vec<_> = patches.iter().enumerate().collect();
    parallel(composed.outer_iter_mut().collect(), &jobs, |mut composed, (row, patches)| {
        let covered: usize = patches.iter().map(|patch| patch.sides().iter().product::<usize>()).sum();
        if covered < height * width {
            composed.assign(&images.index_axis(Axis(0), *row));
        }
        for patch in patches.iter().filter(|patch| !patch.is_empty()) {
            let source = images.index_axis(Axis(0), patch.source(*row));
            let [top, left, bottom, right] = patch.edges.map(|edge| edge as usize);
            let shown = |start: usize, end: usize, side: usize| -> Vec<usize> {
                match patch.shows {
                    Shows::Place => (start..end).collect(),
                    _ => (start..end).map(|place| fitted(place - start, end - start, side)).collect(),
                }
            };
            let (rows, columns) = (shown(top, bottom, height), shown(left, right, width));
            for (channel, mut plane) in composed.outer_iter_mut().enumerate() {
                for (y, from) in (top..bottom).zip(&rows) {
                    let mut line = plane.row_mut(y);
                    let source = source.slice(ndarray::s![channel, *from, ..]);
                    match (line.as_slice_mut(), source.as_slice(), patch.shows) {
                        (Some(line), Some(source), Shows::Place) => {
                            line[left..right].copy_from_slice(&source[left..right]);
                        }
                        (Some(line), Some(source), _) => {
                            line[left..right].iter_mut().zip(&columns).for_each(|(value, x)| *value = source[*x]);
                        }
                        _ => {}
                    }
                }
            }
        }
    });
    std::mem::swap(images, &mut composed);
    scratch.give_dense(composed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn bilinear_aligns_the_centers_of_pixels() {
        // A ramp stays a ramp: 5 y + x at y = (i + 0.5) * 4 / 3 - 0.5, x = (j + 0.5) * 5 / 2 - 0.5.
        let image = Array3::from_shape_fn([1, 4, 5], |(_, y, x)| (y * 5 + x) as f32);
        let mut out = vec![0f32; 6];
        resize(image.view(), [3, 2], true, &mut out);
        let expected = [1.583_333_4f32, 4.083_333, 8.25, 10.75, 14.916_666, 17.416_666];
        assert!(out.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{out:?}");
    }

    #[test]
    fn nearest_takes_whole_pixels() {
        let image = Array3::from_shape_fn([1, 4, 5], |(_, y, x)| (y * 5 + x) as u8);
        let mut out = vec![0; 6];
        resize(image.view(), [3, 2], false, &mut out);
        assert_eq!(out, [0, 2, 5, 7, 10, 12]);
    }
}
