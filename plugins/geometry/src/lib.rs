//! Operators that move pixels.

use augraft_operator::{Tensor, Value};

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

/// The positions of a side of `side` places (an int64 scalar) from the last to the first.
pub(crate) fn reversed(side: Value<'_>) -> Value<'_> {
    let graph = side.graph();
    match side.constant_int() {
        Some(side) => graph.constant(Tensor::vector((0..side).rev().collect())),
        None => side - graph.constant(Tensor::scalar(1i64)) - graph.range(side),
    }
}
