use augraft_operator::{
    Aspects, Count, Dice, Extent, Filter, Interpolation, Issue, Motion, Operator, Parity, PositiveRange, Shape, Side,
    Size, draw, register_operator, start_within,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Cuts a window of random area and aspect and resizes it.
///
/// The rule of torchvision's `RandomResizedCrop`: area = U(scale) of the image, aspect (width / height) log-uniform in `ratio`, sides rounded; the
/// first of `retries` draws that fits is taken, at a uniform place inside. When none fits, the window is the central one with the nearest allowed
/// aspect. The resampling is that of `resize`, limited to the window.
///
/// Draws the window `top`, `left`, `bottom`, `right` in pixels of the image (from the top left, ends exclusive).
///
/// Szegedy et al., "Going deeper with convolutions", CVPR 2015; torchvision `transforms.v2.RandomResizedCrop`.
///
/// # Example
/// ```yaml
/// - resized_crop: { size: 224, scale: [0.08, 1.0] }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResizedCrop {
    /// Size of the result in pixels.
    pub size: Size,
    /// Range of the window's share of the area, at most 1.
    pub scale: PositiveRange,
    /// Range of the window's aspect, width / height.
    pub ratio: PositiveRange,
    /// Draws of a window before the central one is taken.
    pub retries: Count,
    /// How pixels between pixels are made up.
    pub interpolation: Interpolation,
    /// Whether what is reduced is smoothed first, so that no pixel is skipped.
    pub antialias: bool,
    #[serde(skip)]
    #[schemars(skip)]
    aspects: Aspects,
}

impl Default for ResizedCrop {
    fn default() -> Self {
        let range = |low, high| PositiveRange::new(low, high).expect("0 < low < high");
        Self {
            size: Size::Square(Side::of(224)),
            scale: range(0.08, 1.0),
            ratio: range(3.0 / 4.0, 4.0 / 3.0),
            retries: Count::new(10).expect("1 to 64"),
            interpolation: Interpolation::Bilinear,
            antialias: true,
            aspects: Aspects::default(),
        }
    }
}

draw! {
    /// The window of one sample.
    pub struct Drawn {
        /// First row.
        top: Int as Top,
        /// First column.
        left: Int as Left,
        /// Row after the last.
        bottom: Int as Bottom,
        /// Column after the last.
        right: Int as Right,
    }
}

impl Operator for ResizedCrop {
    const NAME: &'static str = "resized_crop";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Within(1e-5);
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        if self.scale.high() > 1.0 {
            return Err(Issue::new("scale[1]", "a share of the area is at most 1"));
        }
        Ok(shape.resized(self.size.sides()))
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        let (height, width) = (extent.height, extent.width);
        let (zero, one) = (dice.int(0), dice.int(1));
        let total = dice.to_real(height * width);
        let mut drawn = self.central(dice, height, width);
        // The last retry is drawn first and overwritten by earlier ones, so that the first that fits wins without a branch.
        for k in (0..self.retries.get()).rev() {
            let item = dice.item(k);
            let [columns, rows] = self.aspects.sides(item, total, self.scale, self.ratio);
            let within = |taken, side| item.less_int(zero, taken) & item.less_int(taken, side + one);
            let fits = within(columns, width) & within(rows, height);
            let top = start_within(item, 2, height, rows);
            let left = start_within(item, 3, width, columns);
            drawn = Drawn {
                top: dice.select_int(fits, top, drawn.top),
                left: dice.select_int(fits, left, drawn.left),
                bottom: dice.select_int(fits, top + rows, drawn.bottom),
                right: dice.select_int(fits, left + columns, drawn.right),
            };
        }
        drawn
    }

    fn motion<D: Dice>(&self, _: D, draw: &Drawn<D>, _: &Extent<D>) -> Motion<D> {
        let filter = Filter { interpolation: self.interpolation, antialias: self.antialias };
        Motion::resample([draw.top, draw.left, draw.bottom, draw.right], self.size.sides(), filter)
    }
}

register_operator!(ResizedCrop);

impl ResizedCrop {
    /// The central window with the aspect of the image, limited to `ratio`.
    fn central<D: Dice>(&self, dice: D, height: D::Int, width: D::Int) -> Drawn<D> {
        let (low, high) = (self.ratio.low(), self.ratio.high());
        let (h, w) = (dice.to_real(height), dice.to_real(width));
        let narrow = dice.less(w, h * dice.real(low));
        let broad = dice.less(h * dice.real(high), w);
        let one = dice.int(1);
        let rows = dice.select_int(narrow, dice.max_int(dice.round(w * dice.real(1.0 / low)), one), height);
        let columns = dice.select_int(broad, dice.max_int(dice.round(h * dice.real(high)), one), width);
        let two = dice.int(2);
        let (top, left) = (dice.div(height - rows, two), dice.div(width - columns, two));
        Drawn { top, left, bottom: top + rows, right: left + columns }
    }
}
