use augraft_operator::{
    Alpha, Batch, DataType, Dice, Extent, Images, Issue, Lowered, MixMode, Operator, Parity, Partner, PositiveRange,
    Probability, Recorder, Rectangle, Role, Row, Rows, Scratch, Shape, Tensor, Value, box_mask, draw, parallel,
    register_operator,
};
use ndarray::{Array4, ArrayView3, Axis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::partner_of;
use crate::pixel::{Pixel, nearest, reals};
use crate::places::{larger, positions, smaller, take};

/// Pastes a whole partner image, made smaller, and mixes the labels by area.
///
/// Two operators are published under this name. With `form: openmixup` (the paper), `tau ~ U(scale)` is the ratio of the sides: the box has the
/// sides `floor(H * tau)` and `floor(W * tau)`, and the partner is resized by its nearest pixels. With `form: mmpretrain`,
/// `lam = low + (high - low) * Beta(alpha, alpha)` for `scale: [low, high]`, the sides are `floor(H * sqrt(1 - lam))` and `floor(W * sqrt(1 - lam))`,
/// and the partner is resized bilinearly (pixel centers aligned, not antialiased). In both, the sides are rounded down to even, the box lies around a
/// uniform center and is clipped to the tensor, and the partner fills what is left of it. The label weight of the sample itself is
/// `1 - area / (H * W)` of the clipped box. A box of less than two pixels is empty and changes nothing. Masks are resized by their nearest pixels.
///
/// Pixel `y` of `h` shows, by nearest, row `floor(y * H / h)`; bilinear, the rows around `(y + 0.5) * H / h - 0.5`, not below 0, blended in f32.
///
/// Draws `apply`, the box `top`, `left`, `bottom`, `right` (pixels from the top left, ends exclusive, empty when not applied) and `partner`, the
/// position in the batch.
///
/// Qin et al., "`ResizeMix`: Mixing Data with Preserved Object Information and True Labels", 2020; `OpenMixup` 0.2 `resizemix`, `MMPretrain` 1.2
/// `ResizeMix`.
///
/// # Example
/// ```yaml
/// - resizemix: { scale: [0.1, 0.8], p: 0.5 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResizeMix {
    /// Which of the two published operators.
    pub form: Form,
    /// Range of the ratio of the sides (`openmixup`) or of `lam` (`mmpretrain`), at most 1.
    pub scale: PositiveRange,
    /// Parameter of the Beta distribution of `lam`, for `form: mmpretrain`; 1 is uniform.
    pub alpha: Alpha,
    /// Probability of a batch (or, with `mode: elem`, of a sample) to be mixed.
    pub p: Probability,
    /// One box per batch, or per sample.
    pub mode: MixMode,
    /// Which sample of the batch is pasted.
    pub partner: Partner,
}

/// How the size of the box is drawn, and how the partner is resized.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A uniform ratio of the sides, nearest pixels (the paper, `OpenMixup`).
    #[default]
    Openmixup,
    /// A Beta distributed area, bilinear (`MMPretrain`).
    Mmpretrain,
}

impl Default for ResizeMix {
    fn default() -> Self {
        Self {
            form: Form::default(),
            scale: PositiveRange::new(0.1, 0.8).expect("0 < low < high"),
            alpha: Alpha::default(),
            p: Probability::ALWAYS,
            mode: MixMode::Batch,
            partner: Partner::Permute,
        }
    }
}

draw! {
    /// The box and the partner of one sample.
    pub struct Drawn {
        /// Whether the sample is mixed.
        apply: Bool,
        /// First row of the box.
        top: Int,
        /// First column of the box.
        left: Int,
        /// Row after the last.
        bottom: Int,
        /// Column after the last.
        right: Int,
        /// Position of the partner in the batch.
        partner: Int,
    }
}

