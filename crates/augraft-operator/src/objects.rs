//! Boxes and keypoints of objects, which move and mix with the pixels, natively.
//!
//! Places are `[x, y]` in pixels from the top left corner, continuous: pixel `i` covers `i..i + 1`.

use std::sync::Arc;

use crate::bounds::{Bounds, Place, SLACK, area, bounds_of, corners, ends, hull, inside, meet, within};
use crate::mixing::{Mixing, Patch, Region, Shows};
use crate::motion::{Cells, Motion, Window};
use crate::object_rules::{ObjectRules, OnDrop, Seen};
use crate::object_shares::Shares;
use crate::scalar::Row;
use crate::spline::{Spline, cuts, is_still};

/// The annotated objects of the samples of a batch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Objects {
    /// Those of each sample, its own first.
    pub samples: Vec<Vec<Object>>,
    /// Keypoints that change places in a mirror image.
    pub flip_pairs: Vec<[usize; 2]>,
}

/// An object on its way through the steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Its class.
    pub class: usize,
    /// Index in the data set of the sample that it comes from, and its number there.
    pub origin: (u64, u64),
    /// Weight, 1 until it is blended.
    pub weight: f64,
    /// Whether it stands for a crowd.
    pub crowd: bool,
    /// Whether it is marked as difficult.
    pub difficult: bool,
    /// Its keypoints.
    pub keypoints: Vec<Keypoint>,
    /// Corners, in order around it: an axis-aligned box until an affine step.
    corners: [Place; 4],
    /// Whether an affine step has turned them.
    is_tilted: bool,
    /// Where it can be seen.
    frame: Bounds,
    /// The share of it within the frame that nothing covers.
    shown: f64,
}

/// A keypoint of an object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Keypoint {
    /// Where it is.
    pub at: Place,
    /// 0 for unlabeled or covered, 1 for hidden, 2 for visible.
    pub visibility: u8,
}

impl Object {
    /// An object with these bounds in an image of `[height, width]`.
    #[must_use]
    pub fn new(class: usize, origin: (u64, u64), [left, top, right, bottom]: Bounds, size: [usize; 2]) -> Self {
        let [height, width] = size.map(|side| side as f64);
        Self {
            class,
            origin,
            weight: 1.0,
            crowd: false,
            difficult: false,
            keypoints: Vec::new(),
            corners: corners([left, top, right, bottom]),
            is_tilted: false,
            frame: [0.0, 0.0, width, height],
            shown: 1.0,
        }
    }

    /// The least box around its corners, visible or not.
    fn hull(&self) -> Bounds {
        hull(self.corners)
    }

    /// The box of what can be seen of it.
    fn visible(&self) -> Bounds {
        let [left, top, right, bottom] = self.frame;
        if !self.is_tilted {
            return meet(self.hull(), self.frame);
        }
        // The ends of what lies between two lines do not change where lines across these cut it, so that each axis is one cut.
        let ([from_x, to_x], [from_y, to_y]) =
            (ends(self.corners, 0, [top, bottom]), ends(self.corners, 1, [left, right]));
        meet([from_x, from_y, to_x, to_y], self.frame)
    }

    /// Gives up what its frame cuts off: the hull of a frame that is turned holds more than what was in the frame.
    fn settle(&mut self) {
        for point in &mut self.keypoints {
            if !within(point.at, self.frame) {
                point.visibility = 0;
            }
        }
        if !self.is_tilted {
            let (seen, whole) = (self.visible(), area(self.hull()));
            self.corners = corners(seen);
            self.shown *= area(seen) / whole;
            self.is_tilted = true;
        }
    }

    /// Moves with the cells that show it: its box is the hull of their parts of it, of which only these are seen.
    fn scatter(&mut self, cells: &Cells<Row>, size: [usize; 2]) {
        self.settle();
        if cells.is_identity() {
            return;
        }
        let (hull, share) = cells.scattered(self.visible(), size).unwrap_or((self.frame, 0.0));
        let [height, width] = size.map(|side| side as f64);
        (self.corners, self.frame) = (corners(hull), [0.0, 0.0, width, height]);
        self.shown *= share;
        for point in &mut self.keypoints {
            point.at = cells.moved(point.at, size);
        }
    }

