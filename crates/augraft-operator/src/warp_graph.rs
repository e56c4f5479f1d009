//! Lookups at the places of maps and of fields of displacements in a graph.

use augraft_onnx::{DataType, Tensor, Value};

use crate::homography::Homography;
use crate::motion::{Affine, Displaced, Projective};
use crate::move_images::Content;
use crate::numbers::Fill;
use crate::picture::{Picture, places};
use crate::recorder::Recorder;
use crate::shape::{Element, Issue};
use crate::spline::{Tap, moves};
use crate::warp::{NUDGE, Sampling, centered};

/// Numbers along one axis of the pixels of a plane.
fn line<'g>(batch: &Picture<'g>, places: impl Iterator<Item = f64>, shape: &[i64]) -> Value<'g> {
    batch.graph().constant(Tensor::vector(places.collect::<Vec<f64>>())).reshape(shape)
}

/// Looks every pixel up at the place of an affine map, whose numbers are f64 `[N]`.
pub(crate) fn warp<'g>(
    affine: &Affine<Recorder<'g>>,
    batch: &Picture<'g>,
    content: Content,
) -> Result<Value<'g>, Issue> {
    let sampling = content.sampling(affine.sampling);
    let [height, width] = batch.shape.dense()?;
    let along = |side: usize, shape: &[i64]| line(batch, (0..side).map(|at| centered(at, side)), shape);
    let (x, y) = (along(width, &[1, 1, -1]), along(height, &[1, -1, 1]));
    let place = |map: [Value<'g>; 3], side: usize| {
        let [per_column, per_row, center] = map.map(|number| number.unsqueeze(&[1, 2]));
        let offset = batch.graph().constant(Tensor::scalar(sampling.offset(side)));
        per_column * x + (per_row * y + (center + offset))
    };
    let places = [place(affine.map.x, width), place(affine.map.y, height)];
    look_up(batch, places, sampling, &content.fill(&affine.fill))
}

impl<'g> Projective<Recorder<'g>> {
    /// As natively, with whether any corner leaves its place, bool `[N]`.
    pub(crate) fn forth(&self) -> (Homography<Value<'g>>, Value<'g>) {
        let [height, width] = self.sides;
        let zero = self.corners[0][0].graph().constant(Tensor::scalar(0f64));
        let own = [[zero, zero], [width, zero], [width, height], [zero, height]];
        let moves = self.corners.iter().flatten().zip(own.iter().flatten()).map(|(to, from)| !to.equals(*from));
        let none = self.corners[0][0].graph().constant(Tensor::scalar(false));
        (Homography::of_square(self.corners), moves.fold(none, |any, moves| any | moves))
    }
}

/// Looks every pixel up at the place of a projective map, whose numbers are f64 `[N]`.
pub(crate) fn projected<'g>(
    motion: &Projective<Recorder<'g>>,
    batch: &Picture<'g>,
    content: Content,
) -> Result<Value<'g>, Issue> {
    let sampling = content.sampling(motion.sampling);
    let [height, width] = batch.shape.dense()?;
    let (forth, moves) = motion.forth();
    let back = Homography(forth.inverse().0.map(|row| row.map(|number| number.unsqueeze(&[1, 2]))));
    let along = |side: usize, shape: &[i64]| line(batch, (0..side).map(|at| at as f64 + 0.5), shape);
    let [across, down, depth] = back.apply([along(width, &[1, 1, -1]), along(height, &[1, -1, 1])]);
    let real = |value: f64| batch.graph().constant(Tensor::scalar(value));
    let seen = real(0.0).less(depth);
    let depth = seen.select(depth, real(1.0));
    let place = |value: Value<'g>, side: Value<'g>| {
        seen.select(value / depth * side.unsqueeze(&[1, 2]) + real(sampling.shift() + NUDGE), real(0.0))
    };
    let places = [place(across, motion.sides[1]), place(down, motion.sides[0])];
    let moved = look_up(batch, places, sampling, &content.fill(&motion.fill))?;
    Ok(moves.unsqueeze(&[1, 2, 3]).select(moved, batch.values))
}

