//! How a tensor of a model is a map of channels, rows and columns.

use augraft_operator::{Margin, Side};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The order of the axes of a tensor, as `layout` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LayoutName {
    /// Samples, channels, rows, columns.
    Nchw,
    /// Samples, rows, columns, channels.
    Nhwc,
    /// Samples, positions row by row, channels.
    Tokens,
}

/// What a step says of the axes of its tensor.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct WrittenLayout {
    /// The order of the axes.
    pub name: Option<LayoutName>,
    /// How the rows of a tensor N,T,D are a map.
    pub tokens: Option<Tokens>,
}

/// How a tensor is a map N,C,H,W.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MapLayout {
    /// It is one.
    Nchw,
    /// Its channels stand at the end.
    Nhwc,
    /// Its rows are the cells of a grid, behind class tokens.
    Tokens(Tokens),
    /// It has channels and no plane, N,C: a map of one row and one column.
    Vector,
}

impl MapLayout {
    /// The order of the axes, for people.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Nchw => "N,C,H,W",
            Self::Nhwc => "N,H,W,C",
            Self::Tokens(_) => "tokens N,T,C",
            Self::Vector => "N,C",
        }
    }
}

/// How the T rows of a tensor N,T,D are a map: class tokens first, then the cells of a grid, row by row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// Rows and columns of the grid.
    pub grid: [Side; 2],
    /// Class tokens before the grid, which steps leave alone.
    #[serde(default)]
    pub class: Margin,
}

impl Tokens {
    /// A grid as high as wide; none where a number is too large.
    pub(crate) fn square(side: usize, class: usize) -> Option<Self> {
        let side = Side::try_from(u32::try_from(side).ok()?).ok()?;
        let class = Margin::try_from(u32::try_from(class).ok()?).ok()?;
        Some(Self { grid: [side; 2], class })
    }

    /// Rows of the tensor, class tokens included.
    #[must_use]
    pub fn rows(&self) -> usize {
        let [height, width] = self.grid.map(|side| side.get() as usize);
        self.class.get() as usize + height * width
    }
}
