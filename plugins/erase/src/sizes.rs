//! Parameter types of holes: how long, and how many.

use std::borrow::Cow;

use augraft_operator::{Count, Dice, Issue, Side};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A share, above 0 and at most 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Share(f64);

impl Share {
    /// Accepts a value above 0, at most 1.
    ///
    /// # Errors
    /// Says which range holds.
    pub fn new(value: f64) -> Result<Self, String> {
        if value > 0.0 && value <= 1.0 { Ok(Self(value)) } else { Err(format!("{value} is not above 0 and at most 1")) }
    }

    /// The value.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Share {
    type Error = String;
    fn try_from(value: f64) -> Result<Self, String> {
        Self::new(value)
    }
}

impl From<Share> for f64 {
    fn from(share: Share) -> f64 {
        share.0
    }
}

impl JsonSchema for Share {
    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "exclusiveMinimum": 0, "maximum": 1 })
    }
}

/// A length: a whole number of pixels, or a share of a side, written with a point (`1.0` is the whole side).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Length {
    /// Pixels.
    Pixels(Side),
    /// Share of a side.
    Share(Share),
}

impl Length {
    /// The length in pixels where the side has `side`; a share is rounded down.
    pub(crate) fn pixels<D: Dice>(self, dice: D, side: D::Int) -> D::Int {
        match self {
            Length::Pixels(pixels) => dice.int(i64::from(pixels.get())),
            Length::Share(share) => dice.floor(dice.to_real(side) * dice.real(share.get())),
        }
    }
}

/// A range of lengths, `[low, high]`: whole numbers of pixels, or shares of a side.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Lengths {
    /// Pixels, both ends included.
    Pixels([Side; 2]),
    /// Shares of a side.
    Shares([Share; 2]),
}

impl Lengths {
    /// Checks that the ends are in order.
    pub(crate) fn check(self, field: &str) -> Result<(), Issue> {
        let ordered = match self {
            Lengths::Pixels([low, high]) => low <= high,
            Lengths::Shares([low, high]) => low <= high,
        };
        if ordered { Ok(()) } else { Err(Issue::new(field, "the lower end is above the upper one").help("swap them")) }
    }

    /// A uniform length, at most `side`, by `lane`; shares are rounded down to pixels.
    pub(crate) fn draw<D: Dice>(self, dice: D, lane: u32, side: D::Int) -> D::Int {
        match self {
            Lengths::Pixels(ends) => {
                let [low, high] = ends.map(|end| dice.min_int(dice.int(i64::from(end.get())), side));
                low + dice.below(lane, high - low + dice.int(1))
            }
            Lengths::Shares([low, high]) => dice.floor(dice.to_real(side) * dice.between(lane, low.get(), high.get())),
        }
    }
}

/// A number of holes, or a range `[least, most]` of which each number is equally likely.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Holes {
    /// Always this many.
    Always(Count),
    /// From the first to the second number, both included.
    Between([Count; 2]),
}

impl Holes {
    /// The least and the largest number.
    #[must_use]
    pub fn ends(self) -> [u32; 2] {
        match self {
            Holes::Always(count) => [count.get(); 2],
            Holes::Between(ends) => ends.map(Count::get),
        }
    }

    /// Checks that the ends are in order.
    pub(crate) fn check(self) -> Result<(), Issue> {
        let [least, most] = self.ends();
        if least <= most {
            Ok(())
        } else {
            Err(Issue::new("count", "the least number is above the most").help("swap them"))
        }
    }

    /// The number of holes, by `lane` where it is not always the same.
    pub(crate) fn draw<D: Dice>(self, dice: D, lane: u32) -> D::Int {
        let [least, most] = self.ends().map(i64::from);
        let numbers = most - least + 1;
        if numbers == 1 { dice.int(least) } else { dice.int(least) + dice.below(lane, dice.int(numbers)) }
    }

    /// Whether hole `k` is one of the `count` drawn ones, and `apply` holds.
    pub(crate) fn shows<D: Dice>(self, dice: D, k: u32, count: D::Int, apply: D::Bool) -> D::Bool {
        let [least, _] = self.ends();
        if k < least { apply } else { apply & dice.less_int(dice.int(i64::from(k)), count) }
    }

    /// `1 / count` of the drawn number, chosen from constants because draws do not divide.
    pub(crate) fn reciprocal<D: Dice>(self, dice: D, count: D::Int) -> D::Real {
        let [least, most] = self.ends();
        (least + 1..=most).fold(dice.real(1.0 / f64::from(least)), |below, number| {
            let own = dice.real(1.0 / f64::from(number));
            dice.select(dice.less_int(count, dice.int(i64::from(number))), below, own)
        })
    }
}
