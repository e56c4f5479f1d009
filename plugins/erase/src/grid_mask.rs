use std::sync::OnceLock;

use augraft_operator::{
    Batch, DataType, Dice, Extent, Fill, Issue, Lowered, Margin, Operator, Parity, Pixel, Probability, Recorder, Row,
    Scratch, Shape, Side, Table, Tensor, Value, Values, draw, each_sample, register_operator,
};
use ndarray::{ArrayViewMut3, Axis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sizes::Share;

/// Multiple of the unit that keeps distances from the grid's origin positive: coordinates are below 2^18.
const FAR: i64 = 1 << 18;

/// Erases the squares of a rotated grid.
///
/// A grid of unit `d` has bars of `floor(d * ratio + 0.5)` pixels (1 to `d - 1`) at the offsets `top` and `left`, on a canvas of 1.5 times the image
/// that is rotated about its center by whole degrees below `rotate`, counterclockwise, nearest pixel; the image is its middle. `erase: squares`
/// erases what lies between the bars in both directions (mode 1 of the authors' code), `erase: bars` the bars (mode 0). The canvas has no end here,
/// so that long images have no corner without a grid. The paper ramps `p` up over the epochs, which a schedule around the step does. Boxes and
/// keypoints stay as they are. Works on images and on feature maps N,C,H,W.
///
/// Draws `apply`, the unit `d` and the length `bar` of the bars (pixels; not applied: `d`, or 0 with `erase: bars`), the offsets `top` and `left`
/// (0 to `d - 1`), and `cos` and `sin` of the rotation.
///
/// Chen et al., "`GridMask` Data Augmentation", 2020, and the authors' code.
///
/// # Example
/// ```yaml
/// - grid_mask: { d: [96, 224], ratio: 0.6, rotate: 360, p: 0.8 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GridMask {
    /// Range of the unit in pixels, from the first number (at least 2) up to below the second; without it, from 2 up to below the shorter side.
    pub d: Option<[Side; 2]>,
    /// Share of the unit that a bar takes.
    pub ratio: Share,
    /// Whether the squares between the bars are erased, or the bars.
    pub erase: Erased,
    /// Degrees below which the rotation is drawn, at most 360; 1 or 0 for none.
    pub rotate: Margin,
    /// What is erased is filled with this, in the unit of the tensor: one number, or one per channel.
    pub fill: Fill,
    /// Probability of a sample to be erased.
    pub p: Probability,
    #[serde(skip)]
    #[schemars(skip)]
    turns: OnceLock<[Table; 2]>,
}

/// What of a grid is erased.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Erased {
    /// What lies between the bars in both directions.
    #[default]
    Squares,
    /// The bars of both directions.
    Bars,
}

impl Default for GridMask {
    fn default() -> Self {
        Self {
            d: None,
            ratio: Share::new(0.6).expect("0 to 1"),
            erase: Erased::Squares,
            rotate: Margin::new(360).expect("0 to 65,536"),
            fill: Fill::default(),
            p: Probability::new(0.8).expect("0 to 1"),
            turns: OnceLock::new(),
        }
    }
}

draw! {
    /// The grid of one sample.
    pub struct Drawn {
        /// Whether the sample is erased.
        apply: Bool as Decision,
        /// Unit of the grid.
        d: Int,
        /// Length of a bar.
        bar: Int,
        /// Row of the canvas where a bar starts.
        top: Int,
        /// Column of the canvas where a bar starts.
        left: Int,
        /// Cosine of the rotation.
        cos: Real,
        /// Sine of the rotation.
        sin: Real,
    }
}

