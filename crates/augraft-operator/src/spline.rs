//! Smooth fields of displacements: cubic B-splines over a few control points, natively, and for objects as nodes.
//!
//! The first and the last pixel of a side lie `points - 3` spans apart, and control point `i` has its place one span before its number; beyond the
//! outermost pixels a field stays what it is there.

use augraft_onnx::{Tensor, Value};
use ndarray::{Array3, ArrayView2, Axis};

use crate::bounds::{BEYOND, Bounds, Place, SLACK};
use crate::object_values::{LoweredObjects, Points, area, hull, real};

/// The control points that a place lies between: the first of four, and their weights.
pub(crate) struct Tap {
    pub(crate) first: usize,
    pub(crate) weights: [f64; 4],
}

impl Tap {
    /// The taps of a place in pixels from the first one, on a side with so many pixels and control points.
    fn at(place: f64, side: usize, points: usize) -> Self {
        let at = (place * spans_per_pixel(side, points)).clamp(0.0, (points - 3) as f64);
        let first = (at as usize).min(points - 4);
        let behind = at - first as f64;
        let before = 1.0 - behind;
        let (square, cube) = (behind * behind, behind * behind * behind);
        let weights =
            [before * before * before, 3.0 * cube - 6.0 * square + 4.0, 3.0 * (square - cube + behind) + 1.0, cube];
        Self { first, weights: weights.map(|weight| weight / 6.0) }
    }

    /// The taps of each pixel of a side.
    pub(crate) fn of_pixels(side: usize, points: usize) -> Vec<Self> {
        (0..side).map(|at| Self::at(at as f64, side, points)).collect()
    }

    /// Weighs what control points have, in the order in which a graph does.
    pub(crate) fn weigh(&self, of: impl Fn(usize) -> f64) -> f64 {
        let [a, b, c, d] = self.weights;
        a * of(self.first) + b * of(self.first + 1) + c * of(self.first + 2) + d * of(self.first + 3)
    }
}

fn spans_per_pixel(side: usize, points: usize) -> f64 {
    if side < 2 { 0.0 } else { (points - 3) as f64 / (side - 1) as f64 }
}

/// Displacements of the pixels of a plane, row by row.
pub(crate) struct Field<'a> {
    shifts: &'a Array3<f64>,
    down: Vec<Tap>,
    across: Vec<Tap>,
}

impl<'a> Field<'a> {
    pub(crate) fn new(shifts: &'a Array3<f64>, [height, width]: [usize; 2]) -> Self {
        let (_, rows, columns) = shifts.dim();
        Self { shifts, down: Tap::of_pixels(height, rows), across: Tap::of_pixels(width, columns) }
    }

    /// How far the pixels of row `y` are displaced along `axis`, 0 for columns and 1 for rows.
    pub(crate) fn along(&self, axis: usize, y: usize) -> Vec<f64> {
        let shifts = self.shifts.index_axis(Axis(0), axis);
        let row: Vec<f64> = (0..shifts.ncols()).map(|x| self.down[y].weigh(|at| shifts[[at, x]])).collect();
        self.across.iter().map(|tap| tap.weigh(|at| row[at])).collect()
    }
}

/// Rounds in which a place is looked for: each leaves the steepness of the field of what it is off, less than 1 and mostly less than a third.
const ROUNDS: usize = 8;

/// Places along each side of a box, for each span: its outline bends between them by less than a thirtieth of the largest displacement.
const STEPS: usize = 4;

/// Where what is shown at a place comes to lie.
pub(crate) struct Spline<'a> {
    pub(crate) shifts: &'a Array3<f64>,
    pub(crate) size: [usize; 2],
}

impl Spline<'_> {
    /// The displacement at a place.
    fn at(&self, [x, y]: Place) -> Place {
        let ((_, rows, columns), [height, width]) = (self.shifts.dim(), self.size);
        let (down, across) = (Tap::at(y - 0.5, height, rows), Tap::at(x - 0.5, width, columns));
        let along = |shifts: ArrayView2<'_, f64>| across.weigh(|x| down.weigh(|y| shifts[[y, x]]));
        [0, 1].map(|axis| along(self.shifts.index_axis(Axis(0), axis)))
    }

    /// The place of the result that shows a place.
    pub(crate) fn moved(&self, place: Place) -> Place {
        (0..ROUNDS).fold(place, |at, _| {
            let [right, down] = self.at(at);
            [place[0] - right, place[1] - down]
        })
    }

    /// The hull of what becomes of an outline.
    pub(crate) fn hull(&self, corners: [Place; 4]) -> Bounds {
        let steps = STEPS * (self.shifts.dim().1 - 3);
        let sides = (0..4).flat_map(|from| {
            let ([x, y], [to_x, to_y]) = (corners[from], corners[(from + 1) % 4]);
            (0..steps).map(move |step| {
                let share = step as f64 / steps as f64;
                [x + (to_x - x) * share, y + (to_y - y) * share]
            })
        });
        sides.map(|place| self.moved(place)).fold([BEYOND, BEYOND, -BEYOND, -BEYOND], |hull, [x, y]| {
            [hull[0].min(x), hull[1].min(y), hull[2].max(x), hull[3].max(y)]
        })
    }
}

