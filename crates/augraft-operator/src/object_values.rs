//! Boxes and keypoints of objects in a graph, from the inputs of a file to its outputs; [`Objects`](crate::Objects) natively.
//!
//! A batch has M places for objects; a place without one is not valid. Mixing puts the places of the partner behind a sample's own.

use augraft_onnx::{DataType, Tensor, Value};

use crate::bounds::{BEYOND, SLACK};
use crate::object_rules::{ObjectRules, OnDrop};
use crate::picture::length;

/// Edges left, top, right, bottom.
type Edges<'g> = [Value<'g>; 4];

/// Objects in a graph: numbers are f64, `[N, M]` each.
#[derive(Debug, Clone)]
pub struct LoweredObjects<'g> {
    pub(crate) x: [Value<'g>; 4],
    pub(crate) y: [Value<'g>; 4],
    pub(crate) frame: Edges<'g>,
    pub(crate) shown: Value<'g>,
    pub(crate) weight: Value<'g>,
    /// int64.
    pub(crate) classes: Value<'g>,
    /// bool.
    pub(crate) valid: Value<'g>,
    /// Whether an affine step has turned them.
    pub(crate) is_tilted: bool,
    pub(crate) points: Option<Points<'g>>,
    /// The keypoint that each one is in a mirror image.
    pub(crate) pairs: Vec<usize>,
}

/// Keypoints, `[N, M, J]` each.
#[derive(Debug, Clone)]
pub(crate) struct Points<'g> {
    pub(crate) x: Value<'g>,
    pub(crate) y: Value<'g>,
    pub(crate) visible: Value<'g>,
}

/// Objects as a file gives them.
pub struct ObjectOutputs<'g> {
    /// `[left, top, right, bottom]` in pixels, f32 `[N, M, 4]`; zeros where there is no object.
    pub boxes: Value<'g>,
    /// int64 `[N, M]`.
    pub classes: Value<'g>,
    /// Weights, f32 `[N, M]`.
    pub weights: Value<'g>,
    /// Where there is an object, bool `[N, M]`.
    pub valid: Value<'g>,
    /// Whether a rule would have removed it, bool `[N, M]`.
    pub ignore: Value<'g>,
    /// Keypoints `[x, y]`, f32 `[N, M, J, 2]`, and whether each is visible, bool `[N, M, J]`.
    pub keypoints: Option<[Value<'g>; 2]>,
}

/// Objects as a file gets them.
pub struct ObjectInputs<'g> {
    /// `[left, top, right, bottom]` in pixels, f32 `[N, M, 4]`.
    pub boxes: Value<'g>,
    /// int64 `[N, M]`.
    pub classes: Value<'g>,
    /// Where there is an object, bool `[N, M]`.
    pub valid: Value<'g>,
    /// Keypoints `[x, y]`, f32 `[N, M, J, 2]`, and whether each is visible, bool `[N, M, J]`.
    pub keypoints: Option<[Value<'g>; 2]>,
}

pub(crate) fn zero(value: Value<'_>) -> Value<'_> {
    real(value, 0.0)
}

pub(crate) fn real(value: Value<'_>, number: f64) -> Value<'_> {
    value.graph().constant(Tensor::scalar(number))
}

pub(crate) fn extreme<'g>(corners: &[Value<'g>; 4], choose: impl Fn(Value<'g>, Value<'g>) -> Value<'g>) -> Value<'g> {
    choose(choose(corners[0], corners[1]), choose(corners[2], corners[3]))
}

pub(crate) fn hull<'g>(x: &[Value<'g>; 4], y: &[Value<'g>; 4]) -> Edges<'g> {
    [extreme(x, Value::minimum), extreme(y, Value::minimum), extreme(x, Value::maximum), extreme(y, Value::maximum)]
}

pub(crate) fn meet<'g>(a: Edges<'g>, b: Edges<'g>) -> Edges<'g> {
    [a[0].maximum(b[0]), a[1].maximum(b[1]), a[2].minimum(b[2]), a[3].minimum(b[3])]
}

pub(crate) fn area([left, top, right, bottom]: Edges<'_>) -> Value<'_> {
    length(right - left) * length(bottom - top)
}

/// A drawn number for all objects of a sample (`[N, 1]`) or all their keypoints (`[N, 1, 1]`); a constant is one for all.
pub(crate) fn spread<'g>(value: Value<'g>, axes: &[i64]) -> Value<'g> {
    if value.constant_int().is_some() || value.constant_bool().is_some() { value } else { value.unsqueeze(axes) }
}

