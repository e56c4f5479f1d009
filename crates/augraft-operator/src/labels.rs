//! Soft labels that stay the share of what each sample shows, through any chain of steps.

use std::sync::Arc;

use ndarray::{Array2, ArrayViewMut1, Axis};

use crate::mixing::{Mixing, Region};
use crate::motion::Motion;
use crate::pieces::{Weights, blend};
use crate::provenance::Provenance;
use crate::scalar::Row;
use crate::scratch::Scratch;

/// Weights below this come from rounding of products of `lam`, not from a share of the elements.
const NOTHING: f64 = 1e-9;

/// Soft labels and where they come from.
///
/// A label is the mean over the visible elements of a sample of the labels of what is there. Which sample that is, and how much of it shows, is kept
/// apart from the classes, and looked up when [`soft`](Self::soft) is asked for.
#[derive(Debug, Clone)]
pub struct Labels {
    /// What the samples were labeled before anything was mixed.
    labeled: Arc<Vec<Labeled>>,
    classes: usize,
    /// Which of these each sample is itself.
    own: Vec<u32>,
    /// Factor and summand of every class weight, in order.
    smoothing: Vec<[f32; 2]>,
    state: Provenance,
    /// A mixing of whole samples by regions that came last, whose planes are only made if another step follows.
    later: Option<Later>,
}

/// A sample before anything was mixed: the weights of its classes, and of the samples of the data set in it.
#[derive(Debug)]
struct Labeled {
    classes: Vec<(usize, f32)>,
    sources: Vec<(u64, f32)>,
}

#[derive(Debug, Clone)]
struct Later {
    partner: Vec<usize>,
    regions: Vec<Arc<Region>>,
    grid: [usize; 2],
}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        self.soft() == other.soft() && self.sources() == other.sources()
    }
}

impl Labels {
    /// Labels as given, N x K; `sources` are those of each sample, itself first.
    #[must_use]
    pub fn new(soft: &Array2<f32>, sources: Vec<Vec<(u64, f32)>>) -> Self {
        let labeled = soft.outer_iter().zip(sources).map(|(weights, sources)| {
            let classes = weights.iter().copied().enumerate().filter(|(_, weight)| *weight != 0.0).collect();
            Labeled { classes, sources }
        });
        Self::of(labeled.collect(), soft.ncols())
    }

    /// One-hot labels over `classes` classes for the samples `index`.
    #[must_use]
    pub fn one_hot(labels: &[Option<usize>], classes: usize, index: &[u64]) -> Self {
        let lists: Vec<Vec<usize>> = labels.iter().map(|label| label.iter().copied().collect()).collect();
        Self::multi_hot(&lists, classes, index)
    }

    /// Labels over `classes` classes for the samples `index`, each of which has any number of classes.
    #[must_use]
    pub fn multi_hot(labels: &[Vec<usize>], classes: usize, index: &[u64]) -> Self {
        let labeled = labels.iter().zip(index).map(|(labels, index)| {
            let mut known: Vec<usize> = labels.iter().copied().filter(|class| *class < classes).collect();
            known.sort_unstable();
            known.dedup();
            Labeled { classes: known.into_iter().map(|class| (class, 1.0)).collect(), sources: vec![(*index, 1.0)] }
        });
        Self::of(labeled.collect(), classes)
    }

    fn of(labeled: Vec<Labeled>, classes: usize) -> Self {
        let own: Vec<u32> = (0..labeled.len() as u32).collect();
        let state = Provenance::Whole(own.iter().map(|source| vec![(*source, 1.0)]).collect());
        Self { labeled: Arc::new(labeled), classes, own, smoothing: Vec::new(), state, later: None }
    }

    /// Number of classes; 0 without labels.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Class weights, N x K.
    #[must_use]
    pub fn soft(&self) -> Array2<f32> {
        let mut soft = Array2::zeros([self.own.len(), self.classes]);
        self.write_soft(&mut soft);
        soft
    }

    /// Writes the class weights into an array N x K of any content.
    ///
    /// # Panics
    /// When the array has another shape.
    pub fn write_soft(&self, soft: &mut Array2<f32>) {
        assert_eq!(soft.dim(), (self.own.len(), self.classes), "an array of as many samples and classes");
        for (row, weights) in soft.axis_iter_mut(Axis(0)).zip(self.totals()) {
            self.write_row(row, &weights);
        }
    }

    fn write_row(&self, mut row: ArrayViewMut1<'_, f32>, weights: &Weights) {
        let smooth =
            |weight: f32| self.smoothing.iter().fold(weight, |weight, [factor, offset]| weight * factor + offset);
        let nothing = smooth(0.0);
        let elsewhere =
            if nothing == 0.0 { 0.0 } else { weights.iter().map(|(_, share)| share * f64::from(nothing)).sum() };
        row.fill(elsewhere as f32);
        let sources = || weights.iter().map(|(source, share)| (&self.labeled[*source as usize].classes, share));
        for (class, _) in sources().flat_map(|(classes, _)| classes) {
            let of = |classes: &[(usize, f32)]| {
                classes.iter().find(|(known, _)| known == class).map_or(0.0, |(_, weight)| *weight)
            };
            row[*class] = sources().map(|(classes, share)| f64::from(smooth(of(classes))) * share).sum::<f64>() as f32;
        }
    }

