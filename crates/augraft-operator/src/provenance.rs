//! Where the visible pixels of each sample come from, natively.
//!
//! Nothing here depends on the number of classes: a source is a number, and labels are looked up at the end.
//!
//! A sample is `Whole` until a step cuts samples: shows parts of others (a paste, a collage, a region). Where a step fills in what no image shows,
//! such as the padding of a crop or the border of an affine map, the fill counts for the sample as long as samples are whole, and goes to others with
//! what they paste of it. Once samples are cut, a fill shows nothing and counts for nobody: the shares are those of what is visible. Borders that
//! repeat the image count for the source that they show. Changes of values are not looked at, so what is erased counts for the source that was there.
//! A label by another rule and a part of a model make samples whole again. `lowered_labels` holds to the same in a graph.

use std::sync::Arc;

use ndarray::{Array4, ArrayViewMut3, Axis, s};

use crate::blended_planes::{Weighed, blended_planes};
use crate::images::Images;
use crate::mix_images::mix_images;
use crate::mixing::{Mixing, Region};
use crate::motion::Motion;
use crate::move_images::{Content, move_images};
use crate::pieces::{Piece, Weights, add, area, blend, moved, overlaid, pasted};
use crate::scalar::Row;
use crate::scratch::{Scratch, parallel};

/// Rectangles of one sample beyond which planes are cheaper.
const MOST_PIECES: usize = 512;

/// What each sample of a batch shows.
#[derive(Debug, Clone)]
pub(crate) enum Provenance {
    /// The same everywhere.
    Whole(Vec<Weights>),
    /// Rectangles that do not overlap, on planes of `grid`; what none covers shows nothing.
    Pieces { grid: [usize; 2], rows: Vec<Vec<Piece>> },
    /// For each pixel the sources and their weights: channels `0..L` hold a source and one, 0 for none, the other L their weights.
    Planes(Array4<f32>),
}

impl Provenance {
    /// The weights of the sources of each sample, which sum to 1: shares of what is visible; nothing where nothing is.
    pub(crate) fn totals(&self) -> Vec<Weights> {
        let normalized = |mut sums: Weights| {
            let visible: f64 = sums.iter().map(|(_, sum)| sum).sum();
            for (_, sum) in &mut sums {
                *sum /= visible;
            }
            if visible > 0.0 { sums } else { Weights::new() }
        };
        match self {
            Self::Whole(rows) => rows.clone(),
            Self::Pieces { rows, .. } => {
                let total = |pieces: &Vec<Piece>| {
                    let mut sums = Weights::new();
                    for piece in pieces {
                        add(&mut sums, &piece.weights, area(piece.edges) as f64);
                    }
                    normalized(sums)
                };
                rows.iter().map(total).collect()
            }
            Self::Planes(stack) => {
                let mut totals = vec![Weights::new(); stack.dim().0];
                let samples: Vec<_> = stack.outer_iter().collect();
                parallel(totals.iter_mut().collect(), &samples, |totals: &mut Weights, sample| {
                    let layers = sample.dim().0 / 2;
                    let mut sums = Weights::new();
                    for layer in 0..layers {
                        let (ids, weights) =
                            (sample.index_axis(Axis(0), layer), sample.index_axis(Axis(0), layers + layer));
                        // Neighbors mostly show one source.
                        let mut run = (0f32, 0f64);
                        for (id, weight) in ids.iter().zip(weights) {
                            if *id != run.0 {
                                add_id(&mut sums, run);
                                run = (*id, 0.0);
                            }
                            run.1 += f64::from(*weight);
                        }
                        add_id(&mut sums, run);
                    }
                    *totals = normalized(sums);
                });
                totals
            }
        }
    }

    /// The samples at these rows.
    pub(crate) fn select(&mut self, rows: &[usize]) {
        match self {
            Self::Whole(known) => *known = rows.iter().map(|row| known[*row].clone()).collect(),
            Self::Pieces { rows: known, .. } => *known = rows.iter().map(|row| known[*row].clone()).collect(),
            Self::Planes(stack) => *stack = stack.select(Axis(0), rows),
        }
    }

