//! Label weights other than the share of the pixels.

use augraft_operator::{Batch, DataType, Images, Lowered, Masks, Rectangle, Tensor, Value, box_mask};
use ndarray::{Axis, s};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the label of a sample is after a box was pasted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LabelRule {
    /// The share of the pixels.
    #[default]
    Area,
    /// The label of the larger part alone (the paper's ablation).
    OneHot,
    /// Half of each label, whatever the area (the paper's ablation).
    Complete,
    /// The share of the visible pixels of any class but 0, by masks of class ids; of all pixels where there are none.
    VisibleMask,
}

/// Which weight the rule `area` gives to the label of the sample itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lam {
    /// One less the area of the clipped box: the share of the pixels.
    #[default]
    Corrected,
    /// The drawn number itself, whatever is left of the box.
    Nominal,
}

/// One less the share of a box.
pub(crate) fn share_left([top, left, bottom, right]: Rectangle, [height, width]: [usize; 2]) -> f64 {
    let total = (height * width) as f64;
    (total - ((bottom - top) * (right - left)) as f64) / total
}

impl LabelRule {
    /// The weight of the sample itself, given the weight by area and whether anything was pasted.
    pub(crate) fn weight(self, area: f64, pastes: bool) -> f64 {
        match self {
            LabelRule::Area | LabelRule::VisibleMask => area,
            LabelRule::OneHot if area < 0.5 => 0.0,
            LabelRule::Complete if pastes => 0.5,
            LabelRule::OneHot | LabelRule::Complete => 1.0,
        }
    }

    /// The same in a graph: f64 and bool `[N]`.
    pub(crate) fn lowered<'g>(self, area: Value<'g>, pastes: Value<'g>) -> Value<'g> {
        let real = |value: f64| area.graph().constant(Tensor::scalar(value));
        match self {
            LabelRule::Area | LabelRule::VisibleMask => area,
            LabelRule::OneHot => area.less(real(0.5)).select(real(0.0), real(1.0)),
            LabelRule::Complete => pastes.select(real(0.5), real(1.0)),
        }
    }
}

/// Pixels of any class but 0: all of a sample, those in its box, and those in the same box of its partner.
pub(crate) fn visible(masks: &Masks, row: usize, partner: usize, rectangle: Rectangle) -> Option<f64> {
    let Images::U8(ids) = &masks.images else { return None };
    let shows = |id: &&u8| **id > 0 && usize::from(**id) < masks.classes;
    let [top, left, bottom, right] = rectangle.map(|edge| edge as usize);
    let count = |row: usize| ids.slice(s![row, 0, top..bottom, left..right]).iter().filter(shows).count();
    let all = ids.index_axis(Axis(0), row).iter().filter(shows).count();
    let (kept, brought) = ((all - count(row)) as f64, count(partner) as f64);
    (kept + brought > 0.0).then(|| kept / (kept + brought))
}

/// The same in a graph: the weight of the sample itself, `area` where nothing is visible or there are no masks of class ids.
pub(crate) fn lowered_visible<'g>(
    batch: &Lowered<'g>,
    edges: [Value<'g>; 4],
    partner: Value<'g>,
    area: Value<'g>,
) -> Value<'g> {
    let Some(masks) = batch.masks.as_ref().filter(|masks| masks.images.dtype() == DataType::U8) else { return area };
    let graph = masks.images.graph();
    let int = |value: i64| graph.constant(Tensor::scalar(value));
    let ids = masks.images.cast(DataType::I64);
    let shows = int(0).less(ids) & ids.less(int(masks.classes as i64));
    let inside = box_mask(edges, batch.sides);
    let count =
        |pixels: Value<'g>| pixels.cast(DataType::F32).reduce_sum(3).reduce_sum(2).reduce_sum(1).cast(DataType::F64);
    let kept = count(shows & !inside);
    let brought = count(shows.cast(DataType::F32).gather(partner, 0).cast(DataType::Bool) & inside);
    let all = kept + brought;
    let zero = graph.constant(Tensor::scalar(0f64));
    let some = zero.less(all);
    some.select(kept / some.select(all, graph.constant(Tensor::scalar(1f64))), area)
}

/// The label weight of every sample by a rule, natively; `nominal` replaces the share of the pixels.
pub(crate) fn weights(
    batch: &Batch,
    rule: LabelRule,
    boxes: &[Rectangle],
    partner: &[usize],
    nominal: Option<&[f32]>,
    grid: [usize; 2],
) -> Vec<f32> {
    let weight = |row: usize| {
        let rectangle = boxes[row];
        let pastes = rectangle[2] > rectangle[0] && rectangle[3] > rectangle[1];
        let area = nominal.map_or_else(|| share_left(rectangle, grid), |lam| f64::from(lam[row]));
        let masks = batch.masks.as_ref().filter(|_| rule == LabelRule::VisibleMask && pastes);
        let seen = masks.and_then(|masks| visible(masks, row, partner[row], rectangle));
        seen.unwrap_or_else(|| rule.weight(area, pastes)) as f32
    };
    (0..boxes.len()).map(weight).collect()
}