    /// For each sample, the samples in it (index in the data set) and their weights: the sample itself, then the others by index.
    #[must_use]
    pub fn sources(&self) -> Vec<Vec<(u64, f32)>> {
        let of = |(own, weights): (&u32, Weights)| {
            let mut sums: Vec<(u64, f64)> =
                self.labeled[*own as usize].sources.first().map(|(index, _)| (*index, 0.0)).into_iter().collect();
            for (source, share) in weights {
                for (index, weight) in &self.labeled[source as usize].sources {
                    let amount = f64::from(*weight) * share;
                    match sums.iter_mut().find(|(known, _)| known == index) {
                        Some((_, sum)) => *sum += amount,
                        None => sums.push((*index, amount)),
                    }
                }
            }
            if let Some(others) = sums.get_mut(1..) {
                others.sort_by_key(|(index, _)| *index);
            }
            let shown = sums.into_iter().enumerate().filter(|(at, (_, sum))| *at == 0 || sum.abs() > NOTHING);
            shown.map(|(_, (index, sum))| (index, sum as f32)).collect()
        };
        self.own.iter().zip(self.totals()).map(of).collect()
    }

    /// The weights of the sources of each sample, which sum to 1; the sample itself where nothing is visible.
    fn totals(&self) -> Vec<Weights> {
        let mut totals = match (&self.later, &self.state) {
            (Some(later), Provenance::Whole(rows)) => {
                let pixels = later.grid.iter().product();
                let mixed =
                    |row: usize| blend(&rows[row], &rows[later.partner[row]], 1.0 - later.regions[row].share(pixels));
                (0..rows.len()).map(mixed).collect()
            }
            (_, state) => state.totals(),
        };
        for (weights, own) in totals.iter_mut().zip(&self.own).filter(|(weights, _)| weights.is_empty()) {
            weights.push((*own, 1.0));
        }
        totals
    }

    /// Moves a share of every class weight elsewhere: each becomes `weight * factor + offset`.
    pub fn smooth(&mut self, factor: f32, offset: f32) {
        self.smoothing.push([factor, offset]);
    }

    /// Mixes the labels of whole samples: `lam` of each with `1 - lam` of its partner; where things are is forgotten.
    pub fn blend(&mut self, lam: &[f64], partner: &[usize]) {
        let totals = self.totals();
        let mixed = |row: usize| blend(&totals[row], &totals[partner[row]], lam[row]);
        self.state = Provenance::Whole((0..totals.len()).map(mixed).collect());
        self.later = None;
    }

    /// Mixes as the pixels on planes of `grid` are mixed.
    pub(crate) fn mix(
        &mut self,
        mixings: &[Mixing<Row>],
        regions: &[Arc<Region>],
        grid: [usize; 2],
        scratch: &mut Scratch,
    ) {
        if let None | Some(Mixing::None | Mixing::Values { .. }) = mixings.first() {
            return;
        }
        self.settle(scratch);
        let is_whole = matches!(self.state, Provenance::Whole(_));
        if is_whole && matches!(mixings.first(), Some(Mixing::Region { .. })) {
            let partner = mixings.iter().enumerate().map(|(row, mixing)| mixing.partner(row)).collect();
            self.later = Some(Later { partner, regions: regions.to_vec(), grid });
            return;
        }
        self.state.mix(mixings, regions, grid, scratch);
    }

    /// Moves as the pixels do.
    pub(crate) fn follow(&mut self, motions: &[&Motion<Row>], scratch: &mut Scratch) {
        if motions.first().is_none_or(|motion| motion.is_stay()) {
            return;
        }
        self.settle(scratch);
        self.state.follow(motions, scratch);
    }

    /// Takes the labels as they are for whole samples: behind a part of a model, nobody knows where things are.
    pub fn forget_places(&mut self) {
        self.state = Provenance::Whole(self.totals());
        self.later = None;
    }

    /// Takes the labels at these rows.
    pub(crate) fn select(&mut self, rows: &[usize]) {
        self.settle(&mut Scratch::default());
        self.state.select(rows);
        self.own = rows.iter().map(|row| self.own[*row]).collect();
    }

    /// Makes the planes of a mixing that was put off.
    fn settle(&mut self, scratch: &mut Scratch) {
        let Some(later) = self.later.take() else { return };
        let mixing = |partner: &usize| Mixing::Region { partner: *partner as i64, soft: true };
        let mixings: Vec<_> = later.partner.iter().map(mixing).collect();
        self.state.mix(&mixings, &later.regions, later.grid, scratch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothing_comes_before_mixing_as_it_is_linear() {
        let mut labels = Labels::one_hot(&[Some(0), Some(1)], 4, &[7, 8]);
        labels.smooth(0.9, 0.025);
        labels.blend(&[0.5, 1.0], &[1, 0]);
        let soft = labels.soft();
        assert!((soft[[0, 0]] - 0.475).abs() < 1e-6 && (soft[[0, 2]] - 0.025).abs() < 1e-6, "{soft}");
        assert_eq!(labels.sources(), [vec![(7, 0.5), (8, 0.5)], vec![(8, 1.0)]]);
    }

    #[test]
    fn a_sample_keeps_its_first_place_where_it_is_gone() {
        let mut labels = Labels::one_hot(&[Some(0), Some(1)], 2, &[7, 8]);
        labels.blend(&[0.0, 1.0], &[1, 0]);
        assert_eq!(labels.sources(), [vec![(7, 0.0), (8, 1.0)], vec![(8, 1.0)]]);
    }
}
