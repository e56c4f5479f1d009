//! Operators that change values, not places.

mod gaussian_noise;
mod normalize;

pub use gaussian_noise::GaussianNoise;
pub use normalize::Normalize;
