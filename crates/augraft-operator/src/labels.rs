//! Soft labels that stay the share of what each sample shows, through any number of mixing steps.

use std::sync::Arc;

use ndarray::Array2;

/// A rectangle `[top, left, bottom, right]` in elements of a plane, ends exclusive; empty when an end is not after its start.
pub type Rectangle = [i64; 4];

/// Weights below this come from rounding of products of `lam`, not from a share of the elements.
const NOTHING: f64 = 1e-9;

/// Soft labels and where they come from.
///
/// A label is the mean over the elements of a sample of the labels of what is there. Pastes are kept as rectangles, so that a second paste counts what
/// it covers of the first.
#[derive(Debug, Clone, PartialEq)]
pub struct Labels {
    /// Class weights, N x K; K is 0 without labels.
    pub soft: Array2<f32>,
    /// For each sample, the source samples (index in the data set) and their weights; the first is the sample itself.
    pub sources: Vec<Vec<(u64, f32)>>,
    history: History,
    base: Option<Arc<Base>>,
}

/// Labels before the mixing steps of a history.
#[derive(Debug, PartialEq)]
struct Base {
    soft: Array2<f32>,
    sources: Vec<Vec<(u64, f32)>>,
}

/// One mixing step over a batch.
#[derive(Debug, PartialEq)]
enum Mix {
    /// What the partner brings is as it was after the first `before` steps.
    Paste {
        boxes: Vec<Rectangle>,
        partner: Vec<usize>,
        before: usize,
    },
    Blend {
        lam: Vec<f32>,
        partner: Vec<usize>,
    },
    Mirror {
        axis: Mirror,
        apply: Vec<bool>,
    },
}

/// A reflection of a plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mirror {
    /// Left and right change places.
    Columns,
    /// Top and bottom change places.
    Rows,
}

/// Mixing steps on one grid, in order.
#[derive(Debug, Clone, PartialEq)]
struct History {
    mixes: Vec<Arc<Mix>>,
    grid: Option<[usize; 2]>,
}

impl History {
    const EMPTY: Self = Self { mixes: Vec::new(), grid: None };

    /// The grid of the boxes; a single element when nothing was pasted.
    fn extent(&self) -> [i64; 2] {
        self.grid.unwrap_or([1, 1]).map(|side| side as i64)
    }

    /// Whether a paste on `grid` continues this history.
    fn fits(&self, grid: [usize; 2]) -> bool {
        self.grid.is_none_or(|known| known == grid)
    }
}

impl Labels {
    /// Labels as given; `sources` are those of each sample, itself first.
    #[must_use]
    pub fn new(soft: Array2<f32>, sources: Vec<Vec<(u64, f32)>>) -> Self {
        Self { soft, sources, history: History::EMPTY, base: None }
    }

    /// One-hot labels over `classes` classes for the samples `index`.
    #[must_use]
    pub fn one_hot(labels: &[Option<usize>], classes: usize, index: &[u64]) -> Self {
        let mut soft = Array2::zeros([labels.len(), classes]);
        for (row, label) in labels.iter().enumerate() {
            if let Some(class) = label.filter(|class| *class < classes) {
                soft[[row, class]] = 1.0;
            }
        }
        Self::new(soft, index.iter().map(|&index| vec![(index, 1.0)]).collect())
    }

    /// Labels over `classes` classes for the samples `index`, each of which has any number of classes.
    #[must_use]
    pub fn multi_hot(labels: &[Vec<usize>], classes: usize, index: &[u64]) -> Self {
        let mut soft = Array2::zeros([labels.len(), classes]);
        for (row, labels) in labels.iter().enumerate() {
            for class in labels.iter().filter(|class| **class < classes) {
                soft[[row, *class]] = 1.0;
            }
        }
        Self::new(soft, index.iter().map(|&index| vec![(index, 1.0)]).collect())
    }

    /// Mixes as the pixels are when each sample gets, inside its box, what its partner had there; boxes lie on a plane of `grid` (height, width).
    pub fn paste(&mut self, boxes: Vec<Rectangle>, partner: &[usize], grid: [usize; 2]) {
        if !self.history.fits(grid) {
            self.forget_boxes();
        }
        self.history.grid = Some(grid);
        self.mix(Mix::Paste { boxes, partner: partner.to_vec(), before: self.history.mixes.len() });
    }

