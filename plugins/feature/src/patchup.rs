use augraft_operator::{
    Alpha, Batch, DataType, Dice, Element, Extent, Images, Issue, Lowered, Mode, Operator, Parity, Partner, Pooled,
    Probability, Recorder, Role, Row, Scratch, Shape, Side, Tensor, Value, draw, parallel, register_operator,
};
use ndarray::{Array2, Array4, ArrayView3, ArrayViewMut3, Axis, Zip};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocks::{check_blocks, draw_seeds, grow, lower_blocks, mix};
use crate::partner_of;

/// Swaps or interpolates square blocks of a feature map with those of a partner, and mixes the labels by their share.
///
/// Blocks are drawn as `dropblock` draws them, with `gamma` as the share to change, about. Inside a block a sample becomes
/// `lam * own + (1 - lam) * partner's`, where `lam` is 0 with `mode: hard` and Beta(alpha, alpha) with `mode: soft`. The label weight of the sample
/// itself is `u + (1 - u) * lam`, with `u` the share of elements outside all blocks: the paper's reweighted target (its loss of the two plain targets
/// is up to the training). The authors' code also starts blocks at the border and clips them; here, as in the formula of `gamma`, all blocks lie
/// inside. They recommend `gamma: 0.5, p: 0.7` for hard and `gamma: 0.75, p: 1` for soft. Works on feature maps N,C,H,W and images; `soft` on floats.
///
/// Draws `apply`, `lam` (weight of the sample inside blocks, 1 when not applied), `seeds` (a truth value per channel, one for all unless
/// `per_channel`, row and column of the top left corner of a block) and `partner`, the position in the batch.
///
/// Faramarzi et al., "`PatchUp`: A Feature-Space Block-Level Regularization Technique for Convolutional Neural Networks", AAAI 2022 (2020).
///
/// # Example
/// ```yaml
/// - patchup: { mode: soft, gamma: 0.75, block_size: 7 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PatchUp {
    /// Whether blocks are swapped or interpolated.
    pub mode: PatchMode,
    /// Share of the elements in blocks, about.
    pub gamma: Probability,
    /// Side of a block in cells, at most the sides of the map.
    pub block_size: Side,
    /// Whether each channel has its own blocks.
    pub per_channel: bool,
    /// Parameter of the Beta distribution of `lam` with `mode: soft`.
    pub alpha: Alpha,
    /// Probability of a batch (or, with `scope: elem`, of a sample) to be mixed.
    pub p: Probability,
    /// One `lam` and one set of blocks per batch, or per sample.
    pub scope: Mode,
    /// Which sample of the batch the blocks come from.
    pub partner: Partner,
}

/// What becomes of the blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PatchMode {
    /// They are the partner's.
    Hard,
    /// They are interpolated with the partner's.
    Soft,
}

impl Default for PatchUp {
    fn default() -> Self {
        Self {
            mode: PatchMode::Hard,
            gamma: Probability::HALF,
            block_size: Side::of(7),
            per_channel: true,
            alpha: Alpha::new(2.0).expect("0.01 to 1000"),
            p: Probability::new(0.7).expect("0 to 1"),
            scope: Mode::Batch,
            partner: Partner::Permute,
        }
    }
}

draw! {
    /// The blocks, the weight and the partner of one sample.
    pub struct Drawn {
        /// Whether the sample is mixed.
        apply: Bool,
        /// Weight of the sample itself inside blocks, 0 to 1.
        lam: Real,
        /// Corners of the blocks.
        seeds: Grid,
        /// Position of the partner in the batch.
        partner: Int,
    }
}

impl Operator for PatchUp {
    const NAME: &'static str = "patchup";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Within(1e-6);
    const ROLE: Role = Role::Mix;
    type Draw<D: Dice> = Drawn<D>;

