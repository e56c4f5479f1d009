use augraft_operator::{
    Dice, Extent, Issue, Motion, Operator, Outside, Parity, Rows, Shape, Side, Size, draw, register_operator,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::center_crop::central;

/// Makes five views of every sample: the windows at the corners and at the center.
///
/// In the order of torchvision's `FiveCrop`: top left, top right, bottom left, bottom right, center; the central one is that of `center_crop`. Where
/// an image is smaller than the window, the rest is zeros, and 255 in its mask, as in `center_crop`. The mean of what a model says of the views is
/// test-time augmentation.
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
        top: Int as Top,
        /// First column of the window.
        left: Int as Left,
    }
}

impl Operator for FiveCrop {
    const NAME: &'static str = "five_crop";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
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

    fn motion<D: Dice>(&self, _: D, draw: &Drawn<D>, _: &Extent<D>) -> Motion<D> {
        Motion::crop([draw.top, draw.left], self.size.sides(), Outside::default())
    }
}

register_operator!(FiveCrop);

/// The corner of window `view` of the five.
pub(crate) fn corner<D: Dice>(dice: D, view: D::Int, extent: &Extent<D>, size: Size) -> [D::Int; 2] {
    let (zero, one, two) = (dice.int(0), dice.int(1), dice.int(2));
    let [height, width] = size.sides().map(|side| dice.int(side as i64));
    let central = central(dice, extent, size.sides());
    let place = |axis: usize, room: D::Int, last: D::Bool| {
        let at_corner = dice.select_int(last, room, zero);
        dice.select_int(dice.less_int(view, dice.int(4)), at_corner, central[axis])
    };
    let low = !dice.less_int(view, two);
    let right = !dice.less_int(view - dice.select_int(low, two, zero), one);
    [place(0, extent.height - height, low), place(1, extent.width - width, right)]
}
