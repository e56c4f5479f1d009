//! A batch in a graph under construction.

use std::rc::Rc;

use augraft_onnx::{DataType, Tensor, Value};

use crate::lowered_labels::LoweredLabels;
use crate::mask::box_mask;
use crate::mix_graph::{LoweredRegion, lower_mixing};
use crate::mixed_planes::Mixed;
use crate::mixing::{Label, LabelRule, Mixing};
use crate::motion::Motion;
use crate::move_graph::lower_motion;
use crate::move_images::Content;
use crate::numbers::Fill;
use crate::object_values::LoweredObjects;
use crate::picture::{Picture, lower_fill};
use crate::recorder::{Recorder, first_half};
use crate::shape::{Element, Issue, Shape};

/// A batch in a graph under construction.
#[derive(Debug, Clone)]
pub struct Lowered<'g> {
    /// N, C, H, W of u8 or f32.
    pub images: Value<'g>,
    /// Labels; none when there are no classes.
    pub labels: Option<LoweredLabels<'g>>,
    /// Masks that move along.
    pub masks: Option<LoweredMasks<'g>>,
    /// Boxes and keypoints that move along.
    pub objects: Option<LoweredObjects<'g>>,
    /// What is known of it.
    pub shape: Shape,
    /// Height and width, int64 scalars: constants, unless the size is open.
    pub sides: [Value<'g>; 2],
}

/// Masks in a graph; [`Masks`](crate::Masks) natively.
#[derive(Debug, Clone)]
pub struct LoweredMasks<'g> {
    /// Class ids, u8 `[N,1,H,W]`, or shares of classes, f32 `[N,K,H,W]`.
    pub images: Value<'g>,
    /// Number of classes.
    pub classes: usize,
}

/// What a step does to a batch in a graph.
pub(crate) struct LoweredStep<'g> {
    pub(crate) motion: Rc<Motion<Recorder<'g>>>,
    pub(crate) mixing: Rc<Mixing<Recorder<'g>>>,
    pub(crate) region: Option<LoweredRegion<'g>>,
    pub(crate) label: Label<Recorder<'g>>,
    pub(crate) holes: Vec<[Value<'g>; 4]>,
    pub(crate) smoothing: Option<[f32; 2]>,
}

impl<'g> Lowered<'g> {
    /// A batch at the start of a graph.
    #[must_use]
    pub fn new(images: Value<'g>, labels: Option<LoweredLabels<'g>>, shape: Shape) -> Self {
        let Picture { values, shape, sides } = Picture::new(images, shape);
        Self { images: values, labels, masks: None, objects: None, shape, sides }
    }

    /// The fill of every channel in the type of the images, `[1,C,1,1]`.
    #[must_use]
    pub fn fill(&self, fill: &Fill) -> Value<'g> {
        lower_fill(self.images.graph(), fill, &self.shape)
    }

    /// Zero in the type of the images, a scalar.
    #[must_use]
    pub fn zero(&self) -> Value<'g> {
        self.images.graph().constant(match self.shape.element {
            Element::U8 => Tensor::scalar(0u8),
            Element::F32 => Tensor::scalar(0f32),
        })
    }

    /// Makes every sample this many, one after the other.
    pub(crate) fn replicate(self, views: usize) -> Self {
        let graph = self.images.graph();
        let views = graph.constant(Tensor::scalar(views as i64));
        let rows = graph.range(self.images.side(0) * views) / views;
        self.at_rows(rows)
    }

    /// Keeps the first half of the samples, the middle one included.
    pub(crate) fn halve(self) -> Self {
        let rows = first_half(self.images.graph().range(self.images.side(0)));
        self.at_rows(rows)
    }

    fn at_rows(self, rows: Value<'g>) -> Self {
        let labels = self.labels.map(|labels| labels.at_rows(rows));
        let masks = self.masks.map(|masks| LoweredMasks { images: masks.images.gather(rows, 0), ..masks });
        let objects = self.objects.map(|objects| objects.at_rows(rows));
        Self { images: self.images.gather(rows, 0), labels, masks, objects, shape: self.shape, sides: self.sides }
    }

    /// Mixes and moves images, masks, labels and objects as a step states.
    pub(crate) fn follow(self, step: LoweredStep<'g>) -> Result<Self, Issue> {
        let before = Picture { values: self.images, shape: self.shape.clone(), sides: self.sides };
        let mixed =
            Mixed { mixing: step.mixing.clone(), region: step.region, sides: self.sides, size: self.shape.size() };
        let labels = self.labels.map(|labels| {
            let labels = match step.smoothing {
                Some([factor, offset]) => labels.smooth(factor, offset),
                None => labels,
            };
            match (weight(&mixed, &step.label, self.masks.as_ref()), mixed.partner()) {
                (Some(weight), Some(partner)) => labels.blend(weight, partner),
                _ => labels.mix(mixed),
            }
        });
        let objects = self.objects.map(|objects| {
            let left = step.holes.iter().fold(objects, |objects, hole| objects.cover(*hole));
            left.mix(&step.mixing, step.region, &before).follow(&step.motion, before.sides)
        });
        let picture = lower_mixing(&step.mixing, step.region, before, Content::Values);
        let picture = lower_motion(&step.motion, picture, Content::Values)?;
        let labels = labels.map(|labels| labels?.follow(&step.motion)).transpose()?;
        let masks = self.masks.map(|masks| {
            let classes = masks.classes;
            let (picture, content) = masks.picture(step.mixing.is_soft(), &self.shape, self.sides);
            let region = step.region.map(LoweredRegion::flat);
            let picture = lower_mixing(&step.mixing, region, picture, content);
            let picture = lower_motion(&step.motion, picture, content)?;
            Ok::<_, Issue>(LoweredMasks { images: picture.values, classes })
        });
        Ok(Self {
            images: picture.values,
            labels,
            masks: masks.transpose()?,
            objects,
            shape: picture.shape,
            sides: picture.sides,
        })
    }
}

