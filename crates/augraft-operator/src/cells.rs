//! Cells of a grid that change places: pixels natively and in a graph, rectangles and objects natively.

use augraft_onnx::{DataType, Tensor, Value};
use ndarray::ArrayViewMut3;

use crate::bounds::Rectangle;
use crate::bounds::{BEYOND, Bounds, Place, area, meet};
use crate::images::Images;
use crate::motion::{Cells, Motion};
use crate::object_values::{self as lowered, LoweredObjects};
use crate::picture::{Picture, whole_quotient};
use crate::pixel::Sampled;
use crate::recorder::Recorder;
use crate::scalar::Row;
use crate::scratch::{Scratch, parallel};
use crate::shape::Issue;

/// Height and width of a cell.
fn cell_sides(grid: [usize; 2], size: [usize; 2]) -> [usize; 2] {
    [size[0] / grid[0], size[1] / grid[1]]
}

impl Cells<Row> {
    /// The rectangle of every cell, beside that of the one which it shows.
    pub(crate) fn moves(&self, size: [usize; 2]) -> impl Iterator<Item = [Rectangle; 2]> + '_ {
        let [height, width] = cell_sides(self.grid, size).map(|side| side as i64);
        let columns = self.grid[1] as i64;
        let edges = move |cell: i64| {
            let [top, left] = [cell / columns * height, cell % columns * width];
            [top, left, top + height, left + width]
        };
        self.shows.iter().enumerate().map(move |(cell, shown)| [edges(cell as i64), edges(*shown)])
    }

    /// The place that a place in a cell comes to.
    pub(crate) fn moved(&self, [x, y]: Place, size: [usize; 2]) -> Place {
        let sides = cell_sides(self.grid, size);
        let [row, column] = [0, 1].map(|axis| {
            let at = if axis == 0 { y } else { x };
            (1..self.grid[axis]).filter(|line| at >= (line * sides[axis]) as f64).count()
        });
        let from = row * self.grid[1] + column;
        let to = self.shows.iter().position(|shown| *shown == from as i64).unwrap_or(from);
        let step = |to: usize, from: usize, side: usize| (to as f64 - from as f64) * side as f64;
        [x + step(to % self.grid[1], column, sides[1]), y + step(to / self.grid[1], row, sides[0])]
    }

    pub(crate) fn is_identity(&self) -> bool {
        self.shows.iter().enumerate().all(|(cell, shown)| cell as i64 == *shown)
    }

    /// The hull of what cells make of a box, and its share of that; none where the box lies in no cell.
    pub(crate) fn scattered(&self, seen: Bounds, size: [usize; 2]) -> Option<(Bounds, f64)> {
        let parts = self.moves(size).filter_map(|[to, from]| {
            let inner = meet(seen, [from[1], from[0], from[3], from[2]].map(|edge| edge as f64));
            let [x, y] = [(to[1] - from[1]) as f64, (to[0] - from[0]) as f64];
            let moved = [inner[0] + x, inner[1] + y, inner[2] + x, inner[3] + y];
            (area(inner) > 0.0).then_some(moved)
        });
        let hull = parts.reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])])?;
        Some((hull, area(seen) / area(hull)))
    }
}

/// Moves the cells of every sample.
pub(crate) fn shuffle(motions: &[&Motion<Row>], images: &mut Images, scratch: &mut Scratch) {
    if let Some(samples) = images.samples_u8() {
        shuffle_all(samples, motions, scratch);
    } else if let Some(samples) = images.samples_f32() {
        shuffle_all(samples, motions, scratch);
    }
}

fn shuffle_all<T: Sampled>(samples: Vec<ArrayViewMut3<'_, T>>, motions: &[&Motion<Row>], scratch: &mut Scratch) {
    let largest = samples.iter().map(ndarray::ArrayBase::len).max().unwrap_or(0);
    scratch.lend(largest, |buffers| {
        parallel(samples, motions, |mut sample, motion| {
            let Motion::Cells(cells) = motion else { return };
            if !cells.is_identity() {
                buffers.with(|buffer| shuffle_one(&mut sample, cells, buffer));
            }
        });
    });
}

fn shuffle_one<T: Sampled>(image: &mut ArrayViewMut3<'_, T>, cells: &Cells<Row>, buffer: &mut Vec<T>) {
    let (_, height, width) = image.dim();
    buffer.clear();
    buffer.extend(image.iter().copied());
    let of = |rectangle: Rectangle| rectangle.map(|edge| edge as usize);
    for [to, from] in cells.moves([height, width]) {
        let ([top, left, bottom, right], [first, column, ..]) = (of(to), of(from));
        for (channel, mut plane) in image.outer_iter_mut().enumerate() {
            for row in top..bottom {
                let start = (channel * height + first + row - top) * width + column;
                let line = &buffer[start..start + right - left];
                plane.slice_mut(ndarray::s![row, left..right]).iter_mut().zip(line).for_each(|(to, from)| *to = *from);
            }
        }
    }
}

