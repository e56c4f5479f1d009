use augraft_operator::{
    Alpha, Dice, Extent, Issue, MixMode, Mixing, Operator, Parity, Partner, Patch, Probability, Rows, Shape, Shows,
    draw, register_operator,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Shows four images around a random center, and mixes the labels by area.
///
/// The sample itself is at the top left, its partner at the top right, the partner's partner at the bottom left, and that one's partner at the bottom
/// right: with `partner: derange` three other samples at random (in a batch of four or more), with `roll` the three before it, with `permute` three
/// at random that may be the same, or the sample itself. The center lies at `round(side * (low + (high - low) * Beta(alpha, alpha)))` of each side,
/// for `center: [low, high]`, and at least a pixel within the image. With `form: crop` each quadrant shows the same place of its image; with
/// `form: resize` it shows the whole image, by the nearest pixel (row `floor(y * H / h)` in row `y` of `h`). Label weights are the shares of the
/// quadrants; in a chain of steps, labels are the shares of the visible pixels, whatever steps come before and after. Images of one row or one column
/// stay as they are.
///
/// Draws `apply`, the center `row` and `column` (first of the lower and right quadrants, in pixels; the sides of the image when not applied) and
/// `beside`, `below` and `across`, the positions of the others in the batch.
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
            partner: Partner::Derange,
        }
    }
}

draw! {
    /// The center and the partner of one sample.
    pub struct Drawn {
        /// Whether the sample is mixed.
        apply: Bool as Decision,
        /// First row of the lower quadrants.
        row: Int,
        /// First column of the right quadrants.
        column: Int,
        /// Position in the batch of the image at the top right.
        beside: Int as Partner,
        /// Position of the one at the bottom left.
        below: Int as Partner,
        /// Position of the one at the bottom right.
        across: Int as Partner,
    }
}

impl Operator for Mosaic {
    const NAME: &'static str = "mosaic";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
    type Draw<D: Dice> = Drawn<D>;

    fn rows(&self) -> Rows {
        self.mode.rows(self.partner)
    }

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        self.mode.check(self.partner)?;
        if self.partner == Partner::Dataset {
            let message = "each sample has one donor, and a mosaic shows three other images";
            return Err(Issue::new("partner", message).help("use `derange` or `permute`, with a larger batch"));
        }
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
        let (row, column) = (center(1, extent.height), center(2, extent.width));
        let others = dice.successors(4, self.partner, 3);
        Drawn { apply, row, column, beside: others[0], below: others[1], across: others[2] }
    }

    fn mixing<D: Dice>(&self, dice: D, draw: &Drawn<D>, extent: &Extent<D>) -> Mixing<D> {
        // One number for each sample, as the others are.
        let zero = draw.row * dice.int(0);
        let [row, column, height, width] = [draw.row, draw.column, zero + extent.height, zero + extent.width];
        let shows = if self.form == Form::Resize { Shows::Nearest } else { Shows::Place };
        let patch = |edges, partner| Patch { edges, partner, shows };
        Mixing::Collage(vec![
            patch([zero, zero, row, column], None),
            patch([zero, column, row, width], Some(draw.beside)),
            patch([row, zero, height, column], Some(draw.below)),
            patch([row, column, height, width], Some(draw.across)),
        ])
    }
}

register_operator!(Mosaic);