impl<'g> LoweredObjects<'g> {
    /// Objects at the start of a graph, on images of these sides; `flip_pairs` change places in a mirror image, of `joints` keypoints.
    #[must_use]
    pub fn new(inputs: &ObjectInputs<'g>, sides: [Value<'g>; 2], joints: usize, flip_pairs: &[[usize; 2]]) -> Self {
        let graph = inputs.boxes.graph();
        let at = |value: Value<'g>, place: i64, axis: i64| {
            value.gather(graph.constant(Tensor::scalar(place)), axis).cast(DataType::F64)
        };
        let [left, top, right, bottom] = [0, 1, 2, 3].map(|edge| at(inputs.boxes, edge, 2));
        let [height, width] = sides.map(|side| side.cast(DataType::F64));
        let all = |number: Value<'g>| number + left * zero(left);
        let mut pairs: Vec<usize> = (0..joints).collect();
        for [a, b] in flip_pairs.iter().filter(|[a, b]| *a.max(b) < joints) {
            pairs.swap(*a, *b);
        }
        let one = all(real(left, 1.0));
        Self {
            x: [left, right, right, left],
            y: [top, top, bottom, bottom],
            frame: [zero(left), zero(left), width, height].map(all),
            shown: one,
            weight: one,
            classes: inputs.classes,
            valid: inputs.valid,
            is_tilted: false,
            points: inputs.keypoints.map(|[places, visible]| Points {
                x: at(places, 0, 3),
                y: at(places, 1, 3),
                visible,
            }),
            pairs,
        }
    }

    /// The numbers of each object, and of its keypoints, after functions of them.
    fn each(&self, number: impl Fn(Value<'g>) -> Value<'g>, flag: impl Fn(Value<'g>) -> Value<'g>) -> Self {
        Self {
            x: self.x.map(&number),
            y: self.y.map(&number),
            frame: self.frame.map(&number),
            shown: number(self.shown),
            weight: number(self.weight),
            classes: number(self.classes),
            valid: flag(self.valid),
            is_tilted: self.is_tilted,
            points: self.points.as_ref().map(|points| Points {
                x: number(points.x),
                y: number(points.y),
                visible: flag(points.visible),
            }),
            pairs: self.pairs.clone(),
        }
    }

    /// The samples at these rows, int64.
    pub(crate) fn at_rows(&self, rows: Value<'g>) -> Self {
        // Not every runtime gathers truth values.
        let flag = |value: Value<'g>| value.cast(DataType::I64).gather(rows, 0).cast(DataType::Bool);
        self.each(|value| value.gather(rows, 0), flag)
    }

    /// The same with the objects of another behind them.
    pub(crate) fn with(&self, other: &Self) -> Self {
        let graph = self.shown.graph();
        let join = |a: Value<'g>, b: Value<'g>| graph.concat(&[a, b], 1);
        let flags =
            |a: Value<'g>, b: Value<'g>| join(a.cast(DataType::I64), b.cast(DataType::I64)).cast(DataType::Bool);
        let four = |a: &[Value<'g>; 4], b: &[Value<'g>; 4]| [0, 1, 2, 3].map(|at| join(a[at], b[at]));
        Self {
            x: four(&self.x, &other.x),
            y: four(&self.y, &other.y),
            frame: four(&self.frame, &other.frame),
            shown: join(self.shown, other.shown),
            weight: join(self.weight, other.weight),
            classes: join(self.classes, other.classes),
            valid: flags(self.valid, other.valid),
            is_tilted: self.is_tilted || other.is_tilted,
            points: self.points.as_ref().zip(other.points.as_ref()).map(|(a, b)| Points {
                x: join(a.x, b.x),
                y: join(a.y, b.y),
                visible: flags(a.visible, b.visible),
            }),
            pairs: self.pairs.clone(),
        }
    }

    /// The box of what can be seen of each.
    pub(crate) fn visible(&self) -> Edges<'g> {
        if !self.is_tilted {
            return meet(hull(&self.x, &self.y), self.frame);
        }
        let [left, top, right, bottom] = self.frame;
        let [from_x, to_x] = ends(self.x, self.y, [top, bottom]);
        let [from_y, to_y] = ends(self.y, self.x, [left, right]);
        meet([from_x, from_y, to_x, to_y], self.frame)
    }

    /// The objects at the end.
    #[must_use]
    pub fn outputs(&self, rules: &ObjectRules) -> ObjectOutputs<'g> {
        let graph = self.shown.graph();
        let (whole, bounds) = (hull(&self.x, &self.y), self.visible());
        let (size, zero) = (area(bounds), zero(self.shown));
        let some = self.valid & real(size, SLACK).less(size) & zero.less(self.shown) & zero.less(self.weight);
        let [left, top, right, bottom] = bounds;
        let shortest = (right - left).minimum(bottom - top);
        let dropped = size.less(real(size, rules.min_area))
            | shortest.less(real(size, rules.min_side))
            | (size * self.shown).less(real(size, rules.min_visibility) * area(whole));
        let valid = if rules.on_drop == OnDrop::Ignore { some } else { some & !dropped };
        let single = |value: Value<'g>| valid.select(value, zero).cast(DataType::F32).unsqueeze(&[2]);
        let keypoints = self.points.as_ref().map(|points| {
            let edges = self.frame.map(|edge| edge.unsqueeze(&[2]));
            let alive = valid.unsqueeze(&[2]);
            let visible = points.visible & within([points.x, points.y], edges) & alive;
            let place = |value: Value<'g>| alive.select(value, zero).cast(DataType::F32).unsqueeze(&[3]);
            [graph.concat(&[place(points.x), place(points.y)], 3), visible]
        });
        ObjectOutputs {
            boxes: graph.concat(&bounds.map(single), 2),
            classes: self.classes,
            weights: valid.select(self.weight, zero).cast(DataType::F32),
            valid,
            ignore: valid & dropped,
            keypoints,
        }
    }
}

