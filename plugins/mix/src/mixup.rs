use core::ops::Range;

use augraft_operator::{
    Alpha, Batch, DataType, Dice, Element, Extent, Images, Issue, Lowered, Mode, Operator, Parity, Partner,
    Probability, Recorder, Role, Row, Scratch, Shape, Tensor, draw, register_operator,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cycles::{Mixer, mix_bands};
use crate::partner_of;

/// Blends each image with a partner image, and the labels alike.
///
/// `lam ~ Beta(alpha, alpha)`; images and labels become `lam * own + (1 - lam) * partner`, in f32. Bytes are rounded to the nearest level, halves
/// to even; better put it after `normalize`. Works on images and on feature maps (Manifold Mixup).
///
/// Draws `apply`, `lam` (1 when not applied) and `partner`, the position in the batch.
///
/// Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018, equation 1; Verma et al., "Manifold Mixup", ICML 2019.
///
/// # Example
/// ```yaml
/// - mixup: { alpha: 0.2 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mixup {
    /// Parameter of the Beta distribution of `lam`; 1 is uniform.
    pub alpha: Alpha,
    /// Probability of a batch (or, with `mode: elem`, of a sample) to be mixed.
    pub p: Probability,
    /// One `lam` per batch, or per sample.
    pub mode: Mode,
    /// Which sample of the batch each one is blended with.
    pub partner: Partner,
}

impl Default for Mixup {
    fn default() -> Self {
        Self { alpha: Alpha::default(), p: Probability::ALWAYS, mode: Mode::Batch, partner: Partner::Permute }
    }
}

draw! {
    /// The weight and the partner of one sample.
    pub struct Drawn {
        /// Whether the sample is mixed.
        apply: Bool,
        /// Weight of the sample itself, 0 to 1.
        lam: Real,
        /// Position of the partner in the batch.
        partner: Int,
    }
}

impl Operator for Mixup {
    const NAME: &'static str = "mixup";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const ROLE: Role = Role::Mix;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        shape.uniform()?;
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, _: &Extent<D>) -> Drawn<D> {
        let scope = self.mode.scope(dice);
        let apply = scope.acts(0, self.p);
        let lam = scope.select(apply, scope.beta(1, &self.alpha), scope.real(1.0));
        Drawn { apply, lam, partner: dice.partner(4, self.partner) }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, scratch: &mut Scratch) {
        let partner: Vec<usize> = draws.iter().map(|draw| partner_of(draw.partner)).collect();
        let lam: Vec<f32> = draws.iter().map(|draw| draw.lam as f32).collect();
        match &mut batch.images {
            Images::U8(images) => mix_bands(images, &partner, scratch, &Blend(&lam)),
            Images::F32(images) => mix_bands(images, &partner, scratch, &Blend(&lam)),
            Images::Ragged(_) => {}
        }
        batch.labels.blend(lam, &partner);
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let one = batch.images.graph().constant(Tensor::scalar(1f32));
        let lam = draw.lam.unsqueeze(&[1, 2, 3]);
        let bytes = batch.shape.element == Element::U8;
        let own = if bytes { batch.images.cast(DataType::F32) } else { batch.images };
        let mixed = own * lam + own.gather(draw.partner, 0) * (one - lam);
        let mixed = if bytes { mixed.round().cast(DataType::U8) } else { mixed };
        let images = lam.less(one).select(mixed, batch.images);
        let labels = batch.labels.map(|labels| labels.blend(draw.lam, draw.partner));
        Ok(Lowered { images, labels, ..batch })
    }

    fn acts(&self, row: usize, draw: &Drawn<Row>) -> bool {
        draw.apply && draw.lam < 1.0 && partner_of(draw.partner) != row
    }
}

register_operator!(Mixup);

/// Blends with these weights; a weight of 1 leaves a sample alone, so that infinities of the partner do not spread.
struct Blend<'a>(&'a [f32]);

impl Blend<'_> {
    fn reads(&self, at: usize, band: Range<usize>) -> Range<usize> {
        if self.0[at] < 1.0 { band } else { 0..0 }
    }
}

impl Mixer<f32> for Blend<'_> {
    fn reads(&self, at: usize, band: Range<usize>) -> Range<usize> {
        self.reads(at, band)
    }

    fn mix(&self, at: usize, _: Range<usize>, own: &mut [f32], other: &[f32]) {
        let (lam, rest) = (self.0[at], 1.0 - self.0[at]);
        own.iter_mut().zip(other).for_each(|(own, other)| *own = *own * lam + other * rest);
    }
}

impl Mixer<u8> for Blend<'_> {
    fn reads(&self, at: usize, band: Range<usize>) -> Range<usize> {
        self.reads(at, band)
    }

    fn mix(&self, at: usize, _: Range<usize>, own: &mut [u8], other: &[u8]) {
        let (lam, rest) = (self.0[at], 1.0 - self.0[at]);
        let blend = |own: u8, other: u8| (f32::from(own) * lam + f32::from(other) * rest).round_ties_even() as u8;
        own.iter_mut().zip(other).for_each(|(own, other)| *own = blend(*own, *other));
    }
}
