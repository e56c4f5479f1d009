//! How far a file may be from its native form.

use augraft_onnx::Tensor;
use augraft_operator::{Effects, Element, Parity};
use augraft_pipeline::Step;

/// Largest difference of logits, relative to the largest of them, between ways to add that differ in order.
const ROUNDING: f32 = 1e-4;

/// What the parity of a step allows, where a level of a pixel is `gain` in the values that it leaves.
pub(super) fn own_error(step: &Step, gain: f32) -> f32 {
    match (step.operator.parity(), step.after.element) {
        (Parity::Within(_), Element::U8) => 1.0,
        // The bound is for values of 0 to 1, the levels 0 to 255.
        (Parity::Within(error), Element::F32) => error * (255.0 * gain).max(1.0),
        _ => 0.0,
    }
}

/// What labels or shares of classes may differ by that these steps mix, which are sums behind more than one mixing step or a cut after it.
pub(super) fn blended_error(steps: &[Step], mixed: impl Fn(&Effects) -> bool) -> f32 {
    let mixing = |step: &&Step| step.effects.mixes && mixed(&step.effects);
    let Some(first) = steps.iter().position(|step| mixing(&step)) else { return 0.0 };
    let error = |step: &Step| if let Parity::Within(error) = step.operator.parity() { error } else { 0.0 };
    let is_sum = steps[first + 1..].iter().any(|step| mixing(&step) || (step.effects.moves && !step.effects.permutes));
    steps.iter().filter(mixing).map(error).sum::<f32>() + if is_sum { f32::EPSILON } else { 0.0 }
}

/// What engines may differ by when they add in another order.
pub(super) fn rounding(values: &Tensor, is_raw: bool) -> f32 {
    // A sigmoid near 0 is a difference of numbers near 1, and as exact as those.
    if is_raw { 0.0 } else { (ROUNDING * magnitude(values)).max(2.0 * f32::EPSILON) }
}

/// The largest finite value.
pub(super) fn magnitude(values: &Tensor) -> f32 {
    let finite = |values: &ndarray::ArrayD<f32>| {
        values.iter().filter(|value| value.is_finite()).fold(0f32, |most, value| most.max(value.abs()))
    };
    values.as_f32().map_or(0.0, finite)
}
