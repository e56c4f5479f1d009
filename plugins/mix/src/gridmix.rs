use augraft_operator::{
    Alpha, Batch, Count, DataType, Dice, Extent, Images, Issue, Lowered, MixMode, Operator, Parity, Partner,
    Probability, Recorder, Role, Row, Rows, Scratch, Shape, Tensor, draw, register_operator,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cycles::mix_bands;
use crate::partner_of;
use crate::places::positions;
use crate::runs::{Runs, Take};

/// Takes random cells of a grid from a partner image and mixes the labels by area.
///
/// The tensor is divided into `n` x `n` cells, `n` uniform in `grid` but not above a side of the tensor; pixel `y` of `H` lies in row
/// `floor(y * n / H)` of the grid. `lam ~ Beta(alpha, alpha)`, and each cell comes from the partner with probability `1 - lam`, independently. The
/// label weight of the sample itself is the share of its pixels. Works on images and on feature maps.
///
/// Draws `apply`, `grid` (`n`), `cells` (truth values over the largest grid, of which the first `n` rows and columns count; none when not applied)
/// and `partner`, the position in the batch.
///
/// Baek et al., "`GridMix`: Strong regularization through local context mapping", Pattern Recognition 109, 2021. The operator of this name in
/// `OpenMixup` is another one: regular holes, after `GridMask`.
///
/// # Example
/// ```yaml
/// - gridmix: { grid: [2, 6], p: 0.5 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GridMix {
    /// Range of the number of rows, and of columns, of the grid, both ends included.
    pub grid: [Count; 2],
    /// Parameter of the Beta distribution of `lam`; 1 is uniform.
    pub alpha: Alpha,
    /// Probability of a batch (or, with `mode: elem`, of a sample) to be mixed.
    pub p: Probability,
    /// One grid with its cells per batch, or per sample.
    pub mode: MixMode,
    /// Which sample of the batch the cells come from.
    pub partner: Partner,
}

impl Default for GridMix {
    fn default() -> Self {
        Self {
            grid: [2, 6].map(|cells| Count::new(cells).expect("1 to 64")),
            alpha: Alpha::default(),
            p: Probability::ALWAYS,
            mode: MixMode::Batch,
            partner: Partner::Permute,
        }
    }
}

draw! {
    /// The cells and the partner of one sample.
    pub struct Drawn {
        /// Whether the sample is mixed.
        apply: Bool,
        /// Rows, and columns, of the grid.
        grid: Int,
        /// Cells from the partner.
        cells: Grid,
        /// Position of the partner in the batch.
        partner: Int,
    }
}

impl Operator for GridMix {
    const NAME: &'static str = "gridmix";
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
        if self.grid[0] > self.grid[1] {
            return Err(Issue::new("grid", "the range ends before it begins"));
        }
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        let scope = self.mode.scope(dice);
        let apply = scope.acts(0, self.p);
        let [least, most] = self.grid.map(|cells| i64::from(cells.get()));
        let grid = scope.int(least) + scope.below(1, scope.int(most - least + 1));
        let lam = scope.beta(2, &self.alpha);
        let most = scope.int(most);
        let taken = |cell: D| apply & !cell.less(cell.uniform(0), lam);
        Drawn {
            apply,
            grid: scope.min_int(grid, scope.min_int(extent.height, extent.width)),
            cells: scope.cells([scope.int(1), most, most], taken),
            partner: dice.partner(4, self.partner),
        }
    }

    fn apply(&self, draws: &[Drawn<Row>], batch: &mut Batch, scratch: &mut Scratch) {
        let [_, height, width] = if batch.is_empty() { [0; 3] } else { batch.extent(0) };
        let partner: Vec<usize> = draws.iter().map(|draw| partner_of(draw.partner)).collect();
        let runs: Vec<Runs> = draws.iter().map(|draw| runs_of(draw, height, width)).collect();
        let runs: Vec<&Runs> = runs.iter().collect();
        let take = Take { runs: &runs, plane: height * width };
        match &mut batch.images {
            Images::U8(images) => mix_bands(images, &partner, scratch, &take),
            Images::F32(images) => mix_bands(images, &partner, scratch, &take),
            Images::Ragged(_) => {}
        }
        batch.labels.forget_boxes();
        let total = (height * width) as f64;
        let lam = runs.iter().map(|runs| (1.0 - runs.count() as f64 / total) as f32);
        batch.labels.blend(lam.collect(), &partner);
    }

    fn lower<'g>(&self, draw: &Drawn<Recorder<'g>>, batch: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        let graph = batch.images.graph();
        let [height, width] = batch.sides;
        let most = graph.constant(Tensor::scalar(i64::from(self.grid[1].get())));
        let grid = draw.grid.unsqueeze(&[1, 2, 3]);
        let row = positions(height, 2) * grid / height;
        let column = positions(width, 3) * grid / width;
        let cell = (positions(draw.partner.side(0), 0) * most + row) * most + column;
        let taken = draw.cells.reshape(&[-1]).gather(cell, 0);
        let images = taken.select(batch.images.gather(draw.partner, 0), batch.images);
        // A row is counted exactly in f32, a plane in f64.
        let count = taken.cast(DataType::F32).reduce_sum(3).cast(DataType::F64).reduce_sum(2).reduce_sum(1);
        let share = count / (height * width).cast(DataType::F64);
        let lam = (graph.constant(Tensor::scalar(1f64)) - share).cast(DataType::F32);
        let labels = batch.labels.map(|labels| labels.forget_boxes().blend(lam, draw.partner));
        Ok(Lowered { images, labels, ..batch })
    }

    fn acts(&self, row: usize, draw: &Drawn<Row>) -> bool {
        let grid = draw.grid as usize;
        let taken = draw.cells.slice(ndarray::s![.., ..grid, ..grid]).iter().any(|taken| *taken);
        draw.apply && taken && partner_of(draw.partner) != row
    }
}

register_operator!(GridMix);

/// The pixels of the cells that come from the partner.
fn runs_of(draw: &Drawn<Row>, height: usize, width: usize) -> Runs {
    let mut runs = Runs::default();
    let grid = draw.grid.max(1) as usize;
    // The first pixel of a cell is the first that `floor(x * n / W)` puts there.
    let starts: Vec<usize> = (0..=grid).map(|cell| (cell * width).div_ceil(grid)).collect();
    for y in 0..height {
        let cells = draw.cells.slice(ndarray::s![0, y * grid / height, ..grid]);
        for (edges, _) in starts.windows(2).zip(&cells).filter(|(_, taken)| **taken) {
            runs.push(y * width + edges[0]..y * width + edges[1]);
        }
    }
    runs
}
