//! Operators whose statements are not what they do are noticed.

use augraft_operator::{
    AnyOperator, Batch, Dice, Draw, Extent, Images, Issue, Motion, Operator, Parity, Pixel, Row, Scratch, Shape,
    Values, draw,
};
use ndarray::{ArrayViewMut3, s};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::conformance;

draw! {
    /// A box, and whether it is there.
    pub struct Drawn {
        /// Whether the sample is changed.
        apply: Bool as Decision,
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

fn drawn<D: Dice>(dice: D, extent: &Extent<D>) -> Drawn<D> {
    let (zero, one) = (dice.int(0), dice.int(1));
    let apply = dice.less(dice.uniform(0), dice.real(0.7));
    let end = |lane, side| dice.select_int(apply, dice.below(lane, side) + one, zero);
    Drawn { apply, top: zero, left: zero, bottom: end(1, extent.height), right: end(2, extent.width) }
}

/// How an operator lies that states that it keeps values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Lie {
    /// It tells the truth.
    #[default]
    None,
    /// It changes values one sample at a time.
    Change,
    /// It changes values of the batch.
    Apply,
}

/// Mirrors images, and may do more than it says.
#[derive(Debug, Default, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Keeper {
    lie: Lie,
}

impl Operator for Keeper {
    const NAME: &'static str = "keeper";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::NativeOnly("it is a test");
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        drawn(dice, extent)
    }

    fn motion<D: Dice>(&self, dice: D, draw: &Drawn<D>, _: &Extent<D>) -> Motion<D> {
        Motion::Mirror { rows: dice.never(), columns: draw.apply }
    }

    fn change<T: Pixel>(&self, _: &Drawn<Row>, image: &mut ArrayViewMut3<'_, T>) {
        if self.lie == Lie::Change {
            image.mapv_inplace(|value| T::nearest(value.real() + 1.0));
        }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, _: &mut Scratch) {
        if let (Lie::Apply, Images::F32(images)) = (self.lie, &mut batch.images) {
            for (mut image, draw) in images.outer_iter_mut().zip(draws) {
                image += f32::from(u8::from(draw.apply));
            }
        }
    }
}

/// What an operator erases beside what it states.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Slip {
    /// Nothing.
    #[default]
    None,
    /// One column less.
    Less,
    /// One row more.
    More,
}

/// Fills a box with zeros, more or less.
#[derive(Debug, Default, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Eraser {
    slip: Slip,
}

impl Operator for Eraser {
    const NAME: &'static str = "eraser";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::NativeOnly("it is a test");
    const VALUES: Values = Values::Erased;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        drawn(dice, extent)
    }

    fn change<T: Pixel>(&self, draw: &Drawn<Row>, image: &mut ArrayViewMut3<'_, T>) {
        let [top, left, bottom, right] = draw.boxes()[0].map(|edge| edge as usize);
        let (bottom, right) = match self.slip {
            Slip::None => (bottom, right),
            Slip::Less => (bottom, right - 1),
            Slip::More => ((bottom + 1).min(image.dim().1), right),
        };
        image.slice_mut(s![.., top..bottom, left..right]).fill(T::default());
    }
}

/// The broken promises of an operator, without what hinges on random numbers of tiny images.
fn broken(operator: &dyn AnyOperator) -> Vec<String> {
    conformance(operator, &[])
}

#[test]
fn values_that_are_said_to_be_kept_are_kept() {
    assert_eq!(broken(&Keeper::default()), Vec::<String>::new());
    for lie in [Lie::Change, Lie::Apply] {
        let found = broken(&Keeper { lie });
        let noticed = |problem: &String| problem.contains("it states `Values::Kept` and has code that changes values");
        assert!(found.iter().any(noticed), "{lie:?}: {found:?}");
    }
}

#[test]
fn what_is_said_to_be_erased_is_what_is_erased() {
    assert_eq!(broken(&Eraser::default()), Vec::<String>::new());
    let found = broken(&Eraser { slip: Slip::Less });
    assert!(found.iter().any(|problem| problem.contains("it states that it erases row")), "{found:?}");
    let found = broken(&Eraser { slip: Slip::More });
    assert!(found.iter().any(|problem| problem.contains("it does not state that it erases row")), "{found:?}");
}