    /// Mixes as the pixels on planes of `grid` are mixed.
    pub(crate) fn mix(
        &mut self,
        mixings: &[Mixing<Row>],
        regions: &[Arc<Region>],
        grid: [usize; 2],
        scratch: &mut Scratch,
    ) {
        match mixings.first() {
            Some(Mixing::Region { .. }) => self.become_planes(grid, scratch),
            Some(Mixing::Paste(_) | Mixing::Collage(_)) => self.become_pieces(grid),
            _ => {}
        }
        match self {
            Self::Whole(rows) => {
                let before = rows.clone();
                for (row, mixing) in mixings.iter().enumerate() {
                    let Mixing::Blend { lam, .. } = mixing else { continue };
                    rows[row] = blend(&before[row], &before[mixing.partner(row)], *lam);
                }
            }
            Self::Pieces { rows, .. } => {
                let mixed = |(row, mixing): (usize, &Mixing<Row>)| match mixing {
                    Mixing::Paste(patch) => pasted(rows, row, std::slice::from_ref(patch), grid),
                    Mixing::Collage(patches) => pasted(rows, row, patches, grid),
                    Mixing::Blend { lam, .. } => overlaid(&rows[row], &rows[mixing.partner(row)], *lam),
                    _ => rows[row].clone(),
                };
                let mixed: Vec<Vec<Piece>> = mixings.iter().enumerate().map(mixed).collect();
                let many = mixed.iter().any(|pieces| pieces.len() > MOST_PIECES);
                *rows = mixed;
                if many {
                    self.become_planes(grid, scratch);
                }
            }
            Self::Planes(stack) => {
                let lams: Option<Vec<f32>> = match mixings.first() {
                    Some(Mixing::Blend { .. }) => Some(
                        mixings
                            .iter()
                            .map(|mixing| if let Mixing::Blend { lam, .. } = mixing { *lam as f32 } else { 1.0 })
                            .collect(),
                    ),
                    _ => None,
                };
                let soft = regions.iter().any(|region| matches!(**region, Region::Weights(_)));
                if lams.is_none() && !soft {
                    let mut images = Images::F32(std::mem::take(stack));
                    mix_images(mixings, regions, &mut images, Content::Shares, scratch);
                    if let Images::F32(mixed) = images {
                        *stack = mixed;
                    }
                    return;
                }
                let partner: Vec<usize> = mixings.iter().enumerate().map(|(row, mixing)| mixing.partner(row)).collect();
                let flat: Vec<Arc<Region>> = regions.iter().map(Region::flat).collect();
                let weights = |row: usize| match (&lams, flat.get(row).map(|region| &**region)) {
                    (Some(lams), _) => Weighed::Everywhere(lams[row]),
                    (None, Some(Region::Weights(weights))) => Weighed::Each(weights),
                    (None, Some(Region::Taken(runs))) => Weighed::Taken(runs),
                    (None, None) => Weighed::Everywhere(1.0),
                };
                let blended = blended_planes(stack, &partner, weights, scratch);
                scratch.give_dense(std::mem::replace(stack, blended));
            }
        }
    }

    /// Moves as the pixels do.
    pub(crate) fn follow(&mut self, motions: &[&Motion<Row>], scratch: &mut Scratch) {
        if let Some(Motion::Chain(parts)) = motions.first() {
            for at in 0..parts.len() {
                let part: Vec<&Motion<Row>> = motions.iter().filter_map(|motion| motion.part(at)).collect();
                self.follow(&part, scratch);
            }
            return;
        }
        if let Self::Pieces { grid, rows } = self {
            let moved: Option<Vec<Vec<Piece>>> =
                rows.iter().zip(motions).map(|(pieces, motion)| moved(pieces, motion, *grid)).collect();
            if let Some(moved) = moved {
                *rows = moved;
                if let Some(Motion::Window(window)) = motions.first() {
                    *grid = window.size.of(*grid);
                }
                return;
            }
            let grid = *grid;
            self.become_planes(grid, scratch);
        }
        if let Self::Planes(stack) = self {
            let mut images = Images::F32(std::mem::take(stack));
            move_images(motions, &mut images, Content::Shares, scratch);
            if let Images::F32(moved) = images {
                *stack = moved;
            }
        }
    }

