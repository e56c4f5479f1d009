use augraft_operator::{
    Batch, DataType, Dice, Element, Extent, Issue, Lowered, Operator, Parity, Probability, Recorder, Row, Scratch,
    Shape, Values, draw, each_sample, register_operator,
};
use ndarray::{ArrayViewMut3, Axis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantile::{Ranked, at_ranks, check_groups, groups, lower_ranks};

/// Bisections in a graph: more than f32 resolves, and enough for every byte.
const STEPS: [usize; 2] = [32, 9];

/// Clips the values of each sample to two of its quantiles.
///
/// A quantile `q` of `n` values is the one of the nearest rank: the `ceil(q * n)`-th smallest, at least the first (a product within 1e-9 of a whole
/// number counts as that). Values below the first quantile become it, values above the second become that; both are values of the sample itself.
/// Works on feature maps N,C,H,W and images. In an exported file the quantile is bisected, exact up to the range of the values over 2^32.
///
/// Draws `apply`.
///
/// # Example
/// ```yaml
/// - clip_quantile: { quantiles: [0.01, 0.99] }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClipQuantile {
    /// The lower and the upper quantile.
    pub quantiles: [Probability; 2],
    /// Whether each channel has its own quantiles.
    pub per_channel: bool,
    /// Probability of a sample to be clipped.
    pub p: Probability,
}

impl Default for ClipQuantile {
    fn default() -> Self {
        let quantiles = [0.01, 0.99].map(|quantile| Probability::new(quantile).expect("0 to 1"));
        Self { quantiles, per_channel: false, p: Probability::ALWAYS }
    }
}

draw! {
    /// What is decided for one sample.
    pub struct Drawn {
        /// Whether the sample is clipped.
        apply: Bool as Decision,
    }
}

impl Operator for ClipQuantile {
    const NAME: &'static str = "clip_quantile";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Within(1e-6);
    const VALUES: Values = Values::Changed;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        let [low, high] = self.quantiles.map(Probability::get);
        if low > high {
            return Err(Issue::new("quantiles", format!("the lower quantile {low} is above the upper one {high}")));
        }
        check_groups(shape, self.per_channel)?;
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, _: &Extent<D>) -> Drawn<D> {
        Drawn { apply: dice.acts(0, self.p) }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, _: &mut Scratch) {
        each_sample!(batch.images, draws, |draw, image| if draw.apply {
            self.clip(&mut image);
        });
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let [height, width] = batch.shape.dense()?;
        let channels = batch.shape.channels;
        let bytes = batch.shape.element == Element::U8;
        let [groups, elements] =
            if self.per_channel { [channels, height * width] } else { [1, channels * height * width] };
        let values = batch.images.cast(DataType::F32);
        let [low, high] = lower_ranks(
            values.reshape(&[0, groups as i64, elements as i64]),
            elements,
            self.ranks(elements),
            STEPS[usize::from(bytes)],
        );
        let clipped = values.less(low).select(low, high.less(values).select(high, values));
        let clipped = if bytes { clipped.cast(DataType::U8) } else { clipped };
        let images = draw.apply.unsqueeze(&[1, 2, 3]).select(clipped, batch.images);
        Ok(Lowered { images, ..batch })
    }
}

register_operator!(ClipQuantile);

impl ClipQuantile {
    fn ranks(&self, count: usize) -> [usize; 2] {
        let rank = |quantile: Probability| (quantile.get() * count as f64 - 1e-9).ceil().max(1.0) as usize - 1;
        self.quantiles.map(rank).map(|rank| rank.min(count.saturating_sub(1)))
    }

    fn clip<T: Ranked>(&self, image: &mut ArrayViewMut3<'_, T>) {
        for (group, mut values) in groups(&image.view(), self.per_channel).into_iter().enumerate() {
            let Some([low, high]) = at_ranks(&mut values, |count| self.ranks(count)) else { continue };
            let clip = |value: T| {
                if value < low {
                    low
                } else if high < value {
                    high
                } else {
                    value
                }
            };
            if self.per_channel {
                image.index_axis_mut(Axis(0), group).mapv_inplace(clip);
            } else {
                image.mapv_inplace(clip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_the_nearest() {
        let quantiles = |low, high| [low, high].map(|quantile| Probability::new(quantile).expect("0 to 1"));
        let ranks =
            |low, high, count| ClipQuantile { quantiles: quantiles(low, high), ..ClipQuantile::default() }.ranks(count);
        assert_eq!(ranks(0.0, 1.0, 10), [0, 9]);
        assert_eq!(ranks(0.2, 0.25, 10), [1, 2]);
        // In f64, 0.07 * 100 is above 7.
        assert_eq!(ranks(0.07, 0.99, 100), [6, 98]);
        assert_eq!(ranks(0.5, 0.9, 1), [0, 0]);
    }
}
