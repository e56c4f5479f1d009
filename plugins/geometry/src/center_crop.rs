use augraft_operator::{
    Dice, Extent, Fixed, Issue, Motion, Operator, Outside, Parity, Shape, Side, Size, register_operator,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Cuts the window of fixed size at the center.
///
/// The corner is `round((side - window) / 2)`, halves to even, as torchvision's. Images smaller than the window are padded with zeros, their masks
/// with 255, which counts as no class. In labels, the padding counts for the sample before the first step that cuts samples (any that mixes pixels
/// but `mixup`), and for nobody after it.
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
    type Draw<D: Dice> = Fixed<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        Ok(shape.resized(self.size.sides()))
    }

    fn draw<D: Dice>(&self, _: D, _: &Extent<D>) -> Fixed<D> {
        Fixed::new()
    }

    fn motion<D: Dice>(&self, dice: D, _: &Fixed<D>, extent: &Extent<D>) -> Motion<D> {
        let size = self.size.sides();
        let corner = central(dice, extent, size);
        Motion::crop(corner, size, Outside::default())
    }
}

register_operator!(CenterCrop);

/// The corner of the central window: half of the room, halves to even; where there is none, half of what is missing is before the image.
pub(crate) fn central<D: Dice>(dice: D, extent: &Extent<D>, size: [usize; 2]) -> [D::Int; 2] {
    let (zero, two) = (dice.int(0), dice.int(2));
    let corner = |side: D::Int, window: usize| {
        let room = side - dice.int(window as i64);
        let above = dice.max_int(room, zero);
        let half = dice.div(above, two);
        let odd = (above - half * two) * (half - dice.div(half, two) * two);
        half + odd - dice.div(dice.max_int(zero - room, zero), two)
    };
    [corner(extent.height, size[0]), corner(extent.width, size[1])]
}
