use augraft_operator::{
    Cells, Dice, Extent, Issue, Motion, Operator, Parity, Probability, Shape, draw, register_operator,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Cuts an image into a grid of equal cells and puts them together in a random order.
///
/// All orders are equally likely, the one that changes nothing among them. The sides must be multiples of the grid, so that no pixel is lost or made
/// up. Labels, masks and keypoints move with their cells; a box becomes the hull of its parts, and counts as visible by their share of it.
///
/// Draws `shows`: for each cell, row by row, the number of the cell that it shows.
///
/// Noroozi and Favaro, "Unsupervised Learning of Visual Representations by Solving Jigsaw Puzzles", ECCV 2016; `RandomGridShuffle` of
/// `AlbumentationsX` and `RandomJigsaw` of kornia.
///
/// # Example
/// ```yaml
/// - grid_shuffle: { grid: [4, 4], p: 0.5 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GridShuffle {
    /// Rows and columns of cells, 36 cells at most.
    pub grid: [usize; 2],
    /// Probability of a sample to be shuffled.
    pub p: Probability,
}

impl Default for GridShuffle {
    fn default() -> Self {
        Self { grid: [4, 4], p: Probability::HALF }
    }
}

draw! {
    /// The order of the cells of one sample.
    pub struct Drawn {
        /// The cell that each cell shows.
        shows: Ints,
    }
}

/// Cells beyond make a file with thousands of nodes.
const MOST: usize = 36;

/// Lanes of the sample, and of an item, that one exchange each reads; the first lane of the sample decides.
const LANES: u32 = 15;

impl Operator for GridShuffle {
    const NAME: &'static str = "grid_shuffle";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        let [rows, columns] = self.grid;
        let cells = rows.saturating_mul(columns);
        if !(2..=MOST).contains(&cells) {
            return Err(Issue::new("grid", format!("needs 2 to {MOST} cells, and has {cells}")));
        }
        let [height, width] = shape.dense()?;
        if height % rows != 0 || width % columns != 0 {
            let message = format!("images of {height} x {width} do not fall into {rows} x {columns} equal cells");
            let [height, width] = [height.div_ceil(rows) * rows, width.div_ceil(columns) * columns];
            let help =
                format!("resize or crop to a multiple before, such as {height} x {width}, or choose another `grid`");
            return Err(Issue::new("grid", message).help(help));
        }
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, _: &Extent<D>) -> Drawn<D> {
        let apply = dice.acts(0, self.p);
        let count = self.grid[0] * self.grid[1];
        // One number for each sample, whether it is shuffled or not.
        let none = dice.select_int(apply, dice.int(0), dice.int(0));
        let mut shows: Vec<D::Int> = (0..count).map(|cell| none + dice.int(cell as i64)).collect();
        // Fisher and Yates: from the last cell on, each changes places with one of those up to itself.
        for last in (1..count).rev() {
            let (group, lane) = ((last as u32 - 1) / LANES, (last as u32 - 1) % LANES);
            let source = if group == 0 { dice } else { dice.item(group - 1) };
            let drawn = source.below(lane + 1, dice.int(last as i64 + 1));
            let other = dice.select_int(apply, drawn, dice.int(last as i64));
            let own = shows[last];
            let mut taken = own;
            for (at, shown) in shows.iter_mut().enumerate().take(last) {
                let at = dice.int(at as i64);
                let is_other = !(dice.less_int(other, at) | dice.less_int(at, other));
                taken = dice.select_int(is_other, *shown, taken);
                *shown = dice.select_int(is_other, own, *shown);
            }
            shows[last] = taken;
        }
        Drawn { shows }
    }

    fn motion<D: Dice>(&self, _: D, draw: &Drawn<D>, _: &Extent<D>) -> Motion<D> {
        Motion::Cells(Cells { grid: self.grid, shows: draw.shows.clone() })
    }
}

register_operator!(GridShuffle);
