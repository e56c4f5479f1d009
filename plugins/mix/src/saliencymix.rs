use augraft_operator::{
    Alpha, Batch, Dice, Extent, Images, Issue, Lowered, MixMode, Operator, Parity, Partner, Probability, Recorder,
    Rectangle, Role, Row, Rows, Scratch, Shape, draw, register_operator,
};
use ndarray::{Array4, ArrayView3, Axis};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cycles::mix_bands;
use crate::partner_of;
use crate::pixel::Pixel;
use crate::runs::{Runs, Take};
use crate::saliency::Saliency;

/// Pastes the most salient box of a partner image and mixes the labels by area.
///
/// The rule of `cutmix`, but for the center: `lam ~ Beta(alpha, alpha)`; the box has the sides `floor(H * sqrt(1 - lam))` and
/// `floor(W * sqrt(1 - lam))`, rounded down to even, around the peak of the partner's saliency, and is clipped to the tensor. The label weight of the
/// sample itself is `1 - area / (H * W)` of the clipped box.
///
/// The saliency is the spectral residual of the mean over the channels, each partner for itself, made smaller to at most 64 pixels a side by the mean
/// of square blocks; the peak is the middle of the block. The authors take `OpenCV`'s fine-grained saliency instead, and one image for the batch.
///
/// Native only: the box depends on a Fourier transform of the pixels, so it is not drawn; the shares are in the labels.
///
/// Draws `apply`, `half_height` and `half_width` (half the sides of the box in pixels, 0 when not applied) and `partner`, the position in the batch.
///
/// Uddin et al., "`SaliencyMix`: A Saliency Guided Data Augmentation Strategy for Better Regularization", ICLR 2021; Hou and Zhang, "Saliency
/// Detection: A Spectral Residual Approach", CVPR 2007.
///
/// # Example
/// ```yaml
/// - saliencymix: { alpha: 1.0, p: 0.5 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SaliencyMix {
    /// Parameter of the Beta distribution of `lam`; 1 is uniform.
    pub alpha: Alpha,
    /// Probability of a batch (or, with `mode: elem`, of a sample) to be mixed.
    pub p: Probability,
    /// One `lam` per batch, or per sample; the center is always that of the partner.
    pub mode: MixMode,
    /// Which sample of the batch the box comes from.
    pub partner: Partner,
}

impl Default for SaliencyMix {
    fn default() -> Self {
        Self { alpha: Alpha::default(), p: Probability::ALWAYS, mode: MixMode::Batch, partner: Partner::Permute }
    }
}

draw! {
    /// The size of the box and the partner of one sample.
    pub struct Drawn {
        /// Whether the sample is mixed.
        apply: Bool,
        /// Rows of the box above its center, and from it on.
        half_height: Int,
        /// Columns of the box left of its center, and from it on.
        half_width: Int,
        /// Position of the partner in the batch.
        partner: Int,
    }
}

impl Operator for SaliencyMix {
    const NAME: &'static str = "saliencymix";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::NativeOnly("its box depends on a Fourier transform of the pixels");
    const ROLE: Role = Role::Mix;
    type Draw<D: Dice> = Drawn<D>;

