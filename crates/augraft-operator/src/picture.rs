//! Images, masks or label planes in a graph under construction.

use augraft_onnx::{Graph, Tensor, Value};

use crate::numbers::Fill;
use crate::pixel::Pixel;
use crate::shape::{Element, Shape};

/// Planes of one size in a graph, N,C,H,W of u8 or f32.
#[derive(Debug, Clone)]
pub(crate) struct Picture<'g> {
    pub(crate) values: Value<'g>,
    pub(crate) shape: Shape,
    /// Height and width, int64 scalars: constants, unless the size is open.
    pub(crate) sides: [Value<'g>; 2],
}

impl<'g> Picture<'g> {
    /// Planes whose sides are those of `shape`, or of the value itself where these are open.
    pub(crate) fn new(values: Value<'g>, shape: Shape) -> Self {
        let constant = |side: usize| values.graph().constant(Tensor::scalar(side as i64));
        let sides = shape.size().map_or_else(|| [2, 3].map(|axis| values.side(axis)), |size| size.map(constant));
        Self { values, shape, sides }
    }

    pub(crate) fn graph(&self) -> &'g Graph {
        self.values.graph()
    }

    /// The same planes with other values.
    pub(crate) fn with(self, values: Value<'g>) -> Self {
        Self { values, ..self }
    }

    /// The fill of every channel in the type of the planes, `[1,C,1,1]`.
    pub(crate) fn fill(&self, fill: &Fill) -> Value<'g> {
        lower_fill(self.graph(), fill, &self.shape)
    }

    /// One drawn value for each sample, in the shape of the planes; a constant is one for all.
    pub(crate) fn wide(&self, value: Value<'g>) -> Value<'g> {
        let is_one = value.constant_int().is_some()
            || value.constant_bool().is_some()
            || self.sides.iter().any(|side| side.id() == value.id());
        if is_one { value } else { value.unsqueeze(&[1, 2, 3]) }
    }
}

/// The fill of every channel in the type of images of this shape, `[1,C,1,1]`.
pub(crate) fn lower_fill<'g>(graph: &'g Graph, fill: &Fill, shape: &Shape) -> Value<'g> {
    let values = (0..shape.channels).map(|channel| fill.at(channel));
    let values = match shape.element {
        Element::F32 => Tensor::vector(values.collect::<Vec<f32>>()),
        Element::U8 => Tensor::vector(values.map(u8::of).collect::<Vec<u8>>()),
    };
    graph.constant(values).reshape(&[1, -1, 1, 1])
}

/// A length in f64, 0 where it would be negative.
pub(crate) fn length(value: Value<'_>) -> Value<'_> {
    value.maximum(value.graph().constant(Tensor::scalar(0f64)))
}

/// The floor of a quotient of whole numbers, the divisor above 0, in f64.
///
/// A half in the numerator changes no floor, and keeps it from the runtimes that multiply by a reciprocal instead.
#[must_use]
pub fn whole_quotient<'g>(number: Value<'g>, by: Value<'g>) -> Value<'g> {
    ((number + number.graph().constant(Tensor::scalar(0.5f64))) / by).unary("Floor")
}

/// Whole numbers from 0 on along an axis of planes, a constant f64.
pub(crate) fn places(graph: &Graph, count: usize, axis: usize) -> Value<'_> {
    let values: Vec<f64> = (0..count).map(|at| at as f64).collect();
    graph.constant(Tensor::vector(values)).reshape(&along(axis))
}

/// Whole numbers from 0 on along an axis of planes of `side` places (an int64 scalar), f64.
#[must_use]
pub fn positions(side: Value<'_>, axis: usize) -> Value<'_> {
    match side.constant_int() {
        Some(known) => places(side.graph(), known as usize, axis),
        None => side.graph().range(side).cast(augraft_onnx::DataType::F64).reshape(&along(axis)),
    }
}

fn along(axis: usize) -> [i64; 4] {
    let mut shape = [1; 4];
    shape[axis] = -1;
    shape
}
