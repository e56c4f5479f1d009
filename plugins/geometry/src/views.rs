use augraft_operator::{Count, Dice, Extent, Fixed, Issue, Operator, Parity, Rows, Shape, register_operator};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Makes several views of every sample.
///
/// Every sample becomes `count` equal ones, one after the other, with their labels, masks, boxes and keypoints; later steps draw for each view on its
/// own, as contrastive learning needs two views of an image. Nothing is drawn, and no pixel is changed.
///
/// # Example
/// ```yaml
/// - views: { count: 2 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Views {
    /// Views of each sample.
    pub count: Count,
}

impl Default for Views {
    fn default() -> Self {
        Self { count: Count::new(2).expect("1 to 64") }
    }
}

impl Operator for Views {
    const NAME: &'static str = "views";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    type Draw<D: Dice> = Fixed<D>;

    fn rows(&self) -> Rows {
        Rows::Views(self.count.get() as usize)
    }

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, _: D, _: &Extent<D>) -> Fixed<D> {
        Fixed::new()
    }
}

register_operator!(Views);
