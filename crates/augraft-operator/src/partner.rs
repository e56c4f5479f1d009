//! Which sample of the batch each sample is mixed with.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the partner of a sample is chosen within its batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Partner {
    /// A keyed random permutation of the batch (the paper): depends on which samples are in the batch, not on their position.
    #[default]
    Permute,
    /// The sample before, and the last one for the first (torchvision).
    Roll,
    /// The batch in reverse (timm): the middle sample of an odd batch meets itself.
    Flip,
}

impl Partner {
    /// Lanes that a draw of the partner uses.
    pub const LANES: u32 = 4;
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
    fn equal_keys_fall_back_to_the_nearest_rank() {
        assert_eq!(match_ranks(&[4, 4], &[4, 4]), [0, 0]);
        assert_eq!(match_ranks(&[1, 2], &[4, 4]), [0, 0]);
    }
}
