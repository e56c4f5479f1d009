//! What flows through a pipeline: images or feature maps, labels, and the index that addresses draws.

use std::sync::Arc;

use ndarray::{Array3, Array4, Axis, s};

use crate::address::Rows;
use crate::images::Images;
use crate::labels::Labels;
use crate::mix_images::mix_images;
use crate::mixing::{Label, LabelRule, Mixing, Patch, Region};
use crate::motion::Motion;
use crate::move_images::{Content, move_images};
use crate::objects::Objects;
use crate::scalar::Row;
use crate::scratch::Scratch;
use crate::shape::{Element, Layout, Shape};

/// A batch of samples on its way through the steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Pixels or feature maps.
    pub images: Images,
    /// Labels, mixed along with the pixels.
    pub labels: Labels,
    /// Masks of the images, moved and mixed along with the pixels.
    pub masks: Option<Masks>,
    /// Boxes and keypoints of objects, moved and mixed along with the pixels.
    pub objects: Option<Objects>,
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
    /// Samples as data sets have them: values that are pixels, nothing that moves and mixes along but labels.
    ///
    /// There are as many labels and indices as images.
    #[must_use]
    pub fn new(images: Images, labels: Labels, index: Vec<u64>) -> Self {
        let transfer = vec![Transfer::IDENTITY; images.channels()];
        Self { images, labels, masks: None, objects: None, index, transfer, image_size: None }
    }

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
        self.images.extent(row)
    }

    /// Makes every sample this many, one after the other.
    pub(crate) fn replicate(&mut self, views: usize) {
        let rows = Rows::Views(views);
        let index = rows.drawn(&self.index);
        self.select(&rows.of(self.len()));
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
        if let Some(objects) = &mut self.objects {
            objects.select(rows);
        }
    }

    /// Mixes and moves images, masks, labels and objects as a step states.
    pub(crate) fn follow(&mut self, step: &NativeStep, scratch: &mut Scratch) {
        let [_, height, width] = if self.is_empty() { [0; 3] } else { self.extent(0) };
        if let Some(mut objects) = self.objects.take() {
            let sizes: Vec<[usize; 2]> =
                (0..self.len()).map(|row| [self.extent(row)[1], self.extent(row)[2]]).collect();
            step.holes.iter().enumerate().for_each(|(row, holes)| objects.erase(row, holes));
            objects.mix(&step.mixings, &step.regions, [height, width]);
            objects.follow(&step.motions, &sizes);
            self.objects = Some(objects);
        }
        let NativeStep { motions, mixings, regions, .. } = step;
        let motions: Vec<&Motion<Row>> = motions.iter().collect();
        if let Some([factor, offset]) = step.smoothing {
            self.labels.smooth(factor, offset);
        }
        match step.weights(self.masks.as_ref(), [height, width]) {
            Some(weights) => {
                let partner: Vec<usize> = mixings.iter().enumerate().map(|(row, mixing)| mixing.partner(row)).collect();
                self.labels.blend(&weights, &partner);
            }
            None => self.labels.mix(mixings, regions, [height, width], scratch),
        }
        mix_images(mixings, regions, &mut self.images, Content::Values, scratch);
        move_images(&motions, &mut self.images, Content::Values, scratch);
        if let Some(masks) = &mut self.masks {
            masks.follow(step, scratch);
        }
        self.labels.follow(&motions, scratch);
    }

    /// The shape that a step sees.
    #[must_use]
    pub fn shape(&self) -> Shape {
        let dense = |element, (_, channels, height, width): (usize, usize, usize, usize)| Shape {
            layout: Layout::Dense { height, width },
            channels,
            element,
            classes: self.labels.classes(),
            image_size: self.image_size,
        };
        match &self.images {
            Images::Ragged(_) => Shape::ragged(self.labels.classes()),
            Images::U8(images) => dense(Element::U8, images.dim()),
            Images::F32(images) => dense(Element::F32, images.dim()),
        }
    }

    /// The pixels as red, green and blue bytes, normalization undone: height, width, 3 of sample `row`; a gray image has three equal channels.
    #[must_use]
    pub fn rgb(&self, row: usize) -> Array3<u8> {
        let pixels = self.pixels(row);
        let (height, width, channels) = pixels.dim();
        match (channels, pixels.broadcast([height, width, 3])) {
            (1, Some(gray)) => gray.to_owned(),
            _ => pixels,
        }
    }

    /// The pixels as bytes, normalization undone: height, width, channels of sample `row`.
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

