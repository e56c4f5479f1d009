//! Boxes and keypoints of objects in a graph; [`Objects`](crate::Objects) natively.
//!
//! A batch has M places for objects; a place without one is not valid. Mixing puts the places of the partner behind a sample's own.

use augraft_onnx::{DataType, Tensor, Value};

use crate::mix_graph::LoweredRegion;
use crate::mixing::{Mixing, Patch, Shows};
use crate::motion::{Motion, Window};
use crate::objects::ObjectRules;
use crate::picture::{Picture, length, positions};
use crate::recorder::Recorder;

/// Edges left, top, right, bottom.
type Edges<'g> = [Value<'g>; 4];

/// Objects in a graph: numbers are f64, `[N, M]` each.
#[derive(Debug, Clone)]
pub struct LoweredObjects<'g> {
    x: [Value<'g>; 4],
    y: [Value<'g>; 4],
    frame: Edges<'g>,
    shown: Value<'g>,
    weight: Value<'g>,
    /// int64.
    classes: Value<'g>,
    /// bool.
    valid: Value<'g>,
    points: Option<Points<'g>>,
    /// The keypoint that each one is in a mirror image.
    pairs: Vec<usize>,
}

/// Keypoints, `[N, M, J]` each.
#[derive(Debug, Clone)]
struct Points<'g> {
    x: Value<'g>,
    y: Value<'g>,
    visible: Value<'g>,
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

fn zero(value: Value<'_>) -> Value<'_> {
    real(value, 0.0)
}

fn real(value: Value<'_>, number: f64) -> Value<'_> {
    value.graph().constant(Tensor::scalar(number))
}

fn extreme<'g>(corners: &[Value<'g>; 4], choose: impl Fn(Value<'g>, Value<'g>) -> Value<'g>) -> Value<'g> {
    choose(choose(corners[0], corners[1]), choose(corners[2], corners[3]))
}

fn hull<'g>(x: &[Value<'g>; 4], y: &[Value<'g>; 4]) -> Edges<'g> {
    [extreme(x, Value::minimum), extreme(y, Value::minimum), extreme(x, Value::maximum), extreme(y, Value::maximum)]
}

fn meet<'g>(a: Edges<'g>, b: Edges<'g>) -> Edges<'g> {
    [a[0].maximum(b[0]), a[1].maximum(b[1]), a[2].minimum(b[2]), a[3].minimum(b[3])]
}

fn area<'g>([left, top, right, bottom]: Edges<'g>) -> Value<'g> {
    length(right - left) * length(bottom - top)
}

