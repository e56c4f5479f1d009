//! What holes are filled with.

use augraft_operator::{Dice, Fill, Issue, Lowered, Shape, Tensor, Value, box_mask};
use ndarray::ArrayViewMut3;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hole::{Filled, Hole, fill_hole, inside, lower_holes};
use crate::noise::{Noisy, blocks_of, draw_stream, lower_noise, words};

/// What holes are filled with, in the unit of the tensor: a number, one number per channel, or noise.
///
/// Noise is standard normal in floats, cut at 3.99, and a level of 0 to 255, all equally likely, in bytes. It is a function of the drawn `stream`
/// (Philox4x32-10 at the place); a file has it from opset 18 on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Filling {
    /// The same for every channel, or one number per channel.
    Value(Fill),
    /// Random colors.
    Noise(Noise),
}

/// How often a random color is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Noise {
    /// One color for each hole.
    Random,
    /// One color for each pixel.
    Pixel,
}

impl Default for Filling {
    fn default() -> Self {
        Filling::Value(Fill::default())
    }
}

impl Filling {
    /// Checks that it fits images of this shape.
    pub(crate) fn check(&self, shape: &Shape) -> Result<(), Issue> {
        if let Filling::Value(fill) = self { fill.check(shape) } else { Ok(()) }
    }

    /// The key of the noise, by `lane` and the next one; 0 where there is none.
    pub(crate) fn draw<D: Dice>(&self, dice: D, lane: u32, apply: D::Bool) -> D::Int {
        match self {
            Filling::Value(_) => dice.int(0),
            Filling::Noise(_) => draw_stream(dice, lane, apply),
        }
    }

    /// Fills holes of a view with the axes channels, rows, columns.
    pub(crate) fn paint<T: Filled + Noisy>(
        &self,
        image: &mut ArrayViewMut3<'_, T>,
        holes: impl Iterator<Item = Hole>,
        stream: i64,
    ) {
        let blocks = blocks_of(image.dim().0);
        for (k, hole) in holes.enumerate() {
            match self {
                Filling::Value(fill) => fill_hole(image, hole, |channel| T::filled(fill.at(channel))),
                Filling::Noise(Noise::Random) => {
                    let color = |channel: usize| T::noise(words(stream, [k, channel % blocks])[channel / blocks]);
                    fill_hole(image, hole, color);
                }
                Filling::Noise(Noise::Pixel) => paint_pixels(image, hole, stream),
            }
        }
    }

    /// Fills holes in a graph; `holes` are `[top, left, bottom, right]`, int64 `[N]` each.
    pub(crate) fn lower<'g>(
        &self,
        holes: &[[Value<'g>; 4]],
        stream: Value<'g>,
        batch: &Lowered<'g>,
    ) -> Result<Value<'g>, Issue> {
        let graph = batch.images.graph();
        let [height, width] = batch.sides;
        match self {
            Filling::Value(fill) => Ok(lower_holes(holes, fill, batch)),
            Filling::Noise(Noise::Random) => {
                let numbers = graph.constant(Tensor::vector((0..holes.len() as i64).collect()));
                let colors = lower_noise(stream, numbers.reshape(&[1, 1, 1, -1]), &batch.shape)?;
                let filled = holes.iter().enumerate().fold(batch.images, |images, (k, hole)| {
                    let color = colors.slice(3, k as i64, k as i64 + 1);
                    box_mask(*hole, batch.sides).select(color, images)
                });
                Ok(filled)
            }
            Filling::Noise(Noise::Pixel) => {
                let rows = graph.range(height).reshape(&[1, 1, -1, 1]);
                let place = rows * width + graph.range(width).reshape(&[1, 1, 1, -1]);
                let colors = lower_noise(stream, place, &batch.shape)?;
                Ok(inside(holes, batch).map_or(batch.images, |inside| inside.select(colors, batch.images)))
            }
        }
    }
}

fn paint_pixels<T: Noisy>(image: &mut ArrayViewMut3<'_, T>, [top, left, bottom, right]: Hole, stream: i64) {
    let (channels, _, width) = image.dim();
    let blocks = blocks_of(channels);
    for row in top as usize..bottom.max(top) as usize {
        for column in left as usize..right.max(left) as usize {
            for block in 0..blocks {
                let words = words(stream, [row * width + column, block]);
                for (channel, word) in (block..channels).step_by(blocks).zip(words) {
                    image[[channel, row, column]] = T::noise(word);
                }
            }
        }
    }
}
