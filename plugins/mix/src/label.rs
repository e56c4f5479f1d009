//! Label arithmetic that mixing operators share.

use augraft_operator::{DataType, Tensor, Value};

/// The partner's position as an index.
pub(crate) fn partner_of(drawn: i64) -> usize {
    usize::try_from(drawn).unwrap_or_default()
}

/// Label weight of the sample itself when `area` of `total` elements come from its partner: divided in f64, rounded to f32.
pub(crate) fn lam_of_area(area: i64, total: usize) -> f32 {
    (1.0 - area as f64 / total as f64) as f32
}

/// Mixes labels in a graph: `lam * own + (1 - lam) * partner`, with `lam` f32 [N].
pub(crate) fn mix_labels<'g>(labels: Value<'g>, partner: Value<'g>, lam: Value<'g>) -> Value<'g> {
    let one = labels.graph().constant(Tensor::scalar(1f32));
    let lam = lam.unsqueeze(&[1]);
    labels * lam + labels.gather(partner, 0) * (one - lam)
}

/// Mixes labels by the `area` (int64 [N]) that comes from the partner, of `total` elements.
pub(crate) fn lower_labels<'g>(
    labels: Option<Value<'g>>,
    partner: Value<'g>,
    area: Value<'g>,
    total: usize,
) -> Option<Value<'g>> {
    let labels = labels?;
    let number = |value: f64| area.graph().constant(Tensor::scalar(value));
    let lam = number(1.0) - area.cast(DataType::F64) / number(total as f64);
    Some(mix_labels(labels, partner, lam.cast(DataType::F32)))
}
