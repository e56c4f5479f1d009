use std::sync::Arc;

use augraft_operator::{
    Alpha, DataType, Dice, Element, Extent, Images, Issue, Lowered, LoweredRegion, Mixing, Mode, Operator, Parity,
    Partner, Probability, Recorder, Region, Row, Rows, Shape, Side, Tensor, draw, register_operator,
};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::blocks::{check_blocks, draw_seeds, grow, lower_blocks};

/// Swaps or interpolates square blocks of a feature map with those of a partner, and mixes the labels by their share.
///
/// Blocks are drawn as `dropblock` draws them, with `gamma` as the share to change, about. Inside a block a sample becomes
/// `lam * own + (1 - lam) * partner's`, where `lam` is 0 with `mode: hard` and Beta(alpha, alpha) with `mode: soft`. The label weight of the sample
/// itself is `u + (1 - u) * lam`, with `u` the share of elements outside all blocks: the paper's reweighted target (its loss of the two plain targets
/// is up to the training); in a chain of steps, labels are the shares of the visible pixels, whatever steps come before and after, where each pixel
/// counts by the mean over its channels. The authors' code also starts blocks at the border and clips them; here, as in the formula of `gamma`, all
/// blocks lie inside. They recommend `gamma: 0.5, p: 0.7` for hard and `gamma: 0.75, p: 1` for soft. Works on feature maps N,C,H,W and images; `soft`
/// on floats. Masks of class ids become shares of classes, but for `mode: hard` with `per_channel: false`.
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
        apply: Bool as Decision,
        /// Weight of the sample itself inside blocks, 0 to 1.
        lam: Real,
        /// Corners of the blocks.
        seeds: Grid,
        /// Position of the partner in the batch.
        partner: Int as Partner,
    }
}

impl Operator for PatchUp {
    const NAME: &'static str = "patchup";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Within(1e-6);
    type Draw<D: Dice> = Drawn<D>;

    fn rows(&self) -> Rows {
        self.partner.rows()
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

    /// Where channels have blocks of their own, a pixel shows two samples even if blocks are swapped.
    fn mixing<D: Dice>(&self, _: D, draw: &Drawn<D>, _: &Extent<D>) -> Mixing<D> {
        Mixing::Region { partner: draw.partner, soft: self.mode == PatchMode::Soft || self.per_channel }
    }

    fn regions(&self, draws: &[Drawn<Row>], _: &Images) -> Vec<Arc<Region>> {
        let region = |draw: &Drawn<Row>| {
            let blocks = grow(&draw.seeds, self.block_size.get() as usize);
            let (lam, rest) = (draw.lam as f32, 1.0 - draw.lam as f32);
            let weights = [(lam, 1.0), (rest, 0.0)]
                .map(|(inside, outside)| blocks.mapv(|changed| if changed { inside } else { outside }));
            Arc::new(Region::Weights(weights))
        };
        draws.par_iter().map(region).collect()
    }

    fn lower_region<'g>(
        &self,
        draw: &Drawn<Recorder<'g>>,
        batch: &Lowered<'g>,
    ) -> Result<Option<LoweredRegion<'g>>, Issue> {
        batch.shape.dense()?;
        let number = |value: f32| batch.images.graph().constant(Tensor::scalar(value));
        let changed = number(0.0).less(lower_blocks(draw.seeds, self.block_size));
        Ok(Some(match (self.mode, self.per_channel) {
            (PatchMode::Hard, false) => LoweredRegion::Taken(changed),
            (PatchMode::Hard, true) => {
                LoweredRegion::Weights([!changed, changed].map(|weight| weight.cast(DataType::F32)))
            }
            (PatchMode::Soft, _) => {
                let lam = draw.lam.unsqueeze(&[1, 2, 3]);
                let kept = changed.select(lam, number(1.0));
                LoweredRegion::Weights([kept, changed.select(number(1.0) - lam, number(0.0))])
            }
        }))
    }

    fn acts(&self, row: usize, draw: &Drawn<Row>) -> bool {
        draw.lam < 1.0 && draw.partner != row as i64 && draw.seeds.iter().any(|seed| *seed)
    }
}

register_operator!(PatchUp);
