//! A batch in a graph under construction.

use augraft_onnx::{DataType, Tensor, Value};

use crate::batch::Element;
use crate::labels::Mirror;
use crate::recorder::first_half;
use crate::shape::Shape;

/// A batch in a graph under construction.
#[derive(Debug, Clone)]
pub struct Lowered<'g> {
    /// N, C, H, W of u8 or f32.
    pub images: Value<'g>,
    /// Labels; none when there are no classes.
    pub labels: Option<LoweredLabels<'g>>,
    /// Masks that move along.
    pub masks: Option<LoweredMasks<'g>>,
    /// What is known of it.
    pub shape: Shape,
    /// Height and width, int64 scalars: constants, unless the size is open.
    pub sides: [Value<'g>; 2],
}

/// Masks in a graph; [`Masks`](crate::Masks) natively.
#[derive(Debug, Clone)]
pub struct LoweredMasks<'g> {
    /// Class ids, u8 `[N,1,H,W]`, or shares of classes, f32 `[N,K,H,W]`.
    pub images: Value<'g>,
    /// Number of classes.
    pub classes: usize,
}

impl<'g> Lowered<'g> {
    /// A batch at the start of a graph.
    #[must_use]
    pub fn new(images: Value<'g>, labels: Option<LoweredLabels<'g>>, shape: Shape) -> Self {
        let constant = |side: usize| images.graph().constant(Tensor::scalar(side as i64));
        let sides = shape.size().map_or_else(|| [2, 3].map(|axis| images.side(axis)), |size| size.map(constant));
        Self { images, labels, masks: None, shape, sides }
    }

    /// The batch with `images` of another size; the boxes of earlier pastes say nothing from here on.
    #[must_use]
    pub fn resized(self, images: Value<'g>, shape: Shape) -> Self {
        Self { masks: self.masks, ..Self::new(images, self.labels.map(LoweredLabels::forget_boxes), shape) }
    }

    /// Makes every sample this many, one after the other.
    pub(crate) fn replicate(self, views: usize) -> Self {
        let graph = self.images.graph();
        let views = graph.constant(Tensor::scalar(views as i64));
        let rows = graph.range(self.images.side(0) * views) / views;
        self.at_rows(|value| value.gather(rows, 0))
    }

    /// Keeps the first half of the samples, the middle one included.
    pub(crate) fn halve(self) -> Self {
        self.at_rows(first_half)
    }

    fn at_rows(self, rows: impl Fn(Value<'g>) -> Value<'g>) -> Self {
        let labels = self.labels.map(|labels| LoweredLabels::new(rows(labels.soft())));
        let masks = self.masks.map(|masks| LoweredMasks { images: rows(masks.images), ..masks });
        Self { images: rows(self.images), labels, masks, shape: self.shape, sides: self.sides }
    }

    /// The masks as the images of a batch; with `shares`, class ids become shares of classes first.
    pub(crate) fn take_masks(&mut self, shares: bool) -> Option<Self> {
        let LoweredMasks { mut images, classes } = self.masks.take()?;
        if images.dtype() == DataType::U8 && shares {
            let graph = images.graph();
            let ids = graph.constant(Tensor::vector((0..classes as i64).collect())).reshape(&[1, -1, 1, 1]);
            let found = images.cast(DataType::I64);
            images = (found.at_least(ids) & ids.at_least(found)).cast(DataType::F32);
        }
        let soft = images.dtype() == DataType::F32;
        let element = if soft { Element::F32 } else { Element::U8 };
        // The classes of the labels keep the number of classes, which an image of class ids does not show.
        let channels = if soft { classes } else { 1 };
        let shape = Shape { channels, element, classes, ..self.shape.clone() };
        Some(Self { images, labels: None, masks: None, shape, sides: self.sides })
    }

    /// Takes masks back.
    pub(crate) fn put_masks(&mut self, masks: Self) {
        self.masks = Some(LoweredMasks { images: masks.images, classes: masks.shape.classes });
    }
}

/// Labels in a graph: those at the start, and the mixing steps since; [`Labels`](crate::Labels) natively.
#[derive(Debug, Clone)]
pub struct LoweredLabels<'g> {
    base: Value<'g>,
    mixes: Vec<Mix<'g>>,
    grid: Option<[Value<'g>; 2]>,
}

/// Edges `[top, left, bottom, right]` of one rectangle a sample, int64 `[N]` each (or scalars for the whole plane).
type Edges<'g> = [Value<'g>; 4];

#[derive(Debug, Clone)]
enum Mix<'g> {
    Paste { edges: Edges<'g>, partner: Value<'g>, before: usize },
    Blend { lam: Value<'g>, partner: Value<'g> },
    Mirror { axis: Mirror, apply: Value<'g> },
}

impl<'g> LoweredLabels<'g> {
    /// Labels f32 `[N, K]` before any mixing.
    #[must_use]
    pub fn new(base: Value<'g>) -> Self {
        Self { base, mixes: Vec::new(), grid: None }
    }

