//! Labels in a graph: the share of what each sample shows, through any chain of steps.

use std::rc::Rc;

use augraft_onnx::{DataType, Tensor, Value, int_attribute, text_attribute};

use crate::mix_graph::{LoweredRegion, lower_mixing};
use crate::mixed_planes::Mixed;
use crate::mixing::Mixing;
use crate::motion::Motion;
use crate::move_graph::lower_motion;
use crate::move_images::Content;
use crate::picture::Picture;
use crate::recorder::Recorder;
use crate::shape::{Element, Issue, Layout, Shape};

/// Sources that a pixel of an exported file may show; each blend doubles them.
pub(crate) const MAX_LAYERS: usize = 32;

/// Labels in a graph; [`Labels`](crate::Labels) natively.
///
/// A sample is a list of layers, each the number of a source and its weight: one for the whole sample while it shows the same everywhere, and one for
/// each pixel where two steps or more have cut it.
#[derive(Clone)]
pub struct LoweredLabels<'g> {
    /// What the sources are labeled, f32 `[sources, K]`.
    base: Value<'g>,
    /// Which of these each sample is itself, int64 `[N]`; none while it is the one at its own position.
    own: Option<Value<'g>>,
    state: State<'g>,
    /// The first step that cuts samples and those after it, as long as labels need no planes for them.
    later: Vec<Later<'g>>,
}

#[derive(Clone)]
enum State<'g> {
    Whole(Vec<Layer<'g>>),
    /// Channels `0..layers` hold a source and one, 0 for none, the others their weights.
    Planes {
        picture: Picture<'g>,
        layers: usize,
    },
}

#[derive(Clone, Copy)]
struct Layer<'g> {
    /// int64 `[N]`; none for the source at the position of the sample.
    source: Option<Value<'g>>,
    /// f64 `[N]`; none for 1.
    weight: Option<Value<'g>>,
}

#[derive(Clone)]
enum Later<'g> {
    Mix(Mixed<'g>),
    Turn(Rc<Motion<Recorder<'g>>>),
    Rows(Value<'g>),
}

impl std::fmt::Debug for LoweredLabels<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "labels of {:?}", self.base)
    }
}

impl<'g> Layer<'g> {
    fn weighed(self, weight: Value<'g>) -> Self {
        Self { weight: Some(self.weight.map_or(weight, |known| known * weight)), ..self }
    }

    fn of_partner(self, partner: Value<'g>) -> Self {
        let source = Some(self.source.map_or(partner, |source| source.gather(partner, 0)));
        Self { source, weight: self.weight.map(|weight| weight.gather(partner, 0)) }
    }
}

impl<'g> LoweredLabels<'g> {
    /// Labels f32 `[N, K]` before any mixing.
    #[must_use]
    pub fn new(base: Value<'g>) -> Self {
        Self { base, own: None, state: State::Whole(vec![Layer { source: None, weight: None }]), later: Vec::new() }
    }

    /// See [`Labels::smooth`](crate::Labels::smooth).
    #[must_use]
    pub fn smooth(self, factor: f32, offset: f32) -> Self {
        let number = |value: f32| self.base.graph().constant(Tensor::scalar(value));
        Self { base: self.base * number(factor) + number(offset), ..self }
    }

    /// See [`Labels::blend`](crate::Labels::blend); `lam` is f64 `[N]`, `partner` int64 `[N]`.
    ///
    /// # Errors
    /// When a file would hold too many sources, or the opset lacks what it needs.
    pub fn blend(self, lam: Value<'g>, partner: Value<'g>) -> Result<Self, Issue> {
        let labels = self.forget_places()?;
        let State::Whole(layers) = &labels.state else { return Ok(labels) };
        let rest = lam.graph().constant(Tensor::scalar(1f64)) - lam;
        let own = layers.iter().map(|layer| layer.weighed(lam));
        let other = layers.iter().map(|layer| layer.of_partner(partner).weighed(rest));
        let layers = limited(own.chain(other).collect())?;
        Ok(Self { state: State::Whole(layers), ..labels })
    }

