use core::ops::Range;

use augraft_operator::{
    Alpha, Batch, DataType, Dice, Extent, Frame, Images, Issue, Lowered, MixMode, Operator, Parity, Partner,
    Probability, Recorder, Role, Row, Rows, Scope, Scratch, Shape, Tensor, Value, box_mask, draw, register_operator,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::boxes::{BoxRule, BoxSize, Boxes, Center, EmptyBox};
use crate::cycles::{Mixer, mix_bands};
use crate::distribution::LamDistribution;
use crate::partner_of;
use crate::weights::{LabelRule, Lam, lowered_visible, weights};

/// Pastes a box of a partner image and mixes the labels by area.
///
/// `lam ~ Beta(alpha, alpha)`, and the box has the sides `H * sqrt(1 - lam)` and `W * sqrt(1 - lam)`. With `box: official` (the authors' code) these
/// are rounded down to even, around a uniform center, and clipped to the tensor. The label weight of the sample itself is `lam = 1 - area / (H * W)` of
/// the clipped box (after an earlier paste, the share that both boxes leave). A box of less than two pixels is empty and changes nothing, unless
/// `empty_box: min1`. Works on images and on feature maps N,C,H,W; with `frame: local` the box is drawn on the tensor itself (the paper's Feature
/// CutMix), with `frame: project` in image space and rounded onto the tensor's grid.
///
/// The other rules of boxes, centers, sizes and labels are those of the paper's ablation and of other libraries, which `compat` sets together: given
/// their `lam`, center and partner, the pixels and labels are theirs. Labels other than `label: area` with `lam: corrected` take earlier pastes as whole.
/// Several partners in one image are several steps (`repeat`), and a probability that grows with the epoch is a `schedule`.
///
/// Draws `apply`, `lam` (before clipping; 1 when not applied), the box `top`, `left`, `bottom`, `right` (pixels from the top left, ends exclusive, empty
/// when not applied) and `partner`, the position in the batch.
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
    /// How `lam` is distributed.
    pub lam_dist: LamDistribution,
    /// Probability of a batch (or, with other modes, of a sample or pair) to be mixed.
    pub p: Probability,
    /// Who decides by `p`; by default as `mode` says.
    pub p_scope: Option<Scope>,
    /// Which samples share a draw.
    pub mode: MixMode,
    /// Where the box is drawn.
    pub frame: Frame,
    /// How the box is placed and rounded.
    #[serde(rename = "box")]
    pub rule: BoxRule,
    /// Where its center lies, for `box: official` and `box: exact_odd`.
    pub center: Center,
    /// How large it is.
    pub size: BoxSize,
    /// Whether a box that would be empty has one pixel.
    pub empty_box: EmptyBox,
    /// Which sample the box comes from.
    pub partner: Partner,
    /// What the label is.
    pub label: LabelRule,
    /// Which weight `label: area` gives.
    pub lam: Lam,
}

impl Default for CutMix {
    fn default() -> Self {
        Self {
            alpha: Alpha::default(),
            lam_dist: LamDistribution::default(),
            p: Probability::ALWAYS,
            p_scope: None,
            mode: MixMode::Batch,
            frame: Frame::Local,
            rule: BoxRule::Official,
            center: Center::Uniform,
            size: BoxSize::default(),
            empty_box: EmptyBox::Noop,
            partner: Partner::Permute,
            label: LabelRule::Area,
            lam: Lam::Corrected,
        }
    }
}

