use augraft_operator::{
    Dice, Extent, Fill, Fixed, Issue, Layout, Margin, Motion, Operator, Outside, PaddingMode, Parity, Shape, Window,
    WindowSize, register_operator,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Adds pixels around the image.
///
/// The amounts are fixed: nothing is drawn. `reflect`, `edge` and `symmetric` are those of `numpy.pad`, also where an amount is larger than the
/// image. Works on images of any size and on feature maps N,C,H,W. Masks are padded with 255, which counts as no class, where the images are filled.
/// In labels, what is filled counts for the sample before the first step that cuts samples (any that mixes pixels but `mixup`), and for nobody after
/// it.
///
/// # Example
/// ```yaml
/// - pad: { padding: 4, mode: reflect }
/// ```
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pad {
    /// Pixels on every side; or `[left and right, top and bottom]`; or `[left, top, right, bottom]`, as in torchvision.
    pub padding: Padding,
    /// What the added pixels show.
    pub mode: PaddingMode,
    /// What a constant padding is filled with, in the unit of the tensor: one number, or one per channel.
    pub fill: Fill,
}

/// Pixels added on the sides of an image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Padding {
    /// The same on every side.
    All(Margin),
    /// Left and right, then top and bottom.
    Axes([Margin; 2]),
    /// Left, top, right, bottom.
    Sides([Margin; 4]),
}

impl Default for Padding {
    fn default() -> Self {
        Padding::All(Margin::NONE)
    }
}

impl Padding {
    /// Top and left, then bottom and right.
    fn ends(self) -> [[usize; 2]; 2] {
        let pixels = |margin: Margin| margin.get() as usize;
        match self {
            Padding::All(all) => [[pixels(all); 2]; 2],
            Padding::Axes([across, down]) => [[pixels(down), pixels(across)]; 2],
            Padding::Sides([left, top, right, bottom]) => {
                [[pixels(top), pixels(left)], [pixels(bottom), pixels(right)]]
            }
        }
    }

    /// The size after padding an image of `size`.
    fn padded(self, size: [usize; 2]) -> [usize; 2] {
        let [before, behind] = self.ends();
        [0, 1].map(|axis| before[axis] + size[axis] + behind[axis])
    }
}

impl Operator for Pad {
    const NAME: &'static str = "pad";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    type Draw<D: Dice> = Fixed<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        self.fill.check(shape)?;
        Ok(match shape.layout {
            Layout::Ragged | Layout::Open => shape.clone(),
            Layout::Dense { height, width } => shape.resized(self.padding.padded([height, width])),
        })
    }

    fn draw<D: Dice>(&self, _: D, _: &Extent<D>) -> Fixed<D> {
        Fixed::new()
    }

    fn motion<D: Dice>(&self, dice: D, _: &Fixed<D>, _: &Extent<D>) -> Motion<D> {
        let [before, behind] = self.padding.ends();
        Motion::Window(Window {
            corner: before.map(|side| dice.int(-(side as i64))),
            size: WindowSize::Grown([0, 1].map(|axis| before[axis] + behind[axis])),
            outside: Outside { mode: self.mode, fill: self.fill.clone() },
            stretch: None,
        })
    }
}

register_operator!(Pad);