impl Operator for ResizeMix {
    const NAME: &'static str = "resizemix";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const ROLE: Role = Role::Mix;
    const PRESETS: &'static [(&'static str, &'static str)] = &[
        ("openmixup", r#"{"form":"openmixup","scale":[0.1,0.8],"p":1,"mode":"batch","partner":"permute"}"#),
        ("mmpretrain", r#"{"form":"mmpretrain","scale":[0.1,0.8],"p":1,"mode":"batch","partner":"permute"}"#),
    ];
    type Draw<D: Dice> = Drawn<D>;

    fn rows(&self) -> Rows {
        self.mode.rows(self.partner)
    }

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        self.mode.check(self.partner)?;
        shape.uniform()?;
        if self.scale.high() > 1.0 {
            return Err(Issue::new("scale[1]", "the partner is only made smaller").help("use at most 1"));
        }
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        let scope = self.mode.scope(dice);
        let (low, high) = (self.scale.low(), self.scale.high());
        let apply = scope.acts(0, self.p);
        let ratio = match self.form {
            Form::Openmixup => scope.between(1, low, high),
            Form::Mmpretrain => {
                let lam = scope.real(low) + scope.real(high - low) * scope.beta(1, &self.alpha);
                scope.sqrt(scope.real(1.0) - lam)
            }
        };
        let half = |side| scope.floor(scope.real(0.5) * ratio * scope.to_real(side));
        let (cy, cx) = (scope.below(2, extent.height), scope.below(3, extent.width));
        let (rows, columns) = (half(extent.height), half(extent.width));
        let zero = scope.int(0);
        let edge = |at, side| scope.select_int(apply, scope.clamp(at, zero, side), zero);
        Drawn {
            apply,
            top: edge(cy - rows, extent.height),
            left: edge(cx - columns, extent.width),
            bottom: edge(cy + rows, extent.height),
            right: edge(cx + columns, extent.width),
            partner: dice.partner(4, self.partner),
        }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, scratch: &mut Scratch) {
        paste_all(draws, batch, scratch, self.form == Form::Mmpretrain);
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        Ok(lower_paste(draw, batch, self.form == Form::Mmpretrain))
    }

    fn apply_masks(&self, draws: &[Drawn<Row>], masks: &mut Batch, scratch: &mut Scratch) {
        paste_all(draws, masks, scratch, false);
    }

    fn lower_masks<'g>(&self, draw: &Drawn<Recorder<'g>>, masks: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        Ok(lower_paste(draw, masks, false))
    }

    fn acts(&self, row: usize, draw: &Drawn<Row>) -> bool {
        draw.apply && draw.bottom > draw.top && draw.right > draw.left && partner_of(draw.partner) != row
    }
}

register_operator!(ResizeMix);

impl Drawn<Row> {
    fn edges(&self) -> Rectangle {
        [self.top, self.left, self.bottom, self.right]
    }

    /// Rows and columns of the box.
    fn size(&self) -> [usize; 2] {
        [self.bottom - self.top, self.right - self.left].map(|side| side.max(0) as usize)
    }
}

fn paste_all(draws: &[Drawn<Row>], batch: &mut Batch, scratch: &mut Scratch, smooth: bool) {
    let [_, height, width] = if batch.is_empty() { [0; 3] } else { batch.extent(0) };
    match &mut batch.images {
        Images::U8(images) => paste_resized(images, draws, scratch, smooth),
        Images::F32(images) => paste_resized(images, draws, scratch, smooth),
        Images::Ragged(_) => {}
    }
    // What a box brings is not from the same place of the partner, so it is a share of the whole label.
    batch.labels.forget_boxes();
    let partner: Vec<usize> = draws.iter().map(|draw| partner_of(draw.partner)).collect();
    batch.labels.paste(draws.iter().map(Drawn::edges).collect(), &partner, [height, width]);
}

/// Fills the boxes; the partners are resized before any box is filled.
fn paste_resized<T: Pixel>(images: &mut Array4<T>, draws: &[Drawn<Row>], scratch: &mut Scratch, smooth: bool) {
    let channels = images.dim().1;
    let patch = |draw: &Drawn<Row>| scratch.take(channels * draw.size().iter().product::<usize>());
    let mut patches: Vec<Vec<T>> = draws.iter().map(patch).collect();
    let before = images.view();
    parallel(patches.iter_mut().collect(), draws, |patch: &mut Vec<T>, draw| {
        if !patch.is_empty() {
            resize(before.index_axis(Axis(0), partner_of(draw.partner)), draw.size(), smooth, patch);
        }
    });
    let pasted: Vec<(&Drawn<Row>, Vec<T>)> = draws.iter().zip(patches).collect();
    parallel(images.outer_iter_mut().collect(), &pasted, |mut image, (draw, patch)| {
        let [height, width] = draw.size();
        let (top, left) = (draw.top as usize, draw.left as usize);
        for (at, line) in patch.chunks_exact(width.max(1)).enumerate() {
            let mut row = image.slice_mut(ndarray::s![at / height, top + at % height, left..left + width]);
            row.iter_mut().zip(line).for_each(|(value, new)| *value = *new);
        }
    });
    for (_, patch) in pasted {
        scratch.give(patch);
    }
}

/// The place in `side` pixels that pixel `at` of `out` shows: a pixel, the one behind it, and the weight of that one.
fn tap(at: usize, out: usize, side: usize) -> (usize, usize, f32) {
    let twice = 2 * out;
    let place = ((2 * at + 1) * side).saturating_sub(out);
    let low = place / twice;
    (low, (low + 1).min(side - 1), ((place % twice) as f64 / twice as f64) as f32)
}

