use augraft_operator::{
    Dice, Extent, Fill, Issue, Motion, Operator, Parity, Probability, Projective, Sampling, Shape, draw,
    register_operator,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Shows an image as if it were seen from another place: its corners move inward.
///
/// Each corner moves by a whole number of pixels along either axis, uniform from 0 to `distortion_scale` times half the side, rounded down; the result shows
/// the whole image within, and `fill` around it. Small images move less, so that their corners stay convex. Places are those of torchvision: the image
/// is the rectangle from the top left corner to `[width - 1, height - 1]`. What lies behind the horizon, which torchvision mirrors, is `fill` too.
///
/// Masks take the nearest pixel. Boxes become the hull of their moved corners.
///
/// Draws `x0`, `y0` to `x3`, `y3`: the places in pixels of the top left, top right, bottom right and bottom left corner.
///
/// `RandomPerspective` of torchvision 0.24.
///
/// # Example
/// ```yaml
/// - perspective: { distortion_scale: 0.5, p: 0.5 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Perspective {
    /// How far a corner moves at most, as a share of half the side; less than 2/3, beyond which an image may fold over itself.
    pub distortion_scale: Probability,
    /// How a pixel is made up between pixels.
    pub interpolation: Sampling,
    /// What is shown outside of the image: one number, or one per channel, in the unit of the tensor.
    pub fill: Fill,
    /// Probability of a sample to be moved.
    pub p: Probability,
}

impl Default for Perspective {
    fn default() -> Self {
        let (distortion_scale, interpolation) = (Probability::HALF, Sampling::Bilinear);
        Self { distortion_scale, interpolation, fill: Fill::default(), p: Probability::HALF }
    }
}

draw! {
    /// Where the corners of one sample come to lie.
    pub struct Drawn {
        /// Column of the top left corner.
        x0: Int,
        /// Row of the top left corner.
        y0: Int,
        /// Column of the top right corner.
        x1: Int,
        /// Row of the top right corner.
        y1: Int,
        /// Column of the bottom right corner.
        x2: Int,
        /// Row of the bottom right corner.
        y2: Int,
        /// Column of the bottom left corner.
        x3: Int,
        /// Row of the bottom left corner.
        y3: Int,
    }
}

impl Operator for Perspective {
    const NAME: &'static str = "perspective";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Within(1e-5);
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        self.fill.check(shape)?;
        if 3.0 * self.distortion_scale.get() >= 2.0 {
            return Err(Issue::new("distortion_scale", "a corner moves less than two thirds of half the side"));
        }
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        let (apply, zero, one) = (dice.acts(0, self.p), dice.int(0), dice.int(1));
        let most = |side: D::Int| {
            let half = dice.to_real(dice.div(side, dice.int(2)));
            let wanted = dice.floor(dice.real(self.distortion_scale.get()) * half);
            // Three times as far, a corner could lie on the diagonal of those beside it.
            let convex = dice.div(dice.max_int(side - dice.int(2), zero), dice.int(3));
            dice.select_int(apply, dice.min_int(wanted, convex), zero) + one
        };
        let (across, down) = (most(extent.width), most(extent.height));
        let (right, bottom) = (extent.width - one, extent.height - one);
        Drawn {
            x0: dice.below(1, across),
            y0: dice.below(2, down),
            x1: right - dice.below(3, across),
            y1: dice.below(4, down),
            x2: right - dice.below(5, across),
            y2: bottom - dice.below(6, down),
            x3: dice.below(7, across),
            y3: bottom - dice.below(8, down),
        }
    }

    fn motion<D: Dice>(&self, dice: D, draw: &Drawn<D>, extent: &Extent<D>) -> Motion<D> {
        let corner = |x: D::Int, y: D::Int| [dice.to_real(x), dice.to_real(y)];
        let Drawn { x0, y0, x1, y1, x2, y2, x3, y3 } = draw;
        // A number for each sample, as the corners are.
        let none = *x0 * dice.int(0);
        let side = |side: D::Int| dice.to_real(none + side - dice.int(1));
        Motion::Projective(Projective {
            corners: [corner(*x0, *y0), corner(*x1, *y1), corner(*x2, *y2), corner(*x3, *y3)],
            sides: [side(extent.height), side(extent.width)],
            sampling: self.interpolation,
            fill: self.fill.clone(),
        })
    }
}

register_operator!(Perspective);
