//! Boxes and places of objects, natively.

/// A place `[x, y]`.
pub(crate) type Place = [f64; 2];

/// A place beyond all others.
pub(crate) const BEYOND: f64 = 1e30;

/// Edges `[left, top, right, bottom]`, ends exclusive.
pub type Bounds = [f64; 4];

/// A rectangle `[top, left, bottom, right]` in elements of a plane, ends exclusive; empty when an end is not after its start.
pub type Rectangle = [i64; 4];

/// The corners of a box, in order around it.
pub(crate) fn corners([left, top, right, bottom]: Bounds) -> [Place; 4] {
    [[left, top], [right, top], [right, bottom], [left, bottom]]
}

/// Where what lies between two lines across the other axis begins and ends; it ends before it begins where nothing does.
pub(crate) fn ends(corners: [Place; 4], axis: usize, [low, high]: [f64; 2]) -> [f64; 2] {
    let across = 1 - axis;
    let (mut first, mut last) = (BEYOND, -BEYOND);
    for (from, to) in (0..4).map(|at| (corners[at], corners[(at + 1) % 4])) {
        if from[across].min(to[across]) > high || from[across].max(to[across]) < low {
            continue;
        }
        let rise = to[across] - from[across];
        let slope = (to[axis] - from[axis]) * (1.0 / if rise == 0.0 { 1.0 } else { rise });
        for corner in [from, to] {
            let at = corner[axis] + slope * (corner[across].max(low).min(high) - corner[across]);
            (first, last) = (first.min(at), last.max(at));
        }
    }
    [first, last]
}

/// The least box around corners.
pub(crate) fn hull(corners: [Place; 4]) -> Bounds {
    let [low, high]: [fn(f64, f64) -> f64; 2] = [f64::min, f64::max];
    let of = |axis: usize, choose: fn(f64, f64) -> f64| {
        choose(choose(corners[0][axis], corners[1][axis]), choose(corners[2][axis], corners[3][axis]))
    };
    [of(0, low), of(1, low), of(0, high), of(1, high)]
}

pub(crate) fn meet(a: Bounds, b: Bounds) -> Bounds {
    [a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]
}

pub(crate) fn area([left, top, right, bottom]: Bounds) -> f64 {
    (right - left).max(0.0) * (bottom - top).max(0.0)
}

/// Whether a place is in a box, ends exclusive; one on an edge is of the side on which the edge is, however an engine rounds.
pub(crate) fn inside([x, y]: Place, [left, top, right, bottom]: Bounds) -> bool {
    let (x, y) = (x + SLACK, y + SLACK);
    x >= left && x < right && y >= top && y < bottom
}

/// How far engines may round a place on a border, in pixels; a box with less area, in square pixels, is none.
pub(crate) const SLACK: f64 = 1e-6;

/// Whether a place is in a frame, whose border belongs to it: the left border is the right one of the mirror image.
pub(crate) fn within([x, y]: Place, [left, top, right, bottom]: Bounds) -> bool {
    x >= left - SLACK && x <= right + SLACK && y >= top - SLACK && y <= bottom + SLACK
}

/// Edges of whole pixels, which operators state from the top.
pub(crate) fn bounds_of([top, left, bottom, right]: [i64; 4]) -> Bounds {
    [left, top, right, bottom].map(|edge| edge as f64)
}
