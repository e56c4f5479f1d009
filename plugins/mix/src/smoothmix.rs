use core::ops::Range;

use augraft_operator::{
    Batch, DataType, Dice, Extent, Images, Issue, Lowered, MixMode, Operator, Parity, Partner, PositiveRange,
    Probability, Recorder, Role, Row, Rows, Scratch, Shape, Tensor, Value, draw, register_operator,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cycles::{Mixer, mix_bands};
use crate::partner_of;
use crate::pixel::{Pixel, nearest, reals};
use crate::places::positions;

/// Blends a partner image in around a random point, softly, and mixes the labels alike.
///
/// The weight of the partner at a distance of `dy` rows and `dx` columns from the center is `exp(-(dy^2 + dx^2) / (2 sigma^2))` with `shape: circle`,
/// and `exp(-max(|dy|, |dx|)^2 / (2 sigma^2))` with `shape: square`: 1 at the center, and no edge anywhere. The center is a uniform pixel, and sigma
/// is U(sigma) of the shorter side. Pixels become `own * (1 - weight) + partner * weight`, in f32; bytes are rounded to the nearest level. The label
/// weight of the partner is the mean weight. Works on images and on feature maps.
///
/// Draws `apply`, the center `row` and `column` (pixels from the top left), `sigma` (pixels, 0 when not applied) and `partner`, the position in the
/// batch. There is no `alpha`: the paper draws no `lam`.
///
/// Lee et al., "`SmoothMix`: a Simple Yet Effective Data Augmentation to Train Robust Classifiers", CVPR workshops 2020.
///
/// # Example
/// ```yaml
/// - smoothmix: { sigma: [0.25, 0.5], p: 0.5 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SmoothMix {
    /// Lines of equal weight.
    pub shape: Outline,
    /// Range of the standard deviation, as a share of the shorter side.
    pub sigma: PositiveRange,
    /// Probability of a batch (or, with `mode: elem`, of a sample) to be mixed.
    pub p: Probability,
    /// One center and deviation per batch, or per sample.
    pub mode: MixMode,
    /// Which sample of the batch is blended in.
    pub partner: Partner,
}

/// Lines of equal weight around the center.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outline {
    /// Circles.
    #[default]
    Circle,
    /// Squares.
    Square,
}

impl Default for SmoothMix {
    fn default() -> Self {
        Self {
            shape: Outline::default(),
            sigma: PositiveRange::new(0.25, 0.5).expect("0 < low < high"),
            p: Probability::ALWAYS,
            mode: MixMode::Batch,
            partner: Partner::Permute,
        }
    }
}

draw! {
    /// The center, the width and the partner of one sample.
    pub struct Drawn {
        /// Whether the sample is mixed.
        apply: Bool,
        /// Row of the center.
        row: Int,
        /// Column of the center.
        column: Int,
        /// Standard deviation in pixels.
        sigma: Real,
        /// Position of the partner in the batch.
        partner: Int,
    }
}

impl Operator for SmoothMix {
    const NAME: &'static str = "smoothmix";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Within(1e-5);
    const ROLE: Role = Role::Mix;
    type Draw<D: Dice> = Drawn<D>;

    fn rows(&self) -> Rows {
        self.mode.rows(self.partner)
    }

