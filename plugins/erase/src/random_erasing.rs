use std::sync::OnceLock;

use augraft_operator::{
    Count, Dice, Draw, Extent, Issue, Lowered, Operator, Parity, Pixel, PositiveRange, Probability, Recorder, Row,
    Shape, Table, Value, Values, draw, register_operator, start_within,
};
use ndarray::ArrayViewMut3;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::filling::Filling;
use crate::sizes::Holes;

/// Largest product of `count` and `retries`, so that a graph stays small.
const MOST_DRAWS: u32 = 256;

/// Erases rectangles of random area and aspect.
///
/// The rule of torchvision's `RandomErasing`: area = U(scale) of the tensor, aspect (height / width) log-uniform in `ratio`, sides rounded; the first
/// of `retries` draws that is smaller than the tensor in both directions is taken, at a uniform place inside; when none is, nothing is erased.
/// Options are what other libraries do otherwise: `compat: official` is the code of the paper but for its 100 retries, of which 64 are left (that
/// none fits is as unlikely), and fills with a color of 0 to 1, so that it does not fit bytes without another `fill`; `kornia-0.9` and `mmpretrain`
/// draw once and limit the sides to those of the tensor. Works on images and on feature maps N,C,H,W.
///
/// Draws `apply` (false when no draw fitted), per rectangle `top`, `left`, `bottom`, `right` (pixels from the top left, ends exclusive, empty when
/// it is not erased), and `stream`, the key of random colors (0 without).
///
/// Zhong et al., "Random Erasing Data Augmentation", AAAI 2020; torchvision `transforms.v2.RandomErasing`; timm `RandomErasing`.
///
/// # Example
/// ```yaml
/// - random_erasing: { p: 0.25, scale: [0.02, 0.33], ratio: [0.3, 3.3] }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RandomErasing {
    /// Probability of a sample to be erased.
    pub p: Probability,
    /// Range of the erased share of the area.
    pub scale: PositiveRange,
    /// Range of the aspect, height / width.
    pub ratio: PositiveRange,
    /// How the aspect is distributed in `ratio`.
    pub aspect: Aspect,
    /// Draws of a rectangle before giving up.
    pub retries: Count,
    /// What happens when no draw is smaller than the tensor.
    pub when_too_large: TooLarge,
    /// Which places are drawn.
    pub start: Start,
    /// Number of rectangles, or a range `[least, most]` of which each number is equally likely.
    pub count: Holes,
    /// Whether the area of each rectangle is divided by the drawn number of rectangles (timm).
    pub divide_area: bool,
    /// What the rectangles are filled with, in the unit of the tensor: one number, one per channel, `random` (one color for each rectangle) or
    /// `pixel` (one color for each pixel). Random colors are standard normal in floats, uniform levels in bytes.
    pub fill: Filling,
    #[serde(skip)]
    #[schemars(skip)]
    tables: OnceLock<[Table; 2]>,
}

/// A distribution of aspects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// The logarithm is uniform: as often upright as lying (torchvision, timm, `MMPretrain`).
    #[default]
    Log,
    /// Uniform (the paper).
    Linear,
    /// Half of them uniform below 1, half above (kornia); uniform where the range does not contain 1.
    TwoSided,
}

/// What happens when no draw of a rectangle is smaller than the tensor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TooLarge {
    /// It is not erased (torchvision, timm, the paper).
    #[default]
    Noop,
    /// The last draw is taken, its sides limited to 1 and those of the tensor (kornia, `MMPretrain`).
    Clamp,
}

/// Which places a rectangle takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// Every place inside the tensor.
    #[default]
    Inclusive,
    /// Not those at the bottom and right edge (`MMPretrain`).
    Exclusive,
}

impl Default for RandomErasing {
    fn default() -> Self {
        let range = |low, high| PositiveRange::new(low, high).expect("0 < low < high");
        Self {
            p: Probability::HALF,
            scale: range(0.02, 0.33),
            ratio: range(0.3, 3.3),
            fill: Filling::default(),
            retries: Count::new(10).expect("1 to 64"),
            aspect: Aspect::Log,
            count: Holes::Always(Count::ONE),
            divide_area: false,
            when_too_large: TooLarge::Noop,
            start: Start::Inclusive,
            tables: OnceLock::new(),
        }
    }
}

