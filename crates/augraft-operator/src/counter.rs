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
#[expect(unreachable_pub, reason = "`draw!` is written for operators, which are public")]
mod tests {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::any_operator::AnyOperator;
    use crate::batch::Batch;
    use crate::dice::{Dice, Extent};
    use crate::draw;
    use crate::draws::Draws;
    use crate::images::Images;
    use crate::key::StepKey;
    use crate::labels::Labels;
    use crate::operator::Operator;
    use crate::shape::{Issue, Parity, Shape};

    /// Draws two numbers, with one lane or with two.
    #[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
    struct Two {
        lane: u32,
        nests: bool,
    }

    draw! {
        /// Two numbers.
        pub struct Drawn {
            /// The first.
            first: Real,
            /// The second.
            second: Real,
        }
    }

    impl Operator for Two {
        const NAME: &'static str = "two";
        const SINCE: &'static str = "0.1.0";
        const PARITY: Parity = Parity::Exact;
        type Draw<D: Dice> = Drawn<D>;

        fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
            Ok(shape.clone())
        }

        fn draw<D: Dice>(&self, dice: D, _: &Extent<D>) -> Drawn<D> {
            let other = if self.nests { dice.item(0).item(1) } else { dice.item(0) };
            Drawn {
                first: dice.uniform(0) + dice.item(0).uniform(0),
                second: dice.uniform(self.lane) + other.uniform(1),
            }
        }
    }

    fn drawn(operator: &Two) -> Draws {
        let index = vec![3, 4];
        let images = Images::F32(ndarray::Array4::zeros([2, 1, 2, 2]));
        let labels = Labels::one_hot(&[None, None], 0, &index);
        let batch = Batch { images, labels, masks: None, objects: None, index, transfer: Vec::new(), image_size: None };
        AnyOperator::draw(operator, &StepKey::new(1, "two"), 0, &batch)
    }

    #[test]
    fn a_draw_with_lanes_of_its_own_for_everything_is_drawn() {
        assert_eq!(drawn(&Two { lane: 1, nests: false }).columns.len(), 2);
    }

    #[test]
    #[should_panic(expected = "the draw of `two` uses a lane twice")]
    fn a_lane_is_used_once() {
        let _ = drawn(&Two { lane: 0, nests: false });
    }

    #[test]
    #[should_panic(expected = "not to an item or a cell")]
    fn an_item_has_no_items() {
        let _ = drawn(&Two { lane: 1, nests: true });
    }

    #[test]
    fn blocks_of_items_and_cells_never_meet() {
        assert!(item_block(1 << 20, LANES - 1) < CELLS);
        assert_eq!(cell_block(MAX_CELLS as u32 - 1, 3) & BATCH, 0);
        assert!(cell_block(MAX_CELLS as u32 - 1, 3) < 1 << 24);
    }
}
