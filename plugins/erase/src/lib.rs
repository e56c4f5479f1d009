//! Operators that erase parts of images and feature maps.

mod cutout;
mod hole;
mod random_erasing;

pub use cutout::Cutout;
pub use random_erasing::RandomErasing;
