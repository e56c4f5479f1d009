use augraft_operator::{
    Batch, Dice, Extent, Fill as Color, Issue, Lowered, Operator, Parity, Recorder, Role, Row, Rows, Scratch, Shape,
    Side, Size, draw, register_operator,
};
use ndarray::{ArrayView3, ArrayViewMut3};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::border::{PaddingMode, copy_window, lower_window};
use crate::window::{Fill, Sampled, refill};

/// Makes five views of every sample: the windows at the corners and at the center.
///
/// In the order of torchvision's `FiveCrop`: top left, top right, bottom left, bottom right, center; the central one is that of `center_crop`.
/// Where an image is smaller than the window, the rest is zeros. The mean of what a model says of the views is test-time augmentation.
///
/// Draws `top` and `left`, the corner in pixels of the image, which only the number of the view decides.
///
/// # Example
/// ```yaml
/// - five_crop: { size: 224 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FiveCrop {
    /// Size of the windows in pixels.
    pub size: Size,
}

impl Default for FiveCrop {
    fn default() -> Self {
        Self { size: Size::Square(Side::of(224)) }
    }
}

draw! {
    /// The window of one view.
    pub struct Drawn {
        /// First row of the window.
        top: Int,
        /// First column of the window.
        left: Int,
    }
}

impl Operator for FiveCrop {
    const NAME: &'static str = "five_crop";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const ROLE: Role = Role::Geometry;
    type Draw<D: Dice> = Drawn<D>;

    fn rows(&self) -> Rows {
        Rows::Views(5)
    }

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        Ok(shape.resized(self.size.sides()))
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        let [top, left] = corner(dice, dice.view(5), extent, self.size);
        Drawn { top, left }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, scratch: &mut Scratch) {
        refill(batch, draws, self.size.sides(), scratch, &Window);
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        lower_window(batch, [draw.top, draw.left], self.size.sides(), PaddingMode::Constant, &Color::default())
    }
}

register_operator!(FiveCrop);

/// The corner of window `view` of the five.
pub(crate) fn corner<D: Dice>(dice: D, view: D::Int, extent: &Extent<D>, size: Size) -> [D::Int; 2] {
    let (zero, one, two) = (dice.int(0), dice.int(1), dice.int(2));
    let [height, width] = size.sides().map(|side| dice.int(side as i64));
    // Half of the room, halves to even; missing room is shared out as `center_crop` does.
    let central = |room: D::Int| {
        let above = dice.max_int(room, zero);
        let half = dice.div(above, two);
        let odd = (above - half * two) * (half - dice.div(half, two) * two);
        half + odd - dice.div(dice.max_int(zero - room, zero), two)
    };
    let place = |room: D::Int, last: D::Bool| {
        let at_corner = dice.select_int(last, room, zero);
        dice.select_int(dice.less_int(view, dice.int(4)), at_corner, central(room))
    };
    let low = !dice.less_int(view, two);
    let right = !dice.less_int(view - dice.select_int(low, two, zero), one);
    [place(extent.height - height, low), place(extent.width - width, right)]
}

struct Window;

impl Fill<Drawn<Row>> for Window {
    fn fill<T: Sampled>(&self, row: &Drawn<Row>, from: ArrayView3<'_, T>, to: ArrayViewMut3<'_, T>, _: &mut Vec<T>) {
        copy_window([row.top, row.left], from, to, PaddingMode::Constant, &Color::default());
    }
}
