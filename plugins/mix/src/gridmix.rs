use std::sync::Arc;

use augraft_operator::{
    Alpha, Count, DataType, Dice, Extent, Images, Issue, Lowered, LoweredRegion, MixMode, Mixing, Operator, Parity,
    Partner, Probability, Recorder, Region, Row, Rows, Runs, Shape, Tensor, draw, positions, register_operator,
    whole_quotient,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Takes random cells of a grid from a partner image and mixes the labels by area.
///
/// The tensor is divided into `n` x `n` cells, `n` uniform in `grid` but not above a side of the tensor; pixel `y` of `H` lies in row
/// `floor(y * n / H)` of the grid. `lam ~ Beta(alpha, alpha)`, and each cell comes from the partner with probability `1 - lam`, independently. The
/// label weight of the sample itself is the share of its pixels; in a chain of steps, labels are the shares of the visible pixels, whatever steps
/// come before and after. Works on images and on feature maps.
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
        apply: Bool as Decision,
        /// Rows, and columns, of the grid.
        grid: Int,
        /// Cells from the partner.
        cells: Grid,
        /// Position of the partner in the batch.
        partner: Int as Partner,
    }
}

impl Operator for GridMix {
    const NAME: &'static str = "gridmix";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::Exact;
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

    fn mixing<D: Dice>(&self, _: D, draw: &Drawn<D>, _: &Extent<D>) -> Mixing<D> {
        Mixing::Region { partner: draw.partner, soft: false }
    }

    fn regions(&self, draws: &[Drawn<Row>], images: &Images) -> Vec<Arc<Region>> {
        let region = |(row, draw): (usize, &Drawn<Row>)| {
            let [_, height, width] = images.extent(row);
            Arc::new(Region::Taken(runs_of(draw, height, width)))
        };
        draws.iter().enumerate().map(region).collect()
    }

    fn lower_region<'g>(
        &self,
        draw: &Drawn<Recorder<'g>>,
        batch: &Lowered<'g>,
    ) -> Result<Option<LoweredRegion<'g>>, Issue> {
        let most = batch.images.graph().constant(Tensor::scalar(f64::from(self.grid[1].get())));
        let grid = draw.grid.unsqueeze(&[1, 2, 3]).cast(DataType::F64);
        let line = |axis: usize| {
            let side = batch.sides[axis];
            whole_quotient(positions(side, axis + 2) * grid, side.cast(DataType::F64))
        };
        let cell = (positions(draw.partner.side(0), 0) * most + line(0)) * most + line(1);
        Ok(Some(LoweredRegion::Taken(draw.cells.reshape(&[-1]).gather(cell.cast(DataType::I64), 0))))
    }

    fn acts(&self, row: usize, draw: &Drawn<Row>) -> bool {
        let grid = draw.grid as usize;
        let taken = draw.cells.slice(ndarray::s![.., ..grid, ..grid]).iter().any(|taken| *taken);
        draw.apply && taken && draw.partner != row as i64
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