    fn become_pieces(&mut self, grid: [usize; 2]) {
        if let Self::Whole(rows) = self {
            let edges = [0, 0, grid[0] as i64, grid[1] as i64];
            let rows = std::mem::take(rows).into_iter().map(|weights| vec![Piece { edges, weights }]).collect();
            *self = Self::Pieces { grid, rows };
        }
    }

    fn become_planes(&mut self, grid: [usize; 2], scratch: &mut Scratch) {
        self.become_pieces(grid);
        let Self::Pieces { rows, .. } = self else { return };
        let layers = rows.iter().flatten().map(|piece| piece.weights.len()).max().unwrap_or(1).max(1);
        let mut stack: Array4<f32> = scratch.take_dense([rows.len(), 2 * layers, grid[0], grid[1]]);
        parallel(stack.outer_iter_mut().collect(), rows, |mut sample: ArrayViewMut3<'_, f32>, pieces| {
            sample.fill(0.0);
            for piece in pieces {
                let [top, left, bottom, right] = piece.edges.map(|edge| edge as usize);
                for (layer, (source, weight)) in piece.weights.iter().enumerate() {
                    sample.slice_mut(s![layer, top..bottom, left..right]).fill((*source + 1) as f32);
                    sample.slice_mut(s![layers + layer, top..bottom, left..right]).fill(*weight as f32);
                }
            }
        });
        *self = Self::Planes(stack);
    }
}