/// Resizes `image` (channels, rows, columns) to `[height, width]`, row by row into `to`.
fn resize<T: Pixel>(image: ArrayView3<'_, T>, [height, width]: [usize; 2], smooth: bool, to: &mut [T]) {
    let [rows, columns] = [image.dim().1, image.dim().2];
    let across: Vec<_> = (0..width).map(|x| tap(x, width, columns)).collect();
    let nearest: Vec<usize> = (0..width).map(|x| x * columns / width).collect();
    for (at, line) in to.chunks_exact_mut(width).enumerate() {
        let (plane, y) = (image.index_axis(Axis(0), at / height), at % height);
        if !smooth {
            let row = plane.row(y * rows / height);
            line.iter_mut().zip(&nearest).for_each(|(value, x)| *value = row[*x]);
            continue;
        }
        let (low, high, weight) = tap(y, height, rows);
        let (above, below) = (plane.row(low), plane.row(high));
        for (value, (left, right, share)) in line.iter_mut().zip(&across) {
            let upper = above[*left].real() * (1.0 - share) + above[*right].real() * share;
            let lower = below[*left].real() * (1.0 - share) + below[*right].real() * share;
            *value = T::nearest(upper * (1.0 - weight) + lower * weight);
        }
    }
}

fn lower_paste<'g>(draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>, smooth: bool) -> Lowered<'g> {
    let edges = [draw.top, draw.left, draw.bottom, draw.right];
    let inside = box_mask(edges, batch.sides);
    let sample = draw.partner.unsqueeze(&[1, 2, 3]);
    let [rows, columns] = [0, 1].map(|axis| LoweredSide {
        start: edges[axis].unsqueeze(&[1, 2, 3]),
        end: edges[axis + 2].unsqueeze(&[1, 2, 3]),
        side: batch.sides[axis],
        axis: axis + 2,
    });
    let pasted = if smooth {
        let one = batch.images.graph().constant(Tensor::scalar(1f32));
        let ([up, down, weight], [left, right, share]) = (rows.taps(), columns.taps());
        let at = |row, column| reals(take(&batch, sample, row, column));
        let line = |row| at(row, left) * (one - share) + at(row, right) * share;
        nearest(line(up) * (one - weight) + line(down) * weight, batch.shape.element)
    } else {
        take(&batch, sample, rows.nearest(), columns.nearest())
    };
    let images = inside.select(pasted, batch.images);
    let labels = batch.labels.map(|labels| labels.forget_boxes().paste(edges, draw.partner, batch.sides));
    Lowered { images, labels, ..batch }
}

/// One side of the boxes in a graph: `start` and `end` are int64 `[N,1,1,1]`, of a side of `side` pixels.
struct LoweredSide<'g> {
    start: Value<'g>,
    end: Value<'g>,
    side: Value<'g>,
    axis: usize,
}

impl<'g> LoweredSide<'g> {
    fn int(&self, value: i64) -> Value<'g> {
        self.side.graph().constant(Tensor::scalar(value))
    }

    /// Pixels of the box, at least one, and for each place of the axis the pixel of the box there, or the nearest one.
    fn pixels(&self) -> [Value<'g>; 2] {
        let length = larger(self.end - self.start, self.int(1));
        let at = positions(self.side, self.axis) - self.start;
        [length, smaller(larger(at, self.int(0)), length - self.int(1))]
    }

    fn nearest(&self) -> Value<'g> {
        let [length, at] = self.pixels();
        at * self.side / length
    }

    /// See [`tap`].
    fn taps(&self) -> [Value<'g>; 3] {
        let [length, at] = self.pixels();
        let twice = length * self.int(2);
        let place = larger((at * self.int(2) + self.int(1)) * self.side - length, self.int(0));
        let low = place / twice;
        let rest = (place - low * twice).cast(DataType::F64) / twice.cast(DataType::F64);
        [low, smaller(low + self.int(1), self.side - self.int(1)), rest.cast(DataType::F32)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;

    #[test]
    fn bilinear_aligns_the_centers_of_pixels() {
        // A ramp stays a ramp: 5 y + x at y = (i + 0.5) * 4 / 3 - 0.5, x = (j + 0.5) * 5 / 2 - 0.5.
        let image = Array3::from_shape_fn([1, 4, 5], |(_, y, x)| (y * 5 + x) as f32);
        let mut out = vec![0f32; 6];
        resize(image.view(), [3, 2], true, &mut out);
        let expected = [1.583_333_4f32, 4.083_333, 8.25, 10.75, 14.916_666, 17.416_666];
        assert!(out.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{out:?}");
    }

    #[test]
    fn nearest_takes_whole_pixels() {
        let image = Array3::from_shape_fn([1, 4, 5], |(_, y, x)| (y * 5 + x) as u8);
        let mut out = vec![0; 6];
        resize(image.view(), [3, 2], false, &mut out);
        assert_eq!(out, [0, 2, 5, 7, 10, 12]);
    }
}
