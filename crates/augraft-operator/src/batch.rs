//! What flows through a pipeline: images or feature maps, labels, and the index that addresses draws.

use std::sync::{Mutex, PoisonError};

use ndarray::{Array2, Array3, Array4, ArrayViewMut3, Axis};

use crate::key::VIEW;
use crate::labels::Labels;
use crate::shape::{Layout, Shape};

/// Element type of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// 0 to 255.
    U8,
    /// Single precision.
    F32,
}

/// The pixels of a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum Images {
    /// Images of different sizes as decoded: height, width, 3 channels each.
    Ragged(Vec<Array3<u8>>),
    /// N, C, H, W of bytes.
    U8(Array4<u8>),
    /// N, C, H, W of floats: normalised images or feature maps.
    F32(Array4<f32>),
}

/// A batch of samples on its way through the steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Pixels or feature maps.
    pub images: Images,
    /// Labels, mixed along with the pixels.
    pub labels: Labels,
    /// Masks of the images, moved and mixed along with the pixels.
    pub masks: Option<Masks>,
    /// Index of each sample in the data set; the bits from 56 on number the views of a sample.
    pub index: Vec<u64>,
    /// How pixel values 0..=255 became the values in `images`, per channel.
    pub transfer: Vec<Transfer>,
    /// Height and width of the images that feature maps come from; `None` at the input.
    pub image_size: Option<[usize; 2]>,
}

/// Semantic masks: what each pixel shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Masks {
    /// Class ids (bytes, one channel), or after a blend the share of every class (floats, a channel for each class).
    pub images: Images,
    /// Number of classes; a class id beyond counts as none.
    pub classes: usize,
}

/// The index of the sample itself, without the number of the view.
#[must_use]
pub fn sample_of(index: u64) -> u64 {
    index & ((1 << VIEW) - 1)
}

/// The number of the view, 0 for the sample itself.
#[must_use]
pub fn view_of(index: u64) -> u64 {
    index >> VIEW
}

/// The index of every view of the samples, one after the other.
pub(crate) fn replicated(index: &[u64], views: usize) -> Vec<u64> {
    let view = |index: u64, view: u64| sample_of(index) + ((view_of(index) * views as u64 + view) << VIEW);
    index.iter().flat_map(|index| (0..views as u64).map(move |number| view(*index, number))).collect()
}

/// An affine map of one channel: `value = scale * pixel + bias`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transfer {
    /// Factor.
    pub scale: f32,
    /// Summand.
    pub bias: f32,
}

impl Transfer {
    /// Values are the pixels themselves.
    pub const IDENTITY: Self = Self { scale: 1.0, bias: 0.0 };

    /// The pixel, 0 to 255, that `value` stands for.
    #[must_use]
    pub fn pixel(self, value: f32) -> u8 {
        ((value - self.bias) / self.scale).round().clamp(0.0, 255.0) as u8
    }
}

impl Batch {
    /// Number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Channels, height and width of sample `row`.
    #[must_use]
    pub fn extent(&self, row: usize) -> [usize; 3] {
        match &self.images {
            Images::Ragged(images) => {
                let (height, width, channels) = images[row].dim();
                [channels, height, width]
            }
            Images::U8(images) => [images.dim().1, images.dim().2, images.dim().3],
            Images::F32(images) => [images.dim().1, images.dim().2, images.dim().3],
        }
    }

    /// Makes every sample this many, one after the other.
    pub fn replicate(&mut self, views: usize) {
        let rows: Vec<usize> = (0..self.len() * views).map(|row| row / views).collect();
        let index = replicated(&self.index, views);
        self.select(&rows);
        self.index = index;
    }

    /// Takes the samples at these rows.
    pub fn select(&mut self, rows: &[usize]) {
        self.images = self.images.select(rows);
        self.labels.select(rows);
        self.index = rows.iter().map(|row| self.index[*row]).collect();
        if let Some(masks) = &mut self.masks {
            masks.images = masks.images.select(rows);
        }
    }

    /// The masks as the images of a batch; with `shares`, class ids become shares of classes first.
    pub(crate) fn take_masks(&mut self, shares: bool) -> Option<Self> {
        let masks = self.masks.take()?;
        let images = match masks.images {
            Images::U8(ids) if shares => Images::F32(shares_of(&ids, masks.classes)),
            images => images,
        };
        let labels = Labels::new(Array2::zeros([self.len(), 0]), vec![Vec::new(); self.len()]);
        let transfer = vec![Transfer::IDENTITY; masks.classes.max(1)];
        Some(Self { images, labels, masks: None, index: self.index.clone(), transfer, image_size: self.image_size })
    }

    /// Takes masks back.
    pub(crate) fn put_masks(&mut self, masks: Self) {
        self.masks = Some(Masks { images: masks.images, classes: masks.transfer.len() });
    }

