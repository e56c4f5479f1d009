//! What steps make of the boxes and keypoints of objects in a graph; [`Objects`](crate::Objects) natively.

use augraft_onnx::{DataType, Tensor, Value};

use crate::bounds::{BEYOND, SLACK};
use crate::homography::Homography;
use crate::mix_graph::LoweredRegion;
use crate::mixing::{Mixing, Patch, Shows};
use crate::motion::{Motion, Window, WindowSize};
use crate::object_shares::SEEN;
use crate::object_values::{LoweredObjects, Points, area, hull, inside, meet, real, spread, within, zero};
use crate::objects::HORIZON;
use crate::picture::{Picture, length, positions};
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
                objects.settled().map(place, after)
            }
            Motion::Projective(motion) => {
                let (forth, moves) = motion.forth();
                let place = |[x, y]: [Value<'g>; 2], axes: &[i64]| {
                    let wide = |number: Value<'g>| spread(number, axes);
                    // Engines divide by a constant by way of its reciprocal, and so does this.
                    let [over_height, over_width] = motion.sides.map(|side| real(side, 1.0) / wide(side));
                    let map = Homography(forth.0.map(|row| row.map(wide)));
                    let [across, down, depth] = map.apply([x * over_width, y * over_height]);
                    let depth = depth.maximum(real(depth, HORIZON) * map.0[2][2]);
                    [wide(moves).select(across / depth, x), wide(moves).select(down / depth, y)]
                };
                objects.settled().map(place, after)
            }
            Motion::Cells(cells) => match known(before) {
                Some(size) => objects.scatter(cells, size),
                None => objects,
            },
            Motion::Displaced(motion) => match known(before) {
                Some(size) => objects.displace(motion.shifts, motion.points, size),
                None => objects,
            },
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

    /// Gives up what frames cut off: the hull of a frame that is turned holds more than what was in the frame.
    pub(crate) fn settled(self) -> Self {
        let points = self.points.as_ref().map(|points| {
            let edges = self.frame.map(|edge| edge.unsqueeze(&[2]));
            Points { visible: points.visible & within([points.x, points.y], edges), ..*points }
        });
        if self.is_tilted {
            return Self { points, ..self };
        }
        let (seen, whole) = (self.visible(), area(hull(&self.x, &self.y)));
        let [left, top, right, bottom] = seen;
        let some = zero(whole).less(whole);
        let shown = self.shown * (area(seen) / some.select(whole, real(whole, 1.0)));
        let (x, y) = ([left, right, right, left], [top, top, bottom, bottom]);
        Self { x, y, shown, is_tilted: true, points, ..self }
    }

    /// Takes away what rectangles cover, each `[N]` or constant.
    pub(crate) fn cover(mut self, [top, left, bottom, right]: [Value<'g>; 4]) -> Self {
        let hole = [left, top, right, bottom].map(|edge| spread(edge, &[1]).cast(DataType::F64));
        let seen = self.visible();
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
            let hidden = inside([points.x, points.y], edges);
            Points { visible: points.visible & !hidden, ..points }
        });
        self
    }

    /// Those of which something can be seen.
    fn without_gone(self) -> Self {
        let size = area(self.visible());
        Self { valid: self.valid & real(size, SLACK).less(size), ..self }
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
        if let Mixing::None | Mixing::Values { .. } = mixing {
            return self;
        }
        // As before a motion: the edges of an empty frame change places where a partner is made smaller or turned.
        let objects = self.without_gone();
        // Who is its own partner shows its own objects as they are.
        let alone = |partner: Value<'g>| partner.equals(objects.shown.graph().range(objects.shown.side(0)));
        match mixing {
            Mixing::None | Mixing::Values { .. } => objects,
            Mixing::Paste(patch) => match patch.partner.filter(|_| patch.shows == Shows::Place).map(alone) {
                None => objects.collage(std::slice::from_ref(patch), picture),
                Some(alone) => {
                    let none = objects.shown.graph().constant(Tensor::scalar(0i64));
                    let edges = patch.edges.map(|edge| alone.select(none, edge));
                    objects.collage(&[Patch { edges, ..*patch }], picture)
                }
            },
            Mixing::Collage(patches) => objects.collage(patches, picture),
            Mixing::Blend { lam, partner } => {
                let lam = alone(*partner).select(real(*lam, 1.0), lam.cast(DataType::F64));
                let rest = real(lam, 1.0) - lam;
                objects.weighed(lam).with(&objects.at_rows(*partner).weighed(rest))
            }
            Mixing::Region { partner, .. } => {
                let Some(region) = region else { return objects };
                let (LoweredRegion::Taken(taken) | LoweredRegion::Weights([_, taken])) = region.flat();
                let other = (!alone(*partner)).unsqueeze(&[1, 2, 3]).cast(DataType::F64);
                let taken = taken.cast(DataType::F64) * other;
                let other = objects.at_rows(*partner).part(taken, picture, 0.0);
                // Not 1 minus the share: engines may divide by way of a reciprocal, and what is wholly covered would not be gone.
                objects.part(real(taken, 1.0) - taken, picture, 1.0).with(&other)
            }
        }
    }

    /// What weights `[N,1,H,W]` show of each object; the share is `none` where the middle of no pixel is in its box.
    fn part(self, weights: Value<'g>, picture: &Picture<'g>, none: f64) -> Self {
        let seen = self.visible();
        let line = |axis: usize| positions(picture.sides[axis], axis + 2).reshape(&[1, 1, -1]);
        let within = |line: Value<'g>, from: Value<'g>, to: Value<'g>| {
            let middle = line + real(line, 0.5);
            (middle.at_least(from.unsqueeze(&[2])) & middle.less(to.unsqueeze(&[2]))).cast(DataType::F64)
        };
        let [down, across] = [0, 1].map(line);
        let (rows, columns) = (within(down, seen[1], seen[3]), within(across, seen[0], seen[2]));
        let plane = weights.reduce_sum(1);
        let shows = plane.at_least(real(plane, SEEN)).cast(DataType::F64);
        let sums = (rows.matmul(plane) * columns).reduce_sum(2);
        // The first pixel in a line and the one behind the last; the first is beyond all where there is none.
        let ends = |line: Value<'g>, counts: Value<'g>| {
            let some = zero(counts).less(counts);
            let first = some.select(line, real(line, BEYOND)).reduce_min(2);
            let last = some.select(line + real(line, 1.0), zero(line)).reduce_max(2);
            [first, last]
        };
        let [left, right] = ends(across, rows.matmul(shows) * columns);
        let [top, bottom] = ends(down, columns.matmul(shows.transpose(&[0, 2, 1])) * rows);
        let ([first_column, last_column], [first_row, last_row]) = (ends(across, columns), ends(down, rows));
        let any = rows.reduce_sum(2) * columns.reduce_sum(2);
        let some = zero(any).less(any);
        let cuts = [first_column.less(left), first_row.less(top), right.less(last_column), bottom.less(last_row)];
        let cuts = cuts.map(|cut| cut & some);
        let frame =
            [(0, left), (1, top), (2, right), (3, bottom)].map(|(edge, to)| cuts[edge].select(to, self.frame[edge]));
        let count = length(right - left) * length(bottom - top);
        let none = some.select(zero(any), real(any, none));
        let some = zero(count).less(count);
        let share = some.select(sums / some.select(count, real(count, 1.0)), none);
        let points = self.points.as_ref().map(|points| {
            let place = |at: Value<'g>, axis: usize| {
                let line = positions(picture.sides[axis], axis + 2).reshape(&[1, 1, 1, -1]);
                let most = picture.sides[axis].cast(DataType::F64) - real(at, 0.5);
                let at = at.minimum(most).unsqueeze(&[3]);
                (at.at_least(line) & at.less(line + real(line, 1.0))).cast(DataType::F64)
            };
            let of_rows = place(points.y, 0).matmul(weights);
            let weight = (of_rows * place(points.x, 1)).reduce_sum(3);
            Points { visible: points.visible & weight.at_least(real(weight, SEEN)), ..*points }
        });
        Self { frame, shown: self.shown * share, points, ..self }
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

/// Sides that are constant, as motions ask of the images that need it.
fn known(sides: [Value<'_>; 2]) -> Option<[usize; 2]> {
    let [height, width] = sides.map(|side| side.constant_int().and_then(|side| usize::try_from(side).ok()));
    Some([height?, width?])
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