    /// Pastes several boxes into each sample, later ones over earlier ones, all from the partners as they were before the first.
    pub fn collage(&mut self, parts: Vec<(Vec<Rectangle>, Vec<usize>)>, grid: [usize; 2]) {
        if !self.history.fits(grid) {
            self.forget_boxes();
        }
        self.history.grid = Some(grid);
        let before = self.history.mixes.len();
        let Some((last, first)) = parts.split_last() else { return };
        let paste =
            |(boxes, partner): &(_, _)| Mix::Paste { boxes: Vec::clone(boxes), partner: Vec::clone(partner), before };
        self.base();
        self.history.mixes.extend(first.iter().map(|part| Arc::new(paste(part))));
        self.mix(paste(last));
    }

    /// Takes the labels at these rows, as they are for whole samples.
    pub fn select(&mut self, rows: &[usize]) {
        self.soft = self.soft.select(ndarray::Axis(0), rows);
        self.sources = rows.iter().map(|row| self.sources[*row].clone()).collect();
        self.forget_boxes();
    }

    /// Replaces every class weight by `weight * factor + offset`, in f32; as for whole samples from here on.
    pub fn smooth(&mut self, factor: f32, offset: f32) {
        self.soft.mapv_inplace(|weight| weight * factor + offset);
        self.forget_boxes();
    }

    /// Mixes `lam` of each sample with `1 - lam` of its partner.
    pub fn blend(&mut self, lam: Vec<f32>, partner: &[usize]) {
        self.mix(Mix::Blend { lam, partner: partner.to_vec() });
    }

    /// Reflects the boxes of the samples that `apply` names, as their pixels are.
    pub fn mirror(&mut self, axis: Mirror, apply: Vec<bool>) {
        if !self.history.mixes.is_empty() {
            self.history.mixes.push(Arc::new(Mix::Mirror { axis, apply }));
        }
    }

    /// Takes the labels as they are for whole samples: after a crop or a resize, the boxes of earlier pastes say nothing.
    pub fn forget_boxes(&mut self) {
        self.history = History::EMPTY;
        self.base = None;
    }

    /// The labels before the history.
    fn base(&mut self) -> Arc<Base> {
        let whole = || Arc::new(Base { soft: self.soft.clone(), sources: self.sources.clone() });
        self.base.get_or_insert_with(whole).clone()
    }

    fn mix(&mut self, mix: Mix) {
        let base = self.base();
        self.history.mixes.push(Arc::new(mix));
        let [height, width] = self.history.extent();
        let total = (height * width) as f64;
        let whole = [0, 0, height, width];
        let plane = [height, width];
        for row in 0..self.sources.len() {
            let label = |sample: usize, amount: f64| {
                base.soft.row(sample).iter().map(|weight| f64::from(*weight) * amount).collect()
            };
            let soft: Option<Vec<f64>> = measure(&self.history.mixes, plane, row, whole, 1.0, &label, &sum);
            for (weight, sum) in self.soft.row_mut(row).iter_mut().zip(soft.iter().flatten()) {
                *weight = (sum / total) as f32;
            }
            let scaled = |sample: usize, amount: f64| {
                base.sources[sample].iter().map(|(index, weight)| (*index, f64::from(*weight) * amount)).collect()
            };
            let sources: Option<Vec<(u64, f64)>> =
                measure(&self.history.mixes, plane, row, whole, 1.0, &scaled, &merge);
            let own = base.sources[row].first().map(|(index, _)| (*index, 0.0));
            let sources = merge(own.into_iter().collect(), sources.unwrap_or_default());
            let shown = sources.iter().enumerate().filter(|(at, (_, sum))| *at == 0 || sum.abs() > NOTHING * total);
            self.sources[row] = shown.map(|(_, (index, sum))| (*index, (sum / total) as f32)).collect();
        }
    }
}

fn sum(mut a: Vec<f64>, b: Vec<f64>) -> Vec<f64> {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
    a
}

/// Adds the weights of equal sources; the order of the first list is kept.
fn merge(mut a: Vec<(u64, f64)>, b: Vec<(u64, f64)>) -> Vec<(u64, f64)> {
    for (index, weight) in b {
        match a.iter_mut().find(|(known, _)| *known == index) {
            Some((_, sum)) => *sum += weight,
            None => a.push((index, weight)),
        }
    }
    a
}

