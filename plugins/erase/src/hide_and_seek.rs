use augraft_operator::{
    Batch, DataType, Dice, Extent, Fill, Issue, Layout, Lowered, Margin, Operator, Parity, Pixel, Probability,
    Recorder, Row, Scratch, Shape, Tensor, Value, Values, draw, draw_stream, each_sample, lower_place_words,
    lower_word_unit, place_words, register_operator, word_unit,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hole::fill_hole;

/// Hides random cells of a grid.
///
/// One of `sizes` is chosen, all equally likely; 0 hides nothing. The image is divided into cells of that many pixels from the top left, those at the
/// bottom and right may be smaller, and each cell is hidden with probability `p_cell`. The paper fills with the mean color of the data, which is 0
/// after normalization: put it after `normalize`. Boxes and keypoints stay as they are. Works on images and on feature maps N,C,H,W.
///
/// Draws `apply`, the side `size` of a cell (pixels, 0 when nothing is hidden), and `stream`, the key of which cells are hidden: that in row `i` and
/// column `j` is when the first word of Philox4x32-10 at `[i, j, 0, 0]` with that key is below `p_cell * 2^32`. A file has it from opset 18 on.
///
/// Singh and Lee, "Hide-and-Seek: Forcing a Network to be Meticulous for Weakly-supervised Object and Action Localization", ICCV 2017, and the
/// authors' code.
///
/// # Example
/// ```yaml
/// - hide_and_seek: { sizes: [0, 16, 32, 44, 56], p_cell: 0.5 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HideAndSeek {
    /// Sides of a cell in pixels to choose from, 1 to 64 of them; 0 hides nothing.
    pub sizes: Vec<Margin>,
    /// Probability of a cell to be hidden.
    pub p_cell: Probability,
    /// What hidden cells are filled with, in the unit of the tensor: one number, or one per channel.
    pub fill: Fill,
    /// Probability of a sample to be erased.
    pub p: Probability,
}

impl Default for HideAndSeek {
    fn default() -> Self {
        let sizes = [0, 16, 32, 44, 56].map(|size| Margin::new(size).expect("0 to 65,536"));
        Self { sizes: sizes.to_vec(), p_cell: Probability::HALF, fill: Fill::default(), p: Probability::ALWAYS }
    }
}

draw! {
    /// The grid of one sample.
    pub struct Drawn {
        /// Whether the sample is erased.
        apply: Bool as Decision,
        /// Side of a cell.
        size: Int,
        /// Key of which cells are hidden.
        stream: Int,
    }
}

impl Operator for HideAndSeek {
    const NAME: &'static str = "hide_and_seek";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const VALUES: Values = Values::Erased;
    const PRESETS: &'static [(&'static str, &'static str)] =
        &[("official", r#"{"sizes":[0,16,32,44,56],"p_cell":0.5,"fill":0,"p":1}"#)];
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        self.fill.check(shape)?;
        if !(1..=64).contains(&self.sizes.len()) {
            return Err(Issue::new("sizes", format!("{} sizes instead of 1 to 64", self.sizes.len())));
        }
        if self.smallest().is_none() {
            return Err(Issue::new("sizes", "no size hides anything").help("add one above 0"));
        }
        // A file must know how many cells there are; natively every image tells.
        if shape.layout == Layout::Open {
            shape.dense()?;
        }
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, _: &Extent<D>) -> Drawn<D> {
        let apply = dice.acts(0, self.p);
        let sizes: Vec<D::Int> = self.sizes.iter().map(|size| dice.int(i64::from(size.get()))).collect();
        let chosen = dice.below(1, dice.int(sizes.len() as i64));
        let (last, others) = sizes.split_last().expect("at least one size");
        let size =
            others.iter().enumerate().rev().fold(*last, |later, (k, own)| {
                dice.select_int(dice.less_int(chosen, dice.int(k as i64 + 1)), *own, later)
            });
        Drawn { apply, size: dice.select_int(apply, size, dice.int(0)), stream: draw_stream(dice, 2, apply) }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, _: &mut Scratch) {
        each_sample!(batch.images, draws, |draw, image| {
            let (_, height, width) = image.dim();
            let (size, [height, width]) = (draw.size, [height, width].map(|side| side as i64));
            let cells = |side: i64| if size == 0 { 0 } else { (side + size - 1) / size };
            for row in 0..cells(height) {
                for column in 0..cells(width) {
                    let [word, ..] = place_words(draw.stream, [row as usize, column as usize]);
                    if word_unit(word) < self.p_cell.get() {
                        let [bottom, right] = [((row + 1) * size).min(height), ((column + 1) * size).min(width)];
                        let hole = [row * size, column * size, bottom, right];
                        fill_hole(&mut image, hole, |channel| Pixel::of(self.fill.at(channel)));
                    }
                }
            }
        });
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let graph = batch.images.graph();
        let [zero, one] = [0i64, 1].map(|value| graph.constant(Tensor::scalar(value)));
        let smallest = self.smallest().unwrap_or(1) as usize;
        let [rows, columns] = batch.shape.dense()?.map(|side| {
            let cells = (0..side.div_ceil(smallest) as i64).collect();
            graph.constant(Tensor::vector(cells))
        });
        let [down, across] = [[1, 1, -1, 1], [1, 1, 1, -1]];
        let [word, ..] =
            lower_place_words(draw.stream.unsqueeze(&[1, 2, 3]), [rows.reshape(&down), columns.reshape(&across)])?;
        let hidden = lower_word_unit(word).less(graph.constant(Tensor::scalar(self.p_cell.get())));
        let some = zero.less(draw.size);
        let size = some.select(draw.size, one).unsqueeze(&[1, 2, 3]);
        // Products with the one cell that a pixel lies in, so that sums have a single term.
        let belongs = |places: Value<'g>, cells: Value<'g>| {
            let cell = places / size;
            (cell.at_least(cells) & cells.at_least(cell)).cast(DataType::F32)
        };
        let [height, width] = batch.sides.map(|side| graph.range(side));
        let by_row = belongs(height.reshape(&down), rows.reshape(&across));
        let by_column = belongs(width.reshape(&across), columns.reshape(&down));
        let shown = by_row.matmul(hidden.cast(DataType::F32)).matmul(by_column);
        let inside = graph.constant(Tensor::scalar(0.5f32)).less(shown) & some.unsqueeze(&[1, 2, 3]);
        let images = inside.select(batch.fill(&self.fill), batch.images);
        Ok(Lowered { images, ..batch })
    }
}

register_operator!(HideAndSeek);

impl HideAndSeek {
    /// The smallest size that hides something.
    fn smallest(&self) -> Option<u32> {
        self.sizes.iter().map(|size| size.get()).filter(|size| *size > 0).min()
    }
}
