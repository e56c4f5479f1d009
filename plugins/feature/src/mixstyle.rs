use augraft_operator::{
    Alpha, Batch, DataType, Dice, Element, Extent, Images, Issue, Lowered, Mixing, Mode, Operator, Parity, Partner,
    Probability, Recorder, Row, Rows, Scratch, Shape, Tensor, Values, draw, parallel, register_operator,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::moments::{LoweredMoments, Moments, Norm, measure, replace};

/// Keeps the deviation of a channel without any spread above zero, as the authors' code does.
const EPSILON: f64 = 1e-6;

/// Mixes the mean and the deviation of each channel with those of a partner.
///
/// Each channel of a sample is normalized over its rows and columns, and gets the mean `lam * own + (1 - lam) * partner's` and the deviation alike;
/// `lam ~ Beta(alpha, alpha)` for each sample. A deviation is `sqrt(variance + 1e-6)` with the unbiased variance (0 for a map of one element).
/// Moments are computed in f64. What is mixed is the style, not the content: labels, masks, boxes and keypoints stay as they are, and earlier and
/// later steps count as if this one were not there. Works on feature maps N,C,H,W and normalized images.
///
/// Draws `apply`, `lam` (1 when not applied) and `partner`, the position in the batch.
///
/// Zhou et al., "Domain Generalization with `MixStyle`", ICLR 2021, equations 3 to 5, and the authors' code.
///
/// # Example
/// ```yaml
/// - mixstyle: { alpha: 0.1, p: 0.5 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MixStyle {
    /// Parameter of the Beta distribution of `lam`; small values leave most of one style.
    pub alpha: Alpha,
    /// Probability of a batch (or, with `mode: elem`, of a sample) to be mixed.
    pub p: Probability,
    /// Whether a batch is mixed as a whole or each sample by itself; `lam` is drawn for each sample anyway.
    pub mode: Mode,
    /// Which sample of the batch the style comes from.
    pub partner: Partner,
}

impl Default for MixStyle {
    fn default() -> Self {
        let alpha = Alpha::new(0.1).expect("0.01 to 1000");
        Self { alpha, p: Probability::HALF, mode: Mode::Batch, partner: Partner::Permute }
    }
}

draw! {
    /// The weight and the partner of one sample.
    pub struct Drawn {
        /// Whether the sample is mixed.
        apply: Bool as Decision,
        /// Weight of the sample's own style, 0 to 1.
        lam: Real,
        /// Position of the partner in the batch.
        partner: Int as Partner,
    }
}

impl Operator for MixStyle {
    const NAME: &'static str = "mixstyle";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Within(1e-6);
    const VALUES: Values = Values::Changed;
    type Draw<D: Dice> = Drawn<D>;

    fn rows(&self) -> Rows {
        self.partner.rows()
    }

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        shape.uniform()?;
        if shape.element == Element::U8 {
            return Err(Issue::new("", "changes the mean and deviation of floats, and these are bytes")
                .help("put `normalize` before it"));
        }
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, _: &Extent<D>) -> Drawn<D> {
        let apply = self.mode.scope(dice).acts(0, self.p);
        let lam = dice.select(apply, dice.beta(1, &self.alpha), dice.real(1.0));
        Drawn { apply, lam, partner: dice.partner(4, self.partner) }
    }

    fn mixing<D: Dice>(&self, _: D, draw: &Drawn<D>, _: &Extent<D>) -> Mixing<D> {
        Mixing::Values { lam: None, partner: draw.partner }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, _: &mut Scratch) {
        let Images::F32(images) = &mut batch.images else { return };
        if draws.iter().all(|draw| !draw.apply) {
            return;
        }
        let moments = measure(images, Norm::Instance, EPSILON);
        let samples = images.outer_iter_mut().zip(&moments).collect();
        parallel(samples, draws, |(mut image, own), draw: &Drawn<Row>| {
            if draw.apply {
                let (lam, other) = (draw.lam, &moments[draw.partner as usize]);
                let mixed = |own: &Moments, other: &Moments| [0, 1].map(|at| own[at] * lam + other[at] * (1.0 - lam));
                let mixed: Vec<Moments> = own.iter().zip(other).map(|(own, other)| mixed(own, other)).collect();
                replace(&mut image, Norm::Instance, own, &mixed);
            }
        });
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let own = LoweredMoments::of(&batch, Norm::Instance, EPSILON);
        let lam = draw.lam.cast(DataType::F64).unsqueeze(&[1, 2, 3]);
        let rest = batch.images.graph().constant(Tensor::scalar(1f64)) - lam;
        let [mean, deviation] =
            [own.mean, own.deviation].map(|value| value * lam + value.gather(draw.partner, 0) * rest);
        let mixed = own.replaced(mean, deviation);
        let images = draw.apply.unsqueeze(&[1, 2, 3]).select(mixed, batch.images);
        Ok(Lowered { images, ..batch })
    }

    fn acts(&self, row: usize, draw: &Drawn<Row>) -> bool {
        draw.apply && draw.lam < 1.0 && draw.partner != row as i64
    }
}

register_operator!(MixStyle);