    /// See [`Labels::paste`](crate::Labels::paste); edges and partner are int64 `[N]`, the grid is height and width as int64 scalars.
    #[must_use]
    pub fn paste(mut self, edges: Edges<'g>, partner: Value<'g>, grid: [Value<'g>; 2]) -> Self {
        if self.grid.is_some_and(|known| known.map(Value::id) != grid.map(Value::id)) {
            self = self.forget_boxes();
        }
        self.grid = Some(grid);
        self.mixes.push(Mix::Paste { edges, partner, before: self.mixes.len() });
        self
    }

    /// See [`Labels::collage`](crate::Labels::collage).
    #[must_use]
    pub fn collage(mut self, parts: &[(Edges<'g>, Value<'g>)], grid: [Value<'g>; 2]) -> Self {
        if self.grid.is_some_and(|known| known.map(Value::id) != grid.map(Value::id)) {
            self = self.forget_boxes();
        }
        self.grid = Some(grid);
        let before = self.mixes.len();
        self.mixes.extend(parts.iter().map(|(edges, partner)| Mix::Paste { edges: *edges, partner: *partner, before }));
        self
    }

    /// See [`Labels::blend`](crate::Labels::blend); `lam` is f32 `[N]`, `partner` int64 `[N]`.
    #[must_use]
    pub fn blend(mut self, lam: Value<'g>, partner: Value<'g>) -> Self {
        self.mixes.push(Mix::Blend { lam, partner });
        self
    }

    /// See [`Labels::smooth`](crate::Labels::smooth).
    #[must_use]
    pub fn smooth(self, factor: f32, offset: f32) -> Self {
        let soft = self.soft();
        let number = |value: f32| soft.graph().constant(Tensor::scalar(value));
        Self::new(soft * number(factor) + number(offset))
    }

    /// See [`Labels::mirror`](crate::Labels::mirror); `apply` is bool `[N]`.
    #[must_use]
    pub fn mirror(mut self, axis: Mirror, apply: Value<'g>) -> Self {
        if !self.mixes.is_empty() {
            self.mixes.push(Mix::Mirror { axis, apply });
        }
        self
    }

    /// See [`Labels::forget_boxes`](crate::Labels::forget_boxes).
    #[must_use]
    pub fn forget_boxes(self) -> Self {
        Self::new(self.soft())
    }

    /// The labels after all mixing, f32 `[N, K]`.
    #[must_use]
    pub fn soft(&self) -> Value<'g> {
        if self.mixes.is_empty() {
            return self.base;
        }
        let graph = self.base.graph();
        let zero = graph.constant(Tensor::scalar(0i64));
        let [height, width] = self.extent();
        let weight = graph.constant(Tensor::vector(vec![1f64]));
        let sum = self.measure(self.mixes.len(), None, [zero, zero, height, width], weight);
        let total = height * width;
        let total = match total.constant_int() {
            Some(total) => graph.constant(Tensor::scalar(total as f64)),
            None => total.cast(DataType::F64),
        };
        (sum / total).cast(DataType::F32)
    }

    /// The grid of the boxes; a single element when nothing was pasted.
    fn extent(&self) -> [Value<'g>; 2] {
        self.grid.unwrap_or_else(|| [self.base.graph().constant(Tensor::scalar(1i64)); 2])
    }

    /// The labels of what `edges` of the samples `rows` show after the first `steps` mixes, times their area and `weight`: f64 `[N, K]`.
    fn measure(&self, steps: usize, rows: Option<Value<'g>>, edges: Edges<'g>, weight: Value<'g>) -> Value<'g> {
        let graph = self.base.graph();
        let at = |value: Value<'g>| rows.map_or(value, |rows| value.gather(rows, 0));
        let Some(last) = steps.checked_sub(1).and_then(|last| self.mixes.get(last)) else {
            let [top, left, bottom, right] = edges;
            let zero = graph.constant(Tensor::scalar(0i64));
            let side = |from: Value<'g>, to: Value<'g>| larger(to - from, zero);
            let amount = weight * (side(top, bottom) * side(left, right)).cast(DataType::F64);
            return at(self.base).cast(DataType::F64) * amount.unsqueeze(&[1]);
        };
        match last {
            Mix::Paste { edges: pasted, partner, before } => {
                let [top, left, bottom, right] = edges;
                let [from_top, from_left, to_bottom, to_right] = pasted.map(at);
                let covered = [
                    larger(top, from_top),
                    larger(left, from_left),
                    smaller(bottom, to_bottom),
                    smaller(right, to_right),
                ];
                let kept = self.measure(steps - 1, rows, edges, weight);
                let lost = self.measure(steps - 1, rows, covered, weight.unary("Neg"));
                kept + lost + self.measure(*before, Some(at(*partner)), covered, weight)
            }
            Mix::Mirror { axis, apply } => {
                let [top, left, bottom, right] = edges;
                let [height, width] = self.extent();
                let mirrored = match axis {
                    Mirror::Columns => [top, width - right, bottom, width - left],
                    Mirror::Rows => [height - bottom, left, height - top, right],
                };
                let apply = at(*apply);
                let pairs = [0, 1, 2, 3].map(|edge| (mirrored[edge], edges[edge]));
                self.measure(steps - 1, rows, pairs.map(|(mirrored, same)| apply.select(mirrored, same)), weight)
            }
            Mix::Blend { lam, partner } => {
                let lam = at(*lam).cast(DataType::F64);
                let rest = graph.constant(Tensor::scalar(1f64)) - lam;
                let own = self.measure(steps - 1, rows, edges, weight * lam);
                own + self.measure(steps - 1, Some(at(*partner)), edges, weight * rest)
            }
        }
    }
}

// `Max` and `Min` of int64 are left to a comparison, which every runtime has for every opset.
fn larger<'g>(a: Value<'g>, b: Value<'g>) -> Value<'g> {
    a.less(b).select(b, a)
}

fn smaller<'g>(a: Value<'g>, b: Value<'g>) -> Value<'g> {
    a.less(b).select(a, b)
}