fn add_id(sums: &mut Weights, (id, weight): (f32, f64)) {
    if id > 0.0 && weight != 0.0 {
        add(sums, &[(id as u32 - 1, weight)], 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounds::Rectangle;
    use crate::mixing::{Patch, Shows};

    fn total(rows: &Provenance, row: usize) -> Weights {
        rows.totals()[row].clone()
    }

    fn samples(n: u32) -> Provenance {
        Provenance::Whole((0..n).map(|source| vec![(source, 1.0)]).collect())
    }

    fn box_of(edges: Rectangle, partner: i64) -> Mixing<Row> {
        Mixing::Paste(Patch { edges, partner: Some(partner), shows: Shows::Place })
    }

    fn paste(state: &mut Provenance, boxes: &[(Rectangle, i64)]) {
        let mixings: Vec<_> = boxes.iter().map(|(edges, partner)| box_of(*edges, *partner)).collect();
        state.mix(&mixings, &[], [4, 4], &mut Scratch::default());
    }

    #[test]
    fn a_paste_that_covers_another_takes_its_share() {
        let mut state = samples(3);
        paste(&mut state, &[([0, 0, 2, 2], 1), ([0; 4], 0), ([0; 4], 2)]);
        assert_eq!(total(&state, 0), [(0, 0.75), (1, 0.25)]);
        paste(&mut state, &[([0, 0, 2, 4], 2), ([0; 4], 1), ([0; 4], 0)]);
        assert_eq!(total(&state, 0), [(0, 0.5), (2, 0.5)]);
    }

    #[test]
    fn a_paste_brings_what_its_partner_shows_there_and_moves_with_the_pixels() {
        for planes in [false, true] {
            let mut state = samples(3);
            paste(&mut state, &[([0, 0, 2, 2], 1), ([0, 0, 4, 2], 2), ([0; 4], 1)]);
            if planes {
                state.become_planes([4, 4], &mut Scratch::default());
            }
            let mirror = Motion::Mirror { rows: true, columns: false };
            state.follow(&[&mirror, &mirror, &mirror], &mut Scratch::default());
            paste(&mut state, &[([2, 0, 4, 1], 2), ([2, 0, 4, 1], 0), ([0; 4], 2)]);
            let mut totals = total(&state, 0);
            totals.sort_by_key(|(source, _)| *source);
            assert_eq!(totals, [(0, 0.75), (1, 0.125), (2, 0.125)], "planes: {planes}");
            let crop = Motion::crop([-1, 0], [4, 2], crate::motion::Outside::default());
            state.follow(&[&crop, &crop, &crop], &mut Scratch::default());
            let sum: f64 = total(&state, 1).iter().map(|(_, weight)| weight).sum();
            assert!((sum - 1.0).abs() < 1e-12 && total(&state, 2) == [(2, 1.0)], "what is outside counts for nobody");
        }
    }

    #[test]
    fn blends_of_planes_and_of_rectangles_weigh_alike_and_merge_equal_sources() {
        let weights = |planes: bool| {
            let mut state = samples(2);
            paste(&mut state, &[([0, 0, 2, 4], 1), ([1, 1, 3, 3], 0)]);
            if planes {
                state.become_planes([4, 4], &mut Scratch::default());
            }
            let blend = |partner| Mixing::Blend { lam: 0.75, partner };
            for _ in 0..3 {
                state.mix(&[blend(1), blend(0)], &[], [4, 4], &mut Scratch::default());
            }
            if let Provenance::Planes(stack) = &state {
                assert_eq!(stack.dim().1, 4, "two sources need two layers");
            }
            let mut totals = total(&state, 0);
            totals.sort_by_key(|(source, _)| *source);
            totals
        };
        let (a, b) = (weights(false), weights(true));
        assert!(a.len() == 2 && a.iter().zip(&b).all(|(a, b)| a.0 == b.0 && (a.1 - b.1).abs() < 1e-6), "{a:?} {b:?}");
    }

    /// Boxes, partners and weights that have no order.
    fn at(step: u32, row: u32, lane: u32, bound: u32) -> i64 {
        i64::from(crate::philox4x32([step, row, lane, 0], [1, 2])[0] % bound)
    }

    fn boxes(step: u32) -> Vec<Mixing<Row>> {
        let edges = |row| {
            let [top, left] = [at(step, row, 0, 32), at(step, row, 1, 32)];
            [top, left, top + at(step, row, 2, 33 - top as u32), left + at(step, row, 3, 33 - left as u32)]
        };
        (0..7).map(|row| box_of(edges(row), at(step, row, 4, 7))).collect()
    }

    #[test]
    fn sixteen_pastes_stay_few_rectangles_and_one_layer() {
        let mut state = samples(7);
        for step in 0..16 {
            state.mix(&boxes(step), &[], [32, 32], &mut Scratch::default());
            let Provenance::Pieces { rows, .. } = &state else { panic!("rectangles after {step} pastes") };
            assert!(rows.iter().all(|pieces| pieces.len() <= MOST_PIECES));
        }
        let sorted = |state: &Provenance| {
            let mut totals = state.totals();
            for weights in &mut totals {
                weights.sort_by_key(|(source, _)| *source);
            }
            totals
        };
        let before = sorted(&state);
        state.become_planes([32, 32], &mut Scratch::default());
        assert_eq!(sorted(&state), before);
        let Provenance::Planes(stack) = &state else { panic!("planes") };
        assert_eq!(stack.dim().1, 2, "one source at each pixel");
    }

    #[test]
    fn blends_need_no_more_layers_than_sources() {
        for n in [3u32, 7] {
            let mut state = samples(n);
            state.become_planes([4, 4], &mut Scratch::default());
            for step in 1..6u32 {
                let blend = |row: u32| Mixing::Blend { lam: 0.7, partner: i64::from((row + step) % n) };
                let mixings: Vec<_> = (0..n).map(blend).collect();
                state.mix(&mixings, &[], [4, 4], &mut Scratch::default());
                let Provenance::Planes(stack) = &state else { panic!("planes") };
                assert!(stack.dim().1 / 2 <= (1 << step).min(n as usize), "{step} blends of {n}");
            }
        }
    }
}
