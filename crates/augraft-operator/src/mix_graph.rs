//! Mixes images, masks and label planes with those of partners in a graph.

use augraft_onnx::{DataType, Tensor, Value};

use crate::mask::box_mask;
use crate::mixing::{Mixing, Patch, Shows};
use crate::move_images::Content;
use crate::picture::{Picture, positions, whole_quotient};
use crate::recorder::Recorder;
use crate::shape::Element;

/// What the samples of a graph show of their partners; [`Region`](crate::Region) natively.
#[derive(Debug, Clone, Copy)]
pub enum LoweredRegion<'g> {
    /// These pixels of each plane, bool `[N,1,H,W]`.
    Taken(Value<'g>),
    /// Weights of the sample itself and of the partner, f32 `[N, 1 or channels, H, W]`.
    Weights([Value<'g>; 2]),
}

impl<'g> LoweredRegion<'g> {
    /// The mean weight of the partner, f64 `[N]`.
    pub(crate) fn share(self) -> Value<'g> {
        let (Self::Taken(taken) | Self::Weights([_, taken])) = self;
        let elements = [1, 2, 3].map(|axis| taken.side(axis).cast(DataType::F64));
        let sum = match self {
            // A row is counted exactly in f32, a plane in f64.
            Self::Taken(_) => taken.cast(DataType::F32).reduce_sum(3).cast(DataType::F64),
            Self::Weights(_) => taken.cast(DataType::F64).reduce_sum(3),
        };
        let (sum, all) = (sum.reduce_sum(2).reduce_sum(1), elements[0] * elements[1] * elements[2]);
        // A runtime that multiplies by the reciprocal of a constant leaves a whole a little short of 1.
        all.less(sum + all.graph().constant(Tensor::scalar(0.5f64)))
            .select(all.graph().constant(Tensor::scalar(1f64)), sum / all)
    }

    /// The same for planes of one channel, weighted by the mean over the channels.
    pub(crate) fn flat(self) -> Self {
        let number = |value: Value<'g>| value.graph().constant(Tensor::scalar(1f32));
        let mean = |weights: Value<'g>| {
            weights.reduce_sum(1).unsqueeze(&[1]) * (number(weights) / weights.side(1).cast(DataType::F32))
        };
        match self {
            Self::Taken(_) => self,
            Self::Weights(weights) => Self::Weights(weights.map(mean)),
        }
    }
}

/// The planes after a mixing; `region` belongs to [`Mixing::Region`].
pub(crate) fn lower_mixing<'g>(
    mixing: &Mixing<Recorder<'g>>,
    region: Option<LoweredRegion<'g>>,
    picture: Picture<'g>,
    content: Content,
) -> Picture<'g> {
    let own = picture.values;
    let values = match mixing {
        Mixing::None | Mixing::Values { .. } => own,
        Mixing::Paste(patch) => paste(&picture, patch, own, content),
        Mixing::Collage(patches) if patches.iter().all(|patch| patch.shows == Shows::Place) => patches
            .iter()
            .filter(|patch| patch.partner.is_some())
            .fold(own, |composed, patch| paste(&picture, patch, composed, content)),
        Mixing::Collage(patches) => collage(&picture, patches),
        Mixing::Blend { lam, partner } => {
            let one = own.graph().constant(Tensor::scalar(1f32));
            let lam = lam.cast(DataType::F32).unsqueeze(&[1, 2, 3]);
            let real = own.cast(DataType::F32);
            let mixed = real * lam + real.gather(*partner, 0) * (one - lam);
            lam.less(one).select(nearest(mixed, picture.shape.element), own)
        }
        Mixing::Region { partner, .. } => match region {
            None => own,
            Some(LoweredRegion::Taken(taken)) => taken.select(own.gather(*partner, 0), own),
            Some(LoweredRegion::Weights([kept, taken])) => {
                let zero = own.graph().constant(Tensor::scalar(0f32));
                let other = own.gather(*partner, 0);
                let mixed = own.cast(DataType::F32) * kept + other.cast(DataType::F32) * taken;
                // An infinite value weighed with 0 is no number.
                let mixed = zero.less(kept).select(nearest(mixed, picture.shape.element), other);
                zero.less(taken).select(mixed, own)
            }
        },
    };
    picture.with(values)
}

/// The elements nearest to averages.
fn nearest(reals: Value<'_>, element: Element) -> Value<'_> {
    if element == Element::U8 { reals.round().cast(DataType::U8) } else { reals }
}

/// `onto` with a rectangle that shows an image of `picture`.
fn paste<'g>(picture: &Picture<'g>, patch: &Patch<Recorder<'g>>, onto: Value<'g>, content: Content) -> Value<'g> {
    let inside = box_mask(patch.edges, picture.sides);
    let whole = || patch.partner.map_or(picture.values, |partner| picture.values.gather(partner, 0));
    let shown = match patch.shows {
        Shows::Place => whole(),
        Shows::Bilinear if content == Content::Values => bilinear(picture, patch),
        Shows::Nearest | Shows::Bilinear => {
            let sides = [0, 1].map(|axis| Span::of(picture, patch, axis));
            take(picture, sample(picture, patch), sides[0].nearest(), sides[1].nearest())
        }
    };
    inside.select(shown, onto)
}

