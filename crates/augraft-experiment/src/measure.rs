//! From the logits of one sample to its row.

use ndarray::ArrayView1;

use crate::acts::Done;
use crate::metrics::{brier, cross_entropy, energy, entropy, kl, rank, softmax};
use crate::table::Row;

/// What is known of a unit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Labeled {
    /// Number of the unit.
    pub(crate) unit: u64,
    /// Index of the image in its data.
    pub(crate) image: u64,
    /// Index of the partner.
    pub(crate) partner: Option<u64>,
    /// Class of the image, where the model has it.
    pub(crate) a: Option<usize>,
    /// Class of the partner.
    pub(crate) b: Option<usize>,
}

/// The class weights of a mixed label: `lam` for the image, the rest for the partner.
fn mixed(labels: &Labeled, lam: f64) -> Vec<(usize, f64)> {
    match (labels.a, labels.b) {
        (Some(a), Some(b)) => vec![(a, lam), (b, 1.0 - lam)],
        (Some(a), None) => vec![(a, 1.0)],
        (None, _) => Vec::new(),
    }
}

/// The row of one sample: `logits` of one sample, what acts did to it, and the share of elements that changed.
pub(crate) fn measure(
    logits: ArrayView1<'_, f32>,
    set: usize,
    setting: usize,
    labels: &Labeled,
    done: &Done,
    changed: f32,
) -> Row {
    let logits = logits.to_vec();
    let probabilities = softmax(&logits);
    // Of equal logits the first class is the most likely one.
    let top1 = (1..logits.len()).fold(0, |best, class| if logits[class] > logits[best] { class } else { best });
    let of = |class: Option<usize>| class.and_then(|class| probabilities.get(class)).map_or(f32::NAN, |p| *p as f32);
    let logit = |class: Option<usize>| class.and_then(|class| logits.get(class)).copied().unwrap_or(f32::NAN);
    let lam = f64::from(done.lam_eff);
    let by_area = mixed(labels, lam);
    let one_hot = mixed(labels, if lam >= 0.5 { 1.0 } else { 0.0 });
    let complete = mixed(labels, 0.5);
    let credit = by_area.iter().filter(|(class, _)| *class == top1).map(|(_, weight)| *weight).sum::<f64>();
    let known = |value: f64| if by_area.is_empty() { f32::NAN } else { value as f32 };
    let class = |class: Option<usize>| class.map_or(-1, |class| class as i64);
    let [top, left, bottom, right] = done.bounds.unwrap_or([-1; 4]);
    Row {
        unit: labels.unit as i64,
        set: set as i64,
        setting: setting as i64,
        image: labels.image as i64,
        partner: labels.partner.map_or(-1, |partner| partner as i64),
        label_a: class(labels.a),
        label_b: class(labels.b),
        top1: top1 as i64,
        rank_a: labels.a.and_then(|class| rank(&logits, class)).map_or(-1, |rank| rank as i64),
        top,
        left,
        bottom,
        right,
        own_inside: i64::from(done.is_inside),
        lam: done.lam,
        lam_eff: done.lam_eff,
        p_a: of(labels.a),
        p_b: of(labels.b),
        logit_a: logit(labels.a),
        logit_b: logit(labels.b),
        confidence: of(Some(top1)),
        entropy: entropy(&probabilities) as f32,
        energy: energy(&logits) as f32,
        max_logit: logit(Some(top1)),
        credit: known(credit),
        nll: known(cross_entropy(&logits, &by_area)),
        brier: known(brier(&probabilities, &by_area)),
        kl_area: known(kl(&by_area, &logits)),
        kl_one_hot: known(kl(&one_hot, &logits)),
        kl_complete: known(kl(&complete, &logits)),
        changed,
    }
}
