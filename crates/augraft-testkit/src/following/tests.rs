//! A form in ONNX that follows the images otherwise than the native one is noticed, target by target.

use std::sync::Arc;

use augraft_operator::{
    Dice, Draw, Element, Extent, Images, Issue, Lowered, LoweredRegion, Mixing, Operator, Parity, Partner, Recorder,
    Region, Row, Runs, Shape, box_mask, draw,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Backend, Content, Followers, compare};
use crate::fixtures::shape;

draw! {
    /// A box of a partner.
    pub struct Drawn {
        /// Position of the partner.
        partner: Int as Partner,
        /// First row.
        top: Int as Top,
        /// First column.
        left: Int as Left,
        /// Row after the last.
        bottom: Int as Bottom,
        /// Column after the last.
        right: Int as Right,
    }
}

/// Takes the upper left quarter of the sample before, or natively the upper half.
#[derive(Debug, Default, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Quarter {
    lies: bool,
}

impl Operator for Quarter {
    const NAME: &'static str = "quarter";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        let (zero, half) = (dice.int(0), |side| dice.div(side, dice.int(2)));
        let partner = dice.partner(0, Partner::Roll);
        Drawn { partner, top: zero, left: zero, bottom: half(extent.height), right: half(extent.width) }
    }

    fn mixing<D: Dice>(&self, _: D, draw: &Drawn<D>, _: &Extent<D>) -> Mixing<D> {
        Mixing::Region { partner: draw.partner, soft: false }
    }

    fn regions(&self, draws: &[Drawn<Row>], images: &Images) -> Vec<Arc<Region>> {
        let region = |(row, draw): (usize, &Drawn<Row>)| {
            let width = images.extent(row)[2];
            let [top, left, bottom, right] = draw.boxes()[0];
            let right = if self.lies { width as i64 } else { right };
            Arc::new(Region::Taken(Runs::of_box([top, left, bottom, right], width)))
        };
        draws.iter().enumerate().map(region).collect()
    }

    fn lower_region<'g>(
        &self,
        draw: &Drawn<Recorder<'g>>,
        batch: &Lowered<'g>,
    ) -> Result<Option<LoweredRegion<'g>>, Issue> {
        Ok(Some(LoweredRegion::Taken(box_mask(draw.boxes()[0], batch.sides))))
    }
}

#[test]
fn every_follower_is_compared() {
    let backends = Backend::of_tract();
    let shape = shape(Element::F32, 3, [14, 18]);
    let followers = [
        (Followers { masks: Some(Content::Ids), objects: false }, "masks differ"),
        (Followers { masks: Some(Content::Shares), objects: false }, "masks differ"),
        (Followers { masks: None, objects: true }, "objects differ"),
    ];
    for (followers, problem) in followers {
        assert_eq!(compare(&Quarter { lies: false }, &shape, &backends[0], followers), Ok(()));
        let found = compare(&Quarter { lies: true }, &shape, &backends[0], followers);
        assert!(found.as_ref().is_err_and(|text| text.contains(problem)), "{followers:?}: {found:?}");
    }
}
