use augraft_operator::{
    Batch, DataType, Dice, Element, Extent, Fixed, Images, Issue, Lowered, Operator, Parity, Recorder, Row, Scratch,
    Shape, Tensor, Transfer, Values, parallel, register_operator,
};
use ndarray::{ArrayView3, ArrayViewMut3, Zip};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Turns pixels into floats: `(pixel / 255 - mean) / std`, per channel.
///
/// Bytes are computed as `pixel * scale + bias` in f32, with `scale = 1 / (255 * std)` and `bias = -mean / std` rounded once, which every runtime
/// repeats bit for bit. Feature maps are taken as 0 to 1 already: `(value - mean) / std`. Images that are floats already are refused, and so are
/// means and deviations above 2, which are those of pixels of 0 to 255.
///
/// The statistics are a name (`imagenet`, `cifar10`, `cifar100`, `half`: mean and std 0.5, `unit`: mean 0 and std 1) or numbers.
///
/// # Example
/// ```yaml
/// - normalize: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Normalize {
    /// Statistics by name.
    Named(Statistics),
    /// Statistics as numbers.
    Numbers(Numbers),
}

/// Known statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Statistics {
    /// The training set of ImageNet-1k.
    Imagenet,
    /// The training set of CIFAR-10.
    Cifar10,
    /// The training set of CIFAR-100.
    Cifar100,
    /// Mean and standard deviation 0.5: values from -1 to 1.
    Half,
    /// Mean 0 and standard deviation 1: values from 0 to 1.
    Unit,
}

/// Statistics of pixels scaled to 0 to 1, one per channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Numbers {
    /// Mean of each channel.
    pub mean: Vec<f64>,
    /// Standard deviation of each channel, above 0.
    pub std: Vec<f64>,
}

impl Default for Normalize {
    fn default() -> Self {
        Self::Named(Statistics::Imagenet)
    }
}

/// Means and deviations beyond are not those of values of 0 to 1.
const LARGEST: f64 = 2.0;

impl Operator for Normalize {
    const NAME: &'static str = "normalize";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const VALUES: Values = Values::Changed;
    type Draw<D: Dice> = Fixed<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        shape.uniform()?;
        let Numbers { mean, std } = self.numbers(shape.channels);
        for (path, values) in [("mean", &mean), ("std", &std)] {
            if values.len() != shape.channels {
                return Err(Issue::new(path, format!("has {} values for {} channels", values.len(), shape.channels)));
            }
        }
        if shape.element == Element::F32 && shape.image_size.is_none() {
            return Err(
                Issue::new("", "acts on images that are normalized already").help("leave one of the two steps out")
            );
        }
        let large = |(path, values): (&'static str, &Vec<f64>)| {
            let at = values.iter().position(|value| *value > LARGEST)?;
            shape.image_size.is_none().then_some((path, at))
        };
        if let Some((path, at)) = [("mean", &mean), ("std", &std)].into_iter().find_map(large) {
            let message = "the statistics are those of pixels of 0 to 1, and this is one of pixels of 0 to 255";
            return Err(Issue::new(format!("{path}[{at}]"), message).help("divide `mean` and `std` by 255"));
        }
        if let Some(at) = std.iter().position(|std| *std <= 0.0) {
            return Err(Issue::new(format!("std[{at}]"), "a standard deviation is above 0"));
        }
        let is_finite =
            |channel: &Transfer| channel.scale.is_finite() && channel.bias.is_finite() && channel.scale != 0.0;
        if let Some(at) = self.transfer(shape).iter().position(|channel| !is_finite(channel)) {
            let message = format!("the statistics of channel {at} are beyond single precision");
            return Err(Issue::new("", message).help("means lie within 0 to 1, deviations above 0 and about 1 at most"));
        }
        Ok(Shape { element: Element::F32, ..shape.clone() })
    }

    fn draw<D: Dice>(&self, _: D, _: &Extent<D>) -> Fixed<D> {
        Fixed::new()
    }

    fn apply(&self, draws: &[Fixed<Row>], batch: &mut Batch, scratch: &mut Scratch) {
        let transfer = self.transfer(&batch.shape());
        let images = core::mem::replace(&mut batch.images, Images::Ragged(Vec::new()));
        batch.images = match images {
            Images::Ragged(images) => Images::Ragged(images),
            Images::F32(mut images) => {
                parallel(images.outer_iter_mut().collect(), draws, |image, _| normalize_floats(image, &transfer));
                Images::F32(images)
            }
            Images::U8(bytes) => {
                let mut floats = scratch.take_dense::<f32>(bytes.dim().into());
                let pairs = floats.outer_iter_mut().zip(bytes.outer_iter()).collect();
                parallel(pairs, draws, |(to, from), _| normalize_bytes(to, from, &transfer));
                scratch.give_dense(bytes);
                Images::F32(floats)
            }
        };
        for (known, new) in batch.transfer.iter_mut().zip(&transfer) {
            *known = Transfer { scale: known.scale * new.scale, bias: known.bias * new.scale + new.bias };
        }
    }

    fn lower<'g>(&self, _: &Fixed<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let transfer = self.transfer(&batch.shape);
        let graph = batch.images.graph();
        let channels = |value: fn(&Transfer) -> f32| {
            graph.constant(Tensor::vector(transfer.iter().map(value).collect::<Vec<_>>())).reshape(&[1, -1, 1, 1])
        };
        let floats = if batch.shape.element == Element::U8 { batch.images.cast(DataType::F32) } else { batch.images };
        let images = floats * channels(|channel| channel.scale) + channels(|channel| channel.bias);
        let shape = Operator::check(self, &batch.shape)?;
        Ok(Lowered { images, shape, ..batch })
    }
}

