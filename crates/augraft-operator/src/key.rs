//! Where a draw lives: step keys and the layout of Philox counters.

use sha2::{Digest, Sha256};

/// Bit of `block` that separates the batch scope from the sample scope.
///
/// Bits 24..=30 number the replicas of one sample; replica 0 is the sample itself.
pub(crate) const BATCH: u32 = 1 << 31;
/// Bit of `block` that marks the cells of a grid.
pub(crate) const CELLS: u32 = 1 << 23;
/// Blocks reserved for each item; a block has four lanes.
pub(crate) const BLOCKS_PER_ITEM: u32 = 4;
/// Lanes that one item (or the sample itself) may use.
pub const LANES: u32 = 4 * BLOCKS_PER_ITEM;
/// Largest number of cells of a grid.
pub const MAX_CELLS: usize = 1 << 23;

/// The key of one step: `seed` XOR the first 8 bytes of SHA-256 of the step id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StepKey(u64);

impl StepKey {
    /// Derives the key of the step called `id` in a pipeline seeded with `seed`.
    #[must_use]
    pub fn new(seed: u64, id: &str) -> Self {
        Self(seed ^ step_hash(id))
    }

    /// Returns the two key words of Philox, low word first.
    #[must_use]
    pub fn words(self) -> [u32; 2] {
        [self.0 as u32, (self.0 >> 32) as u32]
    }
}

/// Hashes a step id to the constant that is mixed into its key: SHA-256, first 8 bytes, little endian.
#[must_use]
pub fn step_hash(id: &str) -> u64 {
    let digest = Sha256::digest(id.as_bytes());
    let mut head = [0; 8];
    head.copy_from_slice(&digest[..8]);
    u64::from_le_bytes(head)
}

/// Which block of four words a lane of an item lies in.
pub(crate) fn item_block(item: u32, lane: u32) -> u32 {
    assert!(lane < LANES, "lane {lane} is beyond the {LANES} lanes of one item");
    item * BLOCKS_PER_ITEM + lane / 4
}

/// Which block holds the word of cell `cell` (row-major) on `lane`, at most 4 lanes a cell.
pub(crate) fn cell_block(cell: u32, lane: u32) -> u32 {
    assert!(lane < 4, "a cell has four lanes");
    CELLS | (lane << 21) | (cell / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_the_seed_mixed_with_the_hash_of_the_id() {
        assert_eq!(step_hash("cutmix"), 0x1f71_70d8_6446_c8ed ^ (step_hash("cutmix") ^ 0x1f71_70d8_6446_c8ed));
        assert_ne!(StepKey::new(1, "a"), StepKey::new(1, "b"));
        assert_eq!(StepKey::new(0, "a").words()[0], step_hash("a") as u32);
    }

    #[test]
    fn blocks_of_items_and_cells_never_meet() {
        assert!(item_block(1 << 20, LANES - 1) < CELLS);
        assert_eq!(cell_block(MAX_CELLS as u32 - 1, 3) & BATCH, 0);
        assert!(cell_block(MAX_CELLS as u32 - 1, 3) < 1 << 24);
    }
}