/// The planes with their cells moved.
///
/// # Errors
/// When their size is open.
pub(crate) fn lower_shuffle<'g>(cells: &Cells<Recorder<'g>>, picture: &Picture<'g>) -> Result<Value<'g>, Issue> {
    let size = picture.shape.dense()?;
    let graph = picture.graph();
    let (channels, [height, width]) = (picture.shape.channels, cell_sides(cells.grid, size));
    let ([rows, columns], count) = (cells.grid, cells.shows.len());
    let ints = |numbers: &[usize]| numbers.iter().map(|number| *number as i64).collect::<Vec<i64>>();
    let apart = picture.values.reshape(&[&[-1], &ints(&[channels, rows, height, columns, width])[..]].concat());
    let each = apart.transpose(&[0, 2, 4, 1, 3, 5]).reshape(&[&[-1], &ints(&[channels, height, width])[..]].concat());
    let shown: Vec<Value<'g>> = cells.shows.iter().map(|shown| shown.unsqueeze(&[1])).collect();
    let first = graph.range(picture.values.side(0)) * graph.constant(Tensor::scalar(count as i64));
    let index = (graph.concat(&shown, 1) + first.unsqueeze(&[1])).cast(DataType::I64).reshape(&[-1]);
    let moved = each.gather(index, 0).reshape(&[&[-1], &ints(&[rows, columns, channels, height, width])[..]].concat());
    Ok(moved.transpose(&[0, 3, 1, 4, 2, 5]).reshape(&[&[-1], &ints(&[channels, size[0], size[1]])[..]].concat()))
}

impl<'g> LoweredObjects<'g> {
    /// As natively.
    pub(crate) fn scatter(self, cells: &Cells<Recorder<'g>>, size: [usize; 2]) -> Self {
        let objects = self.settled();
        let (graph, seen) = (objects.shown.graph(), objects.visible());
        let number = |value: f64| graph.constant(Tensor::scalar(value));
        let ([height, width], columns) = (cell_sides(cells.grid, size).map(|side| side as f64), cells.grid[1]);
        let apart = |cell: Value<'g>| {
            let row = whole_quotient(cell, number(columns as f64));
            [row, cell - row * number(columns as f64)]
        };
        let mut moves = graph.constant(Tensor::scalar(false));
        let mut hull = [BEYOND, BEYOND, -BEYOND, -BEYOND].map(number);
        let mut points = objects.points.clone();
        for (cell, shown) in cells.shows.iter().enumerate() {
            let shown = shown.unsqueeze(&[1]).cast(DataType::F64);
            let [row, column] = apart(shown);
            let [down, right] = [
                (number((cell / columns) as f64) - row) * number(height),
                (number((cell % columns) as f64) - column) * number(width),
            ];
            let (top, left) = (row * number(height), column * number(width));
            let inner = lowered::meet(seen, [left, top, left + number(width), top + number(height)]);
            let some = number(0.0).less(lowered::area(inner));
            let moved = [inner[0] + right, inner[1] + down, inner[2] + right, inner[3] + down];
            for (at, edge) in hull.iter_mut().enumerate() {
                let other = some.select(moved[at], *edge);
                *edge = if at < 2 { edge.minimum(other) } else { edge.maximum(other) };
            }
            moves = moves | !shown.equals(number(cell as f64));
            if let (Some(to), Some(from)) = (points.as_mut(), objects.points.as_ref()) {
                let line = |at: Value<'g>, axis: usize, side: f64| {
                    let beyond = |line: usize| at.at_least(number(line as f64 * side)).cast(DataType::F64);
                    (1..cells.grid[axis]).map(beyond).fold(number(0.0) * at, |sum, is| sum + is)
                };
                let own = line(from.y, 0, height) * number(columns as f64) + line(from.x, 1, width);
                let here = own.equals(shown.unsqueeze(&[2]));
                to.x = here.select(from.x + right.unsqueeze(&[2]), to.x);
                to.y = here.select(from.y + down.unsqueeze(&[2]), to.y);
            }
        }
        let any = hull[0].less(hull[2]);
        let whole = any.select(lowered::area(hull), number(1.0));
        let share = any.select(lowered::area(seen) / whole, number(0.0));
        let or = |new: Value<'g>, own: Value<'g>| moves.select(new, own);
        let [left, top, right, bottom] = hull;
        let (x, y) = ([left, right, right, left], [top, top, bottom, bottom]);
        let frame = [0.0, 0.0, size[1] as f64, size[0] as f64].map(number);
        let each = |new: [Value<'g>; 4], own: [Value<'g>; 4]| [0, 1, 2, 3].map(|at| or(new[at], own[at]));
        let shown = or(objects.shown * share, objects.shown);
        Self {
            x: each(x, objects.x),
            y: each(y, objects.y),
            frame: each(frame, objects.frame),
            shown,
            points,
            ..objects
        }
    }
}