impl Operator for GridMask {
    const NAME: &'static str = "grid_mask";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const VALUES: Values = Values::Erased;
    const PRESETS: &'static [(&'static str, &'static str)] =
        &[("official", r#"{"d":[96,224],"ratio":0.6,"erase":"squares","rotate":360,"fill":0,"p":0.8}"#)];
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        self.fill.check(shape)?;
        if let Some([low, high]) = self.d.map(|ends| ends.map(Side::get)) {
            if low < 2 {
                return Err(
                    Issue::new("d[0]", "a unit of one pixel has no room for a bar and a gap").help("use 2 or more")
                );
            }
            if low >= high {
                let message = format!("no whole number is at least {low} and below {high}");
                return Err(Issue::new("d", message).help(format!("use [{low}, {}] for {low} alone", low + 1)));
            }
        }
        if self.rotate.get() > 360 {
            return Err(Issue::new("rotate", "a rotation has at most 360 degrees").help("use 360"));
        }
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        let apply = dice.acts(0, self.p);
        let (one, zero) = (dice.int(1), dice.int(0));
        let [low, high] = match self.d {
            Some(ends) => ends.map(|end| dice.int(i64::from(end.get()))),
            None => [dice.int(2), dice.min_int(extent.height, extent.width)],
        };
        let d = low + dice.below(1, dice.max_int(high - low, one));
        let bar = dice.clamp(dice.round(dice.to_real(d) * dice.real(self.ratio.get())), one, d - one);
        let unchanged = if self.erase == Erased::Squares { d } else { zero };
        let bar = dice.select_int(apply, bar, unchanged);
        let (top, left) = (dice.below(2, d), dice.below(3, d));
        let [cos, sin] = match self.rotate.get() {
            0 | 1 => [1.0, 0.0].map(|value| dice.real(value)),
            degrees => {
                let angle = dice.to_real(dice.below(4, dice.int(i64::from(degrees)))) * dice.real(1.0 / 4096.0);
                self.turns.get_or_init(turns).each_ref().map(|table| dice.lookup(angle, table))
            }
        };
        Drawn { apply, d, bar, top, left, cos, sin }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, _: &mut Scratch) {
        each_sample!(batch.images, draws, |draw, image| {
            if draw.apply {
                mask_grid(&mut image, draw, self.erase, &self.fill);
            }
        });
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let graph = batch.images.graph();
        let [rows, columns] = [0, 1].map(|axis| {
            let [canvas, first] = lower_canvas(batch.sides[axis]);
            let shape = if axis == 0 { [1, -1, 1] } else { [1, 1, -1] };
            let place = graph.range(batch.sides[axis]).reshape(&shape);
            let half = graph.constant(Tensor::scalar(0.5f64));
            let twice = place + place + first;
            [twice.cast(DataType::F64) * half, canvas.cast(DataType::F64) * half]
        });
        let [cos, sin] = [draw.cos, draw.sin].map(|value| value.cast(DataType::F64).unsqueeze(&[1, 2]));
        let [d, bar] = [draw.d, draw.bar].map(|value| value.unsqueeze(&[1, 2]));
        let far = d * graph.constant(Tensor::scalar(FAR));
        let on_bar = |place: Value<'g>, offset: Value<'g>| {
            let from = place.unary("Floor").cast(DataType::I64) - offset.unsqueeze(&[1, 2]) + far;
            (from - from / d * d).less(bar)
        };
        let ([y, middle_y], [x, middle_x]) = (rows, columns);
        let row = on_bar(sin * x + cos * y + middle_y, draw.top);
        let column = on_bar(cos * x - sin * y + middle_x, draw.left);
        let bars = row | column;
        let erased = if self.erase == Erased::Squares { !bars } else { bars };
        let images = erased.unsqueeze(&[1]).select(batch.fill(&self.fill), batch.images);
        Ok(Lowered { images, ..batch })
    }
}

register_operator!(GridMask);

/// Cosine and sine of whole degrees, at the knots of the tables.
fn turns() -> [Table; 2] {
    let radians = |u: f64| u * 4096.0 * core::f64::consts::PI / 180.0;
    [Table::new(|u| libm::cos(radians(u))), Table::new(|u| libm::sin(radians(u)))]
}

/// Length of the canvas along a side, and twice the distance of the middle of the image's first pixel from the canvas's center.
fn canvas(side: i64) -> [i64; 2] {
    let canvas = side * 3 / 2;
    [canvas, (canvas - side) / 2 * 2 + 1 - canvas]
}

/// [`canvas`] in a graph.
fn lower_canvas(side: Value<'_>) -> [Value<'_>; 2] {
    let number = |value: i64| side.graph().constant(Tensor::scalar(value));
    if let Some(side) = side.constant_int() {
        return canvas(side).map(number);
    }
    let canvas = side * number(3) / number(2);
    [canvas, (canvas - side) / number(2) * number(2) + number(1) - canvas]
}

/// Erases what a grid covers; a graph computes in the same order.
fn mask_grid<T: Pixel>(image: &mut ArrayViewMut3<'_, T>, draw: &Drawn<Row>, erase: Erased, fill: &Fill) {
    let (_, height, width) = image.dim();
    let [[canvas_y, first_y], [canvas_x, first_x]] = [height, width].map(|side| canvas(side as i64));
    let (middle_y, middle_x) = (canvas_y as f64 * 0.5, canvas_x as f64 * 0.5);
    let on_bar = |place: f64, offset: i64| (place.floor() as i64 - offset + draw.d * FAR) % draw.d < draw.bar;
    let mut erased = vec![false; width];
    for row in 0..height {
        let y = (2 * row as i64 + first_y) as f64 * 0.5;
        for (column, erased) in erased.iter_mut().enumerate() {
            let x = (2 * column as i64 + first_x) as f64 * 0.5;
            let bars = on_bar(draw.sin * x + draw.cos * y + middle_y, draw.top)
                || on_bar(draw.cos * x - draw.sin * y + middle_x, draw.left);
            *erased = bars != (erase == Erased::Squares);
        }
        for (channel, mut plane) in image.axis_iter_mut(Axis(0)).enumerate() {
            let value = T::of(fill.at(channel));
            let pixels = plane.row_mut(row).into_iter().zip(&erased);
            pixels.filter(|(_, erased)| **erased).for_each(|(pixel, _)| *pixel = value);
        }
    }
}
