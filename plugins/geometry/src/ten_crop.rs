use augraft_operator::{
    Dice, Extent, Issue, Motion, Operator, Outside, Parity, Rows, Shape, Side, Size, draw, register_operator,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::five_crop::corner;

/// Makes ten views of every sample: the windows at the corners and at the center, and those of the mirrored image.
///
/// In the order of torchvision's `TenCrop`: top left, top right, bottom left, bottom right, center, then the same five of the image mirrored left and
/// right. Where an image is smaller than the window, the rest is zeros, and 255 in its mask. See `five_crop`.
///
/// Draws `top` and `left`, the corner in pixels of the image, and `flip`, whether the window is mirrored; only the number of the view decides them.
///
/// Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", NIPS 2012.
///
/// # Example
/// ```yaml
/// - ten_crop: { size: 224 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TenCrop {
    /// Size of the windows in pixels.
    pub size: Size,
}

impl Default for TenCrop {
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
        /// Whether the window is mirrored left and right.
        flip: Bool,
    }
}

impl Operator for TenCrop {
    const NAME: &'static str = "ten_crop";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    type Draw<D: Dice> = Drawn<D>;

    fn rows(&self) -> Rows {
        Rows::Views(10)
    }

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        Ok(shape.resized(self.size.sides()))
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        let five = dice.int(5);
        let flip = !dice.less_int(dice.view(10), five);
        let view = dice.view(10) - dice.select_int(flip, five, dice.int(0));
        let [top, left] = corner(dice, view, extent, self.size);
        // A place of the mirrored image, in pixels of the image itself.
        let mirrored = extent.width - dice.int(self.size.sides()[1] as i64) - left;
        Drawn { top, left: dice.select_int(flip, mirrored, left), flip }
    }

    fn motion<D: Dice>(&self, dice: D, draw: &Drawn<D>, _: &Extent<D>) -> Motion<D> {
        let window = Motion::crop([draw.top, draw.left], self.size.sides(), Outside::default());
        Motion::Chain(vec![window, Motion::Mirror { rows: dice.never(), columns: draw.flip }])
    }
}

register_operator!(TenCrop);
