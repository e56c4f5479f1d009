use augraft_operator::{
    Alpha, Dice, Extent, Issue, MixMode, Mixing, Operator, Parity, Partner, Patch, PositiveRange, Probability, Rows,
    Shape, Shows, draw, register_operator,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Pastes a whole partner image, made smaller, and mixes the labels by area.
///
/// Two operators are published under this name. With `form: openmixup` (the paper), `tau ~ U(scale)` is the ratio of the sides: the box has the sides
/// `floor(H * tau)` and `floor(W * tau)`, and the partner is resized by its nearest pixels. With `form: mmpretrain`,
/// `lam = low + (high - low) * Beta(alpha, alpha)` for `scale: [low, high]`, the sides are `floor(H * sqrt(1 - lam))` and `floor(W * sqrt(1 - lam))`,
/// and the partner is resized bilinearly (pixel centers aligned, not antialiased). In both, the sides are rounded down to even, the box lies around a
/// uniform center and is clipped to the tensor, and the partner fills what is left of it. The label weight of the sample itself is
/// `1 - area / (H * W)` of the clipped box; in a chain of steps, labels are the shares of the visible pixels, whatever steps come before and after. A
/// box of less than two pixels is empty and changes nothing. Masks are resized by their nearest pixels.
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
        apply: Bool as Decision,
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

impl Operator for ResizeMix {
    const NAME: &'static str = "resizemix";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
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

    fn mixing<D: Dice>(&self, _: D, draw: &Drawn<D>, _: &Extent<D>) -> Mixing<D> {
        let edges = [draw.top, draw.left, draw.bottom, draw.right];
        let shows = if self.form == Form::Mmpretrain { Shows::Bilinear } else { Shows::Nearest };
        Mixing::Paste(Patch { edges, partner: Some(draw.partner), shows })
    }
}

register_operator!(ResizeMix);
