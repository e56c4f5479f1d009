//! Moves the pixels of images, masks and label planes natively.

use ndarray::{Array3, Array4, ArrayView3, ArrayViewMut3, Axis, s};

use crate::border::copy_window;
use crate::cells::shuffle;
use crate::each_sample;
use crate::homography::Homography;
use crate::images::Images;
use crate::motion::{Motion, Outside, Projective, Window, WindowSize};
use crate::numbers::Fill;
use crate::pixel::Sampled;
use crate::resample::resample;
use crate::scalar::Row;
use crate::scratch::{Scratch, parallel};
use crate::taps::{Filter, Stretch};
use crate::warp::{Lookup, Sampling, warp};

/// The class id of what no image shows.
pub const IGNORE: u8 = 255;

/// The turn that leaves down and right as they are.
const STRAIGHT: [[i8; 2]; 2] = [[1, 0], [0, 1]];

/// What the values of pixels mean, which says how they are made up between pixels and outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// Colors or features, which the motion says.
    Values,
    /// Class ids: the nearest pixel, and [`IGNORE`] outside.
    Ids,
    /// Weights: the nearest pixel, and none outside.
    Shares,
}

impl Content {
    pub(crate) fn filter(self, filter: Filter) -> Filter {
        if self == Content::Values { filter } else { Filter::NEAREST }
    }

    pub(crate) fn sampling(self, sampling: Sampling) -> Sampling {
        if self == Content::Values { sampling } else { Sampling::Nearest }
    }

    pub(crate) fn fill(self, fill: &Fill) -> Fill {
        match self {
            Content::Values => fill.clone(),
            Content::Ids => Fill::All(f32::from(IGNORE)),
            Content::Shares => Fill::All(0.0),
        }
    }
}

/// Moves the pixels of every sample; the motions of a step are of one kind.
pub(crate) fn move_images(motions: &[&Motion<Row>], images: &mut Images, content: Content, scratch: &mut Scratch) {
    let Some(kind) = motions.first() else { return };
    match kind {
        Motion::Stay => {}
        Motion::Mirror { .. } | Motion::Quarter(_) | Motion::Transpose(_) => turn(motions, images),
        Motion::Window(_) => {
            let windows: Vec<&Window<Row>> = motions
                .iter()
                .filter_map(|motion| if let Motion::Window(window) = motion { Some(window) } else { None })
                .collect();
            cut(&windows, images, content, scratch);
        }
        Motion::Affine(first) => {
            warp(&lookups(motions), images, scratch, content.sampling(first.sampling), &content.fill(&first.fill));
        }
        Motion::Projective(first) => {
            warp(&lookups(motions), images, scratch, content.sampling(first.sampling), &content.fill(&first.fill));
        }
        Motion::Displaced(first) => {
            warp(&lookups(motions), images, scratch, content.sampling(first.sampling), &content.fill(&first.fill));
        }
        Motion::Cells(_) => shuffle(motions, images, scratch),
        Motion::Chain(parts) => {
            for at in 0..parts.len() {
                let parts: Vec<&Motion<Row>> = motions.iter().filter_map(|motion| motion.part(at)).collect();
                move_images(&parts, images, content, scratch);
            }
        }
    }
}

fn lookups(motions: &[&Motion<Row>]) -> Vec<Lookup> {
    let lookup = |motion: &&Motion<Row>| match motion {
        Motion::Affine(affine) => Some(Lookup::Affine(affine.map)),
        Motion::Projective(motion) => Some(Lookup::Projective(motion.back(), motion.sides)),
        Motion::Displaced(motion) => Some(Lookup::Displaced(motion.shifts.clone())),
        _ => None,
    };
    motions.iter().filter_map(lookup).collect()
}

impl Projective<Row> {
    /// The map from the image to the result in the unit of the rectangle; none where every corner keeps its place.
    pub(crate) fn forth(&self) -> Option<Homography<f64>> {
        let [height, width] = self.sides;
        let own = [[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]];
        (self.corners != own).then(|| Homography::of_square(self.corners))
    }

    fn back(&self) -> Option<Homography<f64>> {
        self.forth().map(Homography::inverse)
    }
}

impl Motion<Row> {
    /// Whether it mirrors or turns and does no more, so that only an image with that symmetry stays as it is.
    pub(crate) fn turns(&self) -> bool {
        self.turn().is_some_and(|turn| turn != STRAIGHT)
    }

