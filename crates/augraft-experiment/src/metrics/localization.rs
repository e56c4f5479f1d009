//! How well a map of scores points at the object.
//!
//! Coordinates are in elements of the map from its top left corner, rows downwards.

use ndarray::{Array2, ArrayView2};

/// Share of the largest score from which an element counts as object in [`loc`] (Zhou et al., CVPR 2016, use 0.2;
/// Yun et al., "CutMix", ICCV 2019, 0.15).
pub const LOC_THRESHOLD: f64 = 0.15;

/// Overlap that a box must exceed in [`loc`].
pub const LOC_IOU: f64 = 0.5;

/// Number of thresholds of [`box_ious`], from 0 in steps of 0.01.
const THRESHOLDS: u32 = 100;

/// An axis-parallel rectangle, ends exclusive; empty when an end is not after its start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rect {
    /// First row.
    pub top: f64,
    /// First column.
    pub left: f64,
    /// Row after the last.
    pub bottom: f64,
    /// Column after the last.
    pub right: f64,
}

impl Rect {
    fn area(&self) -> f64 {
        (self.bottom - self.top).max(0.0) * (self.right - self.left).max(0.0)
    }

    fn join(self, other: Self) -> Self {
        Self {
            top: self.top.min(other.top),
            left: self.left.min(other.left),
            bottom: self.bottom.max(other.bottom),
            right: self.right.max(other.right),
        }
    }
}

/// Overlaps of the boxes of one image with its ground truth, one for each threshold 0, 0.01, .. 0.99.
#[derive(Debug, Clone, PartialEq)]
pub struct BoxIous {
    /// Of the box around the largest component.
    pub largest: Vec<f64>,
    /// Of the best box around any component.
    pub best: Vec<f64>,
}

/// Scales a map to 0..=1 by its minimum and maximum.
///
/// Zeros when the map is constant or its range is not finite; NaN elements stay NaN.
pub fn normalize(map: ArrayView2<f32>) -> Array2<f32> {
    let low = f64::from(map.iter().copied().fold(f32::INFINITY, f32::min));
    let range = f64::from(map.iter().copied().fold(f32::NEG_INFINITY, f32::max)) - low;
    if !(range > 0.0 && range.is_finite()) {
        return Array2::zeros(map.dim());
    }
    map.mapv(|value| ((f64::from(value) - low) / range) as f32)
}

/// The 8-connected components of a mask: the tightest rectangle around each and its number of elements.
///
/// In the order of their first elements, row by row.
pub fn components(mask: ArrayView2<bool>) -> Vec<(Rect, usize)> {
    let mut runs: Vec<Run> = Vec::new();
    let mut above = 0..0;
    for (row, line) in mask.rows().into_iter().enumerate() {
        let first = runs.len();
        for (column, _) in line.iter().enumerate().filter(|(_, set)| **set) {
            match runs[first..].last_mut() {
                Some(run) if run.end == column => run.end += 1,
                _ => runs.push(Run { row, start: column, end: column + 1, parent: runs.len() }),
            }
        }
        link(&mut runs, above, first);
        above = first..runs.len();
    }
    collect(&mut runs)
}

