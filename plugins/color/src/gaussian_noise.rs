use augraft_operator::rand_distr::{Distribution, StandardNormal};
use augraft_operator::{
    Batch, Deviation, Dice, Element, Extent, Images, Issue, Lowered, Operator, Parity, PhiloxRng, Probability,
    Recorder, Row, Scratch, Shape, Values, draw, parallel, register_operator,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Adds independent Gaussian noise to every element.
///
/// Native only: the noise of a sample comes from `rand_distr`'s ziggurat over a Philox stream, which standard ONNX operators cannot express with the
/// same bits. Bytes are rounded to the nearest level and clipped to 0..=255.
///
/// Draws `apply` and `stream`, the key of the sample's noise.
///
/// # Example
/// ```yaml
/// - gaussian_noise: { std: 0.1 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GaussianNoise {
    /// Standard deviation, in the unit of the tensor (levels 0 to 255 for bytes).
    pub std: Deviation,
    /// Probability of a sample to get noise.
    pub p: Probability,
}

impl Default for GaussianNoise {
    fn default() -> Self {
        Self { std: Deviation::new(0.1).expect("0 to 1000"), p: Probability::ALWAYS }
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

impl Operator for GaussianNoise {
    const NAME: &'static str = "gaussian_noise";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::NativeOnly("its noise is drawn for each pixel");
    const VALUES: Values = Values::Erased;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        let std = self.std.get();
        if shape.element == Element::U8 && std > 0.0 && std < 0.5 {
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
        let std = self.std.get() as f32;
        let noise = |draw: &Drawn<Row>| {
            let rng = draw.apply.then(|| PhiloxRng::new(draw.stream as u64));
            rng.into_iter().flat_map(move |rng| StandardNormal.sample_iter(rng)).map(move |value: f32| value * std)
        };
        if let Images::F32(images) = &mut batch.images {
            parallel(images.outer_iter_mut().collect(), draws, |mut image, draw| {
                image.iter_mut().zip(noise(draw)).for_each(|(value, noise)| *value += noise);
            });
        } else if let Some(samples) = batch.images.samples_u8() {
            parallel(samples, draws, |mut image, draw| {
                let noisy =
                    |value: u8, noise: f32| (f32::from(value) + noise).round_ties_even().clamp(0.0, 255.0) as u8;
                image.iter_mut().zip(noise(draw)).for_each(|(value, noise)| *value = noisy(*value, noise));
            });
        }
    }

    fn lower<'g>(&self, _: &Drawn<Recorder<'g>>, _: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        Err(Issue::new("", "runs natively only"))
    }

    fn acts(&self, _: usize, draw: &Drawn<Row>) -> bool {
        draw.apply && self.std.get() > 0.0
    }
}

register_operator!(GaussianNoise);