    /// Where it turns the directions down and right to; none where it cuts or resamples.
    fn turn(&self) -> Option<[[i8; 2]; 2]> {
        let sign = |flips: bool| if flips { -1 } else { 1 };
        Some(match self {
            Self::Stay => STRAIGHT,
            Self::Mirror { rows, columns } => [[sign(*rows), 0], [0, sign(*columns)]],
            Self::Quarter(k) => {
                [STRAIGHT, [[0, 1], [-1, 0]], [[-1, 0], [0, -1]], [[0, -1], [1, 0]]][k.rem_euclid(4) as usize]
            }
            Self::Transpose(apply) => {
                if *apply {
                    [[0, 1], [1, 0]]
                } else {
                    STRAIGHT
                }
            }
            Self::Window(_) | Self::Affine(_) | Self::Projective(_) | Self::Displaced(_) | Self::Cells(_) => {
                return None;
            }
            Self::Chain(parts) => {
                let then = |[down, right]: [[i8; 2]; 2], next: [[i8; 2]; 2]| {
                    let turned = |of: [i8; 2]| [0, 1].map(|axis| of[0] * next[0][axis] + of[1] * next[1][axis]);
                    [turned(down), turned(right)]
                };
                parts.iter().try_fold(STRAIGHT, |turn, part| Some(then(turn, part.turn()?)))?
            }
        })
    }

    /// The part of a chain at this place.
    pub(crate) fn part(&self, at: usize) -> Option<&Self> {
        if let Motion::Chain(parts) = self { parts.get(at) } else { None }
    }
}

fn turn(motions: &[&Motion<Row>], images: &mut Images) {
    each_sample!(images, motions, |motion, image| match motion {
        Motion::Mirror { rows, columns } => {
            if *rows {
                mirror_rows(&mut image);
            }
            if *columns {
                mirror_columns(&mut image);
            }
        }
        Motion::Quarter(k) => {
            if k % 2 == 1 {
                transpose_square(&mut image);
            }
            if matches!(k, 1 | 2) {
                mirror_rows(&mut image);
            }
            if matches!(k, 2 | 3) {
                mirror_columns(&mut image);
            }
        }
        Motion::Transpose(true) => transpose_square(&mut image),
        _ => {}
    });
}

/// Mirrors left and right of an image with the axes channels, rows, columns.
fn mirror_columns<T: Sampled>(image: &mut ArrayViewMut3<'_, T>) {
    let width = image.dim().2;
    if let Some(pixels) = image.as_slice_mut() {
        return T::mirror(pixels, width);
    }
    for mut row in image.lanes_mut(Axis(2)) {
        for at in 0..width / 2 {
            row.swap(at, width - 1 - at);
        }
    }
}

/// Mirrors top and bottom of an image with the axes channels, rows, columns.
fn mirror_rows<T: Copy>(image: &mut ArrayViewMut3<'_, T>) {
    let (_, height, width) = image.dim();
    if let Some(pixels) = image.as_slice_mut() {
        for plane in pixels.chunks_exact_mut(height * width) {
            let (above, below) = plane.split_at_mut(height / 2 * width);
            let below = below.rchunks_exact_mut(width);
            above.chunks_exact_mut(width).zip(below).for_each(|(above, below)| above.swap_with_slice(below));
        }
        return;
    }
    for top in 0..height / 2 {
        let (mut above, mut below) = image.multi_slice_mut((s![.., top, ..], s![.., height - 1 - top, ..]));
        ndarray::Zip::from(&mut above).and(&mut below).for_each(core::mem::swap);
    }
}

/// Side of the blocks that are transposed one after the other, so that both stay in the cache.
const BLOCK: usize = 16;

/// Transposes every channel of a square image in place.
fn transpose_square<T: Copy>(image: &mut ArrayViewMut3<'_, T>) {
    for mut plane in image.axis_iter_mut(Axis(0)) {
        let side = plane.nrows();
        let Some(plane) = plane.as_slice_mut() else { continue };
        for top in (0..side).step_by(BLOCK) {
            for left in (top..side).step_by(BLOCK) {
                for row in top..(top + BLOCK).min(side) {
                    for column in left.max(row + 1)..(left + BLOCK).min(side) {
                        plane.swap(row * side + column, column * side + row);
                    }
                }
            }
        }
    }
}