draw! {
    /// The box and the partner of one sample.
    pub struct Drawn {
        /// Whether the sample is mixed.
        apply: Bool,
        /// Weight that sized the box.
        lam: Real,
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
    const PRESETS: &'static [(&'static str, &'static str)] = &[
        ("official", r#"{"partner":"permute","box":"official"}"#),
        ("torchvision", r#"{"partner":"roll","box":"official"}"#),
        ("timm-2020", r#"{"partner":"flip","box":"official"}"#),
        ("timm-1.0.31", r#"{"partner":"flip","box":"exact_odd"}"#),
        ("kornia-0.9", r#"{"mode":"elem","box":"contained"}"#),
        ("mmpretrain", r#"{"partner":"permute","box":"official"}"#),
        ("openmixup", r#"{"partner":"permute","box":"official"}"#),
        ("keras", r#"{"mode":"elem","box":"real_valued","lam":"nominal"}"#),
        ("composer", r#"{"partner":"permute","box":"official"}"#),
    ];
    type Draw<D: Dice> = Drawn<D>;

    fn rows(&self) -> Rows {
        self.mode.rows(self.partner)
    }

    fn needs_masks(&self) -> bool {
        self.label == LabelRule::VisibleMask
    }

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        shape.uniform()?;
        self.mode.check(self.partner)?;
        if self.lam == Lam::Nominal && self.size != BoxSize::default() {
            return Err(Issue::new("lam", "`nominal` is the number that sizes the box, and here `size` does")
                .help("use `lam: corrected`"));
        }
        if matches!(self.size, BoxSize::Minmax { .. }) && !matches!(self.rule, BoxRule::Official | BoxRule::ExactOdd) {
            return Err(Issue::new("box", "`size: minmax` places the box inside by itself").help("leave `box` out"));
        }
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        let scope = self.mode.scope(dice);
        let (height, width) = match self.frame {
            Frame::Local => (extent.height, extent.width),
            Frame::Project => (extent.image_height, extent.image_width),
        };
        let deciding = match self.p_scope {
            None => scope,
            Some(Scope::Batch) => dice.batch(),
            Some(Scope::Elem) => dice,
        };
        // Where another scope decides, its first lane may be that of the box; item 0 has lanes of its own.
        let deciding = if self.p_scope.is_some() { deciding.item(0) } else { deciding };
        let apply = deciding.acts(0, self.p);
        let lam = self.lam_dist.draw(scope, 1, &self.alpha);
        let cut = scope.sqrt(scope.real(1.0) - lam);
        let rules = Boxes { rule: self.rule, center: self.center, size: self.size };
        let rows = rules.span(scope, 2, cut, height);
        let columns = rules.span(scope, 3, cut, width);
        let edges = |[from, to]: [D::Int; 2], side, onto| {
            let project = |at| match self.frame {
                Frame::Local => at,
                Frame::Project => scope.div(scope.int(2) * at * onto + side, scope.int(2) * side),
            };
            let [from, to] = match self.empty_box {
                EmptyBox::Noop => [project(from), project(to)],
                EmptyBox::Min1 => {
                    let from = scope.min_int(project(from), onto - scope.int(1));
                    [from, scope.max_int(project(to), from + scope.int(1))]
                }
            };
            [from, to].map(|at| scope.select_int(apply, at, scope.int(0)))
        };
        let [top, bottom] = edges(rows, height, extent.height);
        let [left, right] = edges(columns, width, extent.width);
        let lam = scope.select(apply, lam, scope.real(1.0));
        Drawn { apply, lam, top, left, bottom, right, partner: dice.partner(4, self.partner) }
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
        let boxes: Vec<_> = draws.iter().map(|draw| [draw.top, draw.left, draw.bottom, draw.right]).collect();
        if self.follows_pixels() {
            return batch.labels.paste(boxes, &partner, [height, width]);
        }
        let drawn: Vec<f32> = draws.iter().map(|draw| draw.lam as f32).collect();
        let nominal = (self.lam == Lam::Nominal).then_some(&drawn[..]);
        let weights = weights(batch, self.label, &boxes, &partner, nominal, [height, width]);
        batch.labels.forget_boxes();
        batch.labels.blend(weights, &partner);
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let edges = [draw.top, draw.left, draw.bottom, draw.right];
        let inside = box_mask(edges, batch.sides);
        let images = inside.select(batch.images.gather(draw.partner, 0), batch.images);
        let labels = batch.labels.clone().map(|labels| {
            if self.follows_pixels() {
                return labels.paste(edges, draw.partner, batch.sides);
            }
            labels.forget_boxes().blend(self.lowered_weight(draw, &batch), draw.partner)
        });
        Ok(Lowered { images, labels, ..batch })
    }

    fn acts(&self, row: usize, draw: &Drawn<Row>) -> bool {
        draw.apply && draw.bottom > draw.top && draw.right > draw.left && partner_of(draw.partner) != row
    }
}

register_operator!(CutMix);

impl CutMix {
    /// Whether the labels are the shares of the pixels, which later steps can follow.
    fn follows_pixels(&self) -> bool {
        self.label == LabelRule::Area && self.lam == Lam::Corrected
    }

    /// The label weight of the sample itself where it is not the share of the pixels, f32 `[N]`.
    fn lowered_weight<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: &Lowered<'g>) -> Value<'g> {
        let edges = [draw.top, draw.left, draw.bottom, draw.right];
        let covered = (draw.bottom - draw.top) * (draw.right - draw.left);
        let total = (batch.sides[0] * batch.sides[1]).cast(DataType::F64);
        let area = match self.lam {
            Lam::Corrected => (total - covered.cast(DataType::F64)) / total,
            Lam::Nominal => draw.lam.cast(DataType::F64),
        };
        let pastes = batch.images.graph().constant(Tensor::scalar(0i64)).less(covered);
        let weight = self.label.lowered(area, pastes);
        let weight = match self.label {
            LabelRule::VisibleMask => lowered_visible(batch, edges, draw.partner, weight),
            _ => weight,
        };
        weight.cast(DataType::F32)
    }
}

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
