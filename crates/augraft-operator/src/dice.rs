//! The arithmetic that every draw is written in, once for native values and for graph nodes.

use core::ops::{Add, BitAnd, BitOr, Mul, Not, Sub};

use crate::numbers::Probability;
use crate::partner::Partner;
use crate::table::{Alpha, Table};

/// Draws random values by lane and computes with them.
///
/// A draw is generic over `Dice`: natively its values are `f64`, `i64` and `bool`; recorded, they are handles into an ONNX graph. Every operation
/// is one that all runtimes round the same way (IEEE add, multiply, square root, floor, compare, select; integers), so both give the same bits.
/// A lane names one 32-bit word of the current scope (the sample, its batch, an item, a cell); two lanes are independent, and a lane is used once.
pub trait Dice: Copy {
    /// A real number, f64.
    type Real: Copy + Add<Output = Self::Real> + Sub<Output = Self::Real> + Mul<Output = Self::Real>;
    /// An integer, i64.
    type Int: Copy + Add<Output = Self::Int> + Sub<Output = Self::Int> + Mul<Output = Self::Int>;
    /// A truth value.
    type Bool: Copy + BitAnd<Output = Self::Bool> + BitOr<Output = Self::Bool> + Not<Output = Self::Bool>;
    /// Truth values over a grid of cells, channels x rows x columns.
    type Grid: Clone;
    /// Real numbers over a grid of cells, channels x rows x columns.
    type Reals: Clone;

    /// A constant real number.
    fn real(self, value: f64) -> Self::Real;
    /// A constant integer.
    fn int(self, value: i64) -> Self::Int;
    /// Converts an integer, exactly below 2^53.
    fn to_real(self, value: Self::Int) -> Self::Real;
    /// The largest integer not above `value`.
    fn floor(self, value: Self::Real) -> Self::Int;
    /// The square root of a value that is not negative.
    fn sqrt(self, value: Self::Real) -> Self::Real;
    /// Whether `a < b`.
    fn less(self, a: Self::Real, b: Self::Real) -> Self::Bool;
    /// Whether `a < b`, of integers.
    fn less_int(self, a: Self::Int, b: Self::Int) -> Self::Bool;
    /// `yes` where `condition` holds, else `no`.
    fn select(self, condition: Self::Bool, yes: Self::Real, no: Self::Real) -> Self::Real;
    /// `yes` where `condition` holds, else `no`, of integers.
    fn select_int(self, condition: Self::Bool, yes: Self::Int, no: Self::Int) -> Self::Int;
    /// The quotient, rounded down, of integers that are not negative; `b` must be positive.
    fn div(self, a: Self::Int, b: Self::Int) -> Self::Int;
    /// The value of a quantile table at `u` in [0, 1), linear between its knots.
    fn lookup(self, u: Self::Real, table: &Table) -> Self::Real;

    /// A uniform real number in [0, 1), a multiple of 2^-32.
    fn uniform(self, lane: u32) -> Self::Real;
    /// The position in the batch of the sample that this one is mixed with; uses lanes `lane..lane + 4` when the partner is keyed.
    fn partner(self, lane: u32, partner: Partner) -> Self::Int;

    /// The partner, the partner's partner, and so on, `count` of them; uses the lanes of [`partner`](Self::partner).
    fn successors(self, lane: u32, partner: Partner, count: usize) -> Vec<Self::Int>;

    /// The same dice for the whole batch: addressed by the first sample's index, equal for every sample.
    #[must_use]
    fn batch(self) -> Self;
    /// The same dice for the pair of samples `i` and `N - 1 - i`: addressed by the one that comes first in the batch, equal for both.
    #[must_use]
    fn pair(self) -> Self;
    /// Number of the view that this sample is, of the `of` views that this step makes (see [`Rows::Views`](crate::Rows)).
    fn view(self, of: i64) -> Self::Int;
    /// The dice of another step of the pipeline, by the hash of its id.
    #[must_use]
    fn of(self, hash: u64) -> Self;
    /// The epoch.
    fn epoch(self) -> Self::Real;
    /// The dice of item `k` of a fixed number of items (holes, retries).
    #[must_use]
    fn item(self, k: u32) -> Self;
    /// A truth value for every cell of a grid of `[channels, rows, columns]`; inside, lanes 0..4 belong to the cell.
    fn cells(self, extent: [Self::Int; 3], cell: impl Fn(Self) -> Self::Bool) -> Self::Grid;
    /// A real number for every cell of such a grid.
    fn reals(self, extent: [Self::Int; 3], cell: impl Fn(Self) -> Self::Real) -> Self::Reals;

    /// What never holds.
    fn never(self) -> Self::Bool {
        self.less_int(self.int(0), self.int(0))
    }
    /// The smaller integer.
    fn min_int(self, a: Self::Int, b: Self::Int) -> Self::Int {
        self.select_int(self.less_int(b, a), b, a)
    }
    /// The larger integer.
    fn max_int(self, a: Self::Int, b: Self::Int) -> Self::Int {
        self.select_int(self.less_int(a, b), b, a)
    }
    /// `value` limited to `low..=high`.
    fn clamp(self, value: Self::Int, low: Self::Int, high: Self::Int) -> Self::Int {
        self.min_int(self.max_int(value, low), high)
    }
    /// The integer nearest to `value`, halves upwards.
    fn round(self, value: Self::Real) -> Self::Int {
        self.floor(value + self.real(0.5))
    }
    /// A uniform integer in `0..bound`, for `bound` in 1..=2^21.
    fn below(self, lane: u32, bound: Self::Int) -> Self::Int {
        self.floor(self.uniform(lane) * self.to_real(bound))
    }
    /// A uniform real number in [`low`, `high`).
    fn between(self, lane: u32, low: f64, high: f64) -> Self::Real {
        self.real(low) + self.uniform(lane) * self.real(high - low)
    }
    /// True with probability `p`: always at 1, never at 0.
    fn chance(self, lane: u32, p: Probability) -> Self::Bool {
        self.less(self.uniform(lane), self.real(p.get()))
    }
    /// Whether the step acts: true with probability `p`, and only where the combinators around the step let it.
    ///
    /// An operator with a `p` asks this once; where it is false, its draw must change nothing.
    fn acts(self, lane: u32, p: Probability) -> Self::Bool;
    /// A value in `[0, 1]` with the distribution Beta(alpha, alpha).
    fn beta(self, lane: u32, alpha: &Alpha) -> Self::Real {
        match alpha.table() {
            None => self.uniform(lane),
            Some(table) => self.lookup(self.uniform(lane), table),
        }
    }
}

/// The size of what a draw acts on, in elements; the origin is the top left corner.
#[derive(Debug, Clone, Copy)]
pub struct Extent<D: Dice> {
    /// Channels of the tensor.
    pub channels: D::Int,
    /// Rows of the tensor.
    pub height: D::Int,
    /// Columns of the tensor.
    pub width: D::Int,
    /// Rows of the image that the tensor comes from (equal to `height` at the input).
    pub image_height: D::Int,
    /// Columns of the image that the tensor comes from.
    pub image_width: D::Int,
}