/// The tightest rectangle around the largest component of `map >= threshold * max`, of equal ones the first.
///
/// `None` when no score is positive or the maximum is not finite.
pub fn largest_box(map: ArrayView2<f32>, threshold: f64) -> Option<Rect> {
    let top = f64::from(map.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    if !(top > 0.0 && top.is_finite()) {
        return None;
    }
    let mask = map.mapv(|value| f64::from(value) >= threshold * top);
    largest(&components(mask.view()))
}

/// Intersection over union of two rectangles, 0 to 1; 0 when either is empty.
pub fn iou(a: &Rect, b: &Rect) -> f64 {
    let common = Rect {
        top: a.top.max(b.top),
        left: a.left.max(b.left),
        bottom: a.bottom.min(b.bottom),
        right: a.right.min(b.right),
    };
    let inside = common.area();
    if inside > 0.0 { inside / (a.area() + b.area() - inside) } else { 0.0 }
}

/// Whether a sample counts for Top-1 Loc: its class is `right`, and the box of `map` overlaps a ground truth by more
/// than [`LOC_IOU`].
///
/// The box is [`largest_box`] at [`LOC_THRESHOLD`]; `map` has the size of the image, in whose elements `truth` is.
pub fn loc(right: bool, map: ArrayView2<f32>, truth: &[Rect]) -> bool {
    right && localized(map, LOC_THRESHOLD, truth)
}

/// Says whether the box around the largest part of `map` at or above `threshold` times its maximum has an IoU above [`LOC_IOU`] with a box of `truth`.
pub fn localized(map: ArrayView2<f32>, threshold: f64, truth: &[Rect]) -> bool {
    largest_box(map, threshold).is_some_and(|found| best_iou(&[(found, 1)], truth) > LOC_IOU)
}

/// Overlaps of one image for [`max_box_acc`], of the components of `map >= threshold` with the best of `truth`.
///
/// `map` is a score map after [`normalize`]. The area of a component is its number of elements, and scores are not
/// rounded; the code of Choe et al., "Evaluating Weakly Supervised Object Localization Methods Right" (CVPR 2020),
/// rounds them to 8 bits and takes the area within the contour. An overlap is 0 where no element reaches the threshold.
pub fn box_ious(map: ArrayView2<f32>, truth: &[Rect]) -> BoxIous {
    let mut ious = BoxIous { largest: Vec::new(), best: Vec::new() };
    for step in 0..THRESHOLDS {
        let threshold = f64::from(step) / f64::from(THRESHOLDS);
        let found = components(map.mapv(|value| f64::from(value) >= threshold).view());
        ious.largest.push(largest(&found).map_or(0.0, |found| best_iou(&[(found, 1)], truth)));
        ious.best.push(best_iou(&found, truth));
    }
    ious
}

/// MaxBoxAcc: the share of images whose overlap is at least `level`, at the threshold at which it is largest.
///
/// `ious` holds for each image its overlaps by threshold, [`BoxIous::largest`] with level 0.5 for the first version of
/// the metric (Choe et al., CVPR 2020). Thresholds that an image lacks count as missed; NaN without images.
pub fn max_box_acc<T: AsRef<[f64]>>(ious: &[T], level: f64) -> f64 {
    let hits = |step: usize| {
        ious.iter().filter(|image| image.as_ref().get(step).is_some_and(|&overlap| overlap >= level)).count()
    };
    let steps = ious.iter().map(|image| image.as_ref().len()).max().unwrap_or(0);
    (0..steps).map(hits).max().unwrap_or(0) as f64 / ious.len() as f64
}

/// `MaxBoxAccV2`: the mean of [`max_box_acc`] at the levels 0.3, 0.5 and 0.7, each at its own best threshold.
///
/// `ious` holds [`BoxIous::best`] of each image. Choe et al., "Evaluation for Weakly Supervised Object Localization:
/// Protocol, Metrics, and Datasets" (TPAMI 2022). NaN without images.
pub fn max_box_acc_v2<T: AsRef<[f64]>>(ious: &[T]) -> f64 {
    super::mean(&[0.3, 0.5, 0.7].map(|level| max_box_acc(ious, level)))
}

/// Share of the positive part of `map` that lies inside `region`, 0 to 1.
///
/// NaN elements count as none. NaN when no score is positive or the shapes differ.
pub fn energy_share(map: ArrayView2<f32>, region: ArrayView2<bool>) -> f64 {
    if map.dim() != region.dim() {
        return f64::NAN;
    }
    let mut inside = 0.0;
    let mut total = 0.0;
    for (&value, &within) in map.iter().zip(region) {
        let energy = f64::from(value.max(0.0));
        total += energy;
        inside += if within { energy } else { 0.0 };
    }
    inside / total
}

/// Neighboring elements of a row of a mask, and a run of the same component that comes before it or is itself.
struct Run {
    row: usize,
    start: usize,
    end: usize,
    parent: usize,
}

/// Joins the runs of a row, from `first` on, with those they touch in the row `above`, corners included.
fn link(runs: &mut [Run], above: std::ops::Range<usize>, first: usize) {
    let mut upper = above.start;
    for run in first..runs.len() {
        while upper < above.end && runs[upper].end < runs[run].start {
            upper += 1;
        }
        let mut touching = upper;
        while touching < above.end && runs[touching].start <= runs[run].end {
            let [a, b] = [root(runs, run), root(runs, touching)];
            runs[a.max(b)].parent = a.min(b);
            touching += 1;
        }
    }
}

fn root(runs: &mut [Run], mut run: usize) -> usize {
    while runs[run].parent != run {
        runs[run].parent = runs[runs[run].parent].parent;
        run = runs[run].parent;
    }
    run
}

fn collect(runs: &mut [Run]) -> Vec<(Rect, usize)> {
    let mut found: Vec<(Rect, usize)> = Vec::new();
    let mut places = vec![0; runs.len()];
    for i in 0..runs.len() {
        let root = root(runs, i);
        let Run { row, start, end, .. } = runs[i];
        let rect = Rect { top: row as f64, left: start as f64, bottom: (row + 1) as f64, right: end as f64 };
        if root == i {
            places[i] = found.len();
            found.push((rect, 0));
        }
        let component = &mut found[places[root]];
        component.0 = component.0.join(rect);
        component.1 += end - start;
    }
    found
}

fn largest(found: &[(Rect, usize)]) -> Option<Rect> {
    found.iter().rev().max_by_key(|(_, area)| *area).map(|(rect, _)| *rect)
}

fn best_iou(found: &[(Rect, usize)], truth: &[Rect]) -> f64 {
    found.iter().flat_map(|(rect, _)| truth.iter().map(|other| iou(rect, other))).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    const fn rect(top: f64, left: f64, bottom: f64, right: f64) -> Rect {
        Rect { top, left, bottom, right }
    }

    #[test]
    fn corners_connect() {
        let mask = array![[true, false, false, true], [false, true, false, true], [false, false, false, false]];
        assert_eq!(components(mask.view()), [(rect(0.0, 0.0, 2.0, 2.0), 2), (rect(0.0, 3.0, 2.0, 4.0), 2)]);
        assert!(components(Array2::from_elem((0, 0), true).view()).is_empty());
    }

    #[test]
    fn arms_that_meet_below_are_one() {
        let mask = array![
            [true, false, true, false, true],
            [true, false, true, false, true],
            [false, true, true, true, false]
        ];
        assert_eq!(components(mask.view()), [(rect(0.0, 0.0, 3.0, 5.0), 9)]);
    }

    #[test]
    fn first_of_equal_components_wins() {
        let map = array![[1.0, 0.0, 0.5], [0.0, 0.0, 0.0], [0.2, 0.0, 0.3]];
        assert_eq!(largest_box(map.view(), 0.15), Some(rect(0.0, 0.0, 1.0, 1.0)));
        assert_eq!(largest_box(array![[0.0, 0.0]].view(), 0.15), None);
        assert_eq!(largest_box(array![[f32::NAN, 1.0]].view(), 0.15), Some(rect(0.0, 1.0, 1.0, 2.0)));
    }

    #[test]
    fn normalized_maps_span_the_unit_interval() {
        assert_eq!(normalize(array![[-1.0, 3.0], [0.0, 1.0]].view()), array![[0.0, 1.0], [0.25, 0.5]]);
        assert_eq!(normalize(array![[4.0, 4.0]].view()), array![[0.0, 0.0]]);
        assert_eq!(normalize(array![[f32::MIN, f32::MAX]].view()), array![[0.0, 1.0]]);
        assert_eq!(normalize(array![[f32::INFINITY, 1.0]].view()), array![[0.0, 0.0]]);
    }

    #[test]
    fn overlap_of_empty_rectangles_is_zero() {
        let unit = rect(0.0, 0.0, 1.0, 1.0);
        assert_eq!(iou(&unit, &unit), 1.0);
        assert_eq!(iou(&unit, &rect(0.0, 0.0, 1.0, 0.5)), 0.5);
        assert_eq!(iou(&unit, &rect(1.0, 0.0, 2.0, 1.0)), 0.0);
        assert_eq!(iou(&rect(1.0, 1.0, 0.0, 0.0), &unit), 0.0);
    }

    #[test]
    fn half_an_overlap_is_not_enough() {
        let map = array![[1.0, 1.0], [0.0, 0.0]];
        assert!(loc(true, map.view(), &[rect(0.0, 0.0, 1.0, 2.0)]));
        assert!(!loc(false, map.view(), &[rect(0.0, 0.0, 1.0, 2.0)]));
        assert!(!loc(true, map.view(), &[rect(0.0, 0.0, 2.0, 2.0)]));
        assert!(!loc(true, map.view(), &[]));
    }

    #[test]
    fn versions_differ_where_a_small_component_is_right() {
        let map = array![[1.0, 0.0, 0.6], [0.0, 0.0, 0.6]];
        let ious = box_ious(map.view(), &[rect(0.0, 0.0, 1.0, 1.0)]);
        assert_eq!((ious.largest[0], ious.best[0]), (1.0 / 6.0, 1.0 / 6.0));
        assert_eq!((ious.largest[30], ious.best[30]), (0.0, 1.0));
        assert_eq!((ious.largest[99], ious.best[99]), (1.0, 1.0));
        assert_eq!(max_box_acc(&[&ious.largest[..], &[0.5; 70]], 0.5), 1.0);
        assert_eq!(max_box_acc_v2(&[vec![0.6, 0.2], vec![0.0, 0.4]]), (0.5 + 0.5 + 0.0) / 3.0);
        assert!(max_box_acc_v2::<Vec<f64>>(&[]).is_nan());
    }

    #[test]
    fn energy_counts_the_positive_part() {
        let map = array![[1.0, -5.0], [3.0, 0.0]];
        assert_eq!(energy_share(map.view(), array![[true, true], [false, true]].view()), 0.25);
        assert!(energy_share(map.view(), array![[true, true]].view()).is_nan());
        assert!(energy_share(array![[-1.0]].view(), array![[true]].view()).is_nan());
    }
}