/// A drawn number for all objects of a sample (`[N, 1]`) or all their keypoints (`[N, 1, 1]`); a constant is one for all.
fn spread<'g>(value: Value<'g>, axes: &[i64]) -> Value<'g> {
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
        let all = |number: Value<'g>| number + (left - left);
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
    fn with(&self, other: &Self) -> Self {
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
            points: self.points.as_ref().zip(other.points.as_ref()).map(|(a, b)| Points {
                x: join(a.x, b.x),
                y: join(a.y, b.y),
                visible: flags(a.visible, b.visible),
            }),
            pairs: self.pairs.clone(),
        }
    }

    /// Moves every place; `map` gets a place and the axes that drawn numbers lack beside it.
    fn map(&self, map: impl Fn([Value<'g>; 2], &[i64]) -> [Value<'g>; 2], sides: [Value<'g>; 2]) -> Self {
        let corners = |x: [Value<'g>; 4], y: [Value<'g>; 4]| {
            let moved = [0, 1, 2, 3].map(|at| map([x[at], y[at]], &[1]));
            [moved.map(|place| place[0]), moved.map(|place| place[1])]
        };
        let [left, top, right, bottom] = self.frame;
        let [frame_x, frame_y] = corners([left, right, right, left], [top, top, bottom, bottom]);
        let [height, width] = sides.map(|side| side.cast(DataType::F64));
        let image = [zero(left), zero(left), width, height];
        let [x, y] = corners(self.x, self.y);
        let points = self.points.as_ref().map(|points| {
            let [x, y] = map([points.x, points.y], &[1, 2]);
            Points { x, y, visible: points.visible }
        });
        Self { x, y, frame: meet(hull(&frame_x, &frame_y), image), points, ..self.clone() }
    }

    /// Keypoints as those of a mirror image where `mirrored` holds.
    fn swapped(mut self, mirrored: Value<'g>) -> Self {
        let changes = self.pairs.iter().enumerate().any(|(at, pair)| at != *pair);
        let Some(points) = self.points.take().filter(|_| changes && mirrored.constant_bool() != Some(false)) else {
            return self;
        };
        let graph = self.shown.graph();
        let order = graph.constant(Tensor::vector(self.pairs.iter().map(|pair| *pair as i64).collect()));
        let condition = spread(mirrored, &[1, 2]);
        let other = |value: Value<'g>| condition.select(value.gather(order, 2), value);
        let visible = points.visible.cast(DataType::I64);
        self.points =
            Some(Points { x: other(points.x), y: other(points.y), visible: other(visible).cast(DataType::Bool) });
        self
    }

    /// Moves as the pixels do; `before` and `after` are the planes of the images.
    pub(crate) fn follow(self, motion: &Motion<Recorder<'g>>, before: &Picture<'g>, after: [Value<'g>; 2]) -> Self {
        let [h, w] = before.sides.map(|side| side.cast(DataType::F64));
        match motion {
            Motion::Stay => self,
            Motion::Mirror { rows, columns } => {
                let place = |[x, y]: [Value<'g>; 2], axes: &[i64]| {
                    let turned = |apply: Value<'g>, other: Value<'g>, own: Value<'g>| match apply.constant_bool() {
                        Some(true) => other,
                        Some(false) => own,
                        None => spread(apply, axes).select(other, own),
                    };
                    [turned(*columns, w - x, x), turned(*rows, h - y, y)]
                };
                let mirrored = match [rows, columns].map(|apply| apply.constant_bool()) {
                    [Some(false), _] => *columns,
                    [_, Some(false)] => *rows,
                    _ => (*rows & !*columns) | (*columns & !*rows),
                };
                self.map(place, after).swapped(mirrored)
            }
            Motion::Transpose(apply) => {
                let place = |[x, y]: [Value<'g>; 2], axes: &[i64]| {
                    let apply = spread(*apply, axes);
                    [apply.select(y, x), apply.select(x, y)]
                };
                self.map(place, after).swapped(*apply)
            }
            Motion::Quarter(k) => {
                let is = |turns: i64, axes: &[i64]| spread(k.equals(k.graph().constant(Tensor::scalar(turns))), axes);
                let place = |[x, y]: [Value<'g>; 2], axes: &[i64]| {
                    let turned = [(1, [y, w - x]), (2, [w - x, h - y]), (3, [h - y, x])];
                    turned.into_iter().fold([x, y], |place, (turns, to)| {
                        [0, 1].map(|axis| is(turns, axes).select(to[axis], place[axis]))
                    })
                };
                self.map(place, after)
            }
            Motion::Window(window) => self.cut(window, before, after),
            Motion::Affine(affine) => {
                let place = |[x, y]: [Value<'g>; 2], axes: &[i64]| {
                    let [[a, b, x0], [c, d, y0]] =
                        [affine.map.x, affine.map.y].map(|row| row.map(|number| spread(number, axes)));
                    let half = real(h, 0.5);
                    let over = real(h, 1.0) / (a * d - b * c);
                    let (x, y) = (x - half * w - x0, y - half * h - y0);
                    [(d * x - b * y) * over + half * w, (a * y - c * x) * over + half * h]
                };
                self.map(place, after)
            }
            Motion::Chain(parts) => {
                let sizes = parts.iter().scan(before.clone(), |picture, part| {
                    let before = picture.clone();
                    if matches!(part, Motion::Window(_)) {
                        picture.sides = after;
                    }
                    Some((before, picture.sides))
                });
                sizes.zip(parts).fold(self, |objects, ((before, after), part)| objects.follow(part, &before, after))
            }
        }
    }

    fn cut(self, window: &Window<Recorder<'g>>, before: &Picture<'g>, after: [Value<'g>; 2]) -> Self {
        let place = |at: [Value<'g>; 2], axes: &[i64]| {
            [1, 0].map(|axis| {
                let moved = at[1 - axis] - spread(window.corner[axis], axes).cast(DataType::F64);
                match &window.stretch {
                    None => moved,
                    Some(stretched) => {
                        let length = spread(stretched.length[axis], axes).cast(DataType::F64);
                        moved * (after[axis].cast(DataType::F64) * (real(moved, 1.0) / length))
                    }
                }
            })
        };
        let _ = before;
        self.map(place, after)
    }

    /// Takes away what rectangles cover, each `[N]` or constant.
    pub(crate) fn cover(mut self, [top, left, bottom, right]: [Value<'g>; 4]) -> Self {
        let hole = [left, top, right, bottom].map(|edge| spread(edge, &[1]).cast(DataType::F64));
        let seen = meet(hull(&self.x, &self.y), self.frame);
        let inner = meet(seen, hole);
        let covered = area(inner);
        let some = zero(covered).less(covered);
        let spans = |low: usize, high: usize| !seen[low].less(inner[low]) & !inner[high].less(seen[high]);
        let (tall, wide) = (spans(1, 3) & some, spans(0, 2) & some);
        let starts = |edge: usize| !seen[edge].less(inner[edge]);
        let ends = |edge: usize| !inner[edge].less(seen[edge]);
        let (all, tall, wide) = (tall & wide, tall & !wide, wide & !tall);
        let cuts = [tall & starts(0), wide & starts(1), tall & !starts(0) & ends(2), wide & !starts(1) & ends(3)];
        let to = [inner[2], inner[3], inner[0], inner[1]];
        let frame = [0, 1, 2, 3].map(|edge| cuts[edge].select(to[edge], self.frame[edge]));
        let is_cut = cuts[0] | cuts[1] | cuts[2] | cuts[3];
        let whole = some.select(area(seen), real(covered, 1.0));
        let left_over = self.shown * (real(covered, 1.0) - covered / whole);
        let shown = (some & !is_cut).select(left_over, self.shown);
        self.shown = all.select(zero(covered), shown);
        self.frame = frame;
        self.points = self.points.map(|points| {
            let edges = [left, top, right, bottom].map(|edge| spread(edge, &[1, 2]).cast(DataType::F64));
            // As natively: only what covers an object covers its keypoints.
            let hidden = inside([points.x, points.y], edges) & some.unsqueeze(&[2]);
            Points { visible: points.visible & !hidden, ..points }
        });
        self
    }

    fn weighed(&self, factor: Value<'g>) -> Self {
        Self { weight: self.weight * factor.unsqueeze(&[1]), ..self.clone() }
    }

    /// Mixes as the pixels are mixed.
    pub(crate) fn mix(
        self,
        mixing: &Mixing<Recorder<'g>>,
        region: Option<LoweredRegion<'g>>,
        picture: &Picture<'g>,
    ) -> Self {
        match mixing {
            Mixing::None | Mixing::Values { .. } => self,
            Mixing::Paste(patch) => self.collage(std::slice::from_ref(patch), picture),
            Mixing::Collage(patches) => self.collage(patches, picture),
            Mixing::Blend { lam, partner } => {
                let lam = lam.cast(DataType::F64);
                let rest = real(lam, 1.0) - lam;
                self.weighed(lam).with(&self.at_rows(*partner).weighed(rest))
            }
            Mixing::Region { partner, .. } => {
                let Some(region) = region else { return self };
                let taken = match region.flat() {
                    LoweredRegion::Taken(taken) | LoweredRegion::TakenByChannel(taken) => taken.cast(DataType::F64),
                    LoweredRegion::Weights([_, taken]) => taken.cast(DataType::F64),
                };
                let other = self.at_rows(*partner);
                let share = other.share(taken, picture);
                let own = self.share(taken, picture);
                let own = Self { shown: self.shown * (real(own, 1.0) - own), ..self };
                own.with(&Self { shown: other.shown * share, ..other })
            }
        }
    }

    /// The mean of weights `[N,1,H,W]` over the pixels whose middle is in the visible box of each object.
    fn share(&self, weights: Value<'g>, picture: &Picture<'g>) -> Value<'g> {
        let seen = meet(hull(&self.x, &self.y), self.frame);
        let half = real(weights, 0.5);
        let line = |axis: usize| positions(picture.sides[axis], axis + 2).reshape(&[1, 1, -1]) + half;
        let within = |line: Value<'g>, from: Value<'g>, to: Value<'g>| {
            (line.at_least(from.unsqueeze(&[2])) & line.less(to.unsqueeze(&[2]))).cast(DataType::F64)
        };
        let (rows, columns) = (within(line(0), seen[1], seen[3]), within(line(1), seen[0], seen[2]));
        let plane = weights.reduce_sum(1);
        let sums = (rows.matmul(plane) * columns).reduce_sum(2);
        let count = rows.reduce_sum(2) * columns.reduce_sum(2);
        let some = zero(count).less(count);
        some.select(sums / some.select(count, real(count, 1.0)), zero(count))
    }

    fn collage(self, patches: &[Patch<Recorder<'g>>], picture: &Picture<'g>) -> Self {
        let whole = patches.len() > 1;
        let before = self.clone();
        let [h, w] = picture.sides.map(|side| side.cast(DataType::F64));
        let placed = |patch: &Patch<Recorder<'g>>| {
            let source = patch.partner.map_or_else(|| before.clone(), |partner| before.at_rows(partner));
            let [top, left, bottom, right] = patch.edges;
            let source = match patch.shows {
                Shows::Place => source,
                Shows::Nearest | Shows::Bilinear => {
                    let place = |[x, y]: [Value<'g>; 2], axes: &[i64]| {
                        let wide = |value: Value<'g>| spread(value, axes).cast(DataType::F64);
                        let [rows, columns] = [wide(bottom - top), wide(right - left)];
                        let one = real(h, 1.0);
                        [wide(left) + x * (columns * (one / w)), wide(top) + y * (rows * (one / h))]
                    };
                    source.map(place, picture.sides)
                }
            };
            let hole = [left, top, right, bottom].map(|edge| spread(edge, &[1]).cast(DataType::F64));
            Self { frame: meet(source.frame, hole), ..source }
        };
        let rest = patches.iter().filter(|patch| whole || patch.partner.is_some() || patch.shows != Shows::Place);
        if whole {
            let mut parts = rest.map(placed);
            let Some(first) = parts.next() else { return self };
            return parts.fold(first, |objects, part| objects.with(&part));
        }
        rest.fold(self, |objects, patch| objects.cover(patch.edges).with(&placed(patch)))
    }

    /// The objects at the end.
    #[must_use]
    pub fn outputs(&self, rules: &ObjectRules) -> ObjectOutputs<'g> {
        let graph = self.shown.graph();
        let whole = hull(&self.x, &self.y);
        let bounds = meet(whole, self.frame);
        let (size, zero) = (area(bounds), zero(self.shown));
        let some = self.valid & zero.less(size) & zero.less(self.shown) & zero.less(self.weight);
        let [left, top, right, bottom] = bounds;
        let shortest = (right - left).minimum(bottom - top);
        let dropped = size.less(real(size, rules.min_area))
            | shortest.less(real(size, rules.min_side))
            | (size * self.shown).less(real(size, rules.min_visibility) * area(whole));
        let valid = if rules.ignore { some } else { some & !dropped };
        let single = |value: Value<'g>| valid.select(value, zero).cast(DataType::F32).unsqueeze(&[2]);
        let keypoints = self.points.as_ref().map(|points| {
            let edges = self.frame.map(|edge| edge.unsqueeze(&[2]));
            let alive = valid.unsqueeze(&[2]);
            let visible = points.visible & inside([points.x, points.y], edges) & alive;
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

fn inside<'g>([x, y]: [Value<'g>; 2], [left, top, right, bottom]: Edges<'g>) -> Value<'g> {
    x.at_least(left) & x.less(right) & y.at_least(top) & y.less(bottom)
}
