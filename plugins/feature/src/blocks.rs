//! Square blocks of feature maps, natively and in a graph.

use augraft_operator::{DataType, Dice, Extent, Issue, MAX_CELLS, Probability, Shape, Side, Value, ints_attribute};
use ndarray::{Array3, s};

/// Checks that a block fits the map and that its seeds are not too many.
pub(crate) fn check_blocks(shape: &Shape, block_size: Side) -> Result<(), Issue> {
    let [height, width] = shape.dense()?;
    let block = block_size.get() as usize;
    if block > height || block > width {
        let message = format!("a block of {block} x {block} does not fit a map of {height} x {width}");
        return Err(Issue::new("block_size", message).help(format!("use at most {}", height.min(width))));
    }
    if shape.channels * height * width > MAX_CELLS {
        return Err(Issue::new("per_channel", format!("more than {MAX_CELLS} cells")).help("set `per_channel: false`"));
    }
    Ok(())
}

/// Draws the top left corners of blocks that cover a `share` of the map, about; none where `apply` is false.
pub(crate) fn draw_seeds<D: Dice>(
    dice: D,
    extent: &Extent<D>,
    share: Probability,
    block_size: Side,
    per_channel: bool,
    apply: D::Bool,
) -> D::Grid {
    let size = i64::from(block_size.get());
    let channels = if per_channel { extent.channels } else { dice.int(1) };
    let free = |side| side - dice.int(size - 1);
    let (rows, columns) = (free(extent.height), free(extent.width));
    // `u < gamma` without a division: u * block area * corners < share * cells.
    let cells = dice.real(share.get()) * dice.to_real(extent.height * extent.width);
    let blocks = dice.to_real(dice.int(size * size) * rows * columns);
    dice.cells([channels, rows, columns], |cell| cell.less(cell.uniform(0) * blocks, cells) & apply)
}

/// The cells of the blocks that start at `seeds`.
pub(crate) fn grow(seeds: &Array3<bool>, size: usize) -> Array3<bool> {
    let (channels, rows, columns) = seeds.dim();
    let mut blocks = Array3::from_elem([channels, rows + size - 1, columns + size - 1], false);
    for ((channel, top, left), _) in seeds.indexed_iter().filter(|(_, seed)| **seed) {
        blocks.slice_mut(s![channel, top..top + size, left..left + size]).fill(true);
    }
    blocks
}

/// The cells of the blocks that start at `seeds`, f32 `[N, channels, H, W]` of 0 and 1.
pub(crate) fn lower_blocks(seeds: Value<'_>, block_size: Side) -> Value<'_> {
    let size = i64::from(block_size.get());
    let attributes = vec![
        ints_attribute("kernel_shape", &[size, size]),
        ints_attribute("pads", &[size - 1; 4]),
        ints_attribute("strides", &[1, 1]),
    ];
    seeds.graph().node("MaxPool", &[seeds.cast(DataType::F32)], attributes, DataType::F32)
}
