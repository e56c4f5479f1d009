use augraft_operator::{
    Alpha, Dice, Extent, Issue, Label, LabelRule, MixMode, Mixing, Operator, Parity, Partner, Probability, Rows, Scope,
    Shape, draw, register_operator,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::distribution::LamDistribution;

/// Blends each image with a partner image, and the labels alike.
///
/// `lam ~ Beta(alpha, alpha)`; images and labels become `lam * own + (1 - lam) * partner`, in f32. Bytes are rounded to the nearest level, halves
/// to even; better put it after `normalize`. Works on images and on feature maps (Manifold Mixup). Masks of class ids become shares of classes.
///
/// `weigh` says whose weight the drawn number is: `partner` is that of kornia, and `larger` gives the sample itself the larger weight (composer).
/// Pixels and labels follow it alike; in a chain of steps, labels are the shares of the visible pixels, whatever steps come before and after.
///
/// `label: one_hot` and `complete` give labels that are not the blend: the labels that both samples had before are weighed by the rule, and for later
/// steps the sample shows that label everywhere.
///
/// Draws `apply`, `lam` (weight of the sample itself; 1 when not applied) and `partner`, the position in the batch.
///
/// Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018, equation 1; Verma et al., "Manifold Mixup", ICML 2019.
///
/// # Example
/// ```yaml
/// - mixup: { alpha: 0.2 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mixup {
    /// Parameter of the Beta distribution of `lam`; 1 is uniform.
    pub alpha: Alpha,
    /// How `lam` is distributed.
    pub lam_dist: LamDistribution,
    /// Whose weight the drawn number is.
    pub weigh: Weigh,
    /// Probability of a batch (or, with other modes, of a sample or pair) to be mixed.
    pub p: Probability,
    /// Who decides by `p`; by default as `mode` says.
    pub p_scope: Option<Scope>,
    /// Which samples share a draw.
    pub mode: MixMode,
    /// Which sample each one is blended with.
    pub partner: Partner,
    /// What the label is; there is no `visible_mask` here.
    pub label: LabelRule,
}

/// Whose weight a drawn number is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Weigh {
    /// The sample's own.
    #[default]
    Own,
    /// The partner's.
    Partner,
    /// The sample's own where it is at least one half, else the partner's, so that the own label is always the main one.
    Larger,
}

impl Default for Mixup {
    fn default() -> Self {
        Self {
            alpha: Alpha::default(),
            lam_dist: LamDistribution::default(),
            weigh: Weigh::Own,
            p: Probability::ALWAYS,
            p_scope: None,
            mode: MixMode::Batch,
            partner: Partner::Permute,
            label: LabelRule::Area,
        }
    }
}

draw! {
    /// The weight and the partner of one sample.
    pub struct Drawn {
        /// Whether the sample is mixed.
        apply: Bool as Decision,
        /// Weight of the sample itself, 0 to 1.
        lam: Real as Weight,
        /// Position of the partner in the batch.
        partner: Int as Partner,
    }
}

impl Operator for Mixup {
    const NAME: &'static str = "mixup";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    const PRESETS: &'static [(&'static str, &'static str)] = &[
        ("official", r#"{"partner":"permute"}"#),
        ("torchvision", r#"{"partner":"roll"}"#),
        ("timm-2020", r#"{"partner":"flip"}"#),
        ("timm-1.0.31", r#"{"partner":"flip"}"#),
        ("kornia-0.9", r#"{"mode":"elem","lam_dist":"uniform","weigh":"partner"}"#),
        ("mmpretrain", r#"{"partner":"permute"}"#),
        ("openmixup", r#"{"partner":"permute"}"#),
        ("keras", r#"{"mode":"elem","alpha":0.2}"#),
        ("composer", r#"{"partner":"permute","weigh":"larger"}"#),
    ];
    type Draw<D: Dice> = Drawn<D>;

    fn rows(&self) -> Rows {
        self.mode.rows(self.partner)
    }

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        shape.uniform()?;
        self.mode.check(self.partner)?;
        if self.label == LabelRule::VisibleMask {
            return Err(Issue::new("label", "everything stays visible in a blend").help("use `label: area`"));
        }
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, _: &Extent<D>) -> Drawn<D> {
        let scope = self.mode.scope(dice);
        let apply = self.mode.deciding(dice, self.p_scope).acts(0, self.p);
        let drawn = self.lam_dist.draw(scope, 1, &self.alpha);
        let rest = scope.real(1.0) - drawn;
        let lam = match self.weigh {
            Weigh::Own => drawn,
            Weigh::Partner => rest,
            Weigh::Larger => scope.select(scope.less(drawn, rest), rest, drawn),
        };
        let lam = scope.select(apply, lam, scope.real(1.0));
        Drawn { apply, lam, partner: dice.partner(4, self.partner) }
    }

    fn mixing<D: Dice>(&self, _: D, draw: &Drawn<D>, _: &Extent<D>) -> Mixing<D> {
        Mixing::Blend { lam: draw.lam, partner: draw.partner }
    }

    fn label<D: Dice>(&self, _: &Drawn<D>) -> Label<D> {
        Label { rule: self.label, nominal: None }
    }
}

register_operator!(Mixup);
