//! Operators that move pixels.

use augraft_operator::{Tensor, Value};

mod affine;
mod angle;
mod border;
mod center_crop;
mod five_crop;
mod horizontal_flip;
mod kernels;
mod pad;
mod random_crop;
mod resample;
mod resample_graph;
mod resize;
mod resized_crop;
mod rot90;
mod taps;
mod ten_crop;
mod transpose;
mod vertical_flip;
mod views;
mod warp;
mod window;

pub use affine::{Affine, Shear};
pub use angle::{Angle, Angles};
pub use border::PaddingMode;
pub use center_crop::CenterCrop;
pub use five_crop::FiveCrop;
pub use horizontal_flip::HorizontalFlip;
pub use pad::{Pad, Padding};
pub use random_crop::RandomCrop;
pub use resize::Resize;
pub use resized_crop::ResizedCrop;
pub use rot90::Rot90;
pub use taps::Interpolation;
pub use ten_crop::TenCrop;
pub use transpose::Transpose;
pub use vertical_flip::VerticalFlip;
pub use views::Views;
pub use warp::Sampling;

/// Images with the elements along `axis`, which has `side` of them (an int64 scalar), in reverse.
pub(crate) fn mirrored<'g>(images: Value<'g>, axis: i64, side: Value<'g>) -> Value<'g> {
    let graph = images.graph();
    let Some(known) = side.constant_int() else {
        let last = side - graph.constant(Tensor::scalar(1i64));
        return images.gather(last - graph.range(side), axis);
    };
    // Slices with steps came with opset 10; tract takes them only where the side is known.
    if graph.opset() < 10 {
        return images.gather(graph.constant(Tensor::vector((0..known).rev().collect())), axis);
    }
    let inputs = [images, graph.ints(&[-1]), graph.ints(&[-known - 1]), graph.ints(&[axis]), graph.ints(&[-1])];
    graph.node("Slice", &inputs, vec![], images.dtype())
}
