//! Operators that erase parts of images and feature maps.

mod coarse_dropout;
mod cutout;
mod filling;
mod grid_mask;
mod hide_and_seek;
mod hole;
mod random_erasing;
mod sizes;

pub use coarse_dropout::CoarseDropout;
pub use cutout::{Cutout, Placement};
pub use filling::{Filling, Noise};
pub use grid_mask::{Erased, GridMask};
pub use hide_and_seek::HideAndSeek;
pub use random_erasing::{Aspect, RandomErasing, Start, TooLarge};
pub use sizes::{Holes, Length, Lengths, Share};
