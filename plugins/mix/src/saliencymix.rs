use std::sync::Arc;

use augraft_operator::{
    Alpha, Dice, Extent, Images, Issue, MixMode, Mixing, Operator, Parity, Partner, Pixel, Probability, Rectangle,
    Region, Row, Rows, Runs, Shape, draw, register_operator,
};
use ndarray::{Array4, ArrayView3, Axis};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::saliency::Saliency;

/// Pastes the most salient box of a partner image and mixes the labels by area.
///
/// The rule of `cutmix`, but for the center: `lam ~ Beta(alpha, alpha)`; the box has the sides `floor(H * sqrt(1 - lam))` and
/// `floor(W * sqrt(1 - lam))`, rounded down to even, around the peak of the partner's saliency, and is clipped to the tensor. The label weight of the
/// sample itself is `1 - area / (H * W)` of the clipped box; in a chain of steps, labels are the shares of the visible pixels, whatever steps come
/// before and after.
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
        apply: Bool as Decision,
        /// Rows of the box above its center, and from it on.
        half_height: Int,
        /// Columns of the box left of its center, and from it on.
        half_width: Int,
        /// Position of the partner in the batch.
        partner: Int as Partner,
    }
}

impl Operator for SaliencyMix {
    const NAME: &'static str = "saliencymix";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::NativeOnly("its box depends on a Fourier transform of the pixels");
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

    fn mixing<D: Dice>(&self, _: D, draw: &Drawn<D>, _: &Extent<D>) -> Mixing<D> {
        Mixing::Region { partner: draw.partner, soft: false }
    }

    fn regions(&self, draws: &[Drawn<Row>], images: &Images) -> Vec<Arc<Region>> {
        let boxes = match images {
            Images::U8(images) => boxes_of(draws, images),
            Images::F32(images) => boxes_of(draws, images),
            Images::Ragged(_) => Vec::new(),
        };
        let region =
            |(row, edges): (usize, Rectangle)| Arc::new(Region::Taken(Runs::of_box(edges, images.extent(row)[2])));
        boxes.into_iter().enumerate().map(region).collect()
    }

    fn acts(&self, row: usize, draw: &Drawn<Row>) -> bool {
        draw.apply && draw.half_height > 0 && draw.half_width > 0 && draw.partner != row as i64
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
        let [y, x] = saliency.peak(&gray(images.index_axis(Axis(0), draw.partner as usize))).map(|at| at as i64);
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

#[cfg(test)]
mod tests {
    use super::*;
    use augraft_operator::{AnyOperator, Element, Masks, Scratch, StepKey};
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
