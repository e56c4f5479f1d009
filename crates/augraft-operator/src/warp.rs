//! Lookups at the places that a map or a field of displacements gives.

use ndarray::{Array3, ArrayViewMut3, Axis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::homography::Homography;
use crate::images::Images;
use crate::numbers::Fill;
use crate::pixel::Sampled;
use crate::scratch::{Scratch, parallel};
use crate::spline::{Field, is_still};

/// How a pixel is made up at a place between pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// The pixel whose area the place lies in.
    Nearest,
    /// The mean of the four pixels around, by their distance; bytes are rounded, halves to even.
    #[default]
    Bilinear,
}

/// A map from the result to the image, in pixels from the center: per column, per row, and at the center.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Map<R> {
    /// Column.
    pub x: [R; 3],
    /// Row.
    pub y: [R; 3],
}

impl Map<f64> {
    const IDENTITY: Self = Self { x: [1.0, 0.0, 0.0], y: [0.0, 1.0, 0.0] };
}

/// Where the pixels of a result are found in the image.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Lookup {
    /// At the places of an affine map.
    Affine(Map<f64>),
    /// At those of a projective map to the unit of a rectangle with this height and width; where they are, without one.
    Projective(Option<Homography<f64>>, [f64; 2]),
    /// At displaced places, by the displacements of control points.
    Displaced(Array3<f64>),
}

impl Lookup {
    fn is_identity(&self) -> bool {
        match self {
            Self::Affine(map) => *map == Map::IDENTITY,
            Self::Projective(map, _) => map.is_none(),
            Self::Displaced(shifts) => is_still(shifts),
        }
    }
}

impl Sampling {
    /// What is added to a place from the top left corner to get a place in an image with a border of one pixel, whose whole numbers are the pixels.
    pub(crate) fn shift(self) -> f64 {
        if self == Sampling::Nearest { 1.0 } else { 0.5 }
    }

    /// What is added to a place from the center to get a place in an image with a border of one pixel, whose whole numbers are the pixels.
    pub(crate) fn offset(self, side: usize) -> f64 {
        side as f64 / 2.0 + self.shift()
    }
}

/// The place of pixel `at` of `side`, from the center.
pub(crate) fn centered(at: usize, side: usize) -> f64 {
    at as f64 + (0.5 - side as f64 / 2.0)
}

/// Fills every sample by its lookup; what is outside is `fill`.
pub(crate) fn warp(lookups: &[Lookup], images: &mut Images, scratch: &mut Scratch, sampling: Sampling, fill: &Fill) {
    if let Some(samples) = images.samples_u8() {
        warp_all(samples, lookups, scratch, sampling, fill);
    } else if let Some(samples) = images.samples_f32() {
        warp_all(samples, lookups, scratch, sampling, fill);
    }
}

fn warp_all<T: Sampled>(
    samples: Vec<ArrayViewMut3<'_, T>>,
    lookups: &[Lookup],
    scratch: &mut Scratch,
    sampling: Sampling,
    fill: &Fill,
) {
    let bordered = |sample: &ArrayViewMut3<'_, T>| sample.dim().0 * (sample.dim().1 + 2) * (sample.dim().2 + 2);
    let largest = samples.iter().map(bordered).max().unwrap_or(0);
    scratch.lend(largest, |buffers| {
        parallel(samples, lookups, |mut sample, lookup| {
            if !lookup.is_identity() {
                buffers.with(|buffer| warp_one(&mut sample, lookup, buffer, sampling, fill));
            }
        });
    });
}

/// Where the pixels of one row of the result are found: places in an image with a border, and the weights of the pixels behind and below.
struct Line {
    at: Vec<u32>,
    right: Vec<f32>,
    below: Vec<f32>,
}

fn warp_one<T: Sampled>(
    image: &mut ArrayViewMut3<'_, T>,
    lookup: &Lookup,
    buffer: &mut Vec<T>,
    sampling: Sampling,
    fill: &Fill,
) {
    let (channels, height, width) = image.dim();
    let stride = width + 2;
    let plane = (height + 2) * stride;
    buffer.resize(channels * plane, T::default());
    for (channel, (bordered, source)) in buffer.chunks_exact_mut(plane).zip(image.outer_iter()).enumerate() {
        add_border(bordered, source, stride, T::of(fill.at(channel)));
    }
    let mut line = Line { at: vec![0; width], right: vec![0.0; width], below: vec![0.0; width] };
    let mut values = vec![T::default(); width];
    let per_column = |axis: [f64; 3]| -> Vec<f64> { (0..width).map(|x| axis[0] * centered(x, width)).collect() };
    let columns =
        if let Lookup::Affine(map) = lookup { [per_column(map.x), per_column(map.y)] } else { Default::default() };
    let field = if let Lookup::Displaced(shifts) = lookup { Some(Field::new(shifts, [height, width])) } else { None };
    for y in 0..height {
        match lookup {
            Lookup::Affine(map) => {
                let row =
                    |axis: [f64; 3], side: usize| axis[1] * centered(y, height) + (axis[2] + sampling.offset(side));
                let (row_x, row_y) = (row(map.x, width), row(map.y, height));
                let places = columns[0].iter().zip(&columns[1]).map(|(x, y)| [x + row_x, y + row_y]);
                line.find(places, [height, width], sampling);
            }
            Lookup::Projective(map, sides) => {
                let places = (0..width).map(|x| map.map_or([0.0; 2], |map| behind(map, *sides, [x, y], sampling)));
                line.find(places, [height, width], sampling);
            }
            Lookup::Displaced(_) => {
                let middle = |at: usize| at as f64 + (0.5 + sampling.shift());
                let shifts =
                    field.as_ref().map_or_else(Default::default, |field| [0, 1].map(|axis| field.along(axis, y)));
                let places = shifts[0].iter().zip(&shifts[1]).enumerate();
                let places = places.map(|(x, (right, down))| [right + middle(x), down + middle(y)]);
                line.find(places, [height, width], sampling);
            }
        }
        for (bordered, mut target) in buffer.chunks_exact(plane).zip(image.axis_iter_mut(Axis(0))) {
            match sampling {
                Sampling::Nearest => {
                    values.iter_mut().zip(&line.at).for_each(|(value, at)| *value = bordered[*at as usize]);
                }
                Sampling::Bilinear => T::blend(bordered, stride, &line.at, &line.right, &line.below, &mut values),
            }
            target.row_mut(y).iter_mut().zip(&values).for_each(|(target, value)| *target = *value);
        }
    }
}