impl Masks {
    fn follow(&mut self, step: &NativeStep, scratch: &mut Scratch) {
        let NativeStep { motions, mixings, regions, .. } = step;
        if let (Images::U8(ids), true) = (&self.images, mixings.first().is_some_and(Mixing::is_soft)) {
            self.images = Images::F32(shares_of(ids, self.classes));
        }
        let content = if matches!(self.images, Images::F32(_)) { Content::Shares } else { Content::Ids };
        let regions: Vec<Arc<Region>> = regions.iter().map(Region::flat).collect();
        mix_images(mixings, &regions, &mut self.images, content, scratch);
        move_images(&motions.iter().collect::<Vec<_>>(), &mut self.images, content, scratch);
    }
}

/// What a step does to the samples of a batch, natively.
pub(crate) struct NativeStep {
    pub(crate) motions: Vec<Motion<Row>>,
    pub(crate) mixings: Vec<Mixing<Row>>,
    pub(crate) regions: Vec<Arc<Region>>,
    pub(crate) labels: Vec<Label<Row>>,
    /// Rectangles that each sample loses.
    pub(crate) holes: Vec<Vec<[i64; 4]>>,
    pub(crate) smoothing: Option<[f32; 2]>,
}

impl NativeStep {
    /// The weights of the samples' own labels where they are not the shares of the visible pixels.
    fn weights(&self, masks: Option<&Masks>, grid: [usize; 2]) -> Option<Vec<f64>> {
        match (self.mixings.first()?, self.labels.first()?) {
            (Mixing::Values { lam, .. }, _) if lam.is_some() => {}
            (Mixing::Values { .. } | Mixing::None, _) => return None,
            (_, label) if label.is_share() => return None,
            _ => {}
        }
        let weight = |(row, (mixing, label)): (usize, (&Mixing<Row>, &Label<Row>))| {
            let share = self.share(row, grid);
            let nominal = if let Mixing::Values { lam, .. } = mixing { *lam } else { label.nominal };
            let seen = match (label.rule, mixing, masks) {
                (LabelRule::VisibleMask, Mixing::Paste(patch), Some(masks)) => {
                    masks.visible(row, patch.source(row), patch.edges)
                }
                _ => None,
            };
            let weight = seen.unwrap_or_else(|| label.rule.weight(nominal.unwrap_or(share), share < 1.0));
            f64::from(weight as f32)
        };
        Some(self.mixings.iter().zip(&self.labels).enumerate().map(weight).collect())
    }

    /// The share of the pixels of a sample itself.
    fn share(&self, row: usize, [height, width]: [usize; 2]) -> f64 {
        let total = (height * width) as f64;
        let left = |patches: &[Patch<Row>]| {
            let brought = patches.iter().filter(|patch| patch.partner.is_some());
            (total - brought.map(|patch| patch.sides().iter().product::<usize>() as f64).sum::<f64>()) / total
        };
        match &self.mixings[row] {
            Mixing::None | Mixing::Values { .. } => 1.0,
            Mixing::Paste(patch) => left(std::slice::from_ref(patch)),
            Mixing::Collage(patches) => left(patches),
            Mixing::Blend { lam, .. } => *lam,
            Mixing::Region { .. } => 1.0 - self.regions[row].share(height * width),
        }
    }
}

impl Masks {
    /// The share of the visible pixels of any class but 0 that are the sample's own, when a box shows that of a partner.
    fn visible(&self, row: usize, partner: usize, edges: [i64; 4]) -> Option<f64> {
        let Images::U8(ids) = &self.images else { return None };
        let shows = |id: &&u8| **id > 0 && usize::from(**id) < self.classes;
        let [top, left, bottom, right] = edges.map(|edge| edge as usize);
        let (bottom, right) = (bottom.max(top), right.max(left));
        let count = |row: usize| ids.slice(s![row, 0, top..bottom, left..right]).iter().filter(shows).count();
        let all = ids.index_axis(Axis(0), row).iter().filter(shows).count();
        let (kept, brought) = ((all - count(row)) as f64, count(partner) as f64);
        (kept + brought > 0.0).then(|| kept / (kept + brought))
    }
}

/// The share of every class in each pixel: 1 for its class id.
fn shares_of(ids: &Array4<u8>, classes: usize) -> Array4<f32> {
    let (n, _, height, width) = ids.dim();
    Array4::from_shape_fn([n, classes, height, width], |(row, class, y, x)| {
        f32::from(usize::from(ids[[row, 0, y, x]]) == class)
    })
}