/// Whether nothing is displaced.
pub(crate) fn is_still(shifts: &Array3<f64>) -> bool {
    shifts.iter().all(|shift| *shift == 0.0)
}

/// Whether a frame cuts off some of what lies in a box.
pub(crate) fn cuts(frame: Bounds, hull: Bounds) -> bool {
    (0..2).any(|edge| hull[edge] < frame[edge] - SLACK) || (2..4).any(|edge| hull[edge] > frame[edge] + SLACK)
}

impl<'g> LoweredObjects<'g> {
    /// As natively, by displacements `[N,2,points,points]` on planes of `size`.
    pub(crate) fn displace(self, shifts: Value<'g>, points: usize, size: [usize; 2]) -> Self {
        let objects = self.settled();
        let graph = shifts.graph();
        let number = |value: f64| graph.constant(Tensor::scalar(value));
        let either = |is: Value<'g>, new: [Value<'g>; 4], own: [Value<'g>; 4]| {
            [0, 1, 2, 3].map(|at| is.select(new[at], own[at]))
        };
        let around =
            |[left, top, right, bottom]: [Value<'g>; 4]| [[left, right, right, left], [top, top, bottom, bottom]];
        let (seen, whole) = (objects.visible(), hull(&objects.x, &objects.y));
        let is_cut = cut(objects.frame, whole);
        let size_of = area(whole);
        let share = area(seen) / number(0.0).less(size_of).select(size_of, number(1.0));
        let [x, y] = around(seen);
        let outline = [either(is_cut, x, objects.x), either(is_cut, y, objects.y)];

        let steps = STEPS * (points - 3);
        let shares: Vec<f64> = (0..steps).map(|step| step as f64 / steps as f64).collect();
        let shares = graph.constant(Tensor::vector(shares));
        let own = objects.points.as_ref();
        let (sides, joints) = (4 * steps as i64, own.map_or(0, |_| objects.pairs.len() as i64));
        let along = |corners: [Value<'g>; 4], joints: Option<Value<'g>>| {
            let at = corners.map(|corner| corner.unsqueeze(&[2]));
            let sides = (0..4).map(|from| at[from] + (at[(from + 1) % 4] - at[from]) * shares);
            graph.concat(&sides.chain(joints).collect::<Vec<_>>(), 2).unsqueeze(&[3])
        };
        let places = [along(outline[0], own.map(|own| own.x)), along(outline[1], own.map(|own| own.y))];
        let moved = moved(graph.concat(&places, 3), sides + joints, shifts, points, size);
        let [x, y] = [0i64, 1].map(|axis| moved.gather(graph.constant(Tensor::scalar(axis)), 3));
        let (to_x, to_y) = (x.slice(2, 0, sides), y.slice(2, 0, sides));
        let [hull_x, hull_y] = around([to_x.reduce_min(2), to_y.reduce_min(2), to_x.reduce_max(2), to_y.reduce_max(2)]);

        let moves = moves(shifts).unsqueeze(&[1]);
        let frame = [0.0, 0.0, size[1] as f64, size[0] as f64].map(number);
        let points = own.map(|own| {
            let joint = |to: Value<'g>, own| moves.unsqueeze(&[2]).select(to.slice(2, sides, sides + joints), own);
            Points { x: joint(x, own.x), y: joint(y, own.y), visible: own.visible }
        });
        Self {
            x: either(moves, hull_x, objects.x),
            y: either(moves, hull_y, objects.y),
            frame: either(moves, frame, objects.frame),
            shown: (moves & is_cut).select(objects.shown * share, objects.shown),
            points,
            ..objects
        }
    }
}

/// [`cuts`], for each object.
fn cut<'g>(frame: [Value<'g>; 4], hull: [Value<'g>; 4]) -> Value<'g> {
    let slack = real(hull[0], SLACK);
    let begins = |edge: usize| hull[edge].less(frame[edge] - slack);
    let ends = |edge: usize| (frame[edge] + slack).less(hull[edge]);
    begins(0) | begins(1) | ends(2) | ends(3)
}

/// Whether anything is displaced, bool `[N]`.
pub(crate) fn moves(shifts: Value<'_>) -> Value<'_> {
    let most = (0..3).fold(shifts.unary("Abs"), |most, _| most.reduce_max(1));
    most.graph().constant(Tensor::scalar(0f64)).less(most)
}

/// [`Spline::moved`] of `count` places `[N,M,count,2]` for each object.
fn moved<'g>(
    places: Value<'g>,
    count: i64,
    shifts: Value<'g>,
    points: usize,
    [height, width]: [usize; 2],
) -> Value<'g> {
    let graph = places.graph();
    let number = |value: f64| graph.constant(Tensor::scalar(value));
    let vector = |values: Vec<f64>| graph.constant(Tensor::vector(values));
    let scale = vector([width, height].map(|side| spans_per_pixel(side, points)).to_vec());
    let knots = vector((0..points).map(|point| point as f64 - 1.0).collect());
    let side = points as i64;
    // Both displacements of each control point of a row, so that one product of matrices weighs them down the rows.
    let rows = shifts.transpose(&[0, 2, 1, 3]).reshape(&[-1, 1, side, 2 * side]);
    let cube = |value: Value<'g>| value * value * value;
    (0..ROUNDS).fold(places, |at, _| {
        let span = ((at - number(0.5)) * scale).maximum(number(0.0)).minimum(number((points - 3) as f64));
        let far = (span.unsqueeze(&[4]) - knots).unary("Abs");
        let within = |reach: f64| cube((number(reach) - far).maximum(number(0.0)));
        let weights = (within(2.0) - within(1.0) * number(4.0)) * number(1.0 / 6.0);
        let [across, down] = [0i64, 1].map(|axis| weights.gather(graph.constant(Tensor::scalar(axis)), 3));
        let weighed = down.matmul(rows).reshape(&[0, 0, count, 2, side]) * across.unsqueeze(&[3]);
        places - weighed.reduce_sum(4)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: [usize; 2] = [17, 20];

    fn shifts() -> Array3<f64> {
        Array3::from_shape_fn([2, 7, 7], |(axis, y, x)| ((7 * y + 11 * x + 5 * axis) % 13) as f64 * 0.125 - 0.75)
    }

    #[test]
    fn places_are_those_of_albumentations() {
        // `create_elastic_maps` and `remap_elastic_keypoints` of AlbumentationsX 2.5.1, whose whole numbers are the middles of pixels.
        let shown = [
            ([4, 3], [3.31224, 3.86068]),
            ([1, 2], [2.07826, 1.09850]),
            ([8, 10], [9.74473, 7.94943]),
            ([13, 17], [17.03287, 13.29350]),
            ([15, 6], [6.06498, 15.10699]),
            ([6, 14], [13.77578, 6.10527]),
            ([2, 18], [18.16657, 1.98892]),
        ];
        let (shifts, close) = (shifts(), |a: f64, b: f64, error: f64| assert!((a - b).abs() < error, "{a} is not {b}"));
        let field = Field::new(&shifts, SIZE);
        for ([y, x], [column, row]) in shown {
            close(x as f64 + field.along(0, y)[x], column, 1e-4);
            close(y as f64 + field.along(1, y)[x], row, 1e-4);
        }
        let spline = Spline { shifts: &shifts, size: SIZE };
        for (from, to) in [([5.0, 6.0], [4.89359, 6.06271]), ([12.5, 3.25], [12.44443, 3.26090])] {
            let moved = spline.moved(from.map(|at| at + 0.5));
            (0..2).for_each(|axis| close(moved[axis] - 0.5, to[axis], 2e-4));
        }
    }

    #[test]
    fn what_is_displaced_by_less_than_a_quarter_of_a_span_keeps_its_order_and_is_found() {
        let most = 0.249 * 16.0 / 4.0;
        // Neighbors as far apart as they can be.
        let shifts = Array3::from_shape_fn([2, 7, 7], |(_, y, x)| if (y + x) % 2 == 0 { most } else { -most });
        let (field, spline) = (Field::new(&shifts, [17, 17]), Spline { shifts: &shifts, size: [17, 17] });
        for y in 0..17 {
            let row = field.along(0, y);
            assert!(row.windows(2).all(|pair| pair[0] < pair[1] + 1.0), "row {y} folds: {row:?}");
            for (x, right) in row.iter().enumerate() {
                let own = [x, y].map(|at| at as f64 + 0.5);
                let found = spline.moved([own[0] + right, own[1] + field.along(1, y)[x]]);
                let off = (0..2).map(|axis| (found[axis] - own[axis]).abs()).fold(0.0, f64::max);
                assert!(off < 0.01, "{own:?} is found at {found:?}");
            }
        }
    }
}
