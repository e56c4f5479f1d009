use augraft_operator::{
    Count, Dice, Draw, Extent, Issue, Lowered, Operator, Parity, Pixel, Probability, Recorder, Row, Shape, Value,
    Values, draw, register_operator, start_within,
};
use ndarray::ArrayViewMut3;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::filling::Filling;
use crate::sizes::{Holes, Lengths, Share};

/// Erases a random number of rectangles, whose height and width are drawn by themselves.
///
/// Every number of `count` is equally likely. Height and width of each rectangle are uniform in `height` and `width`: whole numbers of pixels, both
/// ends included and limited to the tensor, or shares of its height and width, rounded down to pixels. It lies fully inside, at a uniform place.
/// Works on images and on feature maps N,C,H,W.
///
/// Draws `apply`, per rectangle `top`, `left`, `bottom`, `right` (pixels from the top left, ends exclusive, empty when it is not erased), and
/// `stream`, the key of random colors (0 without).
///
/// `AlbumentationsX` `CoarseDropout`; its `fill: random` is `fill: pixel` here and its `random_uniform` is `random`.
///
/// # Example
/// ```yaml
/// - coarse_dropout: { count: [4, 8], height: [8, 16], width: [8, 16] }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CoarseDropout {
    /// Range of the height: pixels, or shares of the height of the tensor written with a point.
    pub height: Lengths,
    /// Range of the width: pixels, or shares of the width of the tensor written with a point.
    pub width: Lengths,
    /// Number of rectangles, or a range `[least, most]` of which each number is equally likely.
    pub count: Holes,
    /// What the rectangles are filled with, in the unit of the tensor: one number, one per channel, `random` (one color for each rectangle) or
    /// `pixel` (one color for each pixel). Random colors are standard normal in floats, uniform levels in bytes.
    pub fill: Filling,
    /// Probability of a sample to be erased.
    pub p: Probability,
}

impl Default for CoarseDropout {
    fn default() -> Self {
        let shares = Lengths::Shares([0.1, 0.2].map(|share| Share::new(share).expect("0 to 1")));
        Self {
            count: Holes::Between([1, 2].map(|count| Count::new(count).expect("1 to 64"))),
            height: shares,
            width: shares,
            fill: Filling::default(),
            p: Probability::HALF,
        }
    }
}

draw! {
    /// The rectangles of one sample.
    pub struct Drawn {
        /// Whether the sample is erased.
        apply: Bool as Decision,
        /// First row of each rectangle.
        top: Ints as Top,
        /// First column of each rectangle.
        left: Ints as Left,
        /// Row after the last of each rectangle.
        bottom: Ints as Bottom,
        /// Column after the last of each rectangle.
        right: Ints as Right,
        /// Key of random colors.
        stream: Int,
    }
}

impl Operator for CoarseDropout {
    const NAME: &'static str = "coarse_dropout";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const VALUES: Values = Values::Erased;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        self.fill.check(shape)?;
        self.count.check()?;
        self.height.check("height")?;
        self.width.check("width")?;
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        let [_, most] = self.count.ends();
        let apply = dice.acts(0, self.p);
        let count = self.count.draw(dice, 1);
        let stream = self.fill.draw(dice, 2, apply);
        let mut drawn =
            Drawn { apply, top: Vec::new(), left: Vec::new(), bottom: Vec::new(), right: Vec::new(), stream };
        for k in 0..most {
            let item = dice.item(k);
            let shows = self.count.shows(dice, k, count, apply);
            let kept = |edge| dice.select_int(shows, edge, dice.int(0));
            let height = self.height.draw(item, 0, extent.height);
            let width = self.width.draw(item, 1, extent.width);
            let top = start_within(item, 2, extent.height, height);
            let left = start_within(item, 3, extent.width, width);
            drawn.top.push(kept(top));
            drawn.left.push(kept(left));
            drawn.bottom.push(kept(top + height));
            drawn.right.push(kept(left + width));
        }
        drawn
    }

    fn change<T: Pixel>(&self, draw: &Drawn<Row>, image: &mut ArrayViewMut3<'_, T>) {
        self.fill.paint(image, &draw.boxes(), draw.stream);
    }

    fn lower_change<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: &Lowered<'g>) -> Result<Option<Value<'g>>, Issue> {
        self.fill.lower(&draw.boxes(), draw.stream, batch).map(Some)
    }
}

register_operator!(CoarseDropout);
