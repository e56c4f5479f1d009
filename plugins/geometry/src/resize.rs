use augraft_operator::{
    Batch, Dice, Extent, Fixed, Issue, Lowered, Operator, Parity, Recorder, Role, Row, Scratch, Shape, Side, Size,
    Tensor, register_operator,
};
use ndarray::{ArrayView3, ArrayViewMut3};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::resample::resample;
use crate::resample_graph::{LoweredStretch, lower_resample};
use crate::taps::{Filter, Interpolation, Stretch};
use crate::window::{Fill, Sampled, refill};

/// Resizes to a fixed size.
///
/// Antialiased, the filter widens with the reduction, and columns are done first, then rows, bytes rounded after each: the pixels of Pillow 11
/// (Pillow 13 takes rows first for some sizes, which changes some bytes by a few levels). Without, pixels are made up as by PyTorch's `interpolate`
/// with `align_corners=False`. `nearest` takes pixel `floor((i + 0.5) * scale)`. Masks take the nearest pixel. The aspect is not kept; use
/// `resized_crop` or a crop for that.
///
/// # Example
/// ```yaml
/// - resize: { size: [224, 224] }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Resize {
    /// Size in pixels.
    pub size: Size,
    /// How pixels between pixels are made up.
    pub interpolation: Interpolation,
    /// Whether what is reduced is smoothed first, so that no pixel is skipped.
    pub antialias: bool,
}

impl Default for Resize {
    fn default() -> Self {
        Self { size: Size::Square(Side::of(224)), interpolation: Interpolation::Bilinear, antialias: true }
    }
}

impl Operator for Resize {
    const NAME: &'static str = "resize";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Within(1e-5);
    const ROLE: Role = Role::Geometry;
    type Draw<D: Dice> = Fixed<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        Ok(shape.resized(self.size.sides()))
    }

    fn draw<D: Dice>(&self, _: D, _: &Extent<D>) -> Fixed<D> {
        Fixed::new()
    }

    fn apply(&self, draws: &[Fixed<Row>], batch: &mut Batch, scratch: &mut Scratch) {
        refill(batch, draws, self.size.sides(), scratch, &Whole(self.filter()));
    }

    fn lower<'g>(&self, _: &Fixed<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        self.lowered(batch, self.filter())
    }

    fn apply_masks(&self, draws: &[Fixed<Row>], masks: &mut Batch, scratch: &mut Scratch) {
        refill(masks, draws, self.size.sides(), scratch, &Whole(Filter::NEAREST));
    }

    fn lower_masks<'g>(&self, _: &Fixed<Recorder<'g>>, masks: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        self.lowered(masks, Filter::NEAREST)
    }
}

register_operator!(Resize);

impl Resize {
    fn filter(&self) -> Filter {
        Filter { interpolation: self.interpolation, antialias: self.antialias }
    }

    fn lowered<'g>(&self, batch: Lowered<'g>, filter: Filter) -> Result<Lowered<'g>, Issue> {
        let graph = batch.images.graph();
        let int = |value: usize| graph.constant(Tensor::vector(vec![value as i64]));
        let whole = |side: usize, out: usize| LoweredStretch { start: int(0), length: int(side), side, out };
        let [height, width] = batch.shape.dense()?;
        let [rows, columns] = self.size.sides();
        let images = if filter.interpolation == Interpolation::Nearest {
            // The same pixels for all samples.
            let pixels = |length, out| {
                let pixels = Stretch { start: 0, length, out }.nearest().into_iter().map(|pixel| pixel as i64);
                graph.constant(Tensor::vector(pixels.collect()))
            };
            batch.images.gather(pixels(height, rows), 2).gather(pixels(width, columns), 3)
        } else {
            let [down, across] = [whole(height, rows), whole(width, columns)];
            lower_resample(batch.images, batch.shape.element, filter, &down, &across)
        };
        let shape = batch.shape.resized([rows, columns]);
        Ok(batch.resized(images, shape))
    }
}

struct Whole(Filter);

impl Fill<Fixed<Row>> for Whole {
    fn fill<T: Sampled>(&self, _: &Fixed<Row>, from: ArrayView3<'_, T>, to: ArrayViewMut3<'_, T>, buffer: &mut Vec<T>) {
        let (_, height, width) = from.dim();
        let (_, rows, columns) = to.dim();
        let whole = |length, out| Stretch { start: 0, length, out };
        resample(self.0, whole(height, rows), whole(width, columns), from, to, buffer);
    }
}
