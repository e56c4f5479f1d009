//! What holes are filled with.

use augraft_operator::{
    Dice, Element, Fill, Issue, Lowered, Pixel, Rectangle, Shape, Tensor, Value, box_mask, channel_words, draw_stream,
    lower_channel_words, lower_pixel_places, lower_word_byte, lower_word_normal,
};
use ndarray::ArrayViewMut3;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::hole::{fill_hole, inside, lower_holes};

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
    pub(crate) fn paint<T: Pixel>(&self, image: &mut ArrayViewMut3<'_, T>, holes: &[Rectangle], stream: i64) {
        let channels = image.dim().0;
        for (k, hole) in holes.iter().copied().enumerate() {
            match self {
                Filling::Value(fill) => fill_hole(image, hole, |channel| T::of(fill.at(channel))),
                Filling::Noise(Noise::Random) => {
                    let mut color = vec![T::noise(0); channels];
                    channel_words(stream, k, channels).for_each(|(channel, word)| color[channel] = T::noise(word));
                    fill_hole(image, hole, |channel| color[channel]);
                }
                Filling::Noise(Noise::Pixel) => paint_pixels(image, hole, stream),
            }
        }
    }

    /// Fills holes in a graph; `holes` are `[top, left, bottom, right]`, int64 `[N]` each, and `stream` is int64 `[N,1,1,1]`.
    pub(crate) fn lower<'g>(
        &self,
        holes: &[[Value<'g>; 4]],
        stream: Value<'g>,
        batch: &Lowered<'g>,
    ) -> Result<Value<'g>, Issue> {
        let graph = batch.images.graph();
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
                let colors = lower_noise(stream, lower_pixel_places(batch.sides), &batch.shape)?;
                Ok(inside(holes, batch).map_or(batch.images, |inside| inside.select(colors, batch.images)))
            }
        }
    }
}

fn paint_pixels<T: Pixel>(image: &mut ArrayViewMut3<'_, T>, [top, left, bottom, right]: Rectangle, stream: i64) {
    let (channels, _, width) = image.dim();
    for row in top as usize..bottom.max(top) as usize {
        for column in left as usize..right.max(left) as usize {
            for (channel, word) in channel_words(stream, row * width + column, channels) {
                image[[channel, row, column]] = T::noise(word);
            }
        }
    }
}

/// Noise for every channel in a graph, in the type of the images: `stream` is int64 `[N,1,1,1]`, `place` int64 `[1,1,..,..]`.
fn lower_noise<'g>(stream: Value<'g>, place: Value<'g>, shape: &Shape) -> Result<Value<'g>, Issue> {
    let words = lower_channel_words(stream, place, shape.channels)?;
    Ok(if shape.element == Element::U8 { lower_word_byte(words) } else { lower_word_normal(words) })
}