/// All rectangles in one look-up.
fn collage<'g>(picture: &Picture<'g>, patches: &[Patch<Recorder<'g>>]) -> Value<'g> {
    let own = [positions(picture.values.side(0), 0), positions(picture.sides[0], 2), positions(picture.sides[1], 3)];
    let [sample, row, column] = patches.iter().fold(own, |places, patch| {
        let inside = box_mask(patch.edges, picture.sides);
        let sides = [0, 1].map(|axis| Span::of(picture, patch, axis));
        let [row, column] = match patch.shows {
            Shows::Place => [own[1], own[2]],
            _ => [sides[0].nearest(), sides[1].nearest()],
        };
        let shown = [self::sample(picture, patch), row, column];
        [0, 1, 2].map(|at| inside.select(shown[at], places[at]))
    });
    take(picture, sample, row, column)
}

/// The image that a rectangle shows, f64 `[N,1,1,1]`.
fn sample<'g>(picture: &Picture<'g>, patch: &Patch<Recorder<'g>>) -> Value<'g> {
    match patch.partner {
        Some(partner) => partner.cast(DataType::F64).unsqueeze(&[1, 2, 3]),
        None => positions(picture.values.side(0), 0),
    }
}

/// The elements of the images `sample` at `rows` and `columns`: whole numbers in f64, one for each place of `[N,1,H,W]` or fewer, which are repeated.
fn take<'g>(picture: &Picture<'g>, sample: Value<'g>, rows: Value<'g>, columns: Value<'g>) -> Value<'g> {
    let channels = picture.graph().constant(Tensor::scalar(picture.shape.channels as i64));
    let [height, width] = picture.sides.map(|side| side.cast(DataType::F64));
    let plane = sample * channels.cast(DataType::F64) + positions(channels, 1);
    let place = (plane * height + rows) * width + columns;
    picture.values.reshape(&[-1]).gather(place.cast(DataType::I64), 0)
}

fn bilinear<'g>(picture: &Picture<'g>, patch: &Patch<Recorder<'g>>) -> Value<'g> {
    let one = picture.graph().constant(Tensor::scalar(1f32));
    let [[up, down, weight], [left, right, share]] = [0, 1].map(|axis| Span::of(picture, patch, axis).taps());
    let sample = sample(picture, patch);
    let at = |row, column| take(picture, sample, row, column).cast(DataType::F32);
    let line = |row| at(row, left) * (one - share) + at(row, right) * share;
    nearest(line(up) * (one - weight) + line(down) * weight, picture.shape.element)
}

/// One side of a rectangle: `start` and `end` are f64 `[N,1,1,1]`, of a side of `side` pixels.
struct Span<'g> {
    start: Value<'g>,
    end: Value<'g>,
    side: Value<'g>,
    places: Value<'g>,
}

impl<'g> Span<'g> {
    fn of(picture: &Picture<'g>, patch: &Patch<Recorder<'g>>, axis: usize) -> Self {
        let edge = |at: usize| picture.wide(patch.edges[at]).cast(DataType::F64);
        let side = picture.sides[axis];
        let places = positions(side, axis + 2);
        Self { start: edge(axis), end: edge(axis + 2), side: side.cast(DataType::F64), places }
    }

    fn real(&self, value: f64) -> Value<'g> {
        self.side.graph().constant(Tensor::scalar(value))
    }

    /// Pixels of the rectangle, at least one, and for each place of the axis the pixel of the rectangle there, or the nearest one.
    fn pixels(&self) -> [Value<'g>; 2] {
        let one = self.real(1.0);
        let length = (self.end - self.start).maximum(one);
        let at = (self.places - self.start).maximum(self.real(0.0));
        [length, at.minimum(length - one)]
    }

    fn nearest(&self) -> Value<'g> {
        let [length, at] = self.pixels();
        whole_quotient(at * self.side, length)
    }

    /// A pixel, the one behind it, and the weight of that one.
    fn taps(&self) -> [Value<'g>; 3] {
        let [length, at] = self.pixels();
        let twice = length * self.real(2.0);
        let place = ((at * self.real(2.0) + self.real(1.0)) * self.side - length).maximum(self.real(0.0));
        let low = whole_quotient(place, twice);
        let rest = (place - low * twice) / twice;
        let last = self.side - self.real(1.0);
        [low, (low + self.real(1.0)).minimum(last), rest.cast(DataType::F32)]
    }
}