/// Replaces images by windows of them.
fn cut(windows: &[&Window<Row>], images: &mut Images, content: Content, scratch: &mut Scratch) {
    let Some(first) = windows.first() else { return };
    let showing = Showing {
        outside: Outside { mode: first.outside.mode, fill: content.fill(&first.outside.fill) },
        content,
        size: first.size,
    };
    let old = core::mem::replace(images, Images::Ragged(Vec::new()));
    *images = match (old, first.size) {
        (Images::Ragged(mut images), WindowSize::Grown(_)) => {
            parallel(images.iter_mut().collect(), windows, |image: &mut Array3<u8>, window| {
                *image = showing.grown(image, window);
            });
            Images::Ragged(images)
        }
        (Images::Ragged(images), WindowSize::Fixed(size)) => {
            let from = images.iter().map(|image: &Array3<u8>| image.view().permuted_axes([2, 0, 1])).collect();
            let none = if content == Content::Ids { 1 } else { 3 };
            let channels = images.first().map_or(none, |image| image.dim().2);
            Images::U8(showing.filled(from, channels, size, windows, scratch))
        }
        (Images::U8(images), _) => Images::U8(showing.filled_dense(images, windows, scratch)),
        (Images::F32(images), _) => Images::F32(showing.filled_dense(images, windows, scratch)),
    };
}

impl WindowSize {
    /// Rows and columns of what is shown of an image of these sides.
    pub(crate) fn of(self, sides: [usize; 2]) -> [usize; 2] {
        match self {
            WindowSize::Fixed(size) => size,
            WindowSize::Grown(more) => [sides[0] + more[0], sides[1] + more[1]],
        }
    }
}

/// What the windows of a step have in common.
struct Showing {
    outside: Outside,
    content: Content,
    size: WindowSize,
}

impl Showing {
    /// A window of an image (rows, columns, channels).
    fn grown(&self, image: &Array3<u8>, window: &Window<Row>) -> Array3<u8> {
        let (height, width, channels) = image.dim();
        let [rows, columns] = self.size.of([height, width]);
        let mut to = Array3::zeros([rows, columns, channels]);
        let (from, view) = (image.view().permuted_axes([2, 0, 1]), to.view_mut().permuted_axes([2, 0, 1]));
        self.show(window, from, view, &mut Vec::new());
        to
    }

    fn filled_dense<T: Sampled>(
        &self,
        images: Array4<T>,
        windows: &[&Window<Row>],
        scratch: &mut Scratch,
    ) -> Array4<T> {
        let (_, channels, height, width) = images.dim();
        let size = self.size.of([height, width]);
        let to = self.filled(images.axis_iter(Axis(0)).collect(), channels, size, windows, scratch);
        scratch.give_dense(images);
        to
    }

    fn filled<T: Sampled>(
        &self,
        from: Vec<ArrayView3<'_, T>>,
        channels: usize,
        [height, width]: [usize; 2],
        windows: &[&Window<Row>],
        scratch: &mut Scratch,
    ) -> Array4<T> {
        let mut to = scratch.take_dense([from.len(), channels, height, width]);
        let tallest = from.iter().map(|image| image.dim().1).max().unwrap_or(0);
        scratch.lend(tallest * width * channels.min(3), |buffers| {
            parallel(to.axis_iter_mut(Axis(0)).zip(from).collect(), windows, |(to, from), window| {
                buffers.with(|lines| self.show(window, from, to, lines));
            });
        });
        to
    }

    /// Fills one sample; `lines` is a buffer of any content that is reused.
    fn show<T: Sampled>(
        &self,
        window: &Window<Row>,
        from: ArrayView3<'_, T>,
        to: ArrayViewMut3<'_, T>,
        lines: &mut Vec<T>,
    ) {
        let Some(stretched) = &window.stretch else {
            return copy_window(window.corner, from, to, self.outside.mode, &self.outside.fill);
        };
        let (_, rows, columns) = to.dim();
        let stretch = |axis: usize, out| Stretch {
            start: window.corner[axis] as usize,
            length: stretched.length[axis] as usize,
            out,
        };
        resample(self.content.filter(stretched.filter), stretch(0, rows), stretch(1, columns), from, to, lines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_turns_unless_its_parts_undo_each_other() {
        let mirror = |rows, columns| Motion::<Row>::Mirror { rows, columns };
        let chain = |parts| Motion::Chain(parts).turns();
        for k in 0..4 {
            assert!(!chain(vec![Motion::Quarter(k), Motion::Quarter(4 - k)]), "{k} and back");
            assert!(chain(vec![mirror(false, true), Motion::Quarter(k)]), "a reflection and {k}");
        }
        assert!(!chain(vec![Motion::Quarter(2), mirror(true, true)]));
        assert!(!chain(vec![Motion::Quarter(1), mirror(true, false), Motion::Transpose(true)]));
        assert!(chain(vec![Motion::Quarter(1), mirror(false, true), Motion::Transpose(true)]));
        assert!(!chain(vec![mirror(false, false), Motion::Stay]));
    }
}
