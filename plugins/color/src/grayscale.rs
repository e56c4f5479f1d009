use augraft_operator::{
    Batch, DataType, Dice, Element, Extent, Images, Issue, Layout, Lowered, Operator, Parity, Probability, Recorder,
    Row, Scratch, Shape, Tensor, Transfer, Values, draw, register_operator,
};
use ndarray::{Array3, Array4, ArrayView3, Axis};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Takes the color out of an image: every pixel becomes its luma.
///
/// The luma of bytes is `(19595 R + 38470 G + 7471 B + 32768) / 65536`, rounded down: ITU-R BT.601 in whole numbers, as in Pillow's mode `L`, to the bit.
/// It is for bytes, so put it before `normalize`. With `channels: 1` one channel is left, for models that take gray images; all samples
/// must then become gray, so `p` stays 1.
///
/// Draws `apply`: whether a sample becomes gray.
///
/// `Image.convert("L")` of Pillow 12; `RandomGrayscale` of torchvision 0.24 on its PIL backend.
///
/// # Example
/// ```yaml
/// - grayscale: { p: 0.2 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Grayscale {
    /// Channels of the result: 3 equal ones, or 1.
    pub channels: Planes,
    /// Probability of a sample to become gray.
    pub p: Probability,
}

impl Default for Grayscale {
    fn default() -> Self {
        Self { channels: Planes::Three, p: Probability::ALWAYS }
    }
}

/// One channel, or three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Planes {
    /// One channel.
    One,
    /// Three equal channels.
    Three,
}

impl TryFrom<u8> for Planes {
    type Error = String;

    fn try_from(count: u8) -> Result<Self, String> {
        match count {
            1 => Ok(Self::One),
            3 => Ok(Self::Three),
            _ => Err(format!("{count} is neither 1 nor 3")),
        }
    }
}

impl From<Planes> for u8 {
    fn from(planes: Planes) -> Self {
        if planes == Planes::One { 1 } else { 3 }
    }
}

impl JsonSchema for Planes {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Planes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": [1, 3] })
    }
}

draw! {
    /// What becomes gray.
    pub struct Drawn {
        /// Whether the sample does.
        apply: Bool as Decision,
    }
}

/// Weights of red, green and blue in 65,536ths.
const WEIGHTS: [u32; 3] = [19_595, 38_470, 7_471];
/// What rounds to the nearest before the division.
const HALF: u32 = 32_768;

impl Operator for Grayscale {
    const NAME: &'static str = "grayscale";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const VALUES: Values = Values::Changed;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        if shape.channels != 3 {
            return Err(Issue::new("", format!("is for images of 3 channels, and these have {}", shape.channels)));
        }
        if shape.element != Element::U8 {
            return Err(Issue::new("", "is for bytes, and these are floats").help("put it before `normalize`"));
        }
        if self.channels == Planes::Three {
            return Ok(shape.clone());
        }
        if shape.layout == Layout::Ragged {
            return Err(
                Issue::new("channels", "may be 1 for images of one size").help("put it behind `resize` or a crop")
            );
        }
        if self.p != Probability::ALWAYS {
            return Err(Issue::new("p", "must be 1 where one channel is left: all samples have as many"));
        }
        Ok(Shape { channels: 1, ..shape.clone() })
    }

    fn draw<D: Dice>(&self, dice: D, _: &Extent<D>) -> Drawn<D> {
        Drawn { apply: dice.acts(0, self.p) }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, _: &mut Scratch) {
        let one = self.channels == Planes::One;
        let images = core::mem::replace(&mut batch.images, Images::Ragged(Vec::new()));
        batch.images = match images {
            Images::U8(images) if one => {
                let (n, _, height, width) = images.dim();
                let mut gray = Array4::zeros([n, 1, height, width]);
                for (from, mut to) in images.outer_iter().zip(gray.outer_iter_mut()) {
                    to.index_axis_mut(Axis(0), 0).assign(&luma(from));
                }
                Images::U8(gray)
            }
            Images::U8(mut images) => {
                for (mut image, _) in images.outer_iter_mut().zip(draws).filter(|(_, draw)| draw.apply) {
                    let gray = luma(image.view());
                    image.outer_iter_mut().for_each(|mut plane| plane.assign(&gray));
                }
                Images::U8(images)
            }
            Images::Ragged(images) => Images::Ragged(
                images
                    .into_iter()
                    .zip(draws)
                    .map(|(image, draw)| if draw.apply { gray_pixels(&image) } else { image })
                    .collect(),
            ),
            floats @ Images::F32(_) => floats,
        };
        if one {
            batch.transfer.truncate(1);
            batch.transfer.iter_mut().for_each(|channel| *channel = Transfer::IDENTITY);
        }
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let graph = batch.images.graph();
        let real = |value: f32| graph.constant(Tensor::scalar(value));
        let images = batch.images.cast(DataType::F32);
        let weighted = |channel: usize| {
            let at = channel as i64;
            images.slice(1, at, at + 1) * real(WEIGHTS[channel] as f32)
        };
        // Whole numbers below 2^24, which single precision adds exactly.
        let sum = weighted(0) + weighted(1) + weighted(2) + real(HALF as f32);
        let gray = (sum * real(1.0 / 65_536.0)).unary("Floor").cast(DataType::U8);
        let images = match self.channels {
            Planes::One => gray,
            Planes::Three => draw.apply.unsqueeze(&[1, 2, 3]).select(gray, batch.images),
        };
        let shape = Operator::check(self, &batch.shape)?;
        Ok(Lowered { images, shape, ..batch })
    }

    fn acts(&self, _: usize, draw: &Drawn<Row>) -> bool {
        // An image may be gray before.
        draw.apply && self.channels == Planes::One
    }
}

register_operator!(Grayscale);

fn luma(image: ArrayView3<'_, u8>) -> ndarray::Array2<u8> {
    let (_, height, width) = image.dim();
    ndarray::Array2::from_shape_fn([height, width], |(y, x)| {
        luma_of([image[[0, y, x]], image[[1, y, x]], image[[2, y, x]]])
    })
}

fn luma_of(pixel: [u8; 3]) -> u8 {
    let sum: u32 = pixel.iter().zip(WEIGHTS).map(|(value, weight)| u32::from(*value) * weight).sum();
    ((sum + HALF) >> 16) as u8
}

/// An image of rows of pixels, gray.
fn gray_pixels(image: &Array3<u8>) -> Array3<u8> {
    Array3::from_shape_fn(image.dim(), |(y, x, _)| luma_of([image[[y, x, 0]], image[[y, x, 1]], image[[y, x, 2]]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_luma_is_that_of_pillow() {
        // What Pillow 12 gives for these pixels.
        for (pixel, expected) in [
            ([255, 255, 255], 255),
            ([0, 0, 0], 0),
            ([255, 0, 0], 76),
            ([0, 255, 0], 150),
            ([0, 0, 255], 29),
            ([12, 200, 77], 130),
            ([1, 2, 3], 2),
        ] {
            assert_eq!(luma_of(pixel), expected, "{pixel:?}");
        }
    }
}