    /// The shape that a step sees.
    #[must_use]
    pub fn shape(&self) -> Shape {
        let dense = |element, (_, channels, height, width): (usize, usize, usize, usize)| Shape {
            layout: Layout::Dense { height, width },
            channels,
            element,
            classes: self.labels.soft.ncols(),
            image_size: self.image_size,
        };
        match &self.images {
            Images::Ragged(_) => Shape::ragged(self.labels.soft.ncols()),
            Images::U8(images) => dense(Element::U8, images.dim()),
            Images::F32(images) => dense(Element::F32, images.dim()),
        }
    }

    /// The pixels as bytes, normalisation undone: height, width, channels of sample `row`.
    #[must_use]
    pub fn pixels(&self, row: usize) -> Array3<u8> {
        match &self.images {
            Images::Ragged(images) => images[row].clone(),
            Images::U8(images) => {
                images.index_axis(Axis(0), row).permuted_axes([1, 2, 0]).as_standard_layout().into_owned()
            }
            Images::F32(images) => {
                let image = images.index_axis(Axis(0), row);
                let (channels, height, width) = image.dim();
                Array3::from_shape_fn([height, width, channels], |(y, x, c)| self.transfer[c].pixel(image[[c, y, x]]))
            }
        }
    }
}

/// The share of every class in each pixel: 1 for its class id.
fn shares_of(ids: &Array4<u8>, classes: usize) -> Array4<f32> {
    let (n, _, height, width) = ids.dim();
    Array4::from_shape_fn([n, classes, height, width], |(row, class, y, x)| {
        f32::from(usize::from(ids[[row, 0, y, x]]) == class)
    })
}

impl Images {
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

/// Calls `each` for the pairs of samples and draws, on all threads.
pub fn parallel<S: Send, T: Sync>(samples: Vec<S>, draws: &[T], each: impl Fn(S, &T) + Sync) {
    use rayon::prelude::*;
    samples.into_par_iter().zip(draws).for_each(|(sample, draw)| each(sample, draw));
}

/// Buffers that live from batch to batch, so that the steady state allocates none.
#[derive(Debug, Default)]
pub struct Scratch {
    bytes: Vec<Vec<u8>>,
    floats: Vec<Vec<f32>>,
}

/// Buffers that threads share while a step runs.
#[derive(Debug)]
pub struct Buffers<T>(Mutex<Vec<Vec<T>>>);

impl<T> Buffers<T> {
    /// Hands `run` a buffer that no other thread has; its content is what its last user left.
    pub fn with<R>(&self, run: impl FnOnce(&mut Vec<T>) -> R) -> R {
        let open = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffer = open().pop().unwrap_or_default();
        let result = run(&mut buffer);
        open().push(buffer);
        result
    }
}

/// Element types whose buffers are pooled.
pub trait Pooled: Copy + Default + Send + Sync + PartialEq + 'static {
    /// The pool of this type.
    fn pool(scratch: &mut Scratch) -> &mut Vec<Vec<Self>>;
}

impl Pooled for u8 {
    fn pool(scratch: &mut Scratch) -> &mut Vec<Vec<u8>> {
        &mut scratch.bytes
    }
}

impl Pooled for f32 {
    fn pool(scratch: &mut Scratch) -> &mut Vec<Vec<f32>> {
        &mut scratch.floats
    }
}

impl Scratch {
    /// A buffer of `len` elements with any content, reused where one is large enough.
    pub fn take<T: Pooled>(&mut self, len: usize) -> Vec<T> {
        let pool = T::pool(self);
        let fits = (0..pool.len()).filter(|&at| pool[at].capacity() >= len).min_by_key(|&at| pool[at].capacity());
        let mut buffer = fits.map(|at| pool.swap_remove(at)).unwrap_or_default();
        buffer.resize(len, T::default());
        buffer
    }

    /// Takes a buffer back.
    pub fn give<T: Pooled>(&mut self, buffer: Vec<T>) {
        T::pool(self).push(buffer);
    }

    /// Lends `run` one buffer per thread, each with room for `len` elements, and takes them back.
    pub fn lend<T: Pooled, R>(&mut self, len: usize, run: impl FnOnce(&Buffers<T>) -> R) -> R {
        let lent = (0..rayon::current_num_threads()).map(|_| self.take(len)).collect();
        let buffers = Buffers(Mutex::new(lent));
        let result = run(&buffers);
        buffers.0.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().for_each(|buffer| self.give(buffer));
        result
    }

    /// A dense batch of any content; the axes are samples, channels, rows, columns.
    pub fn take_dense<T: Pooled>(&mut self, [n, c, h, w]: [usize; 4]) -> Array4<T> {
        let buffer = self.take(n * c * h * w);
        Array4::from_shape_vec([n, c, h, w], buffer).expect("the buffer has as many elements as the shape")
    }

    /// Takes the buffer of a dense batch back.
    pub fn give_dense<T: Pooled>(&mut self, dense: Array4<T>) {
        let (buffer, _) = dense.into_raw_vec_and_offset();
        self.give(buffer);
    }

    /// Takes back whatever buffer `images` has.
    pub fn give_images(&mut self, images: Images) {
        match images {
            Images::Ragged(_) => {}
            Images::U8(dense) => self.give_dense(dense),
            Images::F32(dense) => self.give_dense(dense),
        }
    }
}