/// What is added to projected places, in pixels, so that one between two pixels is in the same of them however an engine rounds.
pub(crate) const NUDGE: f64 = 1e-7;

/// The place that pixel `[x, y]` shows, in an image with a border of one pixel; on the border where it is behind the horizon.
fn behind(map: Homography<f64>, [height, width]: [f64; 2], [x, y]: [usize; 2], sampling: Sampling) -> [f64; 2] {
    let [across, down, depth] = map.apply([x as f64 + 0.5, y as f64 + 0.5]);
    let at = |value: f64, side: f64| value / depth * side + (sampling.shift() + NUDGE);
    if depth > 0.0 { [at(across, width), at(down, height)] } else { [0.0; 2] }
}

fn add_border<T: Sampled>(bordered: &mut [T], source: ndarray::ArrayView2<'_, T>, stride: usize, fill: T) {
    let (first, rest) = bordered.split_at_mut(stride);
    first.fill(fill);
    let mut lines = rest.chunks_exact_mut(stride);
    for (source, line) in source.outer_iter().zip(&mut lines) {
        line[0] = fill;
        line[stride - 1] = fill;
        let line = &mut line[1..stride - 1];
        match source.to_slice() {
            Some(source) => line.copy_from_slice(source),
            None => line.iter_mut().zip(source).for_each(|(pixel, source)| *pixel = *source),
        }
    }
    lines.for_each(|last| last.fill(fill));
}

impl Line {
    fn find(&mut self, places: impl Iterator<Item = [f64; 2]>, [height, width]: [usize; 2], sampling: Sampling) {
        let stride = width as u32 + 2;
        let [most_x, most_y] = [width as f64 + 1.0, height as f64 + 1.0];
        let places = places.map(|[x, y]| (x.clamp(0.0, most_x), y.clamp(0.0, most_y)));
        match sampling {
            Sampling::Nearest => {
                for (at, (x, y)) in self.at.iter_mut().zip(places) {
                    *at = y as i32 as u32 * stride + x as i32 as u32;
                }
            }
            Sampling::Bilinear => {
                let weights = self.right.iter_mut().zip(&mut self.below);
                for ((at, (right, below)), (x, y)) in self.at.iter_mut().zip(weights).zip(places) {
                    let (left, top) = ((x as i32).min(width as i32), (y as i32).min(height as i32));
                    *right = (x - f64::from(left)) as f32;
                    *below = (y - f64::from(top)) as f32;
                    *at = top as u32 * stride + left as u32;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    fn warped(image: &Array3<u8>, map: Map<f64>, sampling: Sampling, fill: f32) -> Array3<u8> {
        let mut image = image.clone();
        warp_one(&mut image.view_mut(), &Lookup::Affine(map), &mut Vec::new(), sampling, &Fill::All(fill));
        image
    }

    #[test]
    fn a_quarter_turn_and_the_identity_move_whole_pixels() {
        let image = Array3::from_shape_fn([2, 5, 5], |(c, y, x)| (c * 50 + y * 5 + x) as u8);
        let clockwise = Map { x: [0.0, 1.0, 0.0], y: [-1.0, 0.0, 0.0] };
        for sampling in [Sampling::Nearest, Sampling::Bilinear] {
            assert_eq!(warped(&image, Map::IDENTITY, sampling, 0.0), image);
            let turned = warped(&image, clockwise, sampling, 0.0);
            assert!(turned.indexed_iter().all(|((c, y, x), value)| *value == image[[c, 4 - x, y]]), "{turned}");
        }
    }

    #[test]
    fn the_fill_is_mixed_in_at_the_border() {
        let image = Array3::from_elem([1, 1, 3], 100u8);
        let shifted = Map { x: [1.0, 0.0, -1.25], y: [0.0, 1.0, 0.0] };
        assert_eq!(warped(&image, shifted, Sampling::Bilinear, 20.0).into_raw_vec_and_offset().0, [20, 80, 100]);
        assert_eq!(warped(&image, shifted, Sampling::Nearest, 20.0).into_raw_vec_and_offset().0, [20, 100, 100]);
    }
}
