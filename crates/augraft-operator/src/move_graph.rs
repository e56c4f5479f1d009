//! Moves the pixels of images, masks and label planes in a graph.
//!
//! Places are computed in f64 and become integers last: tract follows integers symbolically, and long chains of drawn ones take it minutes.

use augraft_onnx::{DataType, Tensor, Value};

use crate::border::PaddingMode;
use crate::cells::lower_shuffle;
use crate::motion::{Motion, Outside, Stretched, Window, WindowSize};
use crate::move_images::Content;
use crate::numbers::Fill;
use crate::picture::{Picture, places, whole_quotient};
use crate::recorder::Recorder;
use crate::resample_graph::{LoweredStretch, lower_resample};
use crate::shape::Issue;
use crate::take_graph::take;
use crate::taps::{Interpolation, Stretch};
use crate::warp_graph::{displaced, projected, warp};

/// The planes after a motion; the shape is what the motion makes of it.
///
/// # Errors
/// When the motion needs a size that is left open.
pub(crate) fn lower_motion<'g>(
    motion: &Motion<Recorder<'g>>,
    picture: Picture<'g>,
    content: Content,
) -> Result<Picture<'g>, Issue> {
    match motion {
        Motion::Stay => Ok(picture),
        Motion::Mirror { rows, columns } => Ok(mirror(picture, *rows, *columns)),
        Motion::Quarter(k) => Ok(quarter(picture, *k)),
        Motion::Transpose(apply) => {
            let transposed = picture.values.transpose(&[0, 1, 3, 2]);
            let values = choose(&picture, *apply, transposed, picture.values);
            Ok(picture.with(values))
        }
        Motion::Window(window) => cut(window, picture, content),
        Motion::Affine(affine) => {
            let values = warp(affine, &picture, content)?;
            Ok(picture.with(values))
        }
        Motion::Projective(motion) => {
            let values = projected(motion, &picture, content)?;
            Ok(picture.with(values))
        }
        Motion::Displaced(motion) => {
            let values = displaced(motion, &picture, content)?;
            Ok(picture.with(values))
        }
        Motion::Cells(cells) => {
            let values = lower_shuffle(cells, &picture)?;
            Ok(picture.with(values))
        }
        Motion::Chain(parts) => parts.iter().try_fold(picture, |picture, part| lower_motion(part, picture, content)),
    }
}

/// `yes` for the samples where `condition` holds.
fn choose<'g>(picture: &Picture<'g>, condition: Value<'g>, yes: Value<'g>, no: Value<'g>) -> Value<'g> {
    match condition.constant_bool() {
        Some(true) => yes,
        Some(false) => no,
        None => picture.wide(condition).select(yes, no),
    }
}

fn mirror<'g>(picture: Picture<'g>, rows: Value<'g>, columns: Value<'g>) -> Picture<'g> {
    let mut values = picture.values;
    for (condition, axis) in [(rows, 0), (columns, 1)] {
        if condition.constant_bool() != Some(false) {
            values = choose(&picture, condition, reversed(values, axis as i64 + 2, picture.sides[axis]), values);
        }
    }
    picture.with(values)
}

fn quarter<'g>(picture: Picture<'g>, k: Value<'g>) -> Picture<'g> {
    let (graph, own) = (picture.graph(), picture.values);
    let [height, width] = picture.sides;
    let transposed = own.transpose(&[0, 1, 3, 2]);
    let turned = [
        (2, reversed(reversed(own, 2, height), 3, width)),
        (1, reversed(transposed, 2, height)),
        (3, reversed(transposed, 3, width)),
    ];
    let values = turned.into_iter().fold(own, |values, (turns, turned)| {
        let turns = graph.constant(Tensor::scalar(i64::from(turns)));
        choose(&picture, k.equals(turns), turned, values)
    });
    picture.with(values)
}

