use augraft_operator::{
    Batch, Dice, Element, Extent, Images, Issue, Lowered, Mixing, Mode, Operator, Parity, Partner, Probability,
    Recorder, Row, Rows, Scratch, Shape, Values, draw, parallel, register_operator,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::moments::{LoweredMoments, Norm, measure, replace};

/// Keeps the deviation of a group without any spread above zero, as the authors' code does.
const EPSILON: f64 = 1e-5;

/// Gives each sample the mean and deviation of a partner, and mixes the labels.
///
/// The elements of each group (all channels at one position with `norm: pono`, one channel with `norm: instance`) are normalized and get the mean and
/// deviation of the partner's group. A deviation is `sqrt(variance + 1e-5)` with the unbiased variance (0 for a single element). Moments are computed
/// in f64. Labels become `lam * own + (1 - lam) * partner's`, of the labels that both had before the step; for later steps, the sample shows that
/// label everywhere. No pixel changes its place, so masks, boxes and keypoints stay. Works on feature maps N,C,H,W, in the paper those after the
/// first stage, and on normalized images.
///
/// Draws `apply`, `lam` (1 when not applied) and `partner`, the position in the batch.
///
/// Li et al., "On Feature Normalization and Data Augmentation", CVPR 2021 (Moment Exchange), equations 4 to 6, and the authors' code.
///
/// # Example
/// ```yaml
/// - moex: { lam: 0.9, norm: pono }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MoEx {
    /// Weight of a sample's own label.
    pub lam: Probability,
    /// Which elements have their moments exchanged together.
    pub norm: Norm,
    /// Probability of a batch (or, with `mode: elem`, of a sample) to exchange moments; 1 on `ImageNet` and 0.25 on CIFAR in the authors' code.
    pub p: Probability,
    /// One decision per batch, or per sample.
    pub mode: Mode,
    /// Which sample of the batch the moments come from.
    pub partner: Partner,
}

impl Default for MoEx {
    fn default() -> Self {
        let lam = Probability::new(0.9).expect("0 to 1");
        Self { lam, norm: Norm::Pono, p: Probability::ALWAYS, mode: Mode::Batch, partner: Partner::Permute }
    }
}

draw! {
    /// The label weight and the partner of one sample.
    pub struct Drawn {
        /// Whether the sample gets other moments.
        apply: Bool as Decision,
        /// Weight of the sample's own label, 0 to 1.
        lam: Real as Weight,
        /// Position of the partner in the batch.
        partner: Int as Partner,
    }
}

impl Operator for MoEx {
    const NAME: &'static str = "moex";
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
            return Err(Issue::new("", "exchanges the mean and deviation of floats, and these are bytes")
                .help("put `normalize` before it"));
        }
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, _: &Extent<D>) -> Drawn<D> {
        let apply = self.mode.scope(dice).acts(0, self.p);
        let lam = dice.select(apply, dice.real(self.lam.get()), dice.real(1.0));
        Drawn { apply, lam, partner: dice.partner(4, self.partner) }
    }

    fn mixing<D: Dice>(&self, _: D, draw: &Drawn<D>, _: &Extent<D>) -> Mixing<D> {
        Mixing::Values { lam: Some(draw.lam), partner: draw.partner }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, _: &mut Scratch) {
        if let Images::F32(images) = &mut batch.images
            && draws.iter().any(|draw| draw.apply)
        {
            let moments = measure(images, self.norm, EPSILON);
            let samples = images.outer_iter_mut().zip(&moments).collect();
            parallel(samples, draws, |(mut image, own), draw: &Drawn<Row>| {
                if draw.apply {
                    replace(&mut image, self.norm, own, &moments[draw.partner as usize]);
                }
            });
        }
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let own = LoweredMoments::of(&batch, self.norm, EPSILON);
        let exchanged = own.replaced(own.mean.gather(draw.partner, 0), own.deviation.gather(draw.partner, 0));
        let images = draw.apply.unsqueeze(&[1, 2, 3]).select(exchanged, batch.images);
        Ok(Lowered { images, ..batch })
    }

    fn acts(&self, row: usize, draw: &Drawn<Row>) -> bool {
        draw.apply && draw.partner != row as i64
    }
}

register_operator!(MoEx);