pub(crate) fn inside<'g>([x, y]: [Value<'g>; 2], [left, top, right, bottom]: Edges<'g>) -> Value<'g> {
    let (x, y) = (x + real(x, SLACK), y + real(y, SLACK));
    x.at_least(left) & x.less(right) & y.at_least(top) & y.less(bottom)
}

pub(crate) fn within<'g>([x, y]: [Value<'g>; 2], [left, top, right, bottom]: Edges<'g>) -> Value<'g> {
    let slack = real(x, SLACK);
    x.at_least(left - slack) & (right + slack).at_least(x) & y.at_least(top - slack) & (bottom + slack).at_least(y)
}

/// Where what lies between two lines across the other axis begins and ends, by places `along` and `across` it; it ends before it begins where
/// nothing does.
fn ends<'g>(along: [Value<'g>; 4], across: [Value<'g>; 4], [low, high]: [Value<'g>; 2]) -> [Value<'g>; 2] {
    let beyond = real(low, BEYOND);
    let side = |from: usize| {
        let to = (from + 1) % 4;
        let rise = across[to] - across[from];
        let flat = rise.at_least(zero(rise)) & zero(rise).at_least(rise);
        let slope = (along[to] - along[from]) * (real(rise, 1.0) / flat.select(real(rise, 1.0), rise));
        let meets = high.at_least(across[from].minimum(across[to])) & across[from].maximum(across[to]).at_least(low);
        let place = |at: usize| along[at] + slope * (across[at].maximum(low).minimum(high) - across[at]);
        let (one, other) = (place(from), place(to));
        let (first, last) = (one.minimum(other), one.maximum(other));
        [meets.select(first, beyond), meets.select(last, zero(beyond) - beyond)]
    };
    let sides = [0, 1, 2, 3].map(side);
    [extreme(&sides.map(|side| side[0]), Value::minimum), extreme(&sides.map(|side| side[1]), Value::maximum)]
}
