//! The pixels of a batch.

use ndarray::{Array3, Array4, ArrayViewMut3, Axis};

use crate::scratch::Scratch;

/// The pixels of a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum Images {
    /// Images of different sizes as decoded: height, width, 3 channels each.
    Ragged(Vec<Array3<u8>>),
    /// N, C, H, W of bytes.
    U8(Array4<u8>),
    /// N, C, H, W of floats: normalized images or feature maps.
    F32(Array4<f32>),
}

impl Images {
    /// Channels of every image.
    pub(crate) fn channels(&self) -> usize {
        match self {
            Images::Ragged(_) => 3,
            Images::U8(images) => images.dim().1,
            Images::F32(images) => images.dim().1,
        }
    }

    /// The images at these rows.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        match self {
            Images::Ragged(images) => Images::Ragged(rows.iter().map(|row| images[*row].clone()).collect()),
            Images::U8(images) => Images::U8(images.select(Axis(0), rows)),
            Images::F32(images) => Images::F32(images.select(Axis(0), rows)),
        }
    }

    /// Views of the samples with the axes channels, rows, columns, where the elements are bytes.
    pub fn samples_u8(&mut self) -> Option<Vec<ArrayViewMut3<'_, u8>>> {
        match self {
            Images::Ragged(images) => {
                Some(images.iter_mut().map(|image| image.view_mut().permuted_axes([2, 0, 1])).collect())
            }
            Images::U8(images) => Some(images.axis_iter_mut(Axis(0)).collect()),
            Images::F32(_) => None,
        }
    }

    /// Views of the samples with the axes channels, rows, columns, where the elements are floats.
    pub fn samples_f32(&mut self) -> Option<Vec<ArrayViewMut3<'_, f32>>> {
        if let Images::F32(images) = self { Some(images.axis_iter_mut(Axis(0)).collect()) } else { None }
    }
}

/// Runs one body over every sample, in parallel, whatever the element type: `each_sample!(images, draws, |draw, image| ...)`.
///
/// `image` is a mutable view with the axes channels, rows, columns; the body must compile for bytes and for floats.
#[macro_export]
macro_rules! each_sample {
    ($images:expr, $draws:expr, |$draw:ident, $image:ident| $body:expr) => {
        if let Some(samples) = $images.samples_u8() {
            $crate::parallel(samples, $draws, |mut $image, $draw| $body);
        } else if let Some(samples) = $images.samples_f32() {
            $crate::parallel(samples, $draws, |mut $image, $draw| $body);
        }
    };
}

impl Images {
    /// Channels, height and width of sample `row`.
    #[must_use]
    pub fn extent(&self, row: usize) -> [usize; 3] {
        match self {
            Images::Ragged(images) => {
                let (height, width, channels) = images[row].dim();
                [channels, height, width]
            }
            Images::U8(images) => [images.dim().1, images.dim().2, images.dim().3],
            Images::F32(images) => [images.dim().1, images.dim().2, images.dim().3],
        }
    }

    /// Number of samples.
    #[must_use]
    pub fn count(&self) -> usize {
        match self {
            Images::Ragged(images) => images.len(),
            Images::U8(images) => images.dim().0,
            Images::F32(images) => images.dim().0,
        }
    }

    /// Gives whatever buffer they have back to the pool.
    pub fn recycle(self, scratch: &mut Scratch) {
        match self {
            Images::Ragged(_) => {}
            Images::U8(dense) => scratch.give_dense(dense),
            Images::F32(dense) => scratch.give_dense(dense),
        }
    }
}