register_operator!(Normalize);

impl Normalize {
    fn numbers(&self, channels: usize) -> Numbers {
        let rgb = |mean: [f64; 3], std: [f64; 3]| Numbers { mean: mean.to_vec(), std: std.to_vec() };
        match self {
            Self::Numbers(numbers) => numbers.clone(),
            Self::Named(Statistics::Imagenet) => rgb([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            Self::Named(Statistics::Cifar10) => rgb([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]),
            Self::Named(Statistics::Cifar100) => rgb([0.5071, 0.4865, 0.4409], [0.2673, 0.2564, 0.2762]),
            Self::Named(Statistics::Half) => Numbers { mean: vec![0.5; channels], std: vec![0.5; channels] },
            Self::Named(Statistics::Unit) => Numbers { mean: vec![0.0; channels], std: vec![1.0; channels] },
        }
    }

    /// The affine map of each channel for the element type of `shape`.
    fn transfer(&self, shape: &Shape) -> Vec<Transfer> {
        let range = if shape.element == Element::U8 { 255.0 } else { 1.0 };
        let Numbers { mean, std } = self.numbers(shape.channels);
        let channel =
            |(mean, std): (&f64, &f64)| Transfer { scale: (1.0 / (range * std)) as f32, bias: (-mean / std) as f32 };
        mean.iter().zip(&std).map(channel).collect()
    }
}

fn normalize_bytes(mut to: ArrayViewMut3<'_, f32>, from: ArrayView3<'_, u8>, transfer: &[Transfer]) {
    for ((mut to, from), channel) in to.outer_iter_mut().zip(from.outer_iter()).zip(transfer) {
        Zip::from(&mut to).and(&from).for_each(|to, from| *to = f32::from(*from) * channel.scale + channel.bias);
    }
}

fn normalize_floats(mut image: ArrayViewMut3<'_, f32>, transfer: &[Transfer]) {
    for (mut plane, channel) in image.outer_iter_mut().zip(transfer) {
        plane.mapv_inplace(|value| value * channel.scale + channel.bias);
    }
}
