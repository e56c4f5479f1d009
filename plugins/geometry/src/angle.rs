//! Angles as parameters.

use std::borrow::Cow;

use augraft_operator::{Dice, Table};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// An angle in degrees, -360 to 360.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Angle(f64);

impl Angle {
    /// No turn.
    pub const NONE: Self = Self(0.0);

    /// Accepts -360 to 360 degrees.
    ///
    /// # Errors
    /// Says which range holds.
    pub fn new(degrees: f64) -> Result<Self, String> {
        if degrees.abs() <= 360.0 { Ok(Self(degrees)) } else { Err(format!("{degrees} is not between -360 and 360")) }
    }

    /// The angle in degrees.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Angle {
    type Error = String;
    fn try_from(degrees: f64) -> Result<Self, String> {
        Self::new(degrees)
    }
}

impl From<Angle> for f64 {
    fn from(angle: Angle) -> f64 {
        angle.0
    }
}

impl JsonSchema for Angle {
    fn schema_name() -> Cow<'static, str> {
        "Angle".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": -360, "maximum": 360 })
    }
}

/// A range of angles in degrees: one number for `[-number, number]`, or both ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Angles {
    /// Up to this much either way.
    Around(Angle),
    /// From one to the other.
    Range([Angle; 2]),
}

impl Angles {
    /// Both ends in degrees.
    #[must_use]
    pub fn ends(self) -> [f64; 2] {
        match self {
            Angles::Around(Angle(most)) => [-most, most],
            Angles::Range(ends) => ends.map(Angle::get),
        }
    }
}

/// A function of a uniform number of a range, tabulated unless the range is a single number.
#[derive(Debug, Clone)]
pub(crate) enum Spread {
    Single(f64),
    Table(Table),
}

impl Spread {
    pub(crate) fn new([from, to]: [f64; 2], value: impl Fn(f64) -> f64) -> Self {
        let single = (from - to).abs() <= 0.0;
        if single { Spread::Single(value(from)) } else { Spread::Table(Table::new(|u| value(from + u * (to - from)))) }
    }

    /// The value for the uniform number of `lane`, which is read only where it decides something.
    pub(crate) fn draw<D: Dice>(&self, dice: D, lane: u32) -> D::Real {
        Self::draw_all([self], dice, lane)[0]
    }

    /// Values of several functions of the same range, for the same uniform number.
    pub(crate) fn draw_all<D: Dice, const COUNT: usize>(all: [&Self; COUNT], dice: D, lane: u32) -> [D::Real; COUNT] {
        let tables = all.iter().any(|spread| matches!(spread, Spread::Table(_)));
        let uniform = if tables { dice.uniform(lane) } else { dice.real(0.0) };
        all.map(|spread| match spread {
            Spread::Single(value) => dice.real(*value),
            Spread::Table(table) => dice.lookup(uniform, table),
        })
    }
}
