use augraft_operator::{
    Batch, Dice, Extent, Fill as Color, Fixed, Images, Issue, Layout, Lowered, Margin, Operator, Parity, Recorder,
    Role, Row, Scratch, Shape, Tensor, parallel, register_operator,
};
use ndarray::{Array3, ArrayView3, ArrayViewMut3};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::border::{PaddingMode, copy_window, lower_fill};
use crate::window::{Fill, Sampled, refill};

/// Adds pixels around the image.
///
/// The amounts are fixed: nothing is drawn. `reflect`, `edge` and `symmetric` are those of `numpy.pad`, also where an amount is larger than the
/// image. Works on images of any size and on feature maps N,C,H,W. Masks are padded with zeros where the images are filled.
///
/// # Example
/// ```yaml
/// - pad: { padding: 4, mode: reflect }
/// ```
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Pad {
    /// Pixels on every side; or `[left and right, top and bottom]`; or `[left, top, right, bottom]`, as in torchvision.
    pub padding: Padding,
    /// What the added pixels show.
    pub mode: PaddingMode,
    /// What a constant padding is filled with, in the unit of the tensor: one number, or one per channel.
    pub fill: Color,
}

/// Pixels added on the sides of an image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Padding {
    /// The same on every side.
    All(Margin),
    /// Left and right, then top and bottom.
    Axes([Margin; 2]),
    /// Left, top, right, bottom.
    Sides([Margin; 4]),
}

impl Default for Padding {
    fn default() -> Self {
        Padding::All(Margin::NONE)
    }
}

impl Padding {
    /// Top and left, then bottom and right.
    fn ends(self) -> [[usize; 2]; 2] {
        let pixels = |margin: Margin| margin.get() as usize;
        match self {
            Padding::All(all) => [[pixels(all); 2]; 2],
            Padding::Axes([across, down]) => [[pixels(down), pixels(across)]; 2],
            Padding::Sides([left, top, right, bottom]) => {
                [[pixels(top), pixels(left)], [pixels(bottom), pixels(right)]]
            }
        }
    }

    /// The size after padding an image of `size`.
    fn padded(self, size: [usize; 2]) -> [usize; 2] {
        let [before, behind] = self.ends();
        [0, 1].map(|axis| before[axis] + size[axis] + behind[axis])
    }
}

impl Operator for Pad {
    const NAME: &'static str = "pad";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const ROLE: Role = Role::Geometry;
    type Draw<D: Dice> = Fixed<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        self.fill.check(shape.channels)?;
        Ok(match shape.layout {
            Layout::Ragged | Layout::Open => shape.clone(),
            Layout::Dense { height, width } => shape.resized(self.padding.padded([height, width])),
        })
    }

    fn draw<D: Dice>(&self, _: D, _: &Extent<D>) -> Fixed<D> {
        Fixed::new()
    }

    fn apply(&self, draws: &[Fixed<Row>], batch: &mut Batch, scratch: &mut Scratch) {
        self.surround(draws, batch, scratch, &self.fill);
    }

    fn lower<'g>(&self, _: &Fixed<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        Ok(self.lowered(batch, &self.fill))
    }

    fn apply_masks(&self, draws: &[Fixed<Row>], masks: &mut Batch, scratch: &mut Scratch) {
        self.surround(draws, masks, scratch, &Color::default());
    }

    fn lower_masks<'g>(&self, _: &Fixed<Recorder<'g>>, masks: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        Ok(self.lowered(masks, &Color::default()))
    }
}

register_operator!(Pad);

impl Pad {
    fn surround(&self, draws: &[Fixed<Row>], batch: &mut Batch, scratch: &mut Scratch, fill: &Color) {
        let window = Window { pad: self, fill };
        if let Images::Ragged(images) = &mut batch.images {
            parallel(images.iter_mut().collect(), draws, |image: &mut Array3<u8>, _| *image = window.padded(image));
            return batch.labels.forget_boxes();
        }
        let [_, height, width] = batch.extent(0);
        refill(batch, draws, self.padding.padded([height, width]), scratch, &window);
    }

    fn lowered<'g>(&self, batch: Lowered<'g>, fill: &Color) -> Lowered<'g> {
        let graph = batch.images.graph();
        let int = |value: usize| graph.constant(Tensor::scalar(value as i64));
        let [before, behind] = self.padding.ends();
        let color = lower_fill(fill, &batch);
        let mut images = batch.images;
        for axis in 0..2 {
            if before[axis] + behind[axis] == 0 {
                continue;
            }
            let side = batch.sides[axis];
            let wanted = graph.range(side + int(before[axis] + behind[axis])) - int(before[axis]);
            let [index, inside] = self.mode.lower(wanted, side, before[axis] as i64);
            images = images.gather(index, axis as i64 + 2);
            if self.mode == PaddingMode::Constant {
                let shape: &[i64] = if axis == 0 { &[1, 1, -1, 1] } else { &[1, 1, 1, -1] };
                images = inside.reshape(shape).select(images, color);
            }
        }
        let layout = match batch.shape.size() {
            Some(size) => batch.shape.resized(self.padding.padded(size)),
            None => batch.shape.clone(),
        };
        batch.resized(images, layout)
    }
}

struct Window<'a> {
    pad: &'a Pad,
    fill: &'a Color,
}

impl Window<'_> {
    /// An image (rows, columns, channels) with its padding.
    fn padded(&self, image: &Array3<u8>) -> Array3<u8> {
        let (height, width, channels) = image.dim();
        let [rows, columns] = self.pad.padding.padded([height, width]);
        let mut to = Array3::zeros([rows, columns, channels]);
        self.copy(image.view().permuted_axes([2, 0, 1]), to.view_mut().permuted_axes([2, 0, 1]));
        to
    }

    fn copy<T: Sampled>(&self, from: ArrayView3<'_, T>, to: ArrayViewMut3<'_, T>) {
        let [before, _] = self.pad.padding.ends();
        copy_window(before.map(|side| -(side as i64)), from, to, self.pad.mode, self.fill);
    }
}

impl Fill<Fixed<Row>> for Window<'_> {
    fn fill<T: Sampled>(&self, _: &Fixed<Row>, from: ArrayView3<'_, T>, to: ArrayViewMut3<'_, T>, _: &mut Vec<T>) {
        self.copy(from, to);
    }
}
