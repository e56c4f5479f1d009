//! Which sample of the batch each sample is mixed with.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::address::Rows;

/// How the partner of a sample is chosen within its batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Partner {
    /// A keyed random permutation of the batch (the paper): depends on which samples are in the batch, not on their position.
    #[default]
    Permute,
    /// A keyed random cycle through the batch: nobody meets itself, but in a batch of one.
    Derange,
    /// The sample before, and the last one for the first (torchvision).
    Roll,
    /// The batch in reverse (timm): the middle sample of an odd batch meets itself.
    Flip,
    /// A random sample of the whole data set: the second half of the batch holds those of the first, and is gone afterwards.
    Dataset,
}

impl Partner {
    /// Lanes that a draw of the partner uses.
    pub const LANES: u32 = 4;

    /// How many samples are left of a batch with such partners.
    #[must_use]
    pub fn rows(self) -> Rows {
        if self == Self::Dataset { Rows::Donors } else { Rows::Same }
    }
}

/// A 62-bit key of two words, as every backend computes it.
pub(crate) fn key62(high: u32, low: u32) -> i64 {
    i64::from(high & 0x7fff_ffff) << 31 | i64::from(low & 0x7fff_ffff)
}

/// Finds for each sample the one whose rank by `second` equals its own rank by `first`.
///
/// The rank is the count of smaller keys. Where equal keys leave a rank empty (a sample twice in one batch), the nearest rank is taken, the first
/// position winning: the same rule as `ArgMin(Abs(r1 - r2))` in a graph.
pub(crate) fn match_ranks(first: &[i64], second: &[i64]) -> Vec<usize> {
    let own = ranks(first);
    let mut position = vec![usize::MAX; first.len()];
    let other = ranks(second);
    for (at, &rank) in other.iter().enumerate().rev() {
        position[rank] = at;
    }
    own.iter()
        .map(|&rank| match position[rank] {
            usize::MAX => (0..other.len()).min_by_key(|&at| (other[at].abs_diff(rank), at)).unwrap_or(rank),
            at => at,
        })
        .collect()
}

/// Finds for each sample the one whose rank is the next, and the first for the last.
pub(crate) fn next_in_rank(keys: &[i64]) -> Vec<usize> {
    let own = ranks(keys);
    let nearest = |wanted: usize| (0..own.len()).min_by_key(|&at| (own[at].abs_diff(wanted), at)).unwrap_or(wanted);
    own.iter().map(|rank| nearest(if rank + 1 < own.len() { rank + 1 } else { 0 })).collect()
}

fn ranks(keys: &[i64]) -> Vec<usize> {
    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    keys.iter().map(|key| sorted.partition_point(|other| other < key)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_keys_give_a_permutation() {
        assert_eq!(match_ranks(&[5, 1, 9], &[7, 8, 2]), [0, 2, 1]);
    }

    #[test]
    fn a_cycle_meets_every_sample_once() {
        assert_eq!(next_in_rank(&[5, 1, 9]), [2, 0, 1]);
        assert_eq!(next_in_rank(&[5]), [0]);
    }

    #[test]
    fn equal_keys_fall_back_to_the_nearest_rank() {
        assert_eq!(match_ranks(&[4, 4], &[4, 4]), [0, 0]);
        assert_eq!(match_ranks(&[1, 2], &[4, 4]), [0, 0]);
    }
}