/// The weight of the sample's own label where it is not the share of the visible pixels, f64 `[N]`.
fn weight<'g>(mixed: &Mixed<'g>, label: &Label<Recorder<'g>>, masks: Option<&LoweredMasks<'g>>) -> Option<Value<'g>> {
    if let Mixing::Values { lam, .. } = &*mixed.mixing {
        return lam.map(|lam| lam.cast(DataType::F64));
    }
    if matches!(&*mixed.mixing, Mixing::None) || label.is_share() {
        return None;
    }
    let weight = mixed.weight(label.rule, label.nominal);
    let weight = match (label.rule, &*mixed.mixing, masks.filter(|masks| masks.images.dtype() == DataType::U8)) {
        (LabelRule::VisibleMask, Mixing::Paste(patch), Some(masks)) => {
            visible(masks, patch.edges, mixed.sides, mixed.partner()?, weight)
        }
        _ => weight,
    };
    Some(weight.cast(DataType::F32).cast(DataType::F64))
}

/// The share of the visible pixels of any class but 0 that are the sample's own; `area` where nothing is visible.
fn visible<'g>(
    masks: &LoweredMasks<'g>,
    edges: [Value<'g>; 4],
    sides: [Value<'g>; 2],
    partner: Value<'g>,
    area: Value<'g>,
) -> Value<'g> {
    let graph = masks.images.graph();
    let number = |value: f32| graph.constant(Tensor::scalar(value));
    let ids = masks.images.cast(DataType::F32);
    let shows = number(0.0).less(ids) & ids.less(number(masks.classes as f32));
    let inside = box_mask(edges, sides);
    let count =
        |pixels: Value<'g>| pixels.cast(DataType::F32).reduce_sum(3).reduce_sum(2).reduce_sum(1).cast(DataType::F64);
    let kept = count(shows & !inside);
    let brought = count(shows.cast(DataType::F32).gather(partner, 0).cast(DataType::Bool) & inside);
    let all = kept + brought;
    let zero = graph.constant(Tensor::scalar(0f64));
    let some = zero.less(all);
    some.select(kept / some.select(all, graph.constant(Tensor::scalar(1f64))), area)
}

impl<'g> LoweredMasks<'g> {
    /// The masks as planes; with `shares`, class ids become shares of classes first.
    fn picture(self, shares: bool, shape: &Shape, sides: [Value<'g>; 2]) -> (Picture<'g>, Content) {
        let mut images = self.images;
        if images.dtype() == DataType::U8 && shares {
            let graph = images.graph();
            let ids = graph.constant(Tensor::vector((0..self.classes).map(|id| id as f32).collect()));
            let (ids, found) = (ids.reshape(&[1, -1, 1, 1]), images.cast(DataType::F32));
            images = (found.at_least(ids) & ids.at_least(found)).cast(DataType::F32);
        }
        let soft = images.dtype() == DataType::F32;
        let (element, channels) = if soft { (Element::F32, self.classes) } else { (Element::U8, 1) };
        let shape = Shape { channels, element, ..shape.clone() };
        (Picture { values: images, shape, sides }, if soft { Content::Shares } else { Content::Ids })
    }
}
