//! Which pixel of its input each pixel of a sample shows after a step.

use crate::border::PaddingMode;
use crate::dice::Dice;
use crate::numbers::Fill;
use crate::taps::Filter;
use crate::warp::{Map, Sampling};

/// Where the pixels of a sample come from, as a value over [`Dice`]: numbers natively, nodes in a graph.
///
/// An operator states it beside its draw; images, masks, labels and objects follow it. Which variant it is must depend on the configuration alone.
/// Places are counted from the top left corner, and pixel `i` covers `i..i + 1`.
pub enum Motion<D: Dice> {
    /// Every pixel stays where it is.
    Stay,
    /// Reverses the rows (top and bottom change places), the columns, or both.
    Mirror {
        /// Whether top and bottom change places.
        rows: D::Bool,
        /// Whether left and right change places.
        columns: D::Bool,
    },
    /// This many quarter turns, counterclockwise as in `numpy.rot90`, 0 to 3; the images are square.
    Quarter(D::Int),
    /// Swaps rows and columns; the images are square.
    Transpose(D::Bool),
    /// Shows a window.
    Window(Window<D>),
    /// Looks every pixel up at the place that an affine map gives.
    Affine(Affine<D>),
    /// Looks every pixel up at the place that a projective map gives.
    Projective(Projective<D>),
    /// Shows other cells of a grid.
    Cells(Cells<D>),
    /// Looks every pixel up beside its place, by a smooth field of displacements.
    Displaced(Displaced<D>),
    /// One motion after the other.
    Chain(Vec<Motion<D>>),
}

/// A window of the input, copied or resampled.
pub struct Window<D: Dice> {
    /// Its first row and column in pixels of the input; it may begin and end outside.
    pub corner: [D::Int; 2],
    /// Size of the result.
    pub size: WindowSize,
    /// What is shown outside of the input.
    pub outside: Outside,
    /// Rows and columns of the input that become the result, which then lie inside; none for a copy, where they are as many as those of the result.
    pub stretch: Option<Stretched<D>>,
}

/// Size of what a window shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowSize {
    /// Rows and columns.
    Fixed([usize; 2]),
    /// Those of the input and this many more: a copy whose corner is the same for every sample.
    Grown([usize; 2]),
}

/// A window that is resampled.
pub struct Stretched<D: Dice> {
    /// Rows and columns of the input that become the result.
    pub length: [D::Int; 2],
    /// How pixels between pixels are made up.
    pub filter: Filter,
}

/// What is shown outside of an image.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outside {
    /// The rule.
    pub mode: PaddingMode,
    /// The value where the rule is `constant`, in the unit of the tensor.
    pub fill: Fill,
}

/// A lookup at places that an affine map gives; the result has the size of the input.
pub struct Affine<D: Dice> {
    /// From the result to the input, in pixels from the center.
    pub map: Map<D::Real>,
    /// How a pixel is made up between pixels.
    pub sampling: Sampling,
    /// What is shown outside of the input.
    pub fill: Fill,
}

/// A lookup at places that a projective map gives; the result has the size of the input, and what lies behind the horizon is outside.
pub struct Projective<D: Dice> {
    /// Where the corners of a rectangle come to lie, `[x, y]` in pixels: its top left, top right, bottom right and bottom left one. They are convex.
    pub corners: [[D::Real; 2]; 4],
    /// Height and width of the rectangle, which begins at the top left corner of the image.
    pub sides: [D::Real; 2],
    /// How a pixel is made up between pixels.
    pub sampling: Sampling,
    /// What is shown outside of the input.
    pub fill: Fill,
}

/// A lookup at displaced places; the result has the size of the input.
///
/// The displacements are a uniform cubic B-spline over a grid of control points: the first and the last pixel of a side lie `points - 3` spans apart.
/// Where four times the largest one is less than a span along either axis, no place is shown twice, and objects can be followed.
pub struct Displaced<D: Dice> {
    /// Displacements from the result to the input in pixels, `[2, points, points]`: along columns, then along rows.
    pub shifts: D::Reals,
    /// Rows, and columns, of control points, 4 or more.
    pub points: usize,
    /// How a pixel is made up between pixels.
    pub sampling: Sampling,
    /// What is shown outside of the input.
    pub fill: Fill,
}

/// A grid of equal cells, each of which shows one of them; none is lost or shown twice.
pub struct Cells<D: Dice> {
    /// Rows and columns of cells, which divide the sides of the images.
    pub grid: [usize; 2],
    /// For each cell, row by row, the number of the one that it shows.
    pub shows: Vec<D::Int>,
}

impl<D: Dice> Motion<D> {
    /// A window of `size` whose first row and column are `corner`.
    pub fn crop(corner: [D::Int; 2], size: [usize; 2], outside: Outside) -> Self {
        Self::Window(Window { corner, size: WindowSize::Fixed(size), outside, stretch: None })
    }

    /// The window `[top, left, bottom, right]`, which lies inside, resampled to `size`.
    pub fn resample([top, left, bottom, right]: [D::Int; 4], size: [usize; 2], filter: Filter) -> Self {
        let stretch = Some(Stretched { length: [bottom - top, right - left], filter });
        Self::Window(Window {
            corner: [top, left],
            size: WindowSize::Fixed(size),
            outside: Outside::default(),
            stretch,
        })
    }

    /// Whether it leaves every share of the pixels as it is: no pixel is lost, doubled or made up.
    pub(crate) fn keeps_shares(&self) -> bool {
        match self {
            Self::Stay | Self::Mirror { .. } | Self::Quarter(_) | Self::Transpose(_) | Self::Cells(_) => true,
            Self::Window(_) | Self::Affine(_) | Self::Projective(_) | Self::Displaced(_) => false,
            Self::Chain(parts) => parts.iter().all(Self::keeps_shares),
        }
    }

    /// Whether every pixel stays where it is.
    pub(crate) fn is_stay(&self) -> bool {
        match self {
            Self::Stay => true,
            Self::Chain(parts) => parts.iter().all(Self::is_stay),
            _ => false,
        }
    }
}
