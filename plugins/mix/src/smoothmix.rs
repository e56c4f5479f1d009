use std::sync::Arc;

use augraft_operator::{
    DataType, Dice, Extent, Images, Issue, Lowered, LoweredRegion, MixMode, Mixing, Operator, Parity, Partner,
    PositiveRange, Probability, Recorder, Region, Row, Rows, Runs, Shape, Tensor, Value, draw, positions,
    register_operator,
};
use ndarray::Array3;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Blends a partner image in around a random point, softly, and mixes the labels alike.
///
/// The weight of the partner at a distance of `dy` rows and `dx` columns from the center is `exp(-(dy^2 + dx^2) / (2 sigma^2))` with `shape: circle`,
/// and `exp(-max(|dy|, |dx|)^2 / (2 sigma^2))` with `shape: square`: 1 at the center, and no edge anywhere. The center is a uniform pixel, and sigma
/// is U(sigma) of the shorter side. Pixels become `own * (1 - weight) + partner * weight`, in f32; bytes are rounded to the nearest level. The label
/// weight of the partner is the mean weight; in a chain of steps, labels are the shares of the visible pixels, whatever steps come before and after.
/// Masks of class ids become shares of classes. Works on images and on feature maps.
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
        apply: Bool as Decision,
        /// Row of the center.
        row: Int,
        /// Column of the center.
        column: Int,
        /// Standard deviation in pixels.
        sigma: Real,
        /// Position of the partner in the batch.
        partner: Int as Partner,
    }
}

impl Operator for SmoothMix {
    const NAME: &'static str = "smoothmix";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Within(1e-5);
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

    fn mixing<D: Dice>(&self, _: D, draw: &Drawn<D>, _: &Extent<D>) -> Mixing<D> {
        Mixing::Region { partner: draw.partner, soft: true }
    }

    fn regions(&self, draws: &[Drawn<Row>], images: &Images) -> Vec<Arc<Region>> {
        let region = |(row, draw): (usize, &Drawn<Row>)| {
            let [_, height, width] = images.extent(row);
            Arc::new(self.weights(draw, [height, width]))
        };
        draws.iter().enumerate().map(region).collect()
    }

    fn lower_region<'g>(
        &self,
        draw: &Drawn<Recorder<'g>>,
        batch: &Lowered<'g>,
    ) -> Result<Option<LoweredRegion<'g>>, Issue> {
        let graph = batch.images.graph();
        let real = |value: f64| graph.constant(Tensor::scalar(value));
        let (zero, one) = (graph.constant(Tensor::scalar(0f32)), graph.constant(Tensor::scalar(1f32)));
        let sigma = draw.apply.select(draw.sigma, one).cast(DataType::F64);
        let factor = (real(-0.5) / (sigma * sigma)).cast(DataType::F32).unsqueeze(&[1, 2, 3]);
        let slope = |center: Value<'g>, axis: usize| {
            let distance = positions(batch.sides[axis - 2], axis) - center.unsqueeze(&[1, 2, 3]).cast(DataType::F64);
            let distance = distance.cast(DataType::F32);
            (distance * distance * factor).unary("Exp")
        };
        let (rows, columns) = (slope(draw.row, 2), slope(draw.column, 3));
        let weight = match self.shape {
            Outline::Circle => rows * columns,
            Outline::Square => rows.less(columns).select(rows, columns),
        };
        let weight = draw.apply.unsqueeze(&[1, 2, 3]).select(weight, zero);
        Ok(Some(LoweredRegion::Weights([one - weight, weight])))
    }

    fn acts(&self, row: usize, draw: &Drawn<Row>) -> bool {
        draw.apply && draw.partner != row as i64
    }
}

register_operator!(SmoothMix);

impl SmoothMix {
    fn weights(&self, draw: &Drawn<Row>, [height, width]: [usize; 2]) -> Region {
        if !draw.apply {
            return Region::Taken(Runs::default());
        }
        let factor = (-0.5 / (draw.sigma * draw.sigma)) as f32;
        let slope = |center: i64, side: usize| -> Vec<f32> {
            let distance = |at: i64| (at - center) as f32;
            (0..side as i64).map(|at| (distance(at) * distance(at) * factor).exp()).collect()
        };
        let (rows, columns) = (slope(draw.row, height), slope(draw.column, width));
        let taken = Array3::from_shape_fn([1, height, width], |(_, y, x)| match self.shape {
            Outline::Circle => rows[y] * columns[x],
            Outline::Square => rows[y].min(columns[x]),
        });
        Region::Weights([taken.mapv(|weight| 1.0 - weight), taken])
    }
}
