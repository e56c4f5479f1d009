//! The layout of Philox counters.

/// Bit of `block` that separates the batch scope from the sample scope.
pub(crate) const BATCH: u32 = 1 << 31;
/// Bit of `block` that separates the scope of a pair from the sample scope.
pub(crate) const PAIR: u32 = 1 << 30;
/// Bit of `block` that marks the cells of a grid.
pub(crate) const CELLS: u32 = 1 << 23;
/// Blocks reserved for each item; a block has four lanes.
pub(crate) const BLOCKS_PER_ITEM: u32 = 4;
/// Lanes that one item (or the sample itself) may use.
pub(crate) const LANES: u32 = 4 * BLOCKS_PER_ITEM;
/// Largest number of cells of a grid.
pub const MAX_CELLS: usize = 1 << 23;

/// Why items and cells are not taken of an item or a cell: they would share its words.
pub(crate) const APART: &str = "items and grids of cells belong to a sample, not to an item or a cell";

/// Which block of four words a lane of an item lies in.
pub(crate) fn item_block(item: u32, lane: u32) -> u32 {
    assert!(lane < LANES, "lane {lane} is beyond the {LANES} lanes of one item");
    assert!(item < CELLS / BLOCKS_PER_ITEM, "item {item} is beyond those that have words of their own");
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
    fn blocks_of_items_and_cells_never_meet() {
        assert!(item_block(1 << 20, LANES - 1) < CELLS);
        assert_eq!(cell_block(MAX_CELLS as u32 - 1, 3) & BATCH, 0);
        assert!(cell_block(MAX_CELLS as u32 - 1, 3) < 1 << 24);
    }
}
