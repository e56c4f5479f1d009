use augraft_operator::rand_distr::{Distribution, StandardNormal, StandardUniform};
use augraft_operator::{
    Batch, Deviation, Dice, Element, Extent, Issue, Lowered, Operator, Parity, PhiloxRng, Probability, Recorder, Row,
    Scratch, Shape, Values, draw, each_sample, register_operator,
};
use ndarray::ArrayViewMut3;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Adds independent noise to every element, as strong as told or relative to the sample.
///
/// The noise has the standard deviation `std`: Gaussian, or uniform in `[-sqrt(3) * std, sqrt(3) * std)`, which has the same deviation. With
/// `relative: true` it is multiplied by the standard deviation of all elements of the sample, so that one `std` fits any feature map. Native only:
/// the noise of a sample comes from `rand_distr` over a Philox stream, which standard ONNX operators cannot express with the same bits. Works
/// on feature maps N,C,H,W and images; bytes are rounded to the nearest level and clipped to 0..=255.
///
/// Draws `apply` and `stream`, the key of the sample's noise.
///
/// # Example
/// ```yaml
/// - add_noise: { std: 0.1, relative: true }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AddNoise {
    /// Shape of the distribution.
    pub distribution: Noise,
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
pub enum Noise {
    /// The normal distribution.
    Gaussian,
    /// The uniform distribution.
    Uniform,
}

impl Default for AddNoise {
    fn default() -> Self {
        let std = Deviation::new(0.1).expect("0 to 1000");
        Self { distribution: Noise::Gaussian, std, relative: true, p: Probability::ALWAYS }
    }
}

draw! {
    /// The noise of one sample.
    pub struct Drawn {
        /// Whether the sample gets noise.
        apply: Bool as Decision,
        /// Key of the stream of noise.
        stream: Int,
    }
}

impl Operator for AddNoise {
    const NAME: &'static str = "add_noise";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::NativeOnly("its noise is drawn for each element");
    const VALUES: Values = Values::Erased;
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
        let word = |lane| dice.below(lane, dice.int(1 << 21));
        Drawn { apply: dice.acts(0, self.p), stream: word(1) * dice.int(1 << 21) + word(2) }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, _: &mut Scratch) {
        each_sample!(batch.images, draws, |draw, image| if draw.apply {
            self.disturb(&mut image, PhiloxRng::new(draw.stream as u64));
        });
    }

    fn lower<'g>(&self, _: &Drawn<Recorder<'g>>, _: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        Err(Issue::new("", "runs natively only"))
    }

    fn acts(&self, _: usize, draw: &Drawn<Row>) -> bool {
        draw.apply && !self.relative && self.std.get() > 0.0
    }
}

register_operator!(AddNoise);

impl AddNoise {
    fn disturb<T: Noisy>(&self, image: &mut ArrayViewMut3<'_, T>, rng: PhiloxRng) {
        let std = if self.relative { self.std.get() * deviation(image) } else { self.std.get() };
        match self.distribution {
            Noise::Gaussian => {
                let std = std as f32;
                let noise = StandardNormal.sample_iter(rng).map(|value: f32| value * std);
                image.iter_mut().zip(noise).for_each(|(value, noise)| *value = value.plus(noise));
            }
            Noise::Uniform => {
                let width = (12f64.sqrt() * std) as f32;
                let noise = StandardUniform.sample_iter(rng).map(|value: f32| (value - 0.5) * width);
                image.iter_mut().zip(noise).for_each(|(value, noise)| *value = value.plus(noise));
            }
        }
    }
}

/// Elements that noise is added to.
trait Noisy: Copy + Into<f64> {
    fn plus(self, noise: f32) -> Self;
}

impl Noisy for f32 {
    fn plus(self, noise: f32) -> f32 {
        self + noise
    }
}

impl Noisy for u8 {
    fn plus(self, noise: f32) -> u8 {
        (f32::from(self) + noise).round_ties_even().clamp(0.0, 255.0) as u8
    }
}

/// The standard deviation of all elements.
fn deviation<T: Noisy>(image: &ArrayViewMut3<'_, T>) -> f64 {
    let count = image.len().max(1) as f64;
    let values = || image.iter().map(|value| -> f64 { (*value).into() });
    let mean = values().sum::<f64>() / count;
    (values().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count).sqrt()
}
