use augraft_operator::{
    Batch, DataType, Dice, Element, Extent, Images, Issue, Lowered, MAX_CELLS, Operator, Parity, Probability, Recorder,
    Role, Row, Scratch, Shape, Side, Tensor, draw, ints_attribute, parallel, register_operator,
};
use ndarray::{Array3, ArrayViewMut3, s};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Drops square blocks of a feature map and rescales what is kept.
///
/// Every cell in which a block of `block_size` x `block_size` fits is a seed with probability
/// `gamma = p * H * W / (block_size^2 * (H - block_size + 1) * (W - block_size + 1))`; a seed drops the block whose top left corner it is. What is
/// kept of a sample is multiplied by (number of elements) / (number kept); unlike torchvision, which divides over the whole batch, so that a sample
/// does not depend on the others. Works on f32: feature maps N,C,H,W, or normalised images.
///
/// Draws `seeds`, a truth value per channel (one for all unless `per_channel`), row and column of the block's corner.
///
/// Ghiasi et al., "`DropBlock`: A regularization method for convolutional networks", `NeurIPS` 2018, algorithm 1; torchvision `ops.drop_block2d`.
///
/// # Example
/// ```yaml
/// - dropblock: { p: 0.1, block_size: 7 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DropBlock {
    /// Share of the elements to drop, about.
    pub p: Probability,
    /// Side of a block in cells, at most the sides of the map.
    pub block_size: Side,
    /// Whether each channel has its own blocks.
    pub per_channel: bool,
}

impl Default for DropBlock {
    fn default() -> Self {
        Self { p: Probability::new(0.1).expect("0 to 1"), block_size: Side::of(7), per_channel: true }
    }
}

draw! {
    /// The seeds of one sample.
    pub struct Drawn {
        /// Corners of the dropped blocks.
        seeds: Grid,
    }
}

impl Operator for DropBlock {
    const NAME: &'static str = "dropblock";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Within(1e-6);
    const ROLE: Role = Role::Erase;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        let [height, width] = shape.dense()?;
        let block = self.block_size.get() as usize;
        if shape.element == Element::U8 {
            return Err(
                Issue::new("", "rescales what it keeps, which bytes cannot hold").help("put `normalize` before it")
            );
        }
        if block > height || block > width {
            let message = format!("a block of {block} x {block} does not fit a map of {height} x {width}");
            return Err(Issue::new("block_size", message).help(format!("use at most {}", height.min(width))));
        }
        if shape.channels * height * width > MAX_CELLS {
            return Err(
                Issue::new("per_channel", format!("more than {MAX_CELLS} cells")).help("set `per_channel: false`")
            );
        }
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        let size = i64::from(self.block_size.get());
        let channels = if self.per_channel { extent.channels } else { dice.int(1) };
        let free = |side| side - dice.int(size - 1);
        let (rows, columns) = (free(extent.height), free(extent.width));
        // `u < gamma` without a division: u * block area * corners < p * cells.
        let cells = dice.real(self.p.get()) * dice.to_real(extent.height * extent.width);
        let blocks = dice.to_real(dice.int(size * size) * rows * columns);
        Drawn { seeds: dice.cells([channels, rows, columns], |cell| cell.less(cell.uniform(0) * blocks, cells)) }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, _: &mut Scratch) {
        let Images::F32(images) = &mut batch.images else { return };
        let size = self.block_size.get() as usize;
        parallel(images.outer_iter_mut().collect(), draws, |image, draw: &Drawn<Row>| {
            drop_blocks(image, &draw.seeds, size);
        });
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let [height, width] = batch.shape.dense()?;
        let graph = batch.images.graph();
        let size = i64::from(self.block_size.get());
        let attributes = vec![
            ints_attribute("kernel_shape", &[size, size]),
            ints_attribute("pads", &[size - 1; 4]),
            ints_attribute("strides", &[1, 1]),
        ];
        let dropped = graph.node("MaxPool", &[draw.seeds.cast(DataType::F32)], attributes, DataType::F32);
        let shared = if self.per_channel { 1 } else { batch.shape.channels };
        let total = graph.constant(Tensor::scalar((batch.shape.channels * height * width) as f64));
        let count = dropped.reduce_sum(3).reduce_sum(2).reduce_sum(1).cast(DataType::F64);
        let kept = total - count * graph.constant(Tensor::scalar(shared as f64));
        let scale = (total / kept.binary("Max", graph.constant(Tensor::scalar(1f64)))).cast(DataType::F32);
        let zero = graph.constant(Tensor::scalar(0f32));
        let images = zero.less(dropped).select(zero, batch.images * scale.unsqueeze(&[1, 2, 3]));
        Ok(Lowered { images, ..batch })
    }

    fn acts(&self, _: usize, draw: &Drawn<Row>) -> bool {
        draw.seeds.iter().any(|seed| *seed)
    }
}

register_operator!(DropBlock);

/// Zeroes the blocks that start at `seeds` (one channel of seeds serves all) and rescales the rest.
fn drop_blocks(mut image: ArrayViewMut3<'_, f32>, seeds: &Array3<bool>, size: usize) {
    let (channels, height, width) = image.dim();
    let mut dropped = Array3::from_elem([seeds.dim().0, height, width], false);
    for ((channel, top, left), _) in seeds.indexed_iter().filter(|(_, seed)| **seed) {
        dropped.slice_mut(s![channel, top..top + size, left..left + size]).fill(true);
    }
    let shared = channels / dropped.dim().0.max(1);
    let count = dropped.iter().filter(|gone| **gone).count() * shared;
    if count == 0 {
        return;
    }
    let total = channels * height * width;
    let scale = (total as f64 / (total - count).max(1) as f64) as f32;
    let dropped = dropped.broadcast((channels, height, width)).expect("one channel or all of them");
    ndarray::Zip::from(&mut image)
        .and(&dropped)
        .for_each(|value, gone| *value = if *gone { 0.0 } else { *value * scale });
}