    fn rows(&self) -> Rows {
        self.mode.rows(self.partner)
    }

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        self.mode.check(self.partner)?;
        shape.uniform()?;
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        let scope = self.mode.scope(dice);
        let apply = scope.acts(0, self.p);
        let cut = scope.sqrt(scope.real(1.0) - scope.beta(1, &self.alpha));
        let half = |side| {
            let half = scope.floor(scope.real(0.5) * cut * scope.to_real(side));
            scope.select_int(apply, half, scope.int(0))
        };
        let (half_height, half_width) = (half(extent.height), half(extent.width));
        Drawn { apply, half_height, half_width, partner: dice.partner(4, self.partner) }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, scratch: &mut Scratch) {
        let boxes = match &batch.images {
            Images::U8(images) => boxes_of(draws, images),
            Images::F32(images) => boxes_of(draws, images),
            Images::Ragged(_) => Vec::new(),
        };
        let partner: Vec<usize> = draws.iter().map(|draw| partner_of(draw.partner)).collect();
        // The boxes come from the pixels, which masks do not show.
        let masks = batch.masks.as_mut().map(|masks| &mut masks.images);
        for images in std::iter::once(&mut batch.images).chain(masks) {
            paste(&partner, &boxes, images, scratch);
        }
        let [_, height, width] = if batch.is_empty() { [0; 3] } else { batch.extent(0) };
        batch.labels.paste(boxes, &partner, [height, width]);
    }

    fn lower<'g>(&self, _: &Drawn<Recorder<'g>>, _: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        Err(Issue::new("", "runs natively only"))
    }

    fn apply_masks(&self, _: &[Drawn<Row>], _: &mut Batch, _: &mut Scratch) {}

    fn acts(&self, row: usize, draw: &Drawn<Row>) -> bool {
        draw.apply && draw.half_height > 0 && draw.half_width > 0 && partner_of(draw.partner) != row
    }
}

register_operator!(SaliencyMix);

/// The box of every sample, around the peak of its partner.
fn boxes_of<T: Pixel>(draws: &[Drawn<Row>], images: &Array4<T>) -> Vec<Rectangle> {
    let (_, _, height, width) = images.dim();
    let saliency = Saliency::new([height, width]);
    let around = |draw: &Drawn<Row>| {
        if draw.half_height <= 0 || draw.half_width <= 0 {
            return [0; 4];
        }
        let [y, x] = saliency.peak(&gray(images.index_axis(Axis(0), partner_of(draw.partner)))).map(|at| at as i64);
        let edge = |at: i64, side: usize| at.clamp(0, side as i64);
        [
            edge(y - draw.half_height, height),
            edge(x - draw.half_width, width),
            edge(y + draw.half_height, height),
            edge(x + draw.half_width, width),
        ]
    };
    draws.par_iter().map(around).collect()
}

/// The sum over the channels, row by row; what is no number counts as 0.
fn gray<T: Pixel>(image: ArrayView3<'_, T>) -> Vec<f64> {
    let mut sums = vec![0.0; image.dim().1 * image.dim().2];
    for plane in image.outer_iter() {
        for (sum, value) in sums.iter_mut().zip(plane) {
            let value = value.real();
            *sum += if value.is_finite() { f64::from(value) } else { 0.0 };
        }
    }
    sums
}

/// Copies the boxes of the partners.
fn paste(partner: &[usize], boxes: &[Rectangle], images: &mut Images, scratch: &mut Scratch) {
    let (height, width) = match images {
        Images::U8(images) => (images.dim().2, images.dim().3),
        Images::F32(images) => (images.dim().2, images.dim().3),
        Images::Ragged(_) => return,
    };
    let runs: Vec<Runs> = boxes.iter().map(|edges| Runs::of_box(*edges, width)).collect();
    let runs: Vec<&Runs> = runs.iter().collect();
    let take = Take { runs: &runs, plane: height * width };
    match images {
        Images::U8(images) => mix_bands(images, partner, scratch, &take),
        Images::F32(images) => mix_bands(images, partner, scratch, &take),
        Images::Ragged(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use augraft_operator::{AnyOperator, Element, Masks, StepKey};
    use augraft_testkit::{batch, shape};

    #[test]
    fn masks_get_the_boxes_of_their_images() {
        let mut batch = batch(&shape(Element::U8, 1, [40, 30]), 6);
        let before = batch.images.clone();
        batch.masks = Some(Masks { images: before.clone(), classes: 256 });
        let operator = SaliencyMix::default();
        let draws = AnyOperator::draw(&operator, &StepKey::new(4, "masks"), 0, &batch);
        AnyOperator::apply(&operator, &draws, &mut batch, &mut Scratch::default()).expect("its own draws");
        assert_ne!(batch.images, before);
        assert_eq!(batch.masks.map(|masks| masks.images), Some(batch.images));
    }
}
