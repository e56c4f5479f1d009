//! How many samples come out of a step, and which.

/// First bit of the number of the view in the index of a sample; view 0 is the sample itself.
pub(crate) const VIEW: u32 = 56;
/// Largest number of views of one sample.
pub const MAX_VIEWS: usize = 64;

/// How a step changes the number of samples: the one place that says which samples come out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// As many as before.
    Same,
    /// Every sample becomes this many (1 to 64), one after the other, each with draws of its own.
    Views(usize),
    /// The first half of the batch, the middle sample included.
    Half,
    /// The same, and the second half held a sample of the data set for each of the first.
    Donors,
}

impl Rows {
    /// Whether the first half of the batch is left.
    #[must_use]
    pub fn halves(self) -> bool {
        matches!(self, Rows::Half | Rows::Donors)
    }

    /// Number of samples that come out of a step with `n` samples.
    #[must_use]
    pub fn after(self, n: usize) -> usize {
        match self {
            Rows::Same => n,
            Rows::Views(views) => n * views,
            Rows::Half | Rows::Donors => n.div_ceil(2),
        }
    }

    /// The sample before the step that each one after it is.
    #[must_use]
    pub fn of(self, n: usize) -> Vec<usize> {
        let views = if let Rows::Views(views) = self { views } else { 1 };
        (0..self.after(n)).map(|row| row / views).collect()
    }

    /// The index of every sample that draws in the step: views draw for themselves, and a half is cut off behind the draw.
    #[must_use]
    pub fn drawn(self, index: &[u64]) -> Vec<u64> {
        let Rows::Views(views) = self else { return index.to_vec() };
        let view = |index: u64, view: u64| sample_of(index) + ((view_of(index) * views as u64 + view) << VIEW);
        index.iter().flat_map(|index| (0..views as u64).map(move |number| view(*index, number))).collect()
    }

    /// The index of every sample that comes out of the step.
    #[must_use]
    pub fn left(self, index: &[u64]) -> Vec<u64> {
        let mut drawn = self.drawn(index);
        drawn.truncate(self.after(index.len()));
        drawn
    }
}

/// The index of the sample itself, without the number of the view.
#[must_use]
pub fn sample_of(index: u64) -> u64 {
    index & ((1 << VIEW) - 1)
}

/// The number of the view, 0 for the sample itself.
#[must_use]
pub fn view_of(index: u64) -> u64 {
    index >> VIEW
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_is_found_where_it_comes_out() {
        let views = Rows::Views(2);
        assert_eq!((views.after(3), views.of(3)), (6, vec![0, 0, 1, 1, 2, 2]));
        assert_eq!(views.left(&[5, 9]), [5, 5 + (1 << VIEW), 9, 9 + (1 << VIEW)]);
        assert_eq!(views.left(&views.left(&[5])).iter().map(|index| view_of(*index)).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!((Rows::Half.of(5), Rows::Donors.left(&[4, 3, 2, 1])), (vec![0, 1, 2], vec![4, 3]));
    }
}
