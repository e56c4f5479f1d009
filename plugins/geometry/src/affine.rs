use std::sync::OnceLock;

use augraft_operator::{
    Affine as Lookup, Dice, Extent, Fill, Issue, Map, Motion, Operator, Parity, PositiveRange, Probability, Sampling,
    Shape, draw, register_operator,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::angle::{Angle, Angles, Spread};

/// Rotates, shifts, scales and shears around the center of the image.
///
/// The map of torchvision's `RandomAffine`: an angle U(degrees), clockwise; a shift of whole pixels, `round(U(-share, share) * side)`; a factor
/// U(scale); shears U(shear). Every pixel of the result, which has the size of the image, is looked up at its place in the image; what is outside is
/// `fill`, and `bilinear` mixes it in at the border by its share (torchvision, where a fill is given, by the square of the image's share). Sines,
/// cosines and tangents come from tables of 4097 knots. Masks take the nearest pixel, and 255, which counts as no class, outside. In labels, `fill`
/// counts for the sample before the first step that cuts samples (any that mixes pixels but `mixup`), and for nobody after it. Works on images of any
/// size and on feature maps N,C,H,W.
///
/// Draws the map from the result to the image, both in pixels from the center: column `xx * x + xy * y + x0`, row `yx * x + yy * y + y0`. It is the
/// identity where the step does not act.
///
/// # Example
/// ```yaml
/// - affine: { degrees: 15, translate: [0.1, 0.1], scale: [0.9, 1.1], shear: 5 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Affine {
    /// Range of the rotation in degrees, clockwise; one number for `[-number, number]`.
    pub degrees: Angles,
    /// Largest shift to the left or right as a share of the width, then up or down as a share of the height.
    pub translate: [Probability; 2],
    /// Range of the factor that the content grows by.
    pub scale: PositiveRange,
    /// Ranges of the shear in degrees: one number or `[low, high]` along the rows, or `[low, high, low, high]` along rows, then columns; below 85.
    pub shear: Shear,
    /// How pixels between pixels are made up.
    pub interpolation: Sampling,
    /// What is shown outside of the image, in the unit of the tensor: one number, or one per channel.
    pub fill: Fill,
    /// Probability of a sample to be changed.
    pub p: Probability,
    #[serde(skip)]
    #[schemars(skip)]
    tables: OnceLock<Tables>,
}

/// Ranges of shears in degrees.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Shear {
    /// Along the rows.
    Rows(Angles),
    /// Along the rows, then along the columns.
    Both([Angle; 4]),
}

impl Shear {
    /// Ends in degrees along the rows, then along the columns.
    fn ends(self) -> [[f64; 2]; 2] {
        match self {
            Shear::Rows(angles) => [angles.ends(), [0.0; 2]],
            Shear::Both(ends) => {
                let [a, b, c, d] = ends.map(Angle::get);
                [[a, b], [c, d]]
            }
        }
    }
}

/// Functions of what is drawn.
#[derive(Debug, Clone)]
struct Tables {
    sin: Spread,
    cos: Spread,
    /// One over the factor.
    shrink: Spread,
    /// Tangents of the shears.
    shear: [Spread; 2],
}

impl Default for Affine {
    fn default() -> Self {
        Self {
            degrees: Angles::Around(Angle::new(15.0).expect("at most 360")),
            translate: [Probability::NEVER; 2],
            scale: PositiveRange::new(1.0, 1.0).expect("0 < low <= high"),
            shear: Shear::Rows(Angles::Around(Angle::NONE)),
            interpolation: Sampling::Bilinear,
            fill: Fill::default(),
            p: Probability::ALWAYS,
            tables: OnceLock::new(),
        }
    }
}

draw! {
    /// The map of one sample, from the result to the image.
    pub struct Drawn {
        /// Columns per column.
        xx: Real,
        /// Columns per row.
        xy: Real,
        /// Column that the center shows, from the center.
        x0: Real,
        /// Rows per column.
        yx: Real,
        /// Rows per row.
        yy: Real,
        /// Row that the center shows, from the center.
        y0: Real,
    }
}

/// Shears from here on tear an image apart; at 90 degrees there is no map.
const STEEPEST: f64 = 85.0;

impl Operator for Affine {
    const NAME: &'static str = "affine";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Within(1e-5);
    const PRESETS: &'static [(&'static str, &'static str)] =
        &[("torchvision", r#"{"translate":[0,0],"scale":[1,1],"shear":0,"interpolation":"nearest","fill":0,"p":1}"#)];
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        self.fill.check(shape)?;
        if self.shear.ends().iter().flatten().any(|angle| angle.abs() >= STEEPEST) {
            return Err(Issue::new("shear", "a shear is less than 85 degrees either way"));
        }
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        let tables = self.tables.get_or_init(|| self.tabulate());
        let (zero, one) = (dice.real(0.0), dice.real(1.0));
        let apply = dice.acts(0, self.p);
        let [sin, cos] = Spread::draw_all([&tables.sin, &tables.cos], dice, 1);
        let shift = |lane, share: Probability, side: D::Int| {
            if share == Probability::NEVER {
                return zero;
            }
            let most = dice.real(share.get()) * dice.to_real(side);
            dice.to_real(dice.round(dice.uniform(lane) * (most + most) - most))
        };
        let [across, down] = self.translate;
        let (x, y) = (shift(2, across, extent.width), shift(3, down, extent.height));
        let shrink = tables.shrink.draw(dice, 4);
        let [along, upright] = [5, 6].map(|lane| tables.shear[lane as usize - 5].draw(dice, lane));
        // The map of torchvision, without its quotients: cos(a - s) / cos(s) = cos(a) + sin(a) tan(s).
        let a = cos + sin * upright;
        let c = sin - cos * upright;
        let b = zero - a * along - sin;
        let d = cos - c * along;
        let (xx, xy, yx, yy) = (d * shrink, (zero - b) * shrink, (zero - c) * shrink, a * shrink);
        let (x0, y0) = (zero - xx * x - xy * y, zero - yx * x - yy * y);
        let or = |value, identity| dice.select(apply, value, identity);
        Drawn {
            xx: or(xx, one),
            xy: or(xy, zero),
            x0: or(x0, zero),
            yx: or(yx, zero),
            yy: or(yy, one),
            y0: or(y0, zero),
        }
    }

    fn motion<D: Dice>(&self, _: D, draw: &Drawn<D>, _: &Extent<D>) -> Motion<D> {
        let map = Map { x: [draw.xx, draw.xy, draw.x0], y: [draw.yx, draw.yy, draw.y0] };
        Motion::Affine(Lookup { map, sampling: self.interpolation, fill: self.fill.clone() })
    }
}

register_operator!(Affine);

impl Affine {
    fn tabulate(&self) -> Tables {
        let turned = self.degrees.ends().map(f64::to_radians);
        let [along, upright] = self.shear.ends().map(|ends| Spread::new(ends.map(f64::to_radians), libm::tan));
        Tables {
            sin: Spread::new(turned, libm::sin),
            cos: Spread::new(turned, libm::cos),
            shrink: Spread::new([self.scale.low(), self.scale.high()], |factor| 1.0 / factor),
            shear: [along, upright],
        }
    }
}
