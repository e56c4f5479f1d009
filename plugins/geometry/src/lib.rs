//! Operators that move pixels.

mod center_crop;
mod horizontal_flip;
mod random_crop;
mod resample;
mod resize;
mod resized_crop;
mod vertical_flip;
mod window;

pub use center_crop::CenterCrop;
pub use horizontal_flip::HorizontalFlip;
pub use random_crop::RandomCrop;
pub use resize::Resize;
pub use resized_crop::ResizedCrop;
pub use vertical_flip::VerticalFlip;
