//! What steps make of the boxes and keypoints of objects in a graph; [`Objects`](crate::Objects) natively.

use augraft_onnx::{DataType, Tensor, Value};

use crate::homography::Homography;
use crate::mix_graph::LoweredRegion;
use crate::mixing::{Mixing, Patch, Shows};
use crate::motion::{Motion, Window, WindowSize};
use crate::object_values::{LoweredObjects, Points, area, hull, inside, meet, real, spread, zero};
use crate::objects::HORIZON;
use crate::picture::{Picture, positions};
use crate::recorder::Recorder;

impl<'g> LoweredObjects<'g> {
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

    /// Moves as the pixels of images with these rows and columns do.
    pub(crate) fn follow(self, motion: &Motion<Recorder<'g>>, before: [Value<'g>; 2]) -> Self {
        if motion.is_stay() {
            return self;
        }
        // The edges of a frame that is empty may change places, and natively such an object is gone.
        let objects = self.without_gone();
        let after = sides_after(motion, before);
        let [h, w] = before.map(|side| side.cast(DataType::F64));
        match motion {
            Motion::Stay => objects,
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
                objects.map(place, after).swapped(mirrored)
            }
            Motion::Transpose(apply) => {
                let place = |[x, y]: [Value<'g>; 2], axes: &[i64]| {
                    let apply = spread(*apply, axes);
                    [apply.select(y, x), apply.select(x, y)]
                };
                objects.map(place, after).swapped(*apply)
            }
            Motion::Quarter(k) => {
                let is = |turns: i64, axes: &[i64]| spread(k.equals(k.graph().constant(Tensor::scalar(turns))), axes);
                let place = |[x, y]: [Value<'g>; 2], axes: &[i64]| {
                    let turned = [(1, [y, w - x]), (2, [w - x, h - y]), (3, [h - y, x])];
                    turned.into_iter().fold([x, y], |place, (turns, to)| {
                        [0, 1].map(|axis| is(turns, axes).select(to[axis], place[axis]))
                    })
                };
                objects.map(place, after)
            }
            Motion::Window(window) => objects.cut(window, after),
            Motion::Affine(affine) => {
                let place = |[x, y]: [Value<'g>; 2], axes: &[i64]| {
                    let [[a, b, x0], [c, d, y0]] =
                        [affine.map.x, affine.map.y].map(|row| row.map(|number| spread(number, axes)));
                    let half = real(h, 0.5);
                    let over = real(h, 1.0) / (a * d - b * c);
                    let (x, y) = (x - half * w - x0, y - half * h - y0);
                    [(d * x - b * y) * over + half * w, (a * y - c * x) * over + half * h]
                };
                objects.map(place, after)
            }
            Motion::Projective(motion) => {
                let (forth, moves) = motion.forth();
                let place = |[x, y]: [Value<'g>; 2], axes: &[i64]| {
                    let wide = |number: Value<'g>| spread(number, axes);
                    let [height, width] = motion.sides.map(wide);
                    let map = Homography(forth.0.map(|row| row.map(wide)));
                    let [across, down, depth] = map.apply([x / width, y / height]);
                    let depth = depth.maximum(real(depth, HORIZON) * map.0[2][2]);
                    [wide(moves).select(across / depth, x), wide(moves).select(down / depth, y)]
                };
                objects.map(place, after)
            }
            Motion::Chain(parts) => {
                let mut sides = before;
                parts.iter().fold(objects, |objects, part| {
                    let moved = objects.follow(part, sides);
                    sides = sides_after(part, sides);
                    moved
                })
            }
        }
    }

    fn cut(self, window: &Window<Recorder<'g>>, after: [Value<'g>; 2]) -> Self {
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

    /// Those of which something can be seen.
    fn without_gone(self) -> Self {
        let size = area(meet(hull(&self.x, &self.y), self.frame));
        Self { valid: self.valid & zero(size).less(size), ..self }
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
        // Who is its own partner shows its own objects as they are.
        let alone = |partner: Value<'g>| partner.equals(self.shown.graph().range(self.shown.side(0)));
        match mixing {
            Mixing::None | Mixing::Values { .. } => self,
            Mixing::Paste(patch) => match patch.partner.filter(|_| patch.shows == Shows::Place).map(alone) {
                None => self.collage(std::slice::from_ref(patch), picture),
                Some(alone) => {
                    let none = self.shown.graph().constant(Tensor::scalar(0i64));
                    let edges = patch.edges.map(|edge| alone.select(none, edge));
                    self.collage(&[Patch { edges, ..*patch }], picture)
                }
            },
            Mixing::Collage(patches) => self.collage(patches, picture),
            Mixing::Blend { lam, partner } => {
                let lam = alone(*partner).select(real(*lam, 1.0), lam.cast(DataType::F64));
                let rest = real(lam, 1.0) - lam;
                self.weighed(lam).with(&self.at_rows(*partner).weighed(rest))
            }
            Mixing::Region { partner, .. } => {
                let Some(region) = region else { return self };
                let (LoweredRegion::Taken(taken) | LoweredRegion::Weights([_, taken])) = region.flat();
                let other = (!alone(*partner)).unsqueeze(&[1, 2, 3]).cast(DataType::F64);
                let taken = taken.cast(DataType::F64) * other;
                let other = self.at_rows(*partner);
                let share = other.share(taken, picture, 0.0);
                // Not 1 minus the share: engines may divide by way of a reciprocal, and what is wholly covered would not be gone.
                let own = self.share(real(taken, 1.0) - taken, picture, 1.0);
                let own = Self { shown: self.shown * own, ..self };
                own.with(&Self { shown: other.shown * share, ..other })
            }
        }
    }

    /// The mean of weights `[N,1,H,W]` over the pixels whose middle is in the visible box of each object; `none` where there are none.
    fn share(&self, weights: Value<'g>, picture: &Picture<'g>, none: f64) -> Value<'g> {
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
        some.select(sums / some.select(count, real(count, 1.0)), real(count, none))
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
}

/// Rows and columns of images after a motion.
fn sides_after<'g>(motion: &Motion<Recorder<'g>>, before: [Value<'g>; 2]) -> [Value<'g>; 2] {
    let int = |number: usize| before[0].graph().constant(Tensor::scalar(number as i64));
    match motion {
        Motion::Window(window) => match window.size {
            WindowSize::Fixed(size) => size.map(int),
            WindowSize::Grown(more) => [0, 1].map(|axis| before[axis] + int(more[axis])),
        },
        Motion::Chain(parts) => parts.iter().fold(before, |sides, part| sides_after(part, sides)),
        _ => before,
    }
}
