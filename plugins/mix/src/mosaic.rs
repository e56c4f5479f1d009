use augraft_operator::{
    Alpha, Batch, Dice, Extent, Images, Issue, Lowered, MixMode, Operator, Parity, Partner, Pooled, Probability,
    Recorder, Rectangle, Role, Row, Rows, Scratch, Shape, Tensor, Value, draw, parallel, register_operator,
};
use ndarray::{Array4, Axis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::partner_of;
use crate::places::{positions, take};

/// Shows four images around a random center, and mixes the labels by area.
///
/// The sample itself is at the top left, its partner at the top right, the partner's partner at the bottom left, and that one's partner at the bottom
/// right: with `partner: roll` the three samples before it, with `permute` three at random. The center lies at
/// `round(side * (low + (high - low) * Beta(alpha, alpha)))` of each side, for `center: [low, high]`, and at least a pixel within the image. With
/// `form: crop` each quadrant shows the same place of its image; with `form: resize` it shows the whole image, by the nearest pixel (row
/// `floor(y * H / h)` in row `y` of `h`). Label weights are the shares of the quadrants. Images of one row or one column stay as they are.
///
/// Draws `apply`, the center `row` and `column` (first of the lower and right quadrants, in pixels; the sides of the image when not applied) and
/// `partner`, the position in the batch.
///
/// Bochkovskiy et al., "`YOLOv4`: Optimal Speed and Accuracy of Object Detection", 2020; with `form: crop`, `center: [0, 1]` and `alpha: 0.3`, the
/// boundaries are those of Takahashi et al., "RICAP: Random Image Cropping and Patching Data Augmentation for Deep CNNs", 2018.
///
/// # Example
/// ```yaml
/// - mosaic: { form: resize, p: 0.5 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mosaic {
    /// What a quadrant shows of its image.
    pub form: Form,
    /// Range of the center, as a share of each side.
    pub center: [Probability; 2],
    /// Parameter of the Beta distribution of the center within its range; 1 is uniform.
    pub alpha: Alpha,
    /// Probability of a batch (or, with `mode: elem`, of a sample) to be mixed.
    pub p: Probability,
    /// One center per batch, or per sample.
    pub mode: MixMode,
    /// Which sample of the batch is the next one.
    pub partner: Partner,
}

/// What a quadrant shows of its image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// The same place.
    #[default]
    Crop,
    /// All of it, made smaller.
    Resize,
}

impl Default for Mosaic {
    fn default() -> Self {
        Self {
            form: Form::default(),
            center: [0.25, 0.75].map(|share| Probability::new(share).expect("0 to 1")),
            alpha: Alpha::default(),
            p: Probability::ALWAYS,
            mode: MixMode::Batch,
            partner: Partner::Permute,
        }
    }
}

draw! {
    /// The center and the partner of one sample.
    pub struct Drawn {
        /// Whether the sample is mixed.
        apply: Bool,
        /// First row of the lower quadrants.
        row: Int,
        /// First column of the right quadrants.
        column: Int,
        /// Position of the partner in the batch.
        partner: Int,
    }
}

impl Operator for Mosaic {
    const NAME: &'static str = "mosaic";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const ROLE: Role = Role::Mix;
    type Draw<D: Dice> = Drawn<D>;

