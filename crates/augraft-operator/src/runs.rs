//! Parts of a plane that are copied from the partner.

use core::ops::Range;

/// The elements of a plane that come from the partner: runs in order, none empty, none touching the next.
#[derive(Debug, Clone, Default)]
pub struct Runs(Vec<Range<usize>>);

impl Runs {
    /// Adds a run that begins where the last one ended, or later.
    pub fn push(&mut self, run: Range<usize>) {
        match self.0.last_mut() {
            _ if run.is_empty() => {}
            Some(last) if last.end == run.start => last.end = run.end,
            _ => self.0.push(run),
        }
    }

    /// A box of a plane whose rows are `width` long.
    #[must_use]
    pub fn of_box([top, left, bottom, right]: [i64; 4], width: usize) -> Self {
        let mut runs = Self::default();
        for row in top..bottom {
            let start = row as usize * width;
            runs.push(start + left as usize..start + right.max(left) as usize);
        }
        runs
    }

    /// Number of elements.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.iter().map(ExactSizeIterator::len).sum()
    }

    /// Number of runs.
    #[must_use]
    pub fn parts(&self) -> usize {
        self.0.len()
    }

    /// From the first to the last element of any run in `band`; empty where there is none.
    pub(crate) fn span(&self, plane: usize, band: Range<usize>) -> Range<usize> {
        let mut runs = self.within(plane, band);
        let Some(first) = runs.next() else { return 0..0 };
        first.start..runs.last().map_or(first.end, |last| last.end)
    }

    /// The runs, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Range<usize>> + '_ {
        self.0.iter()
    }

    /// The runs of all planes of `plane` elements, limited to `range`.
    pub(crate) fn within(&self, plane: usize, range: Range<usize>) -> impl Iterator<Item = Range<usize>> + '_ {
        (range.start / plane..range.end.div_ceil(plane)).flat_map(move |at| {
            let offset = at * plane;
            let (first, last) = (range.start.saturating_sub(offset), (range.end - offset).min(plane));
            let from = self.0.partition_point(|run| run.end <= first);
            let found = self.0[from..].iter().take_while(move |run| run.start < last);
            found.map(move |run| offset + run.start.max(first)..offset + run.end.min(last))
        })
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
