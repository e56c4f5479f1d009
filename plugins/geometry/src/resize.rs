use augraft_operator::{
    Dice, Extent, Filter, Fixed, Interpolation, Issue, Motion, Operator, Parity, Shape, Side, Size, register_operator,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    type Draw<D: Dice> = Fixed<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        Ok(shape.resized(self.size.sides()))
    }

    fn draw<D: Dice>(&self, _: D, _: &Extent<D>) -> Fixed<D> {
        Fixed::new()
    }

    fn motion<D: Dice>(&self, dice: D, _: &Fixed<D>, extent: &Extent<D>) -> Motion<D> {
        let filter = Filter { interpolation: self.interpolation, antialias: self.antialias };
        let whole = [dice.int(0), dice.int(0), extent.height, extent.width];
        Motion::resample(whole, self.size.sides(), filter)
    }
}

register_operator!(Resize);