/// Sums, over what `rectangle` of sample `row` shows, `leaf(sample before the mixes, elements * weight)`; none where the rectangle is empty.
///
/// A paste is what was there, less what it covers, plus what it brings: amounts may be negative. A graph adds in the same order.
fn measure<A>(
    mixes: &[Arc<Mix>],
    plane: [i64; 2],
    row: usize,
    rectangle: Rectangle,
    weight: f64,
    leaf: &impl Fn(usize, f64) -> A,
    add: &impl Fn(A, A) -> A,
) -> Option<A> {
    let [top, left, bottom, right] = rectangle;
    let area = (bottom - top).max(0) * (right - left).max(0);
    if area == 0 {
        return None;
    }
    let Some((last, before)) = mixes.split_last() else {
        return Some(leaf(row, weight * area as f64));
    };
    let part = |row, rectangle, weight| measure(before, plane, row, rectangle, weight, leaf, add);
    let parts = match &**last {
        Mix::Paste { boxes, partner, before: state } => {
            let [from_top, from_left, to_bottom, to_right] = boxes[row];
            let covered = [top.max(from_top), left.max(from_left), bottom.min(to_bottom), right.min(to_right)];
            let brought = measure(&mixes[..*state], plane, partner[row], covered, weight, leaf, add);
            [part(row, rectangle, weight), part(row, covered, -weight), brought]
        }
        Mix::Blend { lam, partner } => {
            let lam = f64::from(lam[row]);
            [part(row, rectangle, weight * lam), part(partner[row], rectangle, weight * (1.0 - lam)), None]
        }
        Mix::Mirror { apply, .. } if !apply[row] => [part(row, rectangle, weight), None, None],
        Mix::Mirror { axis: Mirror::Columns, .. } => {
            [part(row, [top, plane[1] - right, bottom, plane[1] - left], weight), None, None]
        }
        Mix::Mirror { axis: Mirror::Rows, .. } => {
            [part(row, [plane[0] - bottom, left, plane[0] - top, right], weight), None, None]
        }
    };
    parts.into_iter().flatten().reduce(add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(labels: &Labels, row: usize) -> Vec<(u64, f32)> {
        labels.sources[row].clone()
    }

    #[test]
    fn a_paste_that_covers_another_takes_its_share() {
        let mut labels = Labels::one_hot(&[Some(0), Some(1), Some(2)], 3, &[10, 11, 12]);
        labels.paste(vec![[0, 0, 2, 2], [0; 4], [0; 4]], &[1, 0, 2], [4, 4]);
        assert_eq!(weights(&labels, 0), [(10, 0.75), (11, 0.25)]);
        labels.paste(vec![[0, 0, 2, 4], [0; 4], [0; 4]], &[2, 1, 0], [4, 4]);
        assert_eq!(weights(&labels, 0), [(10, 0.5), (12, 0.5)]);
        assert_eq!(labels.soft.row(0).to_vec(), [0.5, 0.0, 0.5]);
    }

    #[test]
    fn a_paste_brings_what_its_partner_shows_there() {
        let mut labels = Labels::one_hot(&[Some(0), Some(1), Some(2)], 3, &[10, 11, 12]);
        labels.paste(vec![[0; 4], [0, 0, 4, 2], [0; 4]], &[0, 2, 1], [4, 4]);
        labels.paste(vec![[0, 0, 4, 1], [0; 4], [0; 4]], &[1, 0, 2], [4, 4]);
        assert_eq!(weights(&labels, 0), [(10, 0.75), (12, 0.25)]);
    }

    #[test]
    fn blends_multiply_and_boxes_are_forgotten() {
        let mut labels = Labels::one_hot(&[Some(0), Some(1)], 2, &[0, 1]);
        labels.paste(vec![[0, 0, 2, 4], [0; 4]], &[1, 0], [4, 4]);
        labels.blend(vec![0.5, 1.0], &[1, 0]);
        assert_eq!(weights(&labels, 0), [(0, 0.25), (1, 0.75)]);
        labels.forget_boxes();
        labels.paste(vec![[0, 0, 2, 4], [0; 4]], &[1, 0], [4, 4]);
        assert_eq!(weights(&labels, 0), [(0, 0.125), (1, 0.875)]);
    }

    #[test]
    fn boxes_move_with_mirrored_pixels() {
        for (axis, expected) in [
            (Mirror::Columns, [(10, 0.5), (11, 0.25), (12, 0.25)].to_vec()),
            (Mirror::Rows, vec![(10, 0.75), (12, 0.25)]),
        ] {
            let mut labels = Labels::one_hot(&[Some(0), Some(1), Some(2)], 3, &[10, 11, 12]);
            labels.paste(vec![[0, 0, 2, 2], [0; 4], [0; 4]], &[1, 0, 2], [4, 4]);
            labels.mirror(axis, vec![true, false, false]);
            labels.paste(vec![[2, 0, 4, 2], [0; 4], [0; 4]], &[2, 1, 0], [4, 4]);
            assert_eq!(weights(&labels, 0), expected);
        }
    }
}
