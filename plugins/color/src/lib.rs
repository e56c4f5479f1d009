//! Operators that change values, not places.

mod noise;
mod normalize;

pub use noise::{Distribution, Noise};
pub use normalize::Normalize;
