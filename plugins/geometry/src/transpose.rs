use augraft_operator::{
    Batch, Dice, Extent, Issue, Lowered, LoweredLabels, Operator, Parity, Probability, Recorder, Role, Row, Scratch,
    Shape, draw, each_sample, register_operator,
};
use ndarray::{ArrayViewMut3, Axis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Swaps rows and columns.
///
/// A reflection at the diagonal from the top left to the bottom right. Works on square images and on square feature maps N,C,H,W.
///
/// Draws `apply`.
///
/// # Example
/// ```yaml
/// - transpose: { p: 0.5 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Transpose {
    /// Probability of a sample to be transposed.
    pub p: Probability,
}

impl Default for Transpose {
    fn default() -> Self {
        Self { p: Probability::HALF }
    }
}

draw! {
    /// The reflection of one sample.
    pub struct Drawn {
        /// Whether the sample is transposed.
        apply: Bool,
    }
}

impl Operator for Transpose {
    const NAME: &'static str = "transpose";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const ROLE: Role = Role::Geometry;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        check_square(shape, "", "put `resize`, `resized_crop` or a crop to a square before this step")?;
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, _: &Extent<D>) -> Drawn<D> {
        Drawn { apply: dice.acts(0, self.p) }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, _: &mut Scratch) {
        each_sample!(batch.images, draws, |draw, image| {
            if draw.apply {
                transpose_square(&mut image);
            }
        });
        batch.labels.forget_boxes();
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let transposed = batch.images.transpose(&[0, 1, 3, 2]);
        let images = draw.apply.unsqueeze(&[1, 2, 3]).select(transposed, batch.images);
        let labels = batch.labels.map(LoweredLabels::forget_boxes);
        Ok(Lowered { images, labels, ..batch })
    }
}

register_operator!(Transpose);

/// Refuses shapes whose images are not known to be square; `path` is the parameter that needs it.
pub(crate) fn check_square(shape: &Shape, path: &str, help: &str) -> Result<(), Issue> {
    let [height, width] = shape.dense()?;
    if height == width {
        return Ok(());
    }
    let message = format!("needs square images, but here they have {height} rows and {width} columns");
    Err(Issue::new(path, message).help(help))
}

/// Side of the blocks that are transposed one after the other, so that both stay in the cache.
const BLOCK: usize = 16;

/// Transposes every channel of a square image in place.
pub(crate) fn transpose_square<T: Copy>(image: &mut ArrayViewMut3<'_, T>) {
    for mut plane in image.axis_iter_mut(Axis(0)) {
        let side = plane.nrows();
        let Some(plane) = plane.as_slice_mut() else { continue };
        for top in (0..side).step_by(BLOCK) {
            for left in (top..side).step_by(BLOCK) {
                for row in top..(top + BLOCK).min(side) {
                    for column in left.max(row + 1)..(left + BLOCK).min(side) {
                        plane.swap(row * side + column, column * side + row);
                    }
                }
            }
        }
    }
}
