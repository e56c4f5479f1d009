//! The command line of augraft with one more operator, `drop_channel`.

use std::process::ExitCode;

use augraft::operator::{
    Batch, Dice, Element, Extent, Issue, Lowered, Operator, Parity, Probability, Recorder, Role, Row, Scratch, Shape,
    Tensor, draw, each_sample, register_operator,
};
use ndarray::Axis;
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
        apply: Bool,
        /// Which one.
        channel: Int,
    }
}

impl Operator for DropChannel {
    const NAME: &'static str = "drop_channel";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const ROLE: Role = Role::Erase;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        Drawn { apply: dice.acts(0, self.p), channel: dice.below(1, extent.channels) }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, _: &mut Scratch) {
        each_sample!(batch.images, draws, |draw, image| {
            if draw.apply {
                image.index_axis_mut(Axis(0), draw.channel as usize).fill(Default::default());
            }
        });
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let graph = batch.images.graph();
        let channels = graph.constant(Tensor::vector((0..batch.shape.channels as i64).collect()));
        let channels = channels.reshape(&[1, -1, 1, 1]);
        let drawn = draw.channel.unsqueeze(&[1, 2, 3]);
        let same = channels.at_least(drawn) & drawn.at_least(channels);
        let zero = match batch.shape.element {
            Element::U8 => graph.constant(Tensor::scalar(0u8)),
            Element::F32 => graph.constant(Tensor::scalar(0f32)),
        };
        let images = (draw.apply.unsqueeze(&[1, 2, 3]) & same).select(zero, batch.images);
        Ok(Lowered { images, ..batch })
    }
}

register_operator!(DropChannel);

fn main() -> ExitCode {
    augraft::main()
}
