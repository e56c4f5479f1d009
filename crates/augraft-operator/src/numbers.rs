//! Parameter types that check their range once, when they are read.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::shape::{Element, Issue, Shape};

macro_rules! numbers {
    ($($(#[$meta:meta])* $name:ident: $native:ty, $json:literal, $range:expr, $text:literal, $schema:tt);* $(;)?) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
        #[serde(try_from = $json, into = $json)]
        pub struct $name($native);

        impl $name {
            /// Accepts a value in range.
            ///
            /// # Errors
            /// Says which range holds.
            pub fn new(value: $native) -> Result<Self, String> {
                if ($range).contains(&value) { Ok(Self(value)) } else { Err(format!("{value} is not {}", $text)) }
            }
            /// The value.
            #[must_use]
            pub fn get(self) -> $native {
                self.0
            }
        }

        impl TryFrom<$native> for $name {
            type Error = String;
            fn try_from(value: $native) -> Result<Self, String> {
                Self::new(value)
            }
        }

        impl From<$name> for $native {
            fn from(value: $name) -> $native {
                value.0
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

numbers! {
    /// A probability, 0 to 1.
    Probability: f64, "f64", 0.0..=1.0, "between 0 and 1", { "type": "number", "minimum": 0, "maximum": 1 };
    /// A number of pixels, rows or columns, 1 to 65,536.
    Side: u32, "u32", 1..=65_536, "between 1 and 65536", { "type": "integer", "minimum": 1, "maximum": 65536 };
    /// A number of pixels that may be none, 0 to 65,536.
    Margin: u32, "u32", 0..=65_536, "between 0 and 65536", { "type": "integer", "minimum": 0, "maximum": 65536 };
    /// A number of items, 1 to 64.
    Count: u32, "u32", 1..=64, "between 1 and 64", { "type": "integer", "minimum": 1, "maximum": 64 };
    /// A standard deviation, 0 to 1000.
    Deviation: f64, "f64", 0.0..=1000.0, "between 0 and 1000", { "type": "number", "minimum": 0, "maximum": 1000 };
}

impl Probability {
    /// Never.
    pub const NEVER: Self = Self(0.0);
    /// Every second time.
    pub const HALF: Self = Self(0.5);
    /// Always.
    pub const ALWAYS: Self = Self(1.0);
}

impl Side {
    /// A constant side, checked when it is compiled.
    ///
    /// # Panics
    /// When `value` is 0 or above 65,536.
    #[must_use]
    pub const fn of(value: u32) -> Self {
        assert!(value >= 1 && value <= 65_536);
        Self(value)
    }
}

impl Margin {
    /// No margin.
    pub const NONE: Self = Self(0);
}

impl Default for Margin {
    fn default() -> Self {
        Self::NONE
    }
}

impl Count {
    /// One item.
    pub const ONE: Self = Self(1);
}

/// A size in pixels: one number for a square, or `[height, width]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Size {
    /// As high as wide.
    Square(Side),
    /// Height, then width.
    Sides([Side; 2]),
}

impl Size {
    /// Height and width in pixels.
    #[must_use]
    pub fn sides(self) -> [usize; 2] {
        match self {
            Size::Square(side) => [side.get() as usize; 2],
            Size::Sides(sides) => sides.map(|side| side.get() as usize),
        }
    }
}

/// A range `[low, high]` of positive numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "[f64; 2]", into = "[f64; 2]")]
pub struct PositiveRange {
    low: f64,
    high: f64,
}

impl PositiveRange {
    /// Accepts `0 < low <= high <= 1000`.
    ///
    /// # Errors
    /// Says which order holds.
    pub fn new(low: f64, high: f64) -> Result<Self, String> {
        if low > 0.0 && low <= high && high <= 1000.0 {
            return Ok(Self { low, high });
        }
        Err(format!("[{low}, {high}] is not a range with 0 < low <= high <= 1000"))
    }

    /// The lower end.
    #[must_use]
    pub fn low(self) -> f64 {
        self.low
    }

    /// The upper end.
    #[must_use]
    pub fn high(self) -> f64 {
        self.high
    }
}

impl TryFrom<[f64; 2]> for PositiveRange {
    type Error = String;
    fn try_from([low, high]: [f64; 2]) -> Result<Self, String> {
        Self::new(low, high)
    }
}

impl From<PositiveRange> for [f64; 2] {
    fn from(range: PositiveRange) -> Self {
        [range.low, range.high]
    }
}

impl JsonSchema for PositiveRange {
    fn schema_name() -> Cow<'static, str> {
        "PositiveRange".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array", "minItems": 2, "maxItems": 2,
            "items": { "type": "number", "exclusiveMinimum": 0, "maximum": 1000 }
        })
    }
}

/// A value for every channel, or one per channel, in the unit of the tensor that it goes into.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Fill {
    /// The same for every channel.
    All(f32),
    /// One per channel.
    Channels(Vec<f32>),
}

impl Default for Fill {
    fn default() -> Self {
        Fill::All(0.0)
    }
}

impl Fill {
    /// The value of channel `channel`.
    #[must_use]
    pub fn at(&self, channel: usize) -> f32 {
        match self {
            Fill::All(value) => *value,
            Fill::Channels(values) => values.get(channel).copied().unwrap_or_default(),
        }
    }

    /// Checks that it fits images of this shape.
    ///
    /// # Errors
    /// When the number of values is another than that of the channels, one is beyond single precision, or one is no level of bytes.
    pub fn check(&self, shape: &Shape) -> Result<(), Issue> {
        let channels = shape.channels;
        let (values, place): (_, &dyn Fn(usize) -> String) = match self {
            Fill::All(value) => (std::slice::from_ref(value), &|_| "fill".to_owned()),
            Fill::Channels(values) if values.len() == channels => (&values[..], &|at| format!("fill[{at}]")),
            Fill::Channels(_) => {
                return Err(Issue::new("fill", format!("the list needs one value per channel, {channels} in all")));
            }
        };
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(Issue::new(place(at), "the value is beyond single precision"));
        }
        let level = |value: &f32| (0.0..=255.0).contains(value) && value.fract() == 0.0;
        let wrong = values.iter().position(|value| shape.element == Element::U8 && !level(value));
        wrong.map_or(Ok(()), |at| {
            let message = format!("the images are bytes here, and {} is no level of 0 to 255", values[at]);
            Err(Issue::new(place(at), message).help("write a whole number, or put the step after `normalize`"))
        })
    }
}

/// Who decides whether a step acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The batch.
    Batch,
    /// Each sample.
    Elem,
}

/// Where a box is drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Frame {
    /// On the tensor itself (the paper).
    #[default]
    Local,
    /// In image space, then rounded onto the tensor's grid.
    Project,
}