/// Looks every pixel up at its displaced place, by displacements `[N,2,points,points]`.
pub(crate) fn displaced<'g>(
    motion: &Displaced<Recorder<'g>>,
    batch: &Picture<'g>,
    content: Content,
) -> Result<Value<'g>, Issue> {
    let sampling = content.sampling(motion.sampling);
    let (graph, [height, width]) = (batch.graph(), batch.shape.dense()?);
    let along = |shifts: Value<'g>, side: usize, axis: i64| {
        let taps = Tap::of_pixels(side, motion.points);
        let weighed = (0..4).map(|at| {
            let points = taps.iter().map(|tap| (tap.first + at) as i64).collect();
            let weights = line(batch, taps.iter().map(|tap| tap.weights[at]), &[-1, 1][..4 - axis as usize]);
            shifts.gather(graph.constant(Tensor::vector::<i64>(points)), axis) * weights
        });
        // One after the other, as natively, so that a place on a border is of the same pixel.
        weighed.reduce(|sum, next| sum + next).unwrap_or(shifts)
    };
    let shifts = along(along(motion.shifts, height, 2), width, 3);
    let place = |axis: i64, side: usize, shape: &[i64]| {
        let middle = line(batch, (0..side).map(|at| at as f64 + (0.5 + sampling.shift())), shape);
        shifts.gather(graph.constant(Tensor::scalar(axis)), 1) + middle
    };
    let places = [place(0, width, &[1, 1, -1]), place(1, height, &[1, -1, 1])];
    let moved = look_up(batch, places, sampling, &content.fill(&motion.fill))?;
    Ok(moves(motion.shifts).unsqueeze(&[1, 2, 3]).select(moved, batch.values))
}

/// The pixels at places `[x, y]`, f64 `[N,H,W]`, in images with a border of one pixel.
fn look_up<'g>(
    batch: &Picture<'g>,
    [column, row]: [Value<'g>; 2],
    sampling: Sampling,
    fill: &Fill,
) -> Result<Value<'g>, Issue> {
    let [height, width] = batch.shape.dense()?;
    let channels = batch.shape.channels as i64;
    let graph = batch.values.graph();
    let int = |value: usize| graph.constant(Tensor::scalar(value as i64));
    let real = |value: f64| graph.constant(Tensor::scalar(value));
    let within = |place: Value<'g>, side: usize| place.maximum(real(0.0)).minimum(real(side as f64 + 1.0));
    let (column, row) = (within(column, width), within(row, height));
    let smooth = sampling == Sampling::Bilinear;
    let pixel = |place: Value<'g>, side: usize| {
        let whole = place.unary("Floor");
        if smooth { whole.minimum(real(side as f64)) } else { whole }
    };
    let (left, top) = (pixel(column, width), pixel(row, height));
    let sample = graph.range(batch.values.side(0)).cast(DataType::F64).reshape(&[-1, 1, 1]);
    let at = (sample * real(height as f64 + 2.0) + top) * real(width as f64 + 2.0) + left;
    let at = at.cast(DataType::I64);
    let flat = bordered(batch, fill, [height, width]).transpose(&[0, 2, 3, 1]).reshape(&[-1, channels]);
    let pixels = if smooth {
        let weight = |place: Value<'g>, whole: Value<'g>| (place - whole).cast(DataType::F32).unsqueeze(&[3]);
        let (right, below) = (weight(column, left), weight(row, top));
        let value = |behind: usize, under: usize| {
            let beside = if behind + under == 0 { at } else { at + int(under * (width + 2) + behind) };
            flat.gather(beside, 0).cast(DataType::F32)
        };
        let pair = |under: usize| {
            let (left, next) = (value(0, under), value(1, under));
            left + right * (next - left)
        };
        let (upper, lower) = (pair(0), pair(1));
        let mean = upper + below * (lower - upper);
        if batch.shape.element == Element::U8 { mean.round().cast(DataType::U8) } else { mean }
    } else {
        flat.gather(at, 0)
    };
    Ok(pixels.transpose(&[0, 3, 1, 2]))
}

/// The images with a border of one pixel of `fill`.
fn bordered<'g>(batch: &Picture<'g>, fill: &Fill, [height, width]: [usize; 2]) -> Value<'g> {
    let padded = batch.values.pad(&[0, 0, 1, 1, 0, 0, 1, 1]);
    let fills = (0..batch.shape.channels).map(|channel| fill.at(channel));
    if fills.into_iter().all(|fill| fill == 0.0) {
        return padded;
    }
    let graph = padded.graph();
    let inside = |side: usize, axis: usize| {
        let at = places(graph, side + 2, axis);
        let real = |value: usize| graph.constant(Tensor::scalar(value as f64));
        at.at_least(real(1)) & at.less(real(side + 1))
    };
    (inside(height, 2) & inside(width, 3)).select(padded, batch.fill(fill))
}
