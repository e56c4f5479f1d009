//! Parts of a plane that are copied from the partner.

use core::ops::Range;

use augraft_operator::Rectangle;

use crate::cycles::Mixer;

/// The elements of a plane that come from the partner: runs in order, none empty, none touching the next.
#[derive(Debug, Default)]
pub(crate) struct Runs(Vec<Range<usize>>);

impl Runs {
    /// Adds a run that begins where the last one ended, or later.
    pub(crate) fn push(&mut self, run: Range<usize>) {
        match self.0.last_mut() {
            _ if run.is_empty() => {}
            Some(last) if last.end == run.start => last.end = run.end,
            _ => self.0.push(run),
        }
    }

    /// A box of a plane whose rows are `width` long.
    pub(crate) fn of_box([top, left, bottom, right]: Rectangle, width: usize) -> Self {
        let mut runs = Self::default();
        for row in top..bottom {
            let start = row as usize * width;
            runs.push(start + left as usize..start + right.max(left) as usize);
        }
        runs
    }

    /// Number of elements.
    pub(crate) fn count(&self) -> usize {
        self.0.iter().map(ExactSizeIterator::len).sum()
    }

    /// Number of runs.
    #[cfg(test)]
    pub(crate) fn parts(&self) -> usize {
        self.0.len()
    }

    /// The runs of all planes of `plane` elements, limited to `range`.
    fn within(&self, plane: usize, range: Range<usize>) -> impl Iterator<Item = Range<usize>> + '_ {
        (range.start / plane..range.end.div_ceil(plane)).flat_map(move |at| {
            let offset = at * plane;
            let (first, last) = (range.start.saturating_sub(offset), (range.end - offset).min(plane));
            let from = self.0.partition_point(|run| run.end <= first);
            let found = self.0[from..].iter().take_while(move |run| run.start < last);
            found.map(move |run| offset + run.start.max(first)..offset + run.end.min(last))
        })
    }
}

/// Copies the runs of each sample from its partner; planes have `plane` elements.
pub(crate) struct Take<'a> {
    pub(crate) runs: &'a [&'a Runs],
    pub(crate) plane: usize,
}

impl<T: Copy> Mixer<T> for Take<'_> {
    fn reads(&self, at: usize, band: Range<usize>) -> Range<usize> {
        let mut runs = self.runs[at].within(self.plane, band);
        let Some(first) = runs.next() else { return 0..0 };
        first.start..runs.last().map_or(first.end, |last| last.end)
    }

    fn mix(&self, at: usize, range: Range<usize>, own: &mut [T], other: &[T]) {
        for run in self.runs[at].within(self.plane, range.clone()) {
            let place = run.start - range.start..run.end - range.start;
            own[place.clone()].copy_from_slice(&other[place]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_repeat_in_every_plane_and_are_cut_at_the_ends() {
        let runs = Runs::of_box([1, 1, 3, 3], 4);
        assert_eq!((runs.0.clone(), runs.count()), (vec![5..7, 9..11], 4));
        assert_eq!(runs.within(12, 6..19).collect::<Vec<_>>(), [6..7, 9..11, 17..19]);
        assert_eq!(Runs::of_box([0, 0, 3, 4], 4).parts(), 1);
        assert_eq!(Runs::of_box([2, 2, 2, 2], 4).count(), 0);
    }
}
