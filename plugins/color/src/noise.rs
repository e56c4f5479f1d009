use augraft_operator::{
    DataType, Deviation, Dice, Element, Extent, Issue, Lowered, Operator, Parity, Pixel, Probability, Recorder, Row,
    Shape, Tensor, Value, Values, channel_words, draw, draw_stream, lower_channel_words, lower_pixel_places,
    lower_word_normal, lower_word_unit, register_operator, word_normal, word_unit,
};
use ndarray::ArrayViewMut3;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Half the range of a sample in steps of its deviation: so few that sums of squares stay below 2^53 for 2^25 elements, and are exact in any order.
const STEPS: f64 = 16384.0;

/// Adds independent noise to every element, as strong as told or relative to the sample.
///
/// Every element becomes `value + noise * std` in f32, where `noise` has the deviation 1: a standard normal number, cut at 3.99, or one that is uniform
/// in [-sqrt(3), sqrt(3)). Bytes are rounded to the nearest level, halves to even, within 0 to 255. With `relative: true` it is `noise * (std * d)`:
/// `d` is the standard deviation of all elements of the sample, each rounded to the nearest of 32769 steps from the smallest to the largest, because
/// sums of whole numbers are the same in any order. Works on images and on feature maps N,C,H,W.
///
/// Noise is a function of the drawn `stream`: Philox4x32-10 keyed by it at the number of the pixel, row by row, with a word for every channel. A file
/// has it from opset 18 on.
///
/// Draws `apply` and `stream`, the key of the sample's noise (0 when not applied).
///
/// # Example
/// ```yaml
/// - noise: { std: 0.3, relative: true }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Noise {
    /// Shape of the distribution.
    pub distribution: Distribution,
    /// Standard deviation of the noise: in the unit of the tensor (levels 0 to 255 for bytes), or in deviations of the sample.
    pub std: Deviation,
    /// Whether `std` counts in deviations of the sample.
    pub relative: bool,
    /// Probability of a sample to get noise.
    pub p: Probability,
}

/// A distribution of noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// The normal distribution.
    Gaussian,
    /// The uniform distribution.
    Uniform,
}

impl Default for Noise {
    fn default() -> Self {
        let std = Deviation::new(0.1).expect("0 to 1000");
        Self { distribution: Distribution::Gaussian, std, relative: false, p: Probability::ALWAYS }
    }
}

draw! {
    /// The noise of one sample.
    pub struct Drawn {
        /// Whether the sample gets noise.
        apply: Bool as Decision,
        /// Key of the noise.
        stream: Int,
    }
}

impl Operator for Noise {
    const NAME: &'static str = "noise";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const VALUES: Values = Values::Erased;
    const ALIASES: &'static [(&'static str, &'static str)] =
        &[("add_noise", r#"{"relative":true}"#), ("gaussian_noise", "{}")];
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        let std = self.std.get();
        if shape.element == Element::U8 && !self.relative && std > 0.0 && std < 0.5 {
            let message = format!("a deviation of {std} levels rounds to hardly any change of bytes");
            return Err(Issue::new("std", message).help("put it after `normalize`, or give it in levels of 0 to 255"));
        }
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, _: &Extent<D>) -> Drawn<D> {
        let apply = dice.acts(0, self.p);
        Drawn { apply, stream: draw_stream(dice, 1, apply) }
    }

    fn change<T: Pixel>(&self, draw: &Drawn<Row>, image: &mut ArrayViewMut3<'_, T>) {
        let std = if self.relative { self.std.get() * deviation(image) } else { self.std.get() } as f32;
        let (channels, height, width) = image.dim();
        for row in 0..height {
            for column in 0..width {
                for (channel, word) in channel_words(draw.stream, row * width + column, channels) {
                    let value = &mut image[[channel, row, column]];
                    *value = T::of(value.real() + self.distribution.at(word) * std);
                }
            }
        }
    }

    fn lower_change<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: &Lowered<'g>) -> Result<Option<Value<'g>>, Issue> {
        let graph = batch.images.graph();
        let words = lower_channel_words(draw.stream, lower_pixel_places(batch.sides), batch.shape.channels)?;
        let std = self.std.get();
        let std = if self.relative {
            (graph.constant(Tensor::scalar(std)) * lower_deviation(batch)).cast(DataType::F32)
        } else {
            graph.constant(Tensor::scalar(std as f32))
        };
        let images = batch.images.cast(DataType::F32) + self.distribution.lower(words) * std;
        if batch.shape.element == Element::F32 {
            return Ok(Some(images));
        }
        let level = |level: f32| graph.constant(Tensor::scalar(level));
        Ok(Some(images.maximum(level(0.0)).minimum(level(255.0)).round().cast(DataType::U8)))
    }

    fn acts(&self, _: usize, draw: &Drawn<Row>) -> bool {
        // A sample of one color has no deviation.
        draw.apply && !self.relative && self.std.get() > 0.0
    }
}

register_operator!(Noise);

impl Distribution {
    /// The number of deviation 1 that a word stands for.
    fn at(self, word: u32) -> f32 {
        match self {
            Distribution::Gaussian => word_normal(word),
            Distribution::Uniform => ((word_unit(word) - 0.5) * 12f64.sqrt()) as f32,
        }
    }