    fn rows(&self) -> Rows {
        self.mode.rows(self.partner)
    }

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        self.mode.check(self.partner)?;
        shape.uniform()?;
        if self.center[0] > self.center[1] {
            return Err(Issue::new("center", "the range ends before it begins"));
        }
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        let scope = self.mode.scope(dice);
        let one = scope.int(1);
        let apply = scope.acts(0, self.p) & scope.less_int(one, extent.height) & scope.less_int(one, extent.width);
        let [low, high] = self.center.map(Probability::get);
        let center = |lane, side: D::Int| {
            let share = scope.real(low) + scope.real(high - low) * scope.beta(lane, &self.alpha);
            let at = scope.clamp(scope.round(share * scope.to_real(side)), one, side - one);
            scope.select_int(apply, at, side)
        };
        Drawn {
            apply,
            row: center(1, extent.height),
            column: center(2, extent.width),
            partner: dice.partner(4, self.partner),
        }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, scratch: &mut Scratch) {
        let [_, height, width] = if batch.is_empty() { [0; 3] } else { batch.extent(0) };
        let others = others(draws);
        match &mut batch.images {
            Images::U8(images) => compose(self.form, images, draws, &others, scratch),
            Images::F32(images) => compose(self.form, images, draws, &others, scratch),
            Images::Ragged(_) => {}
        }
        if self.form == Form::Resize {
            // A quadrant shows no place of its image, but a share of the whole label.
            batch.labels.forget_boxes();
        }
        let boxes = |quadrant: usize| draws.iter().map(|draw| quadrants(draw, [height, width])[quadrant]).collect();
        batch.labels.collage((1..4).zip(others).map(|(at, other)| (boxes(at), other)).collect(), [height, width]);
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let zero = batch.images.graph().constant(Tensor::scalar(0i64));
        let partner = draw.partner;
        let second = partner.gather(partner, 0);
        let others = [partner, second, partner.gather(second, 0)];
        let [height, width] = batch.sides;
        let [row, column] = [draw.row, draw.column].map(|place| place.unsqueeze(&[1, 2, 3]));
        let (y, x) = (positions(height, 2), positions(width, 3));
        let (upper, left) = (y.less(row), x.less(column));
        let images = match self.form {
            Form::Crop => {
                let [right, below, across] = others.map(|other| batch.images.gather(other, 0));
                upper.select(left.select(batch.images, right), left.select(below, across))
            }
            Form::Resize => {
                let shown = |at: Value<'g>, before: Value<'g>, center: Value<'g>, side: Value<'g>| {
                    before.select(at * side / center, (at - center) * side / larger_than_none(side - center))
                };
                let own = positions(batch.images.side(0), 0);
                let [right, below, across] = others.map(|other| other.unsqueeze(&[1, 2, 3]));
                let sample = upper.select(left.select(own, right), left.select(below, across));
                take(&batch, sample, shown(y, upper, row, height), shown(x, left, column, width))
            }
        };
        let size = draw.row * zero;
        let full = |side: Value<'g>| size + side;
        let boxes = [
            [size, draw.column, draw.row, full(width)],
            [draw.row, size, full(height), draw.column],
            [draw.row, draw.column, full(height), full(width)],
        ];
        let parts: Vec<_> = boxes.into_iter().zip(others).collect();
        let labels = batch.labels.map(|labels| {
            let labels = if self.form == Form::Resize { labels.forget_boxes() } else { labels };
            labels.collage(&parts, batch.sides)
        });
        Ok(Lowered { images, labels, ..batch })
    }

    fn acts(&self, row: usize, draw: &Drawn<Row>) -> bool {
        draw.apply && partner_of(draw.partner) != row
    }
}

register_operator!(Mosaic);

/// A length to divide by, where there may be none.
fn larger_than_none(length: Value<'_>) -> Value<'_> {
    let one = length.graph().constant(Tensor::scalar(1i64));
    crate::places::larger(length, one)
}

/// The images at the top right, the bottom left and the bottom right of every sample.
fn others(draws: &[Drawn<Row>]) -> [Vec<usize>; 3] {
    let first: Vec<usize> = draws.iter().map(|draw| partner_of(draw.partner)).collect();
    let next = |from: &[usize]| from.iter().map(|at| first[*at]).collect::<Vec<usize>>();
    let second = next(&first);
    let third = next(&second);
    [first, second, third]
}

/// Boxes of the quadrants: top left, top right, bottom left, bottom right.
fn quadrants(draw: &Drawn<Row>, [height, width]: [usize; 2]) -> [Rectangle; 4] {
    let (row, column, height, width) = (draw.row, draw.column, height as i64, width as i64);
    [[0, 0, row, column], [0, column, row, width], [row, 0, height, column], [row, column, height, width]]
}

fn compose<T: Pooled>(
    form: Form,
    images: &mut Array4<T>,
    draws: &[Drawn<Row>],
    [right, below, across]: &[Vec<usize>; 3],
    scratch: &mut Scratch,
) {
    if !draws.iter().any(|draw| draw.apply) {
        return;
    }
    let (n, channels, height, width) = images.dim();
    let mut composed: Array4<T> = scratch.take_dense([n, channels, height, width]);
    let jobs: Vec<_> = draws.iter().enumerate().collect();
    parallel(composed.outer_iter_mut().collect(), &jobs, |mut composed, (at, draw)| {
        let sources = [*at, right[*at], below[*at], across[*at]].map(|source| images.index_axis(Axis(0), source));
        let shown = |start: usize, end: usize, side: usize| -> Vec<usize> {
            match form {
                Form::Crop => (start..end).collect(),
                Form::Resize => (start..end).map(|place| (place - start) * side / (end - start)).collect(),
            }
        };
        for (source, edges) in sources.iter().zip(quadrants(draw, [height, width])) {
            let [top, left, bottom, right] = edges.map(|edge| edge as usize);
            let (rows, columns) = (shown(top, bottom, height), shown(left, right, width));
            for (channel, mut plane) in composed.outer_iter_mut().enumerate() {
                for (y, from) in (top..bottom).zip(&rows) {
                    let mut line = plane.row_mut(y);
                    let source = source.slice(ndarray::s![channel, *from, ..]);
                    match (line.as_slice_mut(), source.as_slice(), form) {
                        (Some(line), Some(source), Form::Crop) => {
                            line[left..right].copy_from_slice(&source[left..right]);
                        }
                        (Some(line), Some(source), Form::Resize) => {
                            line[left..right].iter_mut().zip(&columns).for_each(|(value, x)| *value = source[*x]);
                        }
                        _ => {}
                    }
                }
            }
        }
    });
    std::mem::swap(images, &mut composed);
    scratch.give_dense(composed);
}
