use augraft_operator::{
    Batch, DataType, Dice, Element, Extent, Issue, Lowered, MAX_CELLS, Operator, Parity, Probability, Recorder, Row,
    Scratch, Shape, Tensor, Values, draw, parallel, register_operator,
};
use ndarray::{Array3, ArrayViewMut3, Axis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Drops whole channels and rescales the others.
///
/// Each channel is set to zero with probability `drop`, independently. With `rescale: expected` the others are multiplied by `1 / (1 - drop)`, as
/// dropout does, so that the expected value stays; with `kept` by (number of channels) / (number kept) of the sample; with `none` they stay as they
/// are. Works on feature maps N,C,H,W and normalized images; on bytes with `rescale: none`.
///
/// Draws `apply` and `dropped`, a truth value per channel.
///
/// Tompson et al., "Efficient Object Localization Using Convolutional Networks", CVPR 2015 (`SpatialDropout`); `torch.nn.Dropout2d`.
///
/// # Example
/// ```yaml
/// - channel_drop: { drop: 0.2 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ChannelDrop {
    /// Probability of a channel to be dropped.
    pub drop: Probability,
    /// What the other channels are multiplied by.
    pub rescale: Rescale,
    /// Probability of a sample to lose channels.
    pub p: Probability,
}

/// What the channels that are kept are multiplied by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rescale {
    /// 1.
    None,
    /// One over the probability to be kept.
    Expected,
    /// One over the share that is kept of the sample.
    Kept,
}

impl Default for ChannelDrop {
    fn default() -> Self {
        let drop = Probability::new(0.1).expect("0 to 1");
        Self { drop, rescale: Rescale::Expected, p: Probability::ALWAYS }
    }
}

draw! {
    /// The dropped channels of one sample.
    pub struct Drawn {
        /// Whether the sample may lose channels.
        apply: Bool as Decision,
        /// Which channels are dropped; one row and one column.
        dropped: Grid,
    }
}

impl Operator for ChannelDrop {
    const NAME: &'static str = "channel_drop";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const VALUES: Values = Values::Erased;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        if shape.element == Element::U8 && self.rescale != Rescale::None {
            return Err(Issue::new("rescale", "rescales what it keeps, which bytes cannot hold")
                .help("put `normalize` before it, or set `rescale: none`"));
        }
        if shape.channels > MAX_CELLS {
            return Err(Issue::new("", format!("draws for at most {MAX_CELLS} channels")));
        }
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        let (apply, one) = (dice.acts(0, self.p), dice.int(1));
        let dropped = dice.cells([extent.channels, one, one], |cell| cell.chance(0, self.drop) & apply);
        Drawn { apply, dropped }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, _: &mut Scratch) {
        if let Some(samples) = batch.images.samples_f32() {
            parallel(samples, draws, |mut image, draw: &Drawn<Row>| {
                erase(&mut image, &draw.dropped);
                let factor = self.factor(draw);
                if factor != 1.0 {
                    image.mapv_inplace(|value| value * factor);
                }
            });
        } else if let Some(samples) = batch.images.samples_u8() {
            parallel(samples, draws, |mut image, draw: &Drawn<Row>| erase(&mut image, &draw.dropped));
        }
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let (graph, channels) = (batch.images.graph(), batch.shape.channels);
        let number = |value: f32| graph.constant(Tensor::scalar(value));
        let scaled = match self.rescale {
            Rescale::None => batch.images,
            Rescale::Expected => {
                let factor = draw.apply.select(number(self.expected()), number(1.0));
                batch.images * factor.unsqueeze(&[1, 2, 3])
            }
            Rescale::Kept => {
                // Looked up by the number of dropped channels, so that nothing is divided in the graph.
                let factors = (0..=channels).map(|gone| kept(channels, gone)).collect();
                let gone = draw.dropped.cast(DataType::F32).reduce_sum(3).reduce_sum(2).reduce_sum(1);
                let factor = graph.constant(Tensor::vector(factors)).gather(gone.cast(DataType::I64), 0);
                batch.images * factor.unsqueeze(&[1, 2, 3])
            }
        };
        Ok(Lowered { images: draw.dropped.select(batch.zero(), scaled), ..batch })
    }

    fn acts(&self, _: usize, draw: &Drawn<Row>) -> bool {
        // A channel that is dropped may be zero already.
        draw.apply && self.factor(draw) != 1.0
    }
}

register_operator!(ChannelDrop);

impl ChannelDrop {
    /// Where every channel is dropped, nothing is left to be scaled.
    fn expected(&self) -> f32 {
        let keep = 1.0 - self.drop.get();
        if keep > 0.0 { (1.0 / keep) as f32 } else { 1.0 }
    }

    fn factor(&self, draw: &Drawn<Row>) -> f32 {
        match self.rescale {
            Rescale::Expected if draw.apply => self.expected(),
            Rescale::None | Rescale::Expected => 1.0,
            Rescale::Kept => kept(draw.dropped.len(), draw.dropped.iter().filter(|gone| **gone).count()),
        }
    }
}

/// What makes up for `gone` of so many channels.
fn kept(channels: usize, gone: usize) -> f32 {
    (channels as f64 / (channels - gone).max(1) as f64) as f32
}

fn erase<T: Copy + Default>(image: &mut ArrayViewMut3<'_, T>, dropped: &Array3<bool>) {
    let planes = image.axis_iter_mut(Axis(0)).zip(dropped);
    planes.filter(|(_, gone)| **gone).for_each(|(mut plane, _)| plane.fill(T::default()));
}
