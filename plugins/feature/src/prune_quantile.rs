use augraft_operator::{
    Batch, Dice, Element, Extent, Issue, Lowered, Operator, Parity, Probability, Recorder, Row, Scratch, Shape, Tensor,
    Values, draw, parallel, register_operator,
};
use ndarray::{ArrayViewMut3, Axis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantile::{at_ranks, check_groups, groups, lower_ranks};

/// Bisections in a graph: so many that a value that is pruned here and kept there is as good as zero.
const STEPS: usize = 48;

/// Sets the values of each sample whose magnitude is below a quantile to zero.
///
/// Of `n` values the `round(quantile * n)` smallest by magnitude are pruned, at most `n - 1`; values as large as the smallest that is kept stay, so
/// that of equal ones none is pruned. What is kept stays as it is (ASH-P; its authors prune after the last block, at inference). Works on feature
/// maps N,C,H,W and normalized images. In an exported file the threshold is bisected.
///
/// Draws `apply`.
///
/// Djurisic et al., "Extremely Simple Activation Shaping for Out-of-Distribution Detection", ICLR 2023, algorithm 1.
///
/// # Example
/// ```yaml
/// - prune_quantile: { quantile: 0.9 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PruneQuantile {
    /// Share of the values to prune.
    pub quantile: Probability,
    /// Whether each channel has its own quantile.
    pub per_channel: bool,
    /// Probability of a sample to be pruned.
    pub p: Probability,
}

impl Default for PruneQuantile {
    fn default() -> Self {
        Self { quantile: Probability::new(0.9).expect("0 to 1"), per_channel: false, p: Probability::ALWAYS }
    }
}

draw! {
    /// What is decided for one sample.
    pub struct Drawn {
        /// Whether the sample is pruned.
        apply: Bool as Decision,
    }
}

impl Operator for PruneQuantile {
    const NAME: &'static str = "prune_quantile";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Within(1e-6);
    const VALUES: Values = Values::Erased;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        if shape.element == Element::U8 {
            return Err(Issue::new("", "prunes values near zero, and of bytes these are the dark ones")
                .help("put `normalize` before it"));
        }
        check_groups(shape, self.per_channel)?;
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, _: &Extent<D>) -> Drawn<D> {
        Drawn { apply: dice.acts(0, self.p) }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, _: &mut Scratch) {
        let Some(samples) = batch.images.samples_f32() else { return };
        parallel(samples, draws, |mut image, draw: &Drawn<Row>| {
            if draw.apply {
                self.prune(&mut image);
            }
        });
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let [height, width] = batch.shape.dense()?;
        let channels = batch.shape.channels;
        let [groups, elements] =
            if self.per_channel { [channels, height * width] } else { [1, channels * height * width] };
        let magnitudes = batch.images.unary("Abs");
        let grouped = magnitudes.reshape(&[0, groups as i64, elements as i64]);
        let [least] = lower_ranks(grouped, elements, self.rank(elements), STEPS);
        let pruned = magnitudes.less(least) & draw.apply.unsqueeze(&[1, 2, 3]);
        let zero = batch.images.graph().constant(Tensor::scalar(0f32));
        Ok(Lowered { images: pruned.select(zero, batch.images), ..batch })
    }
}

register_operator!(PruneQuantile);

impl PruneQuantile {
    /// The rank of the smallest magnitude that is kept.
    fn rank(&self, count: usize) -> [usize; 1] {
        [((self.quantile.get() * count as f64).round() as usize).min(count.saturating_sub(1))]
    }

    fn prune(&self, image: &mut ArrayViewMut3<'_, f32>) {
        for (group, mut values) in groups(&image.view(), self.per_channel).into_iter().enumerate() {
            for value in &mut values {
                *value = value.abs();
            }
            let Some([least]) = at_ranks(&mut values, |count| self.rank(count)) else { continue };
            let prune = |value: f32| if value.abs() < least { 0.0 } else { value };
            if self.per_channel {
                image.index_axis_mut(Axis(0), group).mapv_inplace(prune);
            } else {
                image.mapv_inplace(prune);
            }
        }
    }
}
