use augraft_operator::{Dice, Extent, Fixed, Issue, Operator, Parity, Probability, Shape, register_operator};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Moves a share of every label to all classes.
///
/// A label of one class becomes `y * (1 - smoothing) + smoothing / K` over K classes; with `multi_label: true`, where each class is a question of its
/// own, `y * (1 - smoothing) + 0.5 * smoothing`. Put it before `cutmix` or `mixup`, as timm smooths each one-hot before it mixes; because both are
/// linear, the place among other steps changes nothing but the last digit. Images, masks, objects and the sources of a label stay as they are.
///
/// Draws nothing.
///
/// Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", CVPR 2016, section 7; timm `mixup_target`.
///
/// # Example
/// ```yaml
/// - label_smoothing: { smoothing: 0.1 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LabelSmoothing {
    /// Share of the label that is moved.
    pub smoothing: Probability,
    /// Whether each class is a question of its own, with 0.5 in the middle.
    pub multi_label: bool,
}

impl Default for LabelSmoothing {
    fn default() -> Self {
        Self { smoothing: Probability::new(0.1).expect("0 to 1"), multi_label: false }
    }
}

impl Operator for LabelSmoothing {
    const NAME: &'static str = "label_smoothing";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    type Draw<D: Dice> = Fixed<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        if shape.classes == 0 {
            return Err(
                Issue::new("", "there are no labels to smooth").help("use `data.folder`, or leave the step out")
            );
        }
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, _: D, _: &Extent<D>) -> Fixed<D> {
        Fixed::new()
    }

    fn smoothing(&self, classes: usize) -> Option<[f32; 2]> {
        let smoothing = self.smoothing.get();
        let share = if self.multi_label { 0.5 } else { 1.0 / classes.max(1) as f64 };
        Some([(1.0 - smoothing) as f32, (smoothing * share) as f32])
    }
}

register_operator!(LabelSmoothing);
