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

#[cfg(test)]
mod tests {
    use augraft_operator::{AnyOperator, Batch, Draws, Images, Labels, Scratch, Tensor};
    use ndarray::Array4;

    use super::*;

    const SIZE: [usize; 2] = [17, 20];

    /// What torchvision's `_get_perspective_coeffs` solves for, by Gauss: the map from the corners of the result to those of the image.
    fn coefficients(corners: [[f64; 2]; 4]) -> [f64; 8] {
        let [height, width] = SIZE.map(|side| side as f64 - 1.0);
        let own = [[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]];
        let mut rows = Vec::new();
        for ([x, y], [u, v]) in corners.into_iter().zip(own) {
            rows.push([x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, u]);
            rows.push([0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y, v]);
        }
        for at in 0..8 {
            let pivot = (at..8).max_by(|a, b| rows[*a][at].abs().total_cmp(&rows[*b][at].abs())).expect("a row");
            rows.swap(at, pivot);
            for row in 0..8 {
                let factor = rows[row][at] / rows[at][at];
                if row != at {
                    let from = rows[at];
                    rows[row].iter_mut().zip(from).for_each(|(to, from)| *to -= factor * from);
                }
            }
        }
        core::array::from_fn(|at| rows[at][8] / rows[at][at])
    }

    #[test]
    fn images_are_those_of_torchvision() {
        let [height, width] = SIZE;
        let value = |y: usize, x: usize| ((y * 37 + x * 11) % 251) as f32;
        for corners in [[2, 1, 17, 3, 19, 14, 1, 15], [0, 4, 19, 0, 16, 16, 4, 12], [5, 4, 14, 4, 15, 12, 5, 13]] {
            let places: [[f64; 2]; 4] = core::array::from_fn(|at| [corners[2 * at] as f64, corners[2 * at + 1] as f64]);
            let [a, b, c, d, e, f, g, h] = coefficients(places);
            let seen = |y: usize, x: usize| {
                let (x, y) = (x as f64 + 0.5, y as f64 + 0.5);
                let depth = g * x + h * y + 1.0;
                [(a * x + b * y + c) / depth, (d * x + e * y + f) / depth]
            };
            let at = |y: i64, x: i64| {
                let inside = (0..height as i64).contains(&y) && (0..width as i64).contains(&x);
                if inside { f64::from(value(y as usize, x as usize)) } else { 7.0 }
            };
            for interpolation in [Sampling::Nearest, Sampling::Bilinear] {
                let operator = Perspective { fill: Fill::All(7.0), interpolation, ..Perspective::default() };
                let names = ["x0", "y0", "x1", "y1", "x2", "y2", "x3", "y3"];
                let column = |(name, value): (&str, i64)| (name.to_owned(), Tensor::vector(vec![value]));
                let draws = Draws { columns: names.into_iter().zip(corners).map(column).collect() };
                let images = Array4::from_shape_fn([1, 1, height, width], |(_, _, y, x)| value(y, x));
                let mut batch = Batch::new(Images::F32(images), Labels::one_hot(&[None], 0, &[0]), vec![0]);
                AnyOperator::apply(&operator, &draws, &mut batch, &mut Scratch::default()).expect("the draws fit");
                let Images::F32(images) = &batch.images else { panic!("floats") };
                for ((_, _, y, x), found) in images.indexed_iter() {
                    let [u, v] = seen(y, x);
                    let expected = if interpolation == Sampling::Nearest {
                        at(v.floor() as i64, u.floor() as i64)
                    } else {
                        let (left, top) = ((u - 0.5).floor(), (v - 0.5).floor());
                        let (right, below) = (u - 0.5 - left, v - 0.5 - top);
                        let pair = |row: i64| at(row, left as i64) * (1.0 - right) + at(row, left as i64 + 1) * right;
                        pair(top as i64) * (1.0 - below) + pair(top as i64 + 1) * below
                    };
                    let far = (f64::from(*found) - expected).abs();
                    assert!(far < 1e-3, "{corners:?}, {interpolation:?} at {y}, {x}: {found} is not {expected}");
                }
            }
        }
    }
}