/// Planes with the elements along `axis`, which has `side` of them (an int64 scalar), in reverse.
fn reversed<'g>(values: Value<'g>, axis: i64, side: Value<'g>) -> Value<'g> {
    let graph = values.graph();
    let Some(known) = side.constant_int() else {
        let last = side - graph.constant(Tensor::scalar(1i64));
        return values.gather(last - graph.range(side), axis);
    };
    // Slices with steps came with opset 10; tract takes them only where the side is known.
    if graph.opset() < 10 {
        return values.gather(graph.constant(Tensor::vector((0..known).rev().collect())), axis);
    }
    let inputs = [values, graph.ints(&[-1]), graph.ints(&[-known - 1]), graph.ints(&[axis]), graph.ints(&[-1])];
    graph.node("Slice", &inputs, vec![], values.dtype())
}

fn cut<'g>(window: &Window<Recorder<'g>>, picture: Picture<'g>, content: Content) -> Result<Picture<'g>, Issue> {
    let outside = Outside { mode: window.outside.mode, fill: content.fill(&window.outside.fill) };
    let Some(known) = picture.shape.size() else {
        return grown(window, picture, &outside);
    };
    let size = window.size.of(known);
    let shape = picture.shape.resized(size);
    let corner = window.corner.map(Value::constant_int);
    let values = match (&window.stretch, corner) {
        (Some(stretched), _) => stretch(window, stretched, &picture, size, content),
        (None, [Some(top), Some(left)]) => cut_alike(&picture, [top, left], known, size, &outside),
        (None, _) => cut_each(&picture, window.corner, known, size, &outside),
    };
    Ok(Picture::new(values, shape))
}

/// The same window of every sample.
fn cut_alike<'g>(
    picture: &Picture<'g>,
    corner: [i64; 2],
    sides: [usize; 2],
    size: [usize; 2],
    outside: &Outside,
) -> Value<'g> {
    let graph = picture.graph();
    let plain = outside.mode == PaddingMode::Constant && outside.fill == Fill::All(0.0);
    let (mut values, mut pads) = (picture.values, [0i64; 8]);
    for axis in 0..2 {
        let (from, to) = (corner[axis], corner[axis] + size[axis] as i64);
        let (first, last) = (from.clamp(0, sides[axis] as i64), to.clamp(0, sides[axis] as i64));
        if [from, to] == [0, sides[axis] as i64] {
            continue;
        }
        if [from, to] == [first, last] || (plain && first < last) {
            values = values.slice(axis as i64 + 2, first, last);
            pads[axis + 2] = first - from;
            pads[axis + 6] = to - last;
            continue;
        }
        let shown: Vec<_> = (from..to).map(|at| outside.mode.pixel(at, sides[axis])).collect();
        let index = shown.iter().map(|pixel| pixel.unwrap_or(0) as i64).collect();
        values = values.gather(graph.constant(Tensor::vector(index)), axis as i64 + 2);
        if outside.mode == PaddingMode::Constant {
            let inside = shown.iter().map(Option::is_some).collect::<Vec<bool>>();
            let shape: &[i64] = if axis == 0 { &[1, 1, -1, 1] } else { &[1, 1, 1, -1] };
            values = graph.constant(Tensor::vector(inside)).reshape(shape).select(values, picture.fill(&outside.fill));
        }
    }
    if pads.iter().any(|pad| *pad > 0) { values.pad(&pads) } else { values }
}

/// Another window of each sample.
fn cut_each<'g>(
    picture: &Picture<'g>,
    corner: [Value<'g>; 2],
    sides: [usize; 2],
    size: [usize; 2],
    outside: &Outside,
) -> Value<'g> {
    let graph = picture.graph();
    let mut values = picture.values;
    for axis in 0..2 {
        let wanted = places(graph, size[axis], axis + 2) + picture.wide(corner[axis]).cast(DataType::F64);
        let side = graph.constant(Tensor::scalar(sides[axis] as f64));
        let [index, inside] = shown(outside.mode, wanted, side);
        values = take(values, index.cast(DataType::I64), axis + 2, [sides[axis], size[axis]]);
        if outside.mode == PaddingMode::Constant {
            values = inside.select(values, picture.fill(&outside.fill));
        }
    }
    values
}