    /// Moves with displaced pixels: its box is the hull of what becomes of its outline.
    fn displace(&mut self, field: &Spline<'_>) {
        self.settle();
        if is_still(field.shifts) {
            return;
        }
        let (seen, whole) = (self.visible(), self.hull());
        if cuts(self.frame, whole) {
            self.corners = corners(seen);
            self.shown *= area(seen) / area(whole);
        }
        let [height, width] = field.size.map(|side| side as f64);
        (self.corners, self.frame) = (corners(field.hull(self.corners)), [0.0, 0.0, width, height]);
        self.keypoints.iter_mut().for_each(|point| point.at = field.moved(point.at));
    }

    fn is_gone(&self) -> bool {
        area(self.visible()) <= SLACK || self.shown <= 0.0 || self.weight <= 0.0
    }

    /// The corners, frame and keypoints after a map of places; `swaps` where left and right change.
    fn map(&mut self, place: impl Fn(Place) -> Place, [height, width]: [f64; 2], pairs: &[[usize; 2]], swaps: bool) {
        self.corners = self.corners.map(&place);
        let frame = hull(corners(self.frame).map(&place));
        self.frame = meet(frame, [0.0, 0.0, width, height]);
        self.keypoints.iter_mut().for_each(|point| point.at = place(point.at));
        let known = self.keypoints.len();
        for [a, b] in pairs.iter().filter(|[a, b]| swaps && *a.max(b) < known) {
            self.keypoints.swap(*a, *b);
        }
    }

    /// Takes away what a rectangle covers: the box ends at it where a rectangle is left, else the share that is visible falls.
    fn cover(&mut self, hole: Bounds) {
        for point in &mut self.keypoints {
            if inside(point.at, hole) {
                point.visibility = 0;
            }
        }
        let seen = self.visible();
        let inner = meet(seen, hole);
        let covered = area(inner);
        if covered <= 0.0 {
            return;
        }
        let spans = |low: usize, high: usize| inner[low] <= seen[low] && inner[high] >= seen[high];
        match (spans(1, 3), spans(0, 2)) {
            (true, true) => self.shown = 0.0,
            (true, false) if inner[0] <= seen[0] => self.frame[0] = inner[2],
            (true, false) if inner[2] >= seen[2] => self.frame[2] = inner[0],
            (false, true) if inner[1] <= seen[1] => self.frame[1] = inner[3],
            (false, true) if inner[3] >= seen[3] => self.frame[3] = inner[1],
            _ => self.shown *= 1.0 - covered / area(seen),
        }
    }

    /// The object with what a region shows of it where it is the partner's, or the sample's own.
    fn part(&self, shares: &Shares, partner: bool) -> Self {
        let mut object = self.clone();
        for point in object.keypoints.iter_mut().filter(|point| !shares.shows(point.at, partner)) {
            point.visibility = 0;
        }
        let part = shares.part(self.visible(), partner);
        object.shown *= part.share;
        for (edge, cut) in object.frame.iter_mut().zip(part.cuts) {
            *edge = cut.unwrap_or(*edge);
        }
        object
    }

    fn seen(&self, rules: &ObjectRules) -> Option<Seen> {
        let (bounds, whole) = (self.visible(), area(self.hull()));
        let visible = area(bounds) * self.shown;
        if self.is_gone() {
            return None;
        }
        let [left, top, right, bottom] = bounds;
        let small = area(bounds) < rules.min_area || (right - left).min(bottom - top) < rules.min_side;
        let dropped = small || visible < rules.min_visibility * whole;
        if dropped && rules.on_drop == OnDrop::Remove {
            return None;
        }
        let point = |point: &Keypoint| {
            let visibility = if within(point.at, self.frame) { point.visibility } else { 0 };
            (point.at.map(|at| at as f32), visibility)
        };
        Some(Seen {
            bounds: bounds.map(|edge| edge as f32),
            class: self.class,
            weight: self.weight as f32,
            visibility: (visible / whole) as f32,
            ignore: dropped,
            crowd: self.crowd,
            difficult: self.difficult,
            origin: self.origin,
            keypoints: self.keypoints.iter().map(point).collect(),
        })
    }
}

