//! What a sample takes from other samples of its batch.

use std::sync::Arc;

use ndarray::Array3;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::dice::Dice;
use crate::runs::Runs;

/// What a sample takes from a partner, as a value over [`Dice`]: numbers natively, nodes in a graph.
///
/// An operator states it beside its draw; images, masks, labels and objects follow it. Which variant it is must depend on the configuration alone.
/// Partners are positions in the batch; what they show is what values the step left before it mixes.
pub enum Mixing<D: Dice> {
    /// Nothing.
    None,
    /// A rectangle.
    Paste(Patch<D>),
    /// Two rectangles or more that cover the image and do not overlap.
    Collage(Vec<Patch<D>>),
    /// `lam * own + (1 - lam) * partner` everywhere; a weight of 1 changes nothing.
    Blend {
        /// Weight of the sample itself, 0 to 1.
        lam: D::Real,
        /// Position of the partner.
        partner: D::Int,
    },
    /// A region of any outline, or weights per pixel: what [`Operator::regions`](crate::Operator::regions) gives.
    Region {
        /// Position of the partner.
        partner: D::Int,
        /// Whether pixels may show both, so that masks of class ids must become shares of classes first.
        soft: bool,
    },
    /// No pixel: `apply` and `lower` change values by those of the partner, and the label is `lam * own + (1 - lam) * partner` by definition.
    Values {
        /// Weight of the sample's own label, 0 to 1; none where labels do not mix.
        lam: Option<D::Real>,
        /// Position of the partner.
        partner: D::Int,
    },
}

/// A rectangle that shows another image.
pub struct Patch<D: Dice> {
    /// `[top, left, bottom, right]` in pixels from the top left, ends exclusive; empty when an end is not after its start.
    pub edges: [D::Int; 4],
    /// Position of the image that is shown; none for the sample itself.
    pub partner: Option<D::Int>,
    /// What is shown of it.
    pub shows: Shows,
}

/// What a rectangle shows of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// The same place.
    Place,
    /// All of it made to fit, by the nearest pixel: row `floor(y * H / h)` in row `y` of `h`.
    Nearest,
    /// All of it made to fit, bilinearly, the centers of pixels aligned; masks, and the rectangles of a collage, by the nearest pixel.
    Bilinear,
}

/// What a sample shows of its partner, pixel by pixel.
#[derive(Debug, Clone)]
pub enum Region {
    /// These pixels of each plane.
    Taken(Runs),
    /// Weights of the sample itself and of the partner, `[1 or channels, rows, columns]`; a partner's weight of 0 leaves the pixel alone.
    Weights([Array3<f32>; 2]),
}

impl Region {
    /// The mean weight of the partner over a plane of `pixels`.
    pub(crate) fn share(&self, pixels: usize) -> f64 {
        match self {
            Region::Taken(runs) => runs.count() as f64 / pixels as f64,
            Region::Weights([_, other]) => {
                other.iter().map(|weight| f64::from(*weight)).sum::<f64>() / other.len().max(1) as f64
            }
        }
    }

    /// The same for planes of one channel, weighted by the mean over the channels.
    pub(crate) fn flat(self: &Arc<Self>) -> Arc<Self> {
        match &**self {
            Region::Weights(weights) if weights[0].dim().0 > 1 => {
                let part = 1.0 / weights[0].dim().0 as f32;
                let mean = |weights: &Array3<f32>| {
                    let sum = weights.sum_axis(ndarray::Axis(0));
                    sum.mapv(|sum| sum * part).insert_axis(ndarray::Axis(0))
                };
                Arc::new(Region::Weights([mean(&weights[0]), mean(&weights[1])]))
            }
            _ => self.clone(),
        }
    }
}

/// How the label of a mixed sample is weighed, where it is not the share of the visible pixels.
pub struct Label<D: Dice> {
    /// The rule.
    pub rule: LabelRule,
    /// A number that stands for the share of the pixels of the sample itself.
    pub nominal: Option<D::Real>,
}

/// What the label of a sample is after it was mixed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LabelRule {
    /// The share of the visible pixels.
    #[default]
    Area,
    /// The label of the larger part alone (the paper's ablation).
    OneHot,
    /// Half of each label, whatever the area (the paper's ablation).
    Complete,
    /// The share of the visible pixels of any class but 0, by masks of class ids; of all pixels where there are none.
    VisibleMask,
}

impl<D: Dice> Mixing<D> {
    /// Whether a pixel may show two samples, so that masks of class ids must become shares of classes first.
    pub(crate) fn is_soft(&self) -> bool {
        matches!(self, Mixing::Blend { .. } | Mixing::Region { soft: true, .. })
    }
}

impl<D: Dice> Label<D> {
    /// The share of the visible pixels.
    pub const SHARE: Self = Self { rule: LabelRule::Area, nominal: None };

    /// Whether it is the share of the visible pixels, which later steps can follow.
    pub(crate) fn is_share(&self) -> bool {
        self.rule == LabelRule::Area && self.nominal.is_none()
    }
}

impl LabelRule {
    /// The weight of the sample itself, given the share of its pixels and whether anything was pasted.
    pub(crate) fn weight(self, share: f64, mixed: bool) -> f64 {
        match self {
            LabelRule::Area | LabelRule::VisibleMask => share,
            LabelRule::OneHot if share < 0.5 => 0.0,
            LabelRule::Complete if mixed => 0.5,
            LabelRule::OneHot | LabelRule::Complete => 1.0,
        }
    }
}
