use augraft_operator::{
    Alpha, Dice, Extent, Frame, Issue, Label, LabelRule, MixMode, Mixing, Operator, Parity, Partner, Patch,
    Probability, Rows, Scope, Shape, Shows, draw, register_operator,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::boxes::{BoxRule, BoxSize, Boxes, Center, EmptyBox};
use crate::distribution::LamDistribution;

/// Pastes a box of a partner image and mixes the labels by area.
///
/// `lam ~ Beta(alpha, alpha)`, and the box has the sides `H * sqrt(1 - lam)` and `W * sqrt(1 - lam)`. With `box: official` (the authors' code) these
/// are rounded down to even, around a uniform center, and clipped to the tensor. The label weight of the sample itself is `1 - area / (H * W)` of the
/// clipped box; in a chain of steps, labels are the shares of the visible pixels, whatever steps come before and after. A box of less than two pixels
/// is empty and changes nothing, unless `empty_box: min1`. Works on images and on feature maps N,C,H,W; with `frame: local` the box is drawn on the
/// tensor itself (the paper's Feature CutMix), with `frame: project` in image space and rounded onto the tensor's grid.
///
/// The other rules of boxes, centers, sizes and labels are those of the paper's ablation and of other libraries, which `compat` sets together: given
/// their `lam`, center and partner, the pixels and labels are theirs. Several partners in one image are several steps (`repeat`), and a probability
/// that grows with the epoch is a `schedule`.
///
/// With another `label`, or with `lam: nominal`, the labels that both samples had before are weighed by the rule, which looks at this step alone; for
/// later steps, the sample shows that label everywhere. `lam: nominal` puts the drawn `lam` in the place of the share, for `one_hot` too.
/// `visible_mask` counts the pixels of any class but 0, in masks of class ids; where no such pixel is visible, or after a blend has made the masks
/// soft, it is the share of all pixels.
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
        apply: Bool as Decision,
        /// Weight that sized the box.
        lam: Real as Weight,
        /// First row of the box.
        top: Int as Top,
        /// First column of the box.
        left: Int as Left,
        /// Row after the last.
        bottom: Int as Bottom,
        /// Column after the last.
        right: Int as Right,
        /// Position of the partner in the batch.
        partner: Int as Partner,
    }
}

impl Operator for CutMix {
    const NAME: &'static str = "cutmix";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
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
        let apply = self.mode.deciding(dice, self.p_scope).acts(0, self.p);
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

    fn mixing<D: Dice>(&self, _: D, draw: &Drawn<D>, _: &Extent<D>) -> Mixing<D> {
        let edges = [draw.top, draw.left, draw.bottom, draw.right];
        Mixing::Paste(Patch { edges, partner: Some(draw.partner), shows: Shows::Place })
    }

    fn label<D: Dice>(&self, draw: &Drawn<D>) -> Label<D> {
        Label { rule: self.label, nominal: (self.lam == Lam::Nominal).then_some(draw.lam) }
    }
}

register_operator!(CutMix);

/// Which weight the rule `area` gives to the label of the sample itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lam {
    /// One less the area of the clipped box: the share of the pixels.
    #[default]
    Corrected,
    /// The drawn number itself, whatever is left of the box.
    Nominal,
}