    /// See [`Labels::forget_places`](crate::Labels::forget_places).
    ///
    /// # Errors
    /// As [`blend`](Self::blend).
    pub fn forget_places(self) -> Result<Self, Issue> {
        match &self.state {
            State::Whole(layers) => {
                let layers = self.totals(layers)?;
                Ok(Self { state: State::Whole(layers), later: Vec::new(), ..self })
            }
            // From here on, what a sample shows is one source of its own.
            State::Planes { .. } => Ok(Self::new(self.soft()?)),
        }
    }

    /// The samples at these rows, int64.
    #[must_use]
    pub(crate) fn at_rows(mut self, rows: Value<'g>) -> Self {
        self.own = Some(self.own.map_or(rows, |own| own.gather(rows, 0)));
        if !self.later.is_empty() {
            self.later.push(Later::Rows(rows));
            return self;
        }
        self.state = match self.state {
            State::Whole(layers) => State::Whole(layers.iter().map(|layer| layer.of_partner(rows)).collect()),
            State::Planes { picture, layers } => {
                let values = picture.values.gather(rows, 0);
                State::Planes { picture: picture.with(values), layers }
            }
        };
        self
    }

    /// Mixes as the pixels are mixed.
    pub(crate) fn mix(mut self, mixed: Mixed<'g>) -> Result<Self, Issue> {
        if matches!(&*mixed.mixing, Mixing::None | Mixing::Values { .. }) {
            return Ok(self);
        }
        match (&self.state, self.later.is_empty(), mixed.is_blend()) {
            (State::Whole(layers), true, true) => {
                let layers = limited(mix_layers(&mixed, layers))?;
                Ok(Self { state: State::Whole(layers), ..self })
            }
            (State::Whole(layers), true, false) | (State::Whole(layers), false, true) => {
                let more = |count: usize, later: &Later<'g>| match later {
                    Later::Mix(mixed) => count * (1 + mixed.partners()),
                    Later::Turn(_) | Later::Rows(_) => count,
                };
                let count = self.later.iter().fold(layers.len(), more) * (1 + mixed.partners());
                self.later.push(Later::Mix(mixed));
                // On planes a paste adds no layers.
                if count > MAX_LAYERS { self.settle() } else { Ok(self) }
            }
            _ => self.settle()?.mix_planes(&mixed),
        }
    }

    /// Moves as the pixels do.
    pub(crate) fn follow(mut self, motion: &Rc<Motion<Recorder<'g>>>) -> Result<Self, Issue> {
        if motion.is_stay() || (self.later.is_empty() && matches!(self.state, State::Whole(_))) {
            return Ok(self);
        }
        if !self.later.is_empty() && motion.keeps_shares() {
            self.later.push(Later::Turn(motion.clone()));
            return Ok(self);
        }
        self.settle()?.move_planes(motion)
    }

    fn mix_planes(self, mixed: &Mixed<'g>) -> Result<Self, Issue> {
        let State::Planes { picture, layers } = self.state else { return Ok(self) };
        let region = mixed.region.map(LoweredRegion::flat);
        let factors = match (&*mixed.mixing, region) {
            (Mixing::Blend { lam, .. }, _) => {
                let lam = lam.cast(DataType::F32).unsqueeze(&[1, 2, 3]);
                Some([lam, lam.graph().constant(Tensor::scalar(1f32)) - lam])
            }
            (_, Some(LoweredRegion::Weights([kept, taken]))) => {
                let number = |value: f32| taken.graph().constant(Tensor::scalar(value));
                Some([number(0.0).less(taken).select(kept, number(1.0)), taken])
            }
            _ => None,
        };
        let Some(factors) = factors else {
            let picture = lower_mixing(&mixed.mixing, region, picture, Content::Shares);
            return Ok(Self { state: State::Planes { picture, layers }, ..self });
        };
        let doubled = 2 * layers;
        if doubled > MAX_LAYERS {
            return Err(too_many(doubled));
        }
        let partner = mixed.partner().map(|partner| picture.values.gather(partner, 0));
        let both = [picture.values, partner.unwrap_or(picture.values)];
        let part = |values: Value<'g>, at: usize| values.slice(1, (at * layers) as i64, ((at + 1) * layers) as i64);
        let [own, other] = [0, 1].map(|at| part(both[at], 1) * factors[at]);
        let stack = picture.graph().concat(&[part(both[0], 0), part(both[1], 0), own, other], 1);
        let shape = Shape { channels: 2 * doubled, ..picture.shape.clone() };
        let picture = Picture { values: stack, shape, sides: picture.sides };
        Ok(Self { state: State::Planes { picture, layers: doubled }, ..self })
    }

    fn move_planes(self, motion: &Motion<Recorder<'g>>) -> Result<Self, Issue> {
        let State::Planes { picture, layers } = self.state else { return Ok(self) };
        let picture = lower_motion(motion, picture, Content::Shares)?;
        Ok(Self { state: State::Planes { picture, layers }, ..self })
    }

    /// Makes planes of the steps that were put off.
    fn settle(mut self) -> Result<Self, Issue> {
        let later = std::mem::take(&mut self.later);
        let Some(Later::Mix(first)) = later.first() else { return Ok(self) };
        let State::Whole(layers) = &self.state else { return Ok(self) };
        let graph = self.base.graph();
        if graph.opset() < 16 {
            let message = format!(
                "its labels are counted pixel by pixel, because several steps cut and move the samples; that needs opset 16, and the file has {}",
                graph.opset()
            );
            return Err(Issue::new("", message).help("use `--opset 16` or a later one, or one mixing step"));
        }
        let [height, width] = first.sides;
        let ahead = |value: Value<'g>| value.unsqueeze(&[1, 2, 3]).cast(DataType::F32);
        let one = graph.constant(Tensor::scalar(1f32));
        let own = |layer: &Layer<'g>| layer.source.unwrap_or_else(|| graph.range(self.base.side(0)));
        let count = layers.first().map(|layer| own(layer).shape());
        let axis = |side: Value<'g>| side.unsqueeze(&[0]);
        let sides =
            [count.unwrap_or_else(|| self.base.shape().slice(0, 0, 1)), graph.ints(&[1]), axis(height), axis(width)];
        let all = graph.concat(&sides, 0);
        let sources = layers.iter().map(|layer| (ahead(own(layer)) + one).expand(all));
        let weights = layers.iter().map(|layer| layer.weight.map_or(one, ahead).expand(all));
        let stack = graph.concat(&sources.chain(weights).collect::<Vec<_>>(), 1);
        let layout = match first.size {
            Some([height, width]) => Layout::Dense { height, width },
            None => Layout::Open,
        };
        let shape = Shape { layout, channels: 2 * layers.len(), element: Element::F32, classes: 0, image_size: None };
        let picture = Picture { values: stack, shape, sides: first.sides };
        let layers = layers.len();
        self.state = State::Planes { picture, layers };
        later.iter().try_fold(self, |labels, later| match later {
            Later::Mix(mixed) => labels.mix_planes(mixed),
            Later::Turn(motion) => labels.move_planes(motion),
            Later::Rows(rows) => {
                let own = labels.own;
                Ok(Self { own, ..labels.at_rows(*rows) })
            }
        })
    }

    /// The layers of whole samples, where no two steps cut them.
    fn totals(&self, layers: &[Layer<'g>]) -> Result<Vec<Layer<'g>>, Issue> {
        let step = |layers: Vec<Layer<'g>>, later: &Later<'g>| match later {
            Later::Mix(mixed) => limited(mix_layers(mixed, &layers)),
            Later::Turn(_) => Ok(layers),
            Later::Rows(rows) => Ok(layers.iter().map(|layer| layer.of_partner(*rows)).collect()),
        };
        self.later.iter().try_fold(layers.to_vec(), step)
    }

    /// The labels, f32 `[N, K]`.
    ///
    /// # Errors
    /// As [`blend`](Self::blend).
    pub fn soft(&self) -> Result<Value<'g>, Issue> {
        let layers = match &self.state {
            State::Whole(layers) => self.totals(layers)?,
            State::Planes { picture, layers } => return Ok(self.count(picture, *layers)),
        };
        let base = |layer: &Layer<'g>| layer.source.map_or(self.base, |source| self.base.gather(source, 0));
        if let [Layer { weight: None, source: _ }] = &layers[..] {
            return Ok(base(&layers[0]));
        }
        let weighed = layers.iter().map(|layer| {
            let label = base(layer).cast(DataType::F64);
            layer.weight.map_or(label, |weight| label * weight.unsqueeze(&[1]))
        });
        let sum = weighed.reduce(|sum, label| sum + label);
        Ok(sum.map_or(self.base, |sum| sum.cast(DataType::F32)))
    }

    /// The labels of planes: the weights of every source are summed, and divided by what is visible.
    fn count(&self, picture: &Picture<'g>, layers: usize) -> Value<'g> {
        let graph = self.base.graph();
        let (zero, one) = (graph.constant(Tensor::scalar(0f32)), graph.constant(Tensor::scalar(1f32)));
        let rows = picture.values.shape().slice(0, 0, 1);
        let pixels = picture.sides[0] * picture.sides[1] * graph.constant(Tensor::scalar(layers as i64));
        let flat = graph.concat(&[rows, pixels.unsqueeze(&[0])], 0);
        let part = |at: usize| picture.values.slice(1, (at * layers) as i64, ((at + 1) * layers) as i64);
        let list = |values: Value<'g>| values.binary("Reshape", flat);
        // What shows nothing weighs nothing, so that it may count for any source.
        let source = list((part(0) - one).maximum(zero).cast(DataType::I64));
        let weight = list(part(1).cast(DataType::F64));
        let none = graph.constant(Tensor::vector(vec![0f64]));
        let none = none.expand(graph.concat(&[rows, self.base.shape().slice(0, 0, 1)], 0));
        let attributes = vec![int_attribute("axis", 1), text_attribute("reduction", "add")];
        let shares = graph.node("ScatterElements", &[none, source, weight], attributes, DataType::F64);
        let visible = shares.reduce_sum(1).unsqueeze(&[1]);
        let some = graph.constant(Tensor::scalar(0f64)).less(visible);
        let divisor = some.select(visible, graph.constant(Tensor::scalar(1f64)));
        let soft = (shares.matmul(self.base.cast(DataType::F64)) / divisor).cast(DataType::F32);
        some.select(soft, self.own.map_or(self.base, |own| self.base.gather(own, 0)))
    }
}

fn mix_layers<'g>(mixed: &Mixed<'g>, layers: &[Layer<'g>]) -> Vec<Layer<'g>> {
    let shares = mixed.shares();
    let own = mixed.own(&shares);
    let kept = layers.iter().map(|layer| layer.weighed(own));
    let brought = shares
        .iter()
        .flat_map(|(partner, share)| layers.iter().map(|layer| layer.of_partner(*partner).weighed(*share)));
    kept.chain(brought).collect()
}

fn limited(layers: Vec<Layer<'_>>) -> Result<Vec<Layer<'_>>, Issue> {
    if layers.len() > MAX_LAYERS { Err(too_many(layers.len())) } else { Ok(layers) }
}

fn too_many(layers: usize) -> Issue {
    let message = format!(
        "the labels of an exported file follow at most {MAX_LAYERS} sources in a pixel, and with this step there may be {layers}"
    );
    Issue::new("", message)
        .help("leave the step out of what is exported; each blend doubles the sources, a paste does not")
}
