use core::ops::Range;

use augraft_operator::{
    Alpha, Batch, Dice, Extent, Frame, Images, Issue, Lowered, Mode, Operator, Parity, Partner, Probability, Recorder,
    Role, Row, Scratch, Shape, box_mask, draw, register_operator,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cycles::{Mixer, mix_bands};
use crate::partner_of;

/// Pastes a box of a partner image and mixes the labels by area.
///
/// `lam ~ Beta(alpha, alpha)`; the box has the sides `floor(H * sqrt(1 - lam))` and `floor(W * sqrt(1 - lam))`, rounded down to even, around a
/// uniform center, and is clipped to the tensor. The label weight of the sample itself is `lam = 1 - area / (H * W)` of the clipped box (after an
/// earlier paste, the share that both boxes leave). A box of less than two pixels is empty and changes nothing. Works on images and on feature maps
/// N,C,H,W; with `frame: local` the box is drawn on the tensor itself (the paper's Feature CutMix), with `frame: project` in image space and rounded
/// onto the tensor's grid.
///
/// Draws `apply`, the box `top`, `left`, `bottom`, `right` (pixels from the top left, ends exclusive, empty when not applied) and `partner`, the
/// position in the batch.
///
/// Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features", ICCV 2019, equations 1 and 2 and the
/// authors' `rand_bbox`.
///
/// # Example
/// ```yaml
/// - cutmix: { alpha: 1.0, p: 0.5 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CutMix {
    /// Parameter of the Beta distribution of `lam`; 1 is uniform.
    pub alpha: Alpha,
    /// Probability of a batch (or, with `mode: elem`, of a sample) to be mixed.
    pub p: Probability,
    /// One `lam` and box per batch, or per sample.
    pub mode: Mode,
    /// Where the box is drawn.
    pub frame: Frame,
    /// Which sample of the batch the box comes from.
    pub partner: Partner,
}

impl Default for CutMix {
    fn default() -> Self {
        Self {
            alpha: Alpha::default(),
            p: Probability::ALWAYS,
            mode: Mode::Batch,
            frame: Frame::Local,
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

impl Operator for CutMix {
    const NAME: &'static str = "cutmix";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const ROLE: Role = Role::Mix;
    type Draw<D: Dice> = Drawn<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        shape.uniform()?;
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        let scope = self.mode.scope(dice);
        let (height, width) = match self.frame {
            Frame::Local => (extent.height, extent.width),
            Frame::Project => (extent.image_height, extent.image_width),
        };
        let apply = scope.acts(0, self.p);
        let cut = scope.sqrt(scope.real(1.0) - scope.beta(1, &self.alpha));
        let half = |side| scope.floor(scope.real(0.5) * cut * scope.to_real(side));
        let (cy, cx) = (scope.below(2, height), scope.below(3, width));
        let edge = |center, half, side, onto| {
            let at = scope.clamp(center + half, scope.int(0), side);
            let at = match self.frame {
                Frame::Local => at,
                Frame::Project => scope.div(scope.int(2) * at * onto + side, scope.int(2) * side),
            };
            scope.select_int(apply, at, scope.int(0))
        };
        let (rows, columns) = (half(height), half(width));
        let zero = scope.int(0);
        Drawn {
            apply,
            top: edge(cy, zero - rows, height, extent.height),
            left: edge(cx, zero - columns, width, extent.width),
            bottom: edge(cy, rows, height, extent.height),
            right: edge(cx, columns, width, extent.width),
            partner: dice.partner(4, self.partner),
        }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, scratch: &mut Scratch) {
        let partner: Vec<usize> = draws.iter().map(|draw| partner_of(draw.partner)).collect();
        let [_, height, width] = if batch.is_empty() { [0; 3] } else { batch.extent(0) };
        let patches: Vec<Patch> = draws.iter().map(|draw| Patch::new(draw, height, width)).collect();
        match &mut batch.images {
            Images::U8(images) => mix_bands(images, &partner, scratch, &Paste(&patches)),
            Images::F32(images) => mix_bands(images, &partner, scratch, &Paste(&patches)),
            Images::Ragged(_) => {}
        }
        let boxes = draws.iter().map(|draw| [draw.top, draw.left, draw.bottom, draw.right]).collect();
        batch.labels.paste(boxes, &partner, [height, width]);
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let edges = [draw.top, draw.left, draw.bottom, draw.right];
        let inside = box_mask(edges, batch.sides);
        let images = inside.select(batch.images.gather(draw.partner, 0), batch.images);
        let labels = batch.labels.map(|labels| labels.paste(edges, draw.partner, batch.sides));
        Ok(Lowered { images, labels, ..batch })
    }

    fn acts(&self, row: usize, draw: &Drawn<Row>) -> bool {
        draw.apply && draw.bottom > draw.top && draw.right > draw.left && partner_of(draw.partner) != row
    }
}

register_operator!(CutMix);

/// A box within planes of `height` x `width`.
struct Patch {
    rows: Range<usize>,
    columns: Range<usize>,
    height: usize,
    width: usize,
}

impl Patch {
    fn new(draw: &Drawn<Row>, height: usize, width: usize) -> Self {
        Self {
            rows: draw.top as usize..draw.bottom as usize,
            columns: draw.left as usize..draw.right as usize,
            height,
            width,
        }
    }

    /// The rows of the box among the rows of all planes that `range` touches, plane by plane.
    fn rows_in(&self, range: &Range<usize>) -> impl DoubleEndedIterator<Item = Range<usize>> + '_ {
        let (first, last) = (range.start / self.width, range.end.div_ceil(self.width));
        let planes = if self.columns.is_empty() { 0..0 } else { first / self.height..last.div_ceil(self.height) };
        let rows = move |plane: usize| {
            let top = plane * self.height;
            (top + self.rows.start).max(first)..(top + self.rows.end).min(last)
        };
        planes.map(rows).filter(|rows| !rows.is_empty())
    }

    /// The elements of the box in a row of a plane, limited to `range`.
    fn elements(&self, row: usize, range: &Range<usize>) -> Range<usize> {
        let at = |column: usize| (row * self.width + column).clamp(range.start, range.end);
        at(self.columns.start)..at(self.columns.end)
    }
}

/// Copies the boxes of the partners.
struct Paste<'a>(&'a [Patch]);

impl<T: Copy> Mixer<T> for Paste<'_> {
    fn reads(&self, at: usize, band: Range<usize>) -> Range<usize> {
        let patch = &self.0[at];
        let mut planes = patch.rows_in(&band);
        let Some(first) = planes.next() else { return 0..0 };
        let last = planes.next_back().map_or(first.end, |rows| rows.end) - 1;
        patch.elements(first.start, &band).start..patch.elements(last, &band).end
    }

    fn mix(&self, at: usize, range: Range<usize>, own: &mut [T], other: &[T]) {
        let patch = &self.0[at];
        for row in patch.rows_in(&range).flatten() {
            let elements = patch.elements(row, &range);
            let place = elements.start - range.start..elements.end - range.start;
            own[place.clone()].copy_from_slice(&other[place]);
        }
    }
}