draw! {
    /// The rectangles of one sample.
    pub struct Drawn {
        /// Whether a rectangle is erased.
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

impl Operator for RandomErasing {
    const NAME: &'static str = "random_erasing";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const VALUES: Values = Values::Erased;
    const PRESETS: &'static [(&'static str, &'static str)] = &[
        (
            "official",
            r#"{"p":0.5,"scale":[0.02,0.4],"ratio":[0.3,3.3333333333333335],"aspect":"linear","fill":[0.4914,0.4822,0.4465],"retries":64,
                "count":1,"when_too_large":"noop","start":"inclusive"}"#,
        ),
        (
            "torchvision",
            r#"{"p":0.5,"scale":[0.02,0.33],"ratio":[0.3,3.3],"aspect":"log","fill":0,"retries":10,
                "count":1,"when_too_large":"noop","start":"inclusive"}"#,
        ),
        ("timm-2020", TIMM),
        ("timm-1.0.31", TIMM),
        (
            "kornia-0.9",
            r#"{"p":0.5,"scale":[0.02,0.33],"ratio":[0.3,3.3],"aspect":"two_sided","fill":0,"retries":1,
                "count":1,"when_too_large":"clamp","start":"inclusive"}"#,
        ),
        (
            "mmpretrain",
            r#"{"p":0.5,"scale":[0.02,0.4],"ratio":[0.3,3.3333333333333335],"aspect":"log","fill":128,"retries":1,
                "count":1,"when_too_large":"clamp","start":"exclusive"}"#,
        ),
    ];
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        self.fill.check(shape)?;
        self.count.check()?;
        if self.scale.high() > 1.0 {
            return Err(Issue::new("scale[1]", "a share of the area is at most 1"));
        }
        let [_, most] = self.count.ends();
        if most * self.retries.get() > MOST_DRAWS {
            let message = format!("{most} rectangles of {} draws each are more than {MOST_DRAWS}", self.retries.get());
            return Err(Issue::new("retries", message).help(format!("use at most {}", MOST_DRAWS / most)));
        }
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        let [_, most] = self.count.ends();
        let chosen = dice.acts(0, self.p);
        let count = self.count.draw(dice, 1);
        let total = dice.to_real(extent.height * extent.width);
        let total = if self.divide_area { total * self.count.reciprocal(dice, count) } else { total };
        let (mut shown, mut edges) = (Vec::new(), [const { Vec::new() }; 4]);
        for k in 0..most {
            let (fits, rectangle) = self.rectangle(dice, k, total, extent);
            let shows = self.count.shows(dice, k, count, fits.map_or(chosen, |fits| chosen & fits));
            edges.iter_mut().zip(rectangle).for_each(|(edges, edge)| {
                edges.push(dice.select_int(shows, edge, dice.int(0)));
            });
            shown.push(shows);
        }
        let apply = shown.into_iter().reduce(|any, one| any | one).expect("at least one rectangle");
        let [top, left, bottom, right] = edges;
        Drawn { apply, top, left, bottom, right, stream: self.fill.draw(dice, 2, apply) }
    }

    fn change<T: Pixel>(&self, draw: &Drawn<Row>, image: &mut ArrayViewMut3<'_, T>) {
        self.fill.paint(image, &draw.boxes(), draw.stream);
    }

    fn lower_change<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: &Lowered<'g>) -> Result<Option<Value<'g>>, Issue> {
        self.fill.lower(&draw.boxes(), draw.stream, batch).map(Some)
    }
}

register_operator!(RandomErasing);

/// The options of timm's class, which has not changed since 2020.
const TIMM: &str = r#"{"p":0.5,"scale":[0.02,0.3333333333333333],"ratio":[0.3,3.3333333333333335],"aspect":"log","fill":0,"retries":10,
    "count":1,"divide_area":true,"when_too_large":"noop","start":"inclusive"}"#;

impl RandomErasing {
    /// Rectangle `k`: whether a draw fits (none where it surely does), and `[top, left, bottom, right]`.
    fn rectangle<D: Dice>(
        &self,
        dice: D,
        k: u32,
        total: D::Real,
        extent: &Extent<D>,
    ) -> (Option<D::Bool>, [D::Int; 4]) {
        let (retries, size) = (self.retries.get(), [extent.height, extent.width]);
        let draw = |retry: u32, clamped: bool| {
            let item = dice.item(k * retries + retry);
            let mut sides = self.sides(item, total);
            if clamped {
                sides = [0, 1].map(|axis| dice.clamp(sides[axis], dice.int(1), size[axis]));
            }
            let fits = (!clamped).then(|| item.less_int(sides[0], size[0]) & item.less_int(sides[1], size[1]));
            let [top, left] = [0, 1].map(|axis| self.start.draw(item, 2 + axis as u32, size[axis], sides[axis]));
            (fits, [top, left, top + sides[0], left + sides[1]])
        };
        // The last retry is drawn first and overwritten by earlier ones, so that the first that fits wins without a branch.
        let last = draw(retries - 1, self.when_too_large == TooLarge::Clamp);
        (0..retries - 1).rev().fold(last, |(any, mut edges), retry| {
            let (Some(fits), own) = draw(retry, false) else { return (any, edges) };
            edges.iter_mut().zip(own).for_each(|(edge, own)| *edge = dice.select_int(fits, own, *edge));
            (any.map(|any| fits | any), edges)
        })
    }

    /// Height and width, rounded: the area is U(scale) of `total` (lane 0), the aspect by lane 1.
    fn sides<D: Dice>(&self, dice: D, total: D::Real) -> [D::Int; 2] {
        let tables = self.tables.get_or_init(|| [0.5, -0.5].map(|power| self.aspect.table(self.ratio, power)));
        let root = dice.sqrt(dice.between(0, self.scale.low(), self.scale.high()) * total);
        let aspect = dice.uniform(1);
        tables.each_ref().map(|table| dice.round(root * dice.lookup(aspect, table)))
    }
}

impl Aspect {
    /// Quantiles of the aspect raised to `power`.
    fn table(self, ratio: PositiveRange, power: f64) -> Table {
        let (low, high) = (ratio.low(), ratio.high());
        let linear = |low: f64, high: f64, u: f64| libm::pow(low + u * (high - low), power);
        match self {
            Aspect::Log => Table::log_uniform(low, high, power),
            Aspect::TwoSided if low < 1.0 && high > 1.0 => {
                Table::new(|u| if u < 0.5 { linear(low, 1.0, 2.0 * u) } else { linear(1.0, high, 2.0 * u - 1.0) })
            }
            Aspect::Linear | Aspect::TwoSided => Table::new(|u| linear(low, high, u)),
        }
    }
}

impl Start {
    /// The start of a stretch of `taken` elements in `side`, by `lane`.
    fn draw<D: Dice>(self, dice: D, lane: u32, side: D::Int, taken: D::Int) -> D::Int {
        match self {
            Start::Inclusive => start_within(dice, lane, side, taken),
            Start::Exclusive => dice.below(lane, dice.max_int(side - taken, dice.int(1))),
        }
    }
}
