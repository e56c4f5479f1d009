use augraft_operator::{
    Batch, DataType, Dice, Extent, Issue, Lowered, Mirror, Operator, Parity, Probability, Recorder, Role, Row, Scratch,
    Shape, Tensor, Value, draw, each_sample, register_operator,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::horizontal_flip::mirror_columns;
use crate::mirrored;
use crate::transpose::{check_square, transpose_square};
use crate::vertical_flip::mirror_rows;

/// Turns by a multiple of 90 degrees.
///
/// The number of quarter turns, counterclockwise as in `numpy.rot90`, is one of `k`, all equally likely. Odd numbers need square images, so that the
/// size does not change; with `k: [0, 2]` images may have any size. Works on feature maps too.
///
/// Draws `k`, the number of quarter turns; 0 where the step does not act.
///
/// # Example
/// ```yaml
/// - rot90: { k: [0, 1, 2, 3] }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rot90 {
    /// Numbers of quarter turns, 0 to 3, of which one is drawn.
    #[schemars(length(min = 1, max = 64), inner(range(min = 0, max = 3)))]
    pub k: Vec<u8>,
    /// Probability of a sample to be turned.
    pub p: Probability,
}

impl Default for Rot90 {
    fn default() -> Self {
        Self { k: vec![0, 1, 2, 3], p: Probability::ALWAYS }
    }
}

draw! {
    /// The turn of one sample.
    pub struct Drawn {
        /// Number of quarter turns, counterclockwise.
        k: Int,
    }
}

impl Operator for Rot90 {
    const NAME: &'static str = "rot90";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const ROLE: Role = Role::Geometry;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        if self.k.is_empty() || self.k.len() > 64 {
            return Err(Issue::new("k", "the list needs 1 to 64 numbers of quarter turns"));
        }
        if let Some(at) = self.k.iter().position(|turns| *turns > 3) {
            return Err(Issue::new(format!("k[{at}]"), "a number of quarter turns is 0, 1, 2 or 3"));
        }
        if self.has_odd() {
            check_square(shape, "k", "use `k: [0, 2]`, or `resize`, `resized_crop` or a crop to a square before")?;
        }
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, _: &Extent<D>) -> Drawn<D> {
        let drawn = dice.below(1, dice.int(self.k.len() as i64));
        let turns = |at: usize| dice.int(i64::from(self.k[at]));
        let chosen = (1..self.k.len())
            .fold(turns(0), |chosen, at| dice.select_int(dice.less_int(drawn, dice.int(at as i64)), chosen, turns(at)));
        Drawn { k: dice.select_int(dice.acts(0, self.p), chosen, dice.int(0)) }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, _: &mut Scratch) {
        each_sample!(batch.images, draws, |draw, image| {
            if draw.k % 2 == 1 {
                transpose_square(&mut image);
            }
            if matches!(draw.k, 1 | 2) {
                mirror_rows(&mut image);
            }
            if matches!(draw.k, 2 | 3) {
                mirror_columns(&mut image);
            }
        });
        // Boxes of earlier pastes follow a half turn; of a quarter turn they say nothing.
        if self.has_odd() {
            batch.labels.forget_boxes();
        } else {
            let turned: Vec<bool> = draws.iter().map(|draw| draw.k == 2).collect();
            batch.labels.mirror(Mirror::Rows, turned.clone());
            batch.labels.mirror(Mirror::Columns, turned);
        }
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let graph = batch.images.graph();
        let turned = |turns: i64| {
            let turns = graph.constant(Tensor::scalar(turns));
            graph.node("Equal", &[draw.k, turns], vec![], DataType::Bool)
        };
        let choose = |turns, yes: Value<'g>, no| turned(turns).unsqueeze(&[1, 2, 3]).select(yes, no);
        let [height, width] = batch.sides;
        let mut images = batch.images;
        if self.k.contains(&2) {
            images = choose(2, mirrored(mirrored(batch.images, 2, height), 3, width), images);
        }
        if self.has_odd() {
            let transposed = batch.images.transpose(&[0, 1, 3, 2]);
            images = choose(1, mirrored(transposed, 2, height), images);
            images = choose(3, mirrored(transposed, 3, width), images);
        }
        let labels = batch.labels.map(|labels| {
            if self.has_odd() {
                return labels.forget_boxes();
            }
            labels.mirror(Mirror::Rows, turned(2)).mirror(Mirror::Columns, turned(2))
        });
        Ok(Lowered { images, labels, ..batch })
    }

    fn acts(&self, _: usize, draw: &Drawn<Row>) -> bool {
        draw.k != 0
    }
}

register_operator!(Rot90);

impl Rot90 {
    fn has_odd(&self) -> bool {
        self.k.iter().any(|turns| turns % 2 == 1)
    }
}