impl Objects {
    /// The objects at the end, those of each sample.
    #[must_use]
    pub fn seen(&self, rules: &ObjectRules) -> Vec<Vec<Seen>> {
        (0..self.samples.len()).map(|row| self.seen_of(row, rules)).collect()
    }

    /// Those of one sample.
    #[must_use]
    pub fn seen_of(&self, row: usize, rules: &ObjectRules) -> Vec<Seen> {
        self.samples[row].iter().filter_map(|object| object.seen(rules)).collect()
    }

    /// Takes the samples at these rows.
    pub(crate) fn select(&mut self, rows: &[usize]) {
        self.samples = rows.iter().map(|row| self.samples[*row].clone()).collect();
    }

    /// Moves as the pixels of images of `sizes` (height, width) do.
    pub(crate) fn follow(&mut self, motions: &[Motion<Row>], sizes: &[[usize; 2]]) {
        for ((objects, motion), size) in self.samples.iter_mut().zip(motions).zip(sizes) {
            follow(objects, motion, *size, &self.flip_pairs);
        }
    }

    /// Loses what rectangles `[top, left, bottom, right]` of each sample erase.
    pub(crate) fn erase(&mut self, row: usize, holes: &[[i64; 4]]) {
        for hole in holes {
            self.samples[row].iter_mut().for_each(|object| object.cover(bounds_of(*hole)));
        }
    }

    /// Mixes as the pixels of images of `[height, width]` are mixed.
    pub(crate) fn mix(&mut self, mixings: &[Mixing<Row>], regions: &[Arc<Region>], size: [usize; 2]) {
        if let None | Some(Mixing::None | Mixing::Values { .. }) = mixings.first() {
            return;
        }
        let before = std::mem::take(&mut self.samples);
        let mixed = |(row, mixing): (usize, &Mixing<Row>)| -> Vec<Object> {
            match mixing {
                Mixing::None | Mixing::Values { .. } => before[row].clone(),
                Mixing::Paste(patch) => collage(&before, row, std::slice::from_ref(patch), size),
                Mixing::Collage(patches) => collage(&before, row, patches, size),
                Mixing::Blend { .. } | Mixing::Region { .. } if mixing.partner(row) == row => before[row].clone(),
                Mixing::Blend { lam, .. } => {
                    weighed(&before[row], *lam).chain(weighed(&before[mixing.partner(row)], 1.0 - lam)).collect()
                }
                Mixing::Region { .. } => {
                    let shares = Shares::of(&regions[row], size);
                    let own = before[row].iter().map(|object| object.part(&shares, false));
                    own.chain(before[mixing.partner(row)].iter().map(|object| object.part(&shares, true))).collect()
                }
            }
        };
        self.samples = mixings.iter().enumerate().map(mixed).collect();
    }
}

fn weighed(objects: &[Object], factor: f64) -> impl Iterator<Item = Object> + '_ {
    objects.iter().map(move |object| Object { weight: object.weight * factor, ..object.clone() })
}

/// How near the horizon, as a share of the depth of the first corner, a keypoint that is not shown comes at most.
pub(crate) const HORIZON: f64 = 1e-3;

