use augraft_operator::{
    Batch, Dice, Extent, Fill as Color, Fixed, Issue, Lowered, Operator, Parity, Recorder, Role, Row, Scratch, Shape,
    Side, Size, register_operator,
};
use ndarray::{ArrayView3, ArrayViewMut3};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::border::{PaddingMode, copy_window};
use crate::window::{Fill, Sampled, refill};

/// Cuts the window of fixed size at the center.
///
/// The corner is `round((side - window) / 2)`, halves to even, as torchvision's. Images smaller than the window are padded with zeros.
///
/// # Example
/// ```yaml
/// - center_crop: { size: 224 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CenterCrop {
    /// Size of the window in pixels.
    pub size: Size,
}

impl Default for CenterCrop {
    fn default() -> Self {
        Self { size: Size::Square(Side::of(224)) }
    }
}

impl Operator for CenterCrop {
    const NAME: &'static str = "center_crop";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const ROLE: Role = Role::Geometry;
    type Draw<D: Dice> = Fixed<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        Ok(shape.resized(self.size.sides()))
    }

    fn draw<D: Dice>(&self, _: D, _: &Extent<D>) -> Fixed<D> {
        Fixed::new()
    }

    fn apply(&self, draws: &[Fixed<Row>], batch: &mut Batch, scratch: &mut Scratch) {
        refill(batch, draws, self.size.sides(), scratch, &Center);
    }

    fn lower<'g>(&self, _: &Fixed<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let sides = batch.shape.dense()?;
        let window = self.size.sides();
        let mut images = batch.images;
        let mut pads = [0i64; 8];
        for axis in 0..2 {
            let corner = corner(sides[axis], window[axis]);
            let first = corner.max(0);
            let last = (corner + window[axis] as i64).min(sides[axis] as i64);
            images = images.slice(axis as i64 + 2, first, last);
            pads[axis + 2] = first - corner;
            pads[axis + 6] = corner + window[axis] as i64 - last;
        }
        if pads.iter().any(|pad| *pad > 0) {
            images = images.pad(&pads);
        }
        let shape = Operator::check(self, &batch.shape)?;
        Ok(batch.resized(images, shape))
    }
}

register_operator!(CenterCrop);

struct Center;

impl Fill<Fixed<Row>> for Center {
    fn fill<T: Sampled>(&self, _: &Fixed<Row>, from: ArrayView3<'_, T>, to: ArrayViewMut3<'_, T>, _: &mut Vec<T>) {
        let corner = [corner(from.dim().1, to.dim().1), corner(from.dim().2, to.dim().2)];
        copy_window(corner, from, to, PaddingMode::Constant, &Color::default());
    }
}

/// First place of the window; negative where the image is smaller.
fn corner(side: usize, window: usize) -> i64 {
    if side < window {
        return -((window - side) as i64 / 2);
    }
    ((side - window) as f64 / 2.0).round_ties_even() as i64
}