/// A window that is larger than planes whose size is open, by the same number of pixels for all.
fn grown<'g>(window: &Window<Recorder<'g>>, picture: Picture<'g>, outside: &Outside) -> Result<Picture<'g>, Issue> {
    let alike = window.corner.iter().all(|edge| edge.constant_int().is_some());
    let WindowSize::Grown(more) = window.size else {
        picture.shape.dense()?;
        return Ok(picture);
    };
    if !alike || window.stretch.is_some() {
        picture.shape.dense()?;
    }
    let graph = picture.graph();
    let mut values = picture.values;
    for (axis, more) in more.into_iter().enumerate().filter(|(_, more)| *more > 0) {
        let side = picture.sides[axis];
        let count = side + graph.constant(Tensor::scalar(more as i64));
        let wanted = graph.range(count).cast(DataType::F64) + window.corner[axis].cast(DataType::F64);
        let [index, inside] = shown(outside.mode, wanted, side.cast(DataType::F64));
        values = values.gather(index.cast(DataType::I64), axis as i64 + 2);
        if outside.mode == PaddingMode::Constant {
            let shape: &[i64] = if axis == 0 { &[1, 1, -1, 1] } else { &[1, 1, 1, -1] };
            values = inside.reshape(shape).select(values, picture.fill(&outside.fill));
        }
    }
    let shape = picture.shape.clone();
    Ok(Picture::new(values, shape))
}

/// [`PaddingMode::pixel`] in a graph: the pixels shown at the places `at`, and where they are inside; whole numbers in f64.
fn shown<'g>(mode: PaddingMode, at: Value<'g>, side: Value<'g>) -> [Value<'g>; 2] {
    let real = |value: f64| at.graph().constant(Tensor::scalar(value));
    let (zero, one, two) = (real(0.0), real(1.0), real(2.0));
    let within = |period: Value<'g>| at - whole_quotient(at, period) * period;
    let inside = at.at_least(zero) & at.less(side);
    let pixel = match mode {
        PaddingMode::Constant => inside.select(at, zero),
        PaddingMode::Edge => at.maximum(zero).minimum(side - one),
        PaddingMode::Reflect => {
            let period = ((side - one) * two).maximum(one);
            let within = within(period);
            within.minimum(period - within)
        }
        PaddingMode::Symmetric => {
            let within = within(side * two);
            within.minimum(side * two - one - within)
        }
    };
    [pixel, inside]
}

fn stretch<'g>(
    window: &Window<Recorder<'g>>,
    stretched: &Stretched<Recorder<'g>>,
    picture: &Picture<'g>,
    size: [usize; 2],
    content: Content,
) -> Value<'g> {
    let graph = picture.graph();
    let filter = content.filter(stretched.filter);
    let sides = picture.shape.size().unwrap_or_default();
    let known = [0, 1].map(|axis| window.corner[axis].constant_int().zip(stretched.length[axis].constant_int()));
    if let ([Some(rows), Some(columns)], Interpolation::Nearest) = (known, filter.interpolation) {
        // The same pixels for all samples.
        let pixels = |(start, length): (i64, i64), out| {
            let pixels = Stretch { start: start as usize, length: length as usize, out }.nearest();
            graph.constant(Tensor::vector(pixels.into_iter().map(|pixel| pixel as i64).collect()))
        };
        return picture.values.gather(pixels(rows, size[0]), 2).gather(pixels(columns, size[1]), 3);
    }
    let each = |value: Value<'g>| match value.constant_int() {
        Some(value) => graph.constant(Tensor::vector(vec![value])),
        None => value,
    };
    let side = |axis: usize| LoweredStretch {
        start: each(window.corner[axis]),
        length: each(stretched.length[axis]),
        side: sides[axis],
        out: size[axis],
    };
    lower_resample(picture.values, picture.shape.element, filter, &side(0), &side(1))
}
