//! What a region shows of objects, natively.

use std::sync::Arc;

use crate::bounds::{Bounds, Place};
use crate::mixing::Region;

/// The least weight of a pixel that is seen: less is no level of a byte.
pub(crate) const SEEN: f64 = 1.0 / 256.0;

/// How much of each pixel comes from the partner.
pub(crate) struct Shares {
    taken: Vec<f64>,
    size: [usize; 2],
}

/// What is seen of a box.
pub(crate) struct Part {
    /// The share of what it is cut to.
    pub(crate) share: f64,
    /// Edges that it is cut to.
    pub(crate) cuts: [Option<f64>; 4],
}

impl Shares {
    pub(crate) fn of(region: &Arc<Region>, size: [usize; 2]) -> Self {
        let mut taken = vec![0.0; size[0] * size[1]];
        match &*region.flat() {
            Region::Taken(runs) => runs.iter().for_each(|run| taken[run.clone()].fill(1.0)),
            Region::Weights([_, other]) => {
                taken.iter_mut().zip(other).for_each(|(to, weight)| *to = f64::from(*weight));
            }
        }
        Self { taken, size }
    }

    /// The weight of the partner in a pixel, or of the sample itself.
    fn weight(&self, y: usize, x: usize, partner: bool) -> f64 {
        let taken = self.taken[y * self.size[1] + x];
        if partner { taken } else { 1.0 - taken }
    }

    /// Whether a place is seen of the partner, or of the sample itself.
    pub(crate) fn shows(&self, at: Place, partner: bool) -> bool {
        let [y, x] = [0, 1].map(|axis| (at[1 - axis] as usize).min(self.size[axis] - 1));
        at.iter().all(|place| *place >= 0.0) && self.weight(y, x, partner) >= SEEN
    }

    /// What is seen of a box of the partner, or of the sample itself.
    pub(crate) fn part(&self, [left, top, right, bottom]: Bounds, partner: bool) -> Part {
        // The pixels whose middle is inside.
        let span = |from: f64, to: f64, side: usize| {
            let edge = |at: f64| (at - 0.5).ceil().clamp(0.0, side as f64) as usize;
            edge(from)..edge(to)
        };
        let (rows, columns) = (span(top, bottom, self.size[0]), span(left, right, self.size[1]));
        if rows.is_empty() || columns.is_empty() {
            return Part { share: if partner { 0.0 } else { 1.0 }, cuts: [None; 4] };
        }
        let (mut sum, mut seen) = (0.0, [columns.end, rows.end, 0, 0]);
        for (y, x) in rows.clone().flat_map(|y| columns.clone().map(move |x| (y, x))) {
            let weight = self.weight(y, x, partner);
            sum += weight;
            if weight >= SEEN {
                seen = [seen[0].min(x), seen[1].min(y), seen[2].max(x + 1), seen[3].max(y + 1)];
            }
        }
        let count = seen[2].saturating_sub(seen[0]) * seen[3].saturating_sub(seen[1]);
        // Where the outermost pixels of the box are seen, it ends where it did, which may be between pixels.
        let cut = [seen[0] > columns.start, seen[1] > rows.start, seen[2] < columns.end, seen[3] < rows.end];
        Part {
            share: if count > 0 { sum / count as f64 } else { 0.0 },
            cuts: [0, 1, 2, 3].map(|edge| cut[edge].then_some(seen[edge] as f64)),
        }
    }
}