    /// Where channels have blocks of their own, a pixel shows two samples even if blocks are swapped.
    fn blends(&self) -> bool {
        self.mode == PatchMode::Soft || self.per_channel
    }

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        check_blocks(shape, self.block_size)?;
        if shape.element == Element::U8 && self.mode == PatchMode::Soft {
            return Err(Issue::new("mode", "`soft` interpolates floats, and these are bytes")
                .help("put `normalize` before it, or set `mode: hard`"));
        }
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        let scope = self.scope.scope(dice);
        let apply = scope.acts(0, self.p);
        let inside = if self.mode == PatchMode::Hard { scope.real(0.0) } else { scope.beta(1, &self.alpha) };
        Drawn {
            apply,
            lam: scope.select(apply, inside, scope.real(1.0)),
            seeds: draw_seeds(scope, extent, self.gamma, self.block_size, self.per_channel, apply),
            partner: dice.partner(4, self.partner),
        }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, scratch: &mut Scratch) {
        let size = self.block_size.get() as usize;
        match &mut batch.images {
            Images::U8(images) => with_partners(images, draws, scratch, |image, other, draw| {
                mix(image, other, &grow(&draw.seeds, size), |_, other| other);
            }),
            Images::F32(images) => with_partners(images, draws, scratch, |image, other, draw| {
                let (lam, rest) = (draw.lam as f32, 1.0 - draw.lam as f32);
                let blocks = grow(&draw.seeds, size);
                match self.mode {
                    PatchMode::Hard => mix(image, other, &blocks, |_, other| other),
                    PatchMode::Soft => mix(image, other, &blocks, |own, other| own * lam + other * rest),
                }
            }),
            Images::Ragged(_) => {}
        }
        let partner: Vec<usize> = draws.iter().map(|draw| partner_of(draw.partner)).collect();
        batch.labels.forget_boxes();
        batch.labels.blend(draws.iter().map(|draw| own_weight(draw, size)).collect(), &partner);
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let [height, width] = batch.shape.dense()?;
        let graph = batch.images.graph();
        let blocks = lower_blocks(draw.seeds, self.block_size);
        let changed = graph.constant(Tensor::scalar(0f32)).less(blocks);
        let partner = batch.images.gather(draw.partner, 0);
        let inside = match self.mode {
            PatchMode::Hard => partner,
            PatchMode::Soft => {
                let lam = draw.lam.unsqueeze(&[1, 2, 3]);
                batch.images * lam + partner * (graph.constant(Tensor::scalar(1f32)) - lam)
            }
        };
        let images = changed.select(inside, batch.images);
        let number = |value: f64| graph.constant(Tensor::scalar(value));
        let channels = if self.per_channel { batch.shape.channels } else { 1 };
        let share = blocks.reduce_sum(3).reduce_sum(2).reduce_sum(1).cast(DataType::F64)
            * number(1.0 / (channels * height * width) as f64);
        let weight = number(1.0) - share * (number(1.0) - draw.lam.cast(DataType::F64));
        let weight = weight.cast(DataType::F32);
        let labels = batch.labels.map(|labels| labels.forget_boxes().blend(weight, draw.partner));
        Ok(Lowered { images, labels, ..batch })
    }

    fn apply_masks(&self, draws: &[Drawn<Row>], masks: &mut Batch, scratch: &mut Scratch) {
        let size = self.block_size.get() as usize;
        match &mut masks.images {
            Images::F32(images) => with_partners(images, draws, scratch, |mut image, other, draw| {
                let weights = pixel_weights(draw, size);
                for (mut plane, other) in image.axis_iter_mut(Axis(0)).zip(other.outer_iter()) {
                    Zip::from(&mut plane).and(&other).and(&weights).for_each(|own, other, weight| {
                        *own = *own * weight + *other * (1.0 - weight);
                    });
                }
            }),
            _ => self.apply(draws, masks, scratch),
        }
    }

    fn lower_masks<'g>(&self, draw: &Drawn<Recorder<'g>>, masks: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        if masks.shape.element == Element::U8 {
            return self.lower(draw, masks);
        }
        let one = masks.images.graph().constant(Tensor::scalar(1f32));
        let weight = lowered_pixel_weights(draw, self.block_size);
        let images = masks.images * weight + masks.images.gather(draw.partner, 0) * (one - weight);
        Ok(Lowered { images, ..masks })
    }

    fn acts(&self, row: usize, draw: &Drawn<Row>) -> bool {
        draw.lam < 1.0 && partner_of(draw.partner) != row && draw.seeds.iter().any(|seed| *seed)
    }
}

register_operator!(PatchUp);

/// Runs `each` on every sample that has blocks, with its partner as it was before.
fn with_partners<T: Pooled>(
    images: &mut Array4<T>,
    draws: &[Drawn<Row>],
    scratch: &mut Scratch,
    each: impl Fn(ArrayViewMut3<'_, T>, ArrayView3<'_, T>, &Drawn<Row>) + Sync,
) {
    if draws.iter().all(|draw| !draw.apply) {
        return;
    }
    let (n, channels, height, width) = images.dim();
    let mut before = scratch.take_dense([n, channels, height, width]);
    before.assign(images);
    parallel(images.outer_iter_mut().collect(), draws, |image, draw: &Drawn<Row>| {
        if draw.apply {
            each(image, before.index_axis(Axis(0), partner_of(draw.partner)), draw);
        }
    });
    scratch.give_dense(before);
}

/// The weight of a sample's own label.
fn own_weight(draw: &Drawn<Row>, size: usize) -> f32 {
    let blocks = grow(&draw.seeds, size);
    let share = blocks.iter().filter(|changed| **changed).count() as f64 * (1.0 / blocks.len() as f64);
    (1.0 - share * (1.0 - f64::from(draw.lam as f32))) as f32
}

/// The weight of a sample at each pixel, over all channels.
fn pixel_weights(draw: &Drawn<Row>, size: usize) -> Array2<f32> {
    let blocks = grow(&draw.seeds, size).mapv(f32::from);
    let (part, rest) = (1.0 / blocks.dim().0 as f32, 1.0 - draw.lam as f32);
    blocks.sum_axis(Axis(0)).mapv(|changed| 1.0 - changed * part * rest)
}

fn lowered_pixel_weights<'g>(draw: &Drawn<Recorder<'g>>, block_size: Side) -> Value<'g> {
    let graph = draw.seeds.graph();
    let one = graph.constant(Tensor::scalar(1f32));
    let blocks = lower_blocks(draw.seeds, block_size);
    // Masks have other channels than what the seeds were drawn for.
    let part = one / draw.seeds.side(1).cast(DataType::F32);
    let changed = blocks.reduce_sum(1).unsqueeze(&[1]);
    one - changed * part * (one - draw.lam.unsqueeze(&[1, 2, 3]))
}
