//! Operators that change values, not places.

mod grayscale;
mod noise;
mod normalize;

pub use grayscale::{Grayscale, Planes};
pub use noise::{Distribution, Noise};
pub use normalize::Normalize;