    /// [`at`](Self::at) in a graph.
    fn lower(self, words: Value<'_>) -> Value<'_> {
        let real = |value: f64| words.graph().constant(Tensor::scalar(value));
        match self {
            Distribution::Gaussian => lower_word_normal(words),
            Distribution::Uniform => ((lower_word_unit(words) - real(0.5)) * real(12f64.sqrt())).cast(DataType::F32),
        }
    }
}

/// The standard deviation of all elements, each rounded to a step of their range.
fn deviation<T: Pixel>(image: &ArrayViewMut3<'_, T>) -> f64 {
    let ends = |[low, high]: [f32; 2], value: &T| [low.min(value.real()), high.max(value.real())];
    let [low, high] = image.iter().fold([f32::INFINITY, f32::NEG_INFINITY], ends).map(f64::from);
    let (center, reach) = ((low + high) * 0.5, (high - low) * 0.5);
    // Equal elements are all at step 0.
    let reach = if reach > 0.0 { reach } else { 1.0 };
    let factor = STEPS / reach;
    let sums = |[sum, squares]: [i64; 2], value: &T| {
        let step = ((f64::from(value.real()) - center) * factor + 0.5).floor() as i64;
        [sum + step, squares + step * step]
    };
    let share = 1.0 / image.len().max(1) as f64;
    let [mean, square] = image.iter().fold([0; 2], sums).map(|sum| sum as f64 * share);
    (square - mean * mean).sqrt() * (reach * (1.0 / STEPS))
}

/// [`deviation`] in a graph, f64 `[N,1,1,1]`.
fn lower_deviation<'g>(batch: &Lowered<'g>) -> Value<'g> {
    let graph = batch.images.graph();
    let real = |value: f64| graph.constant(Tensor::scalar(value));
    let images = batch.images.cast(DataType::F32);
    let end = |op| graph.node(op, &[images, graph.ints(&[1, 2, 3])], vec![], DataType::F32).cast(DataType::F64);
    let [low, high] = ["ReduceMin", "ReduceMax"].map(end);
    let (center, reach) = ((low + high) * real(0.5), (high - low) * real(0.5));
    let reach = real(0.0).less(reach).select(reach, real(1.0));
    let factor = real(STEPS) / reach;
    let step = ((images.cast(DataType::F64) - center) * factor + real(0.5)).unary("Floor");
    let [height, width] = batch.sides;
    let count = graph.constant(Tensor::scalar(batch.shape.channels as i64)) * height * width;
    let share = match count.constant_int() {
        Some(count) => real(1.0 / count.max(1) as f64),
        None => real(1.0) / count.cast(DataType::F64),
    };
    let mean = |values: Value<'g>| values.reduce_sum(3).reduce_sum(2).reduce_sum(1).unsqueeze(&[1, 2, 3]) * share;
    let (mean, square) = (mean(step), mean(step * step));
    (square - mean * mean).unary("Sqrt") * (reach * real(1.0 / STEPS))
}
