use augraft_operator::{
    Batch, Dice, Extent, Fixed, Issue, Lowered, Operator, Parity, Recorder, Role, Row, Scratch, Shape, Side, Size,
    Tensor, register_operator,
};
use ndarray::{ArrayView3, ArrayViewMut3};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::resample::{LoweredStretch, Stretch, lower_resample, resample};
use crate::window::{Fill, Sampled, refill};

/// Resizes to a fixed size, antialiased bilinear.
///
/// Pillow's `BILINEAR`: a triangle filter that widens with the reduction, columns first, then rows, bytes rounded after each: the
/// pixels of Pillow 11 (Pillow 13 takes rows first for some sizes, which changes some bytes by one level). The aspect is not kept; use
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
}

impl Default for Resize {
    fn default() -> Self {
        Self { size: Size::Square(Side::of(224)) }
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
        refill(batch, draws, self.size.sides(), scratch, &Whole);
    }

    fn lower<'g>(&self, _: &Fixed<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let graph = batch.images.graph();
        let int = |value: usize| graph.constant(Tensor::vector(vec![value as i64]));
        let whole = |side: usize, out: usize| LoweredStretch { start: int(0), length: int(side), side, out };
        let [height, width] = batch.shape.dense()?;
        let [rows, columns] = self.size.sides();
        let images = lower_resample(batch.images, batch.shape.element, &whole(height, rows), &whole(width, columns));
        let shape = Operator::check(self, &batch.shape)?;
        Ok(batch.resized(images, shape))
    }
}

register_operator!(Resize);

struct Whole;

impl Fill<Fixed<Row>> for Whole {
    fn fill<T: Sampled>(&self, _: &Fixed<Row>, from: ArrayView3<'_, T>, to: ArrayViewMut3<'_, T>, buffer: &mut Vec<T>) {
        let (_, height, width) = from.dim();
        let (_, rows, columns) = to.dim();
        let whole = |length, out| Stretch { start: 0, length, out };
        resample(whole(height, rows), whole(width, columns), from, to, buffer);
    }
}
