//! What is left of objects at the end.

use schemars::JsonSchema;
use serde::Deserialize;

/// What becomes of annotated objects that the steps cut or shrink.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ObjectRules {
    /// Least area of an object's box, in square pixels of the output.
    #[schemars(extend("minimum" = 0))]
    pub min_area: f64,
    /// Least width and least height of an object's box, in pixels of the output.
    #[schemars(extend("minimum" = 0))]
    pub min_side: f64,
    /// Least share of an object's area that is still in the image, 0 to 1.
    #[schemars(extend("minimum" = 0, "maximum" = 1))]
    pub min_visibility: f64,
    /// What to do with an object below one of these.
    pub on_drop: OnDrop,
}

/// What to do with an object of which too little is left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnDrop {
    /// Leave it out.
    #[default]
    Remove,
    /// Keep it, marked to be ignored.
    Ignore,
}

/// An object as it is at the end: a box within the image.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// `[left, top, right, bottom]` in pixels.
    pub bounds: [f32; 4],
    /// Its class.
    pub class: usize,
    /// Weight, below 1 where it is blended.
    pub weight: f32,
    /// The share of it that is visible.
    pub visibility: f32,
    /// Whether a rule would have removed it.
    pub ignore: bool,
    /// Whether it stands for a crowd.
    pub crowd: bool,
    /// Whether it is marked as difficult.
    pub difficult: bool,
    /// Index in the data set of the sample that it comes from, and its number there.
    pub origin: (u64, u64),
    /// Places of its keypoints and their visibility: 0 where one is outside of the image, covered or not labeled, 1 where it is hidden, 2 where visible.
    pub keypoints: Vec<([f32; 2], u8)>,
}
