//! Operators made for feature maps.

mod dropblock;

pub use dropblock::DropBlock;
