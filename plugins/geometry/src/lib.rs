//! Operators that move pixels.

mod affine;
mod angle;
mod center_crop;
mod dihedral;
mod elastic;
mod five_crop;
mod grid_shuffle;
mod horizontal_flip;
mod pad;
mod perspective;
mod random_crop;
mod resize;
mod resized_crop;
mod rot90;
mod ten_crop;
mod transpose;
mod vertical_flip;
mod views;

pub use affine::{Affine, Shear};
pub use angle::{Angle, Angles};
pub use center_crop::CenterCrop;
pub use dihedral::Dihedral;
pub use elastic::Elastic;
pub use five_crop::FiveCrop;
pub use grid_shuffle::GridShuffle;
pub use horizontal_flip::HorizontalFlip;
pub use pad::{Pad, Padding};
pub use perspective::Perspective;
pub use random_crop::RandomCrop;
pub use resize::Resize;
pub use resized_crop::ResizedCrop;
pub use rot90::Rot90;
pub use ten_crop::TenCrop;
pub use transpose::Transpose;
pub use vertical_flip::VerticalFlip;
pub use views::Views;
