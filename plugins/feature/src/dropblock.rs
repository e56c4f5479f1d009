use augraft_operator::{
    Batch, DataType, Dice, Element, Extent, Issue, Lowered, Operator, Parity, Probability, Recorder, Row, Scratch,
    Shape, Side, Tensor, Values, draw, parallel, register_operator,
};
use ndarray::{Array3, ArrayViewMut3};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocks::{check_blocks, draw_seeds, grow, lower_blocks};

/// Drops square blocks of a feature map and rescales what is kept.
///
/// Every cell in which a block of `block_size` x `block_size` fits is a seed with probability
/// `gamma = p * H * W / (block_size^2 * (H - block_size + 1) * (W - block_size + 1))`; a seed drops the block whose top left corner it is. What is
/// kept of a sample is multiplied by (number of elements) / (number kept); unlike torchvision, which divides over the whole batch, so that a sample
/// does not depend on the others. Works on f32: feature maps N,C,H,W, or normalized images; on bytes with `rescale: none`.
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
    /// Whether what is kept makes up for what is dropped.
    pub rescale: BlockRescale,
}

/// Whether what is kept makes up for what is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BlockRescale {
    /// By (number of elements) / (number kept) of the sample.
    Kept,
    /// Values stay as they are.
    None,
}

impl Default for DropBlock {
    fn default() -> Self {
        let p = Probability::new(0.1).expect("0 to 1");
        Self { p, block_size: Side::of(7), per_channel: true, rescale: BlockRescale::Kept }
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
    const VALUES: Values = Values::Erased;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        shape.dense()?;
        if shape.element == Element::U8 && self.rescale == BlockRescale::Kept {
            return Err(
                Issue::new("", "rescales what it keeps, which bytes cannot hold").help("put `normalize` before it")
            );
        }
        check_blocks(shape, self.block_size)?;
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        // The probability is that of the seeds; the step itself acts wherever combinators let it.
        let acts = if self.p == Probability::NEVER { self.p } else { Probability::ALWAYS };
        let apply = dice.acts(0, acts);
        Drawn { seeds: draw_seeds(dice, extent, self.p, self.block_size, self.per_channel, apply) }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, _: &mut Scratch) {
        let size = self.block_size.get() as usize;
        if let Some(samples) = batch.images.samples_f32() {
            parallel(samples, draws, |mut image, draw| {
                let dropped = grow(&draw.seeds, size);
                let scale = if self.rescale == BlockRescale::Kept { kept_scale(image.dim(), &dropped) } else { 1.0 };
                erase(&mut image, &dropped);
                if scale != 1.0 {
                    image.mapv_inplace(|value| value * scale);
                }
            });
        } else if let Some(samples) = batch.images.samples_u8() {
            parallel(samples, draws, |mut image, draw| erase(&mut image, &grow(&draw.seeds, size)));
        }
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let [height, width] = batch.shape.dense()?;
        let graph = batch.images.graph();
        let dropped = lower_blocks(draw.seeds, self.block_size);
        let zero = graph.constant(Tensor::scalar(0f32));
        if self.rescale == BlockRescale::None {
            let images = zero.less(dropped).select(batch.zero(), batch.images);
            return Ok(Lowered { images, ..batch });
        }
        let shared = if self.per_channel { 1 } else { batch.shape.channels };
        let total = graph.constant(Tensor::scalar((batch.shape.channels * height * width) as f64));
        let count = dropped.reduce_sum(3).reduce_sum(2).reduce_sum(1).cast(DataType::F64);
        let kept = total - count * graph.constant(Tensor::scalar(shared as f64));
        let scale = (total / kept.maximum(graph.constant(Tensor::scalar(1f64)))).cast(DataType::F32);
        let images = zero.less(dropped).select(zero, batch.images * scale.unsqueeze(&[1, 2, 3]));
        Ok(Lowered { images, ..batch })
    }

    fn acts(&self, _: usize, draw: &Drawn<Row>) -> bool {
        draw.seeds.iter().any(|seed| *seed)
    }
}

register_operator!(DropBlock);

/// Zeroes what is `dropped`; one channel of it serves all.
fn erase<T: Copy + Default>(image: &mut ArrayViewMut3<'_, T>, dropped: &Array3<bool>) {
    let dropped = dropped.broadcast(image.dim()).expect("one channel or all of them");
    ndarray::Zip::from(image).and(&dropped).for_each(|value, gone| {
        if *gone {
            *value = T::default();
        }
    });
}

/// What makes up for the elements that are dropped of a sample.
fn kept_scale((channels, height, width): (usize, usize, usize), dropped: &Array3<bool>) -> f32 {
    let total = channels * height * width;
    let shared = channels / dropped.dim().0.max(1);
    let count = dropped.iter().filter(|gone| **gone).count() * shared;
    (total as f64 / (total - count).max(1) as f64) as f32
}
