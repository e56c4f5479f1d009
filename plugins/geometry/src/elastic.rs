use augraft_operator::{
    Count, Dice, Displaced, Extent, Fill, Issue, Motion, Operator, Parity, PositiveRange, Probability, Sampling, Shape,
    draw, register_operator,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bends an image like rubber: its pixels are displaced by a smooth random field.
///
/// A grid of `grid` x `grid` control points is displaced, each along both axes by up to `displacement` of the shorter side, counted between the middles
/// of its outermost pixels. `displacement` is one number for each image, uniform in its range; the displacements are uniform and independent. They
/// make a uniform cubic B-spline, which has `grid - 3` spans along each side, so that a control point lies one span outside of each border. No image
/// folds over itself, as displacements are small for the grid: a finer grid bends an image more often, and less.
///
/// Masks take the nearest pixel. A box becomes that of its bent outline.
///
/// Draws `shifts`: for each control point how far to the right, and below, the place lies that is shown there, in pixels; zeros where not applied.
///
/// `ElasticTransform` of `AlbumentationsX` 2.5, with the same field for the same displacements, whose vectors are uniform within a circle there.
/// `ElasticTransform` of torchvision 0.24 has another field: noise of every pixel, blurred.
///
/// # Example
/// ```yaml
/// - elastic: { displacement: [0.02, 0.05], p: 0.5 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Elastic {
    /// Rows, and columns, of control points, 4 to 16.
    pub grid: Count,
    /// Range of the largest displacement, as a share of the shorter side; less than `1 / (4 * (grid - 3))`, beyond which an image could fold.
    pub displacement: PositiveRange,
    /// How a pixel is made up between pixels.
    pub interpolation: Sampling,
    /// What is shown outside of the image: one number, or one per channel, in the unit of the tensor.
    pub fill: Fill,
    /// Probability of a sample to be bent.
    pub p: Probability,
}

impl Default for Elastic {
    fn default() -> Self {
        Self {
            grid: Count::new(7).expect("1 to 64"),
            displacement: PositiveRange::new(0.02, 0.05).expect("ascending"),
            interpolation: Sampling::Bilinear,
            fill: Fill::default(),
            p: Probability::HALF,
        }
    }
}

draw! {
    /// The field of one sample.
    pub struct Drawn {
        /// Displacements of the control points: along columns, then along rows.
        shifts: Reals,
    }
}

impl Operator for Elastic {
    const NAME: &'static str = "elastic";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Within(1e-5);
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        self.fill.check(shape)?;
        let grid = self.grid.get();
        if !(4..=16).contains(&grid) {
            return Err(Issue::new("grid", format!("needs 4 to 16 control points along a side, and has {grid}")));
        }
        let parts = 4 * (grid - 3);
        if self.displacement.high() * f64::from(parts) >= 1.0 {
            let message = format!("with {grid} control points along a side, an image could fold over itself");
            let help = format!("write less than 1/{parts} (as a decimal), or make `grid` smaller");
            return Err(Issue::new("displacement[1]", message).help(help));
        }
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        let (apply, points) = (dice.acts(0, self.p), dice.int(i64::from(self.grid.get())));
        let side = dice.to_real(dice.min_int(extent.height, extent.width) - dice.int(1));
        let reach = dice.between(1, self.displacement.low(), self.displacement.high()) * side;
        let within = |cell: D| (cell.uniform(0) * dice.real(2.0) - dice.real(1.0)) * reach;
        let shift = |cell: D| dice.select(apply, within(cell), dice.real(0.0));
        Drawn { shifts: dice.reals([dice.int(2), points, points], shift) }
    }

    fn motion<D: Dice>(&self, _: D, draw: &Drawn<D>, _: &Extent<D>) -> Motion<D> {
        Motion::Displaced(Displaced {
            shifts: draw.shifts.clone(),
            points: self.grid.get() as usize,
            sampling: self.interpolation,
            fill: self.fill.clone(),
        })
    }
}

register_operator!(Elastic);

#[cfg(test)]
mod tests {
    use augraft_operator::{AnyOperator, Batch, Draws, Images, Labels, Scratch, Tensor};
    use ndarray::{Array, Array4};

    use super::*;

    #[test]
    fn an_image_is_shown_where_albumentations_shows_it() {
        // Every pixel is its own place, so that the result says which places it shows; see `spline` for more of them.
        let images = Array4::from_shape_fn([1, 2, 17, 20], |(_, channel, y, x)| [x, y][channel] as f32);
        let shift = |(_, axis, y, x): (usize, usize, usize, usize)| (7 * y + 11 * x + 5 * axis) % 13;
        let shifts = Array::from_shape_fn([1, 2, 7, 7], |at| shift(at) as f32 * 0.125 - 0.75);
        let draws = Draws { columns: vec![("shifts".to_owned(), Tensor::F32(shifts.into_dyn()))] };
        let mut batch = Batch::new(Images::F32(images), Labels::one_hot(&[None], 0, &[0]), vec![0]);
        AnyOperator::apply(&Elastic::default(), &draws, &mut batch, &mut Scratch::default()).expect("the draws fit");
        let Images::F32(images) = &batch.images else { panic!("floats") };
        for ([y, x], shown) in [([8, 10], [9.74473, 7.94943]), ([13, 17], [17.03287, 13.2935])] {
            for channel in 0..2 {
                assert!((images[[0, channel, y, x]] - shown[channel]).abs() < 1e-4, "{y}, {x}: {images}");
            }
        }
    }

    #[test]
    fn what_could_fold_is_refused() {
        let refused = |grid: u32, high: f64| {
            let (grid, displacement) =
                (Count::new(grid).expect("a count"), PositiveRange::new(0.01, high).expect("a range"));
            let shape = Shape::ragged(0);
            let elastic = Elastic { grid, displacement, ..Elastic::default() };
            Operator::check(&elastic, &shape).err().map(|issue| issue.path)
        };
        assert_eq!(
            [refused(7, 0.0625), refused(3, 0.01)],
            ["displacement[1]", "grid"].map(|path| Some(path.to_owned()))
        );
        assert_eq!([refused(7, 0.0624), refused(4, 0.24)], [None, None]);
    }
}
