//! Windows of one size out of images of any size.

use augraft_operator::{Batch, Images, Pooled, Scratch, parallel};
use ndarray::{Array3, Array4, ArrayView3, ArrayViewMut3, Axis};

/// A function that fills one output sample (channels, rows, columns) from one input sample, by a drawn row.
pub(crate) trait Fill<R> {
    /// Fills `to` from `from`; both have the axes channels, rows, columns.
    fn fill<T: Sampled>(&self, row: &R, from: ArrayView3<'_, T>, to: ArrayViewMut3<'_, T>);
}

/// Element types of images.
pub(crate) trait Sampled: Pooled {
    /// The value as f32.
    fn to_f32(self) -> f32;
    /// The nearest value of this type, halves upwards as Pillow rounds.
    fn from_f32(value: f32) -> Self;
}

impl Sampled for u8 {
    fn to_f32(self) -> f32 {
        f32::from(self)
    }
    fn from_f32(value: f32) -> u8 {
        (value + 0.5).floor().clamp(0.0, 255.0) as u8
    }
}

impl Sampled for f32 {
    fn to_f32(self) -> f32 {
        self
    }
    fn from_f32(value: f32) -> f32 {
        value
    }
}

/// Replaces the images of a batch by images of `size`, each filled from its old one.
pub(crate) fn refill<R: Sync>(
    batch: &mut Batch,
    draws: &[R],
    [height, width]: [usize; 2],
    scratch: &mut Scratch,
    fill: &(impl Fill<R> + Sync),
) {
    let images = core::mem::replace(&mut batch.images, Images::Ragged(Vec::new()));
    batch.images = match images {
        Images::Ragged(images) => {
            let to = scratch.take_dense([images.len(), 3, height, width]);
            let from = images.iter().map(|image: &Array3<u8>| image.view().permuted_axes([2, 0, 1])).collect();
            Images::U8(filled(from, to, draws, fill))
        }
        Images::U8(images) => Images::U8(refill_dense(images, draws, [height, width], scratch, fill)),
        Images::F32(images) => Images::F32(refill_dense(images, draws, [height, width], scratch, fill)),
    };
}

fn refill_dense<T: Sampled, R: Sync>(
    images: Array4<T>,
    draws: &[R],
    [height, width]: [usize; 2],
    scratch: &mut Scratch,
    fill: &(impl Fill<R> + Sync),
) -> Array4<T> {
    let (n, channels, ..) = images.dim();
    let to = scratch.take_dense([n, channels, height, width]);
    let to = filled(images.axis_iter(Axis(0)).collect(), to, draws, fill);
    scratch.give_dense(images);
    to
}

fn filled<T: Sampled, R: Sync>(
    from: Vec<ArrayView3<'_, T>>,
    mut to: Array4<T>,
    draws: &[R],
    fill: &(impl Fill<R> + Sync),
) -> Array4<T> {
    let pairs = to.axis_iter_mut(Axis(0)).zip(from).collect();
    parallel(pairs, draws, |(to, from), row| fill.fill(row, from, to));
    to
}
