use augraft_operator::{
    Dice, Extent, Fill, Issue, Margin, Motion, Operator, Outside, PaddingMode, Parity, Shape, Side, Size, draw,
    register_operator,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Cuts a window of fixed size at a random place, after padding.
///
/// The top left corner is uniform over all places where the window lies inside the padded image. Images that are smaller than the window, padding
/// included, are padded further, evenly, as torchvision's `pad_if_needed` would. Masks are padded with 255, which counts as no class, where the
/// images are filled. In labels, what is filled counts for the sample before the first step that cuts samples (any that mixes pixels but `mixup`),
/// and for nobody after it.
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
    pub fill: Fill,
}

impl Default for RandomCrop {
    fn default() -> Self {
        let size = Size::Square(Side::of(224));
        Self { size, padding: Margin::NONE, padding_mode: PaddingMode::Constant, fill: Fill::default() }
    }
}

draw! {
    /// The window of one sample.
    pub struct Drawn {
        /// First row of the window.
        top: Int as Top,
        /// First column of the window.
        left: Int as Left,
    }
}

impl Operator for RandomCrop {
    const NAME: &'static str = "random_crop";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        self.fill.check(shape)?;
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

    fn motion<D: Dice>(&self, _: D, draw: &Drawn<D>, _: &Extent<D>) -> Motion<D> {
        let outside = Outside { mode: self.padding_mode, fill: self.fill.clone() };
        Motion::crop([draw.top, draw.left], self.size.sides(), outside)
    }
}

register_operator!(RandomCrop);
