use augraft_operator::{
    Batch, Dice, Extent, Fill as Color, Issue, Lowered, Margin, Operator, Parity, Recorder, Role, Row, Scratch, Shape,
    Side, Size, draw, register_operator,
};
use ndarray::{ArrayView3, ArrayViewMut3};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::border::{PaddingMode, copy_window, lower_window};
use crate::window::{Fill, Sampled, refill};

/// Cuts a window of fixed size at a random place, after padding.
///
/// The top left corner is uniform over all places where the window lies inside the padded image. Images that are smaller than the window, padding
/// included, are padded further, evenly, as torchvision's `pad_if_needed` would. Masks are padded with zeros where the images are filled.
///
/// Draws `top` and `left`, the corner in pixels of the image; negative where the window reaches into the padding.
///
/// # Example
/// ```yaml
/// - random_crop: { size: 32, padding: 4 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RandomCrop {
    /// Size of the window in pixels.
    pub size: Size,
    /// Padding added on every side, in pixels.
    pub padding: Margin,
    /// What the padding shows.
    pub padding_mode: PaddingMode,
    /// What a constant padding is filled with, in the unit of the tensor: one number, or one per channel.
    pub fill: Color,
}

impl Default for RandomCrop {
    fn default() -> Self {
        let size = Size::Square(Side::of(224));
        Self { size, padding: Margin::NONE, padding_mode: PaddingMode::Constant, fill: Color::default() }
    }
}

draw! {
    /// The window of one sample.
    pub struct Drawn {
        /// First row of the window.
        top: Int,
        /// First column of the window.
        left: Int,
    }
}

impl Operator for RandomCrop {
    const NAME: &'static str = "random_crop";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const ROLE: Role = Role::Geometry;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        self.fill.check(shape.channels)?;
        Ok(shape.resized(self.size.sides()))
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        let [height, width] = self.size.sides().map(|side| dice.int(side as i64));
        let padding = dice.int(i64::from(self.padding.get()));
        let (zero, one, two) = (dice.int(0), dice.int(1), dice.int(2));
        let corner = |lane, side, window| {
            let room = side + two * padding - window;
            let missing = dice.max_int(zero - room, zero);
            dice.below(lane, dice.max_int(room, zero) + one) - padding - dice.div(missing, two)
        };
        Drawn { top: corner(0, extent.height, height), left: corner(1, extent.width, width) }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, scratch: &mut Scratch) {
        refill(batch, draws, self.size.sides(), scratch, &Window(self.padding_mode, &self.fill));
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        lower_window(batch, [draw.top, draw.left], self.size.sides(), self.padding_mode, &self.fill)
    }

    fn apply_masks(&self, draws: &[Drawn<Row>], masks: &mut Batch, scratch: &mut Scratch) {
        refill(masks, draws, self.size.sides(), scratch, &Window(self.padding_mode, &Color::default()));
    }

    fn lower_masks<'g>(&self, draw: &Drawn<Recorder<'g>>, masks: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        lower_window(masks, [draw.top, draw.left], self.size.sides(), self.padding_mode, &Color::default())
    }
}

register_operator!(RandomCrop);

/// Copies the window whose corner a row holds.
struct Window<'a>(PaddingMode, &'a Color);

impl Fill<Drawn<Row>> for Window<'_> {
    fn fill<T: Sampled>(&self, row: &Drawn<Row>, from: ArrayView3<'_, T>, to: ArrayViewMut3<'_, T>, _: &mut Vec<T>) {
        copy_window([row.top, row.left], from, to, self.0, self.1);
    }
}
