//! The command line of augraft with one more operator, `drop_channel`.

use std::process::ExitCode;

use augraft::operator::ndarray::{ArrayViewMut3, Axis};
use augraft::operator::{
    Dice, Extent, Issue, Lowered, Operator, Parity, Pixel, Probability, Recorder, Row, Shape, Tensor, Value, Values,
    draw, register_operator,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sets one random channel to zero.
///
/// Draws `apply` and `channel`, uniform over the channels.
///
/// # Example
/// ```yaml
/// - drop_channel: { p: 0.5 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DropChannel {
    /// Probability of a sample to lose a channel.
    pub p: Probability,
}

impl Default for DropChannel {
    fn default() -> Self {
        Self { p: Probability::HALF }
    }
}

draw! {
    /// The channel of one sample.
    pub struct Drawn {
        /// Whether the sample loses a channel.
        apply: Bool as Decision,
        /// Which one.
        channel: Int,
    }
}

impl Operator for DropChannel {
    const NAME: &'static str = "drop_channel";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const VALUES: Values = Values::Erased;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        Drawn { apply: dice.acts(0, self.p), channel: dice.below(1, extent.channels) }
    }

    fn change<T: Pixel>(&self, draw: &Drawn<Row>, image: &mut ArrayViewMut3<'_, T>) {
        image.index_axis_mut(Axis(0), draw.channel as usize).fill(T::of(0.0));
    }

    fn lower_change<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: &Lowered<'g>) -> Result<Option<Value<'g>>, Issue> {
        let channels = Tensor::vector((0..batch.shape.channels as i64).collect());
        let channels = batch.images.graph().constant(channels).reshape(&[1, -1, 1, 1]);
        Ok(Some(channels.equals(draw.channel).select(batch.zero(), batch.images)))
    }
}

register_operator!(DropChannel);

fn main() -> ExitCode {
    augraft::main()
}