    fn blends(&self) -> bool {
        true
    }

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        self.mode.check(self.partner)?;
        shape.uniform()?;
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        let scope = self.mode.scope(dice);
        let apply = scope.acts(0, self.p);
        let shorter = scope.to_real(scope.min_int(extent.height, extent.width));
        let sigma = scope.between(1, self.sigma.low(), self.sigma.high()) * shorter;
        Drawn {
            apply,
            row: scope.below(2, extent.height),
            column: scope.below(3, extent.width),
            sigma: scope.select(apply, sigma, scope.real(0.0)),
            partner: dice.partner(4, self.partner),
        }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, scratch: &mut Scratch) {
        let [_, height, width] = if batch.is_empty() { [0; 3] } else { batch.extent(0) };
        let partner: Vec<usize> = draws.iter().map(|draw| partner_of(draw.partner)).collect();
        let bumps: Vec<Option<Bump>> = draws.iter().map(|draw| Bump::new(draw, self.shape, [height, width])).collect();
        match &mut batch.images {
            Images::U8(images) => mix_bands(images, &partner, scratch, &Blend(&bumps)),
            Images::F32(images) => mix_bands(images, &partner, scratch, &Blend(&bumps)),
            Images::Ragged(_) => {}
        }
        batch.labels.forget_boxes();
        let lam = bumps.iter().map(|bump| bump.as_ref().map_or(1.0, |bump| (1.0 - bump.mean()) as f32));
        batch.labels.blend(lam.collect(), &partner);
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let graph = batch.images.graph();
        let real = |value: f64| graph.constant(Tensor::scalar(value));
        let (zero, one) = (graph.constant(Tensor::scalar(0f32)), graph.constant(Tensor::scalar(1f32)));
        let sigma = draw.apply.select(draw.sigma, one).cast(DataType::F64);
        let factor = (real(-0.5) / (sigma * sigma)).cast(DataType::F32).unsqueeze(&[1, 2, 3]);
        let slope = |center: Value<'g>, axis: usize| {
            let distance = positions(batch.sides[axis - 2], axis) - center.unsqueeze(&[1, 2, 3]);
            let distance = distance.cast(DataType::F32);
            (distance * distance * factor).unary("Exp")
        };
        let (rows, columns) = (slope(draw.row, 2), slope(draw.column, 3));
        let weight = match self.shape {
            Outline::Circle => rows * columns,
            Outline::Square => rows.less(columns).select(rows, columns),
        };
        let weight = draw.apply.unsqueeze(&[1, 2, 3]).select(weight, zero);
        let mixed = reals(batch.images) * (one - weight) + reals(batch.images.gather(draw.partner, 0)) * weight;
        let images = zero.less(weight).select(nearest(mixed, batch.shape.element), batch.images);
        let sum = weight.cast(DataType::F64).reduce_sum(3).reduce_sum(2).reduce_sum(1);
        let [height, width] = batch.sides;
        let lam = (real(1.0) - sum / (height * width).cast(DataType::F64)).cast(DataType::F32);
        let labels = batch.labels.map(|labels| labels.forget_boxes().blend(lam, draw.partner));
        Ok(Lowered { images, labels, ..batch })
    }

    fn acts(&self, row: usize, draw: &Drawn<Row>) -> bool {
        draw.apply && partner_of(draw.partner) != row
    }
}

register_operator!(SmoothMix);

/// Weights of the partner over a plane: along the rows and along the columns, to be multiplied or to take the smaller of.
struct Bump {
    rows: Vec<f32>,
    columns: Vec<f32>,
    shape: Outline,
}

impl Bump {
    fn new(draw: &Drawn<Row>, shape: Outline, [height, width]: [usize; 2]) -> Option<Self> {
        let factor = (-0.5 / (draw.sigma * draw.sigma)) as f32;
        let slope = |center: i64, side: usize| -> Vec<f32> {
            let distance = |at: i64| (at - center) as f32;
            (0..side as i64).map(|at| (distance(at) * distance(at) * factor).exp()).collect()
        };
        draw.apply.then(|| Self { rows: slope(draw.row, height), columns: slope(draw.column, width), shape })
    }

    /// The weights of the columns `places` of row `y`.
    fn weights(&self, y: usize, places: Range<usize>) -> impl Iterator<Item = f32> + '_ {
        let row = self.rows[y];
        self.columns[places].iter().map(move |column| match self.shape {
            Outline::Circle => row * column,
            Outline::Square => row.min(*column),
        })
    }

    fn mean(&self) -> f64 {
        let width = self.columns.len();
        let sums = (0..self.rows.len()).map(|y| self.weights(y, 0..width).map(f64::from).sum::<f64>());
        sums.sum::<f64>() / (self.rows.len() * width) as f64
    }
}

/// Blends with these weights; where one is 0, infinities of the partner do not spread.
struct Blend<'a>(&'a [Option<Bump>]);

impl<T: Pixel> Mixer<T> for Blend<'_> {
    fn reads(&self, at: usize, band: Range<usize>) -> Range<usize> {
        if self.0[at].is_some() { band } else { 0..0 }
    }

    fn mix(&self, at: usize, range: Range<usize>, own: &mut [T], other: &[T]) {
        let Some(bump) = &self.0[at] else { return };
        let (height, width) = (bump.rows.len(), bump.columns.len());
        let mut place = range.start;
        while place < range.end {
            let (row, left) = (place / width, place % width);
            let right = (left + range.end - place).min(width);
            let line = place - range.start..place - range.start + right - left;
            let pairs = own[line.clone()].iter_mut().zip(&other[line]);
            for ((own, other), weight) in pairs.zip(bump.weights(row % height, left..right)) {
                if weight > 0.0 {
                    *own = T::nearest(own.real() * (1.0 - weight) + other.real() * weight);
                }
            }
            place += right - left;
        }
    }
}