fn follow(objects: &mut Vec<Object>, motion: &Motion<Row>, size: [usize; 2], pairs: &[[usize; 2]]) {
    objects.retain(|object| !object.is_gone());
    let [h, w] = size.map(|side| side as f64);
    let mut map = |place: &dyn Fn(Place) -> Place, size: [f64; 2], swaps: bool| {
        for object in objects.iter_mut() {
            object.map(place, size, pairs, swaps);
        }
    };
    match motion {
        Motion::Stay | Motion::Transpose(false) => {}
        Motion::Mirror { rows, columns } => {
            let place = |[x, y]: Place| [if *columns { w - x } else { x }, if *rows { h - y } else { y }];
            map(&place, [h, w], rows != columns);
        }
        Motion::Transpose(true) => map(&|[x, y]| [y, x], [w, h], true),
        Motion::Quarter(k) => match k % 4 {
            1 => map(&|[x, y]| [y, w - x], [w, h], false),
            2 => map(&|[x, y]| [w - x, h - y], [h, w], false),
            3 => map(&|[x, y]| [h - y, x], [w, h], false),
            _ => {}
        },
        Motion::Window(window) => {
            let (factors, [top, left]) = (factors(window, size), window.corner.map(|at| at as f64));
            let out = window.size.of(size).map(|side| side as f64);
            map(&|[x, y]| [(x - left) * factors[1], (y - top) * factors[0]], out, false);
        }
        Motion::Affine(affine) => {
            let ([a, b, x0], [c, d, y0]) = (affine.map.x, affine.map.y);
            let over = 1.0 / (a * d - b * c);
            let place = |[x, y]: Place| {
                let (x, y) = (x - 0.5 * w - x0, y - 0.5 * h - y0);
                [(d * x - b * y) * over + 0.5 * w, (a * y - c * x) * over + 0.5 * h]
            };
            for object in objects.iter_mut() {
                object.settle();
                object.map(place, [h, w], pairs, false);
            }
        }
        Motion::Projective(motion) => {
            objects.iter_mut().for_each(Object::settle);
            let Some(forth) = motion.forth() else { return };
            let [height, width] = motion.sides;
            let place = |[x, y]: Place| {
                let [x, y, depth] = forth.apply([x * (1.0 / width), y * (1.0 / height)]);
                let depth = depth.max(HORIZON * forth.0[2][2]);
                [x / depth, y / depth]
            };
            for object in objects.iter_mut() {
                object.map(place, [h, w], pairs, false);
            }
        }
        Motion::Cells(cells) => objects.iter_mut().for_each(|object| object.scatter(cells, size)),
        Motion::Displaced(motion) => {
            let field = Spline { shifts: &motion.shifts, size };
            for object in objects.iter_mut() {
                object.displace(&field);
            }
        }
        Motion::Chain(parts) => {
            let mut size = size;
            for part in parts {
                follow(objects, part, size, pairs);
                if let Motion::Window(window) = part {
                    size = window.size.of(size);
                }
            }
        }
    }
}

/// Rows and columns of the result for each of the input.
fn factors(window: &Window<Row>, size: [usize; 2]) -> [f64; 2] {
    let out = window.size.of(size);
    match &window.stretch {
        None => [1.0; 2],
        Some(stretched) => [0, 1].map(|axis| out[axis] as f64 * (1.0 / stretched.length[axis] as f64)),
    }
}

/// The objects of a sample with rectangles that show others.
fn collage(before: &[Vec<Object>], row: usize, patches: &[Patch<Row>], [height, width]: [usize; 2]) -> Vec<Object> {
    // A collage covers the image, so that what a sample shows of itself is one of its rectangles.
    let whole = patches.len() > 1;
    let patches = || patches.iter().filter(|patch| !patch.is_empty());
    let mut objects = if whole { Vec::new() } else { before[row].clone() };
    for patch in patches() {
        let is_own_place = patch.source(row) == row && patch.shows == Shows::Place;
        if is_own_place && !whole {
            continue;
        }
        let hole = bounds_of(patch.edges);
        // The rectangles of a collage lie beside each other, and only their borders would meet.
        for object in objects.iter_mut().filter(|_| !whole) {
            object.cover(hole);
        }
        let shown = before[patch.source(row)].iter().map(|object| {
            let mut object = object.clone();
            if patch.shows != Shows::Place {
                let [rows, columns] = patch.sides();
                let [y, x] = [rows as f64 * (1.0 / height as f64), columns as f64 * (1.0 / width as f64)];
                let place = |at: Place| [hole[0] + at[0] * x, hole[1] + at[1] * y];
                object.map(place, [height as f64, width as f64], &[], false);
            }
            object.frame = meet(object.frame, hole);
            object
        });
        objects.extend(shown.collect::<Vec<_>>());
    }
    objects
}
