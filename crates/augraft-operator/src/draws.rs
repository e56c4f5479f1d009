//! What steps decide: named columns, one row per sample.

use std::marker::PhantomData;

use augraft_onnx::{DataType, Tensor};
use ndarray::{Array2, Array3, ArrayD, Axis, IxDyn};

use crate::dice::Dice;
use crate::scalar::{Row, Scalar};

/// The type of a drawn column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A truth value per sample; bool `[N]`.
    Bool,
    /// An integer per sample; int64 `[N]`.
    Int,
    /// A real number per sample, rounded to f32 `[N]` last.
    Real,
    /// A fixed number of integers per sample; int64 `[N, items]`.
    Ints,
    /// A truth value per cell; bool `[N, channels, rows, columns]`.
    Grid,
    /// A real number per cell, rounded to f32 `[N, channels, rows, columns]` last.
    Reals,
}

impl Kind {
    /// Element type of the column.
    #[must_use]
    pub fn dtype(self) -> DataType {
        match self {
            Kind::Bool | Kind::Grid => DataType::Bool,
            Kind::Int | Kind::Ints => DataType::I64,
            Kind::Real | Kind::Reals => DataType::F32,
        }
    }

    /// Number of axes of the column, the batch included.
    #[must_use]
    pub fn rank(self) -> usize {
        match self {
            Kind::Bool | Kind::Int | Kind::Real => 1,
            Kind::Ints => 2,
            Kind::Grid | Kind::Reals => 4,
        }
    }
}

/// What a drawn column means, for pictures and experiments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Whether the step acts.
    Decision,
    /// Weight of the sample itself.
    Weight,
    /// Position of a partner in the batch.
    Partner,
    /// First row of a box, or of several.
    Top,
    /// First column of a box.
    Left,
    /// Row after the last of a box.
    Bottom,
    /// Column after the last of a box.
    Right,
    /// Something of the operator's own.
    Other,
}

/// A drawn column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name, after that of the step.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// What it means.
    pub meaning: Meaning,
}

/// One drawn value of one sample.
#[derive(Debug, Clone)]
pub enum Field<D: Dice> {
    /// See [`Kind::Bool`].
    Bool(D::Bool),
    /// See [`Kind::Int`].
    Int(D::Int),
    /// See [`Kind::Real`].
    Real(D::Real),
    /// See [`Kind::Ints`].
    Ints(Vec<D::Int>),
    /// See [`Kind::Grid`].
    Grid(D::Grid),
    /// See [`Kind::Reals`].
    Reals(D::Reals),
}

/// The drawn values of one step for one sample; declared with [`draw!`](crate::draw).
pub trait Draw<D: Dice>: Sized {
    /// The columns, in order.
    const COLUMNS: &'static [Column];
    /// Takes the values apart, in the order of the columns.
    fn into_fields(self) -> Vec<Field<D>>;
    /// Puts values in the order of the columns together; `None` when they do not fit.
    fn from_fields(fields: Vec<Field<D>>) -> Option<Self>;
    /// The boxes `[top, left, bottom, right]` that it holds.
    fn boxes(&self) -> Vec<[D::Int; 4]> {
        Vec::new()
    }
    /// The column that says whether the step acts.
    fn decision(&self) -> Option<D::Bool> {
        None
    }
}

/// The draw of an operator that decides nothing at random.
#[derive(Debug)]
pub struct Fixed<D>(PhantomData<fn() -> D>);

impl<D> Fixed<D> {
    /// No values.
    #[must_use]
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<D> Default for Fixed<D> {
    fn default() -> Self {
        Self::new()
    }
}

impl<D: Dice> Draw<D> for Fixed<D> {
    const COLUMNS: &'static [Column] = &[];

    fn into_fields(self) -> Vec<Field<D>> {
        Vec::new()
    }

    fn from_fields(fields: Vec<Field<D>>) -> Option<Self> {
        fields.is_empty().then(Self::new)
    }
}

/// Declares what one draw decides: a struct over [`Dice`](crate::Dice) with named columns, each with its [`Kind`] and, after `as`, its [`Meaning`].
#[macro_export]
macro_rules! draw {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* $field:ident: $kind:ident $(as $meaning:ident)?),* $(,)? }) => {
        $(#[$meta])*
        pub struct $name<D: $crate::Dice> {
            $($(#[$field_meta])* pub $field: $crate::draw_type!($kind, D),)*
        }

        impl<D: $crate::Dice> $crate::Draw<D> for $name<D> {
            const COLUMNS: &'static [$crate::Column] = &[$($crate::Column {
                name: stringify!($field),
                kind: $crate::Kind::$kind,
                meaning: $crate::meaning!($($meaning)?),
            }),*];

            fn into_fields(self) -> Vec<$crate::Field<D>> {
                vec![$($crate::Field::$kind(self.$field)),*]
            }

            fn from_fields(fields: Vec<$crate::Field<D>>) -> Option<Self> {
                let mut fields = fields.into_iter();
                $(let $crate::Field::$kind($field) = fields.next()? else { return None };)*
                fields.next().is_none().then_some(Self { $($field),* })
            }

            fn boxes(&self) -> Vec<[D::Int; 4]> {
                let edges: [Vec<D::Int>; 4] = ::core::default::Default::default();
                $(let edges = $crate::edges!(edges, self.$field, $kind, $($meaning)?);)*
                let [top, left, bottom, right] = edges;
                let sides = top.into_iter().zip(left).zip(bottom.into_iter().zip(right));
                sides.map(|((top, left), (bottom, right))| [top, left, bottom, right]).collect()
            }

            fn decision(&self) -> Option<D::Bool> {
                None$(.or($crate::decision!(self.$field, $($meaning)?)))*
            }
        }
    };
}

/// The type of a column over the dice `D`.
#[doc(hidden)]
#[macro_export]
macro_rules! draw_type {
    (Ints, $dice:ident) => { Vec<<$dice as $crate::Dice>::Int> };
    ($kind:ident, $dice:ident) => { <$dice as $crate::Dice>::$kind };
}

/// Collects the edges of boxes.
#[doc(hidden)]
#[macro_export]
macro_rules! edges {
    ($edges:ident, $value:expr, Int, Top) => {
        $crate::edges!(@ $edges, 0, [$value])
    };
    ($edges:ident, $value:expr, Ints, Top) => {
        $crate::edges!(@ $edges, 0, $value.iter().copied())
    };
    ($edges:ident, $value:expr, Int, Left) => {
        $crate::edges!(@ $edges, 1, [$value])
    };
    ($edges:ident, $value:expr, Ints, Left) => {
        $crate::edges!(@ $edges, 1, $value.iter().copied())
    };
    ($edges:ident, $value:expr, Int, Bottom) => {
        $crate::edges!(@ $edges, 2, [$value])
    };
    ($edges:ident, $value:expr, Ints, Bottom) => {
        $crate::edges!(@ $edges, 2, $value.iter().copied())
    };
    ($edges:ident, $value:expr, Int, Right) => {
        $crate::edges!(@ $edges, 3, [$value])
    };
    ($edges:ident, $value:expr, Ints, Right) => {
        $crate::edges!(@ $edges, 3, $value.iter().copied())
    };
    (@ $edges:ident, $side:literal, $values:expr) => {{
        let mut edges = $edges;
        edges[$side].extend($values);
        edges
    }};
    ($edges:ident, $value:expr, $kind:ident, $($other:ident)?) => {
        $edges
    };
}

/// The column where it is the decision.
#[doc(hidden)]
#[macro_export]
macro_rules! decision {
    ($value:expr, Decision) => {
        Some($value)
    };
    ($value:expr, $($other:ident)?) => {
        None
    };
}

/// What a column means; nothing in particular where it is not said.
#[doc(hidden)]
#[macro_export]
macro_rules! meaning {
    () => {
        $crate::Meaning::Other
    };
    ($meaning:ident) => {
        $crate::Meaning::$meaning
    };
}

/// The draws of one step over one batch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Draws {
    /// Column names and values; the first axis of each is the batch.
    pub columns: Vec<(String, Tensor)>,
}

impl Draws {
    /// The column called `name`.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Tensor> {
        self.columns.iter().find(|(column, _)| column == name).map(|(_, tensor)| tensor)
    }

    /// The first of these columns that means this, and has a value for each sample.
    #[must_use]
    pub fn meaning(&self, columns: &[Column], meaning: Meaning) -> Option<&Tensor> {
        let column = columns.iter().find(|column| column.meaning == meaning && column.kind.rank() == 1)?;
        self.column(column.name)
    }

    /// Takes the draws at these rows.
    pub fn select(&mut self, rows: &[usize]) {
        for (_, column) in &mut self.columns {
            *column = column.at_rows(rows);
        }
    }

    /// Collects one row per sample into columns; real numbers are rounded to f32 here.
    #[must_use]
    pub fn from_rows(names: &[Column], rows: Vec<Vec<Field<Scalar<'_>>>>) -> Self {
        let mut columns: Vec<_> = names.iter().map(|_| Vec::with_capacity(rows.len())).collect();
        for row in rows {
            for (column, field) in columns.iter_mut().zip(row) {
                column.push(field);
            }
        }
        let columns =
            names.iter().zip(columns).map(|(column, fields)| (column.name.to_owned(), stack(column.kind, fields)));
        Self { columns: columns.collect() }
    }

    /// Reads the rows back; `None` when the columns are not those of `T`.
    pub(crate) fn rows<T: Draw<Row>>(&self, n: usize) -> Option<Vec<T>> {
        (0..n).map(|at| self.row(at)).collect()
    }

    /// Reads one row back.
    pub(crate) fn row<T: Draw<Row>>(&self, at: usize) -> Option<T> {
        let field = |(column, (name, tensor)): (&Column, &(String, Tensor))| {
            (name == column.name).then(|| field_at(column.kind, tensor, at)).flatten()
        };
        let fields = T::COLUMNS.iter().zip(&self.columns).map(field).collect::<Option<Vec<_>>>()?;
        (T::COLUMNS.len() == self.columns.len()).then(|| T::from_fields(fields)).flatten()
    }
}

fn stack(kind: Kind, fields: Vec<Field<Scalar<'_>>>) -> Tensor {
    macro_rules! values {
        ($variant:ident) => {
            fields.into_iter().filter_map(|field| if let Field::$variant(value) = field { Some(value) } else { None })
        };
    }
    match kind {
        Kind::Bool => Tensor::vector(values!(Bool).collect()),
        Kind::Int => Tensor::vector(values!(Int).collect()),
        Kind::Real => Tensor::vector(values!(Real).map(|value| value as f32).collect()),
        Kind::Ints => {
            let rows: Vec<Vec<i64>> = values!(Ints).collect();
            let items = rows.first().map_or(0, Vec::len);
            Tensor::I64(Array2::from_shape_fn([rows.len(), items], |(row, item)| rows[row][item]).into_dyn())
        }
        Kind::Grid => Tensor::Bool(stack_grids(&values!(Grid).collect::<Vec<_>>())),
        Kind::Reals => {
            Tensor::F32(stack_grids(&values!(Reals).map(|grid| grid.mapv(|value| value as f32)).collect::<Vec<_>>()))
        }
    }
}

fn stack_grids<T: Clone + Default>(grids: &[Array3<T>]) -> ArrayD<T> {
    let views: Vec<_> = grids.iter().map(|grid| grid.view()).collect();
    ndarray::stack(Axis(0), &views).map_or_else(|_| ArrayD::default(IxDyn(&[0, 0, 0, 0])), ndarray::ArrayBase::into_dyn)
}

fn field_at(kind: Kind, tensor: &Tensor, at: usize) -> Option<Field<Row>> {
    fn row<T: Clone>(array: &ArrayD<T>, rank: usize, at: usize) -> Option<ArrayD<T>> {
        (array.ndim() == rank && at < array.len_of(Axis(0))).then(|| array.index_axis(Axis(0), at).to_owned())
    }
    Some(match (kind, tensor) {
        (Kind::Bool, Tensor::Bool(array)) => Field::Bool(row(array, 1, at)?.into_iter().next()?),
        (Kind::Int, Tensor::I64(array)) => Field::Int(row(array, 1, at)?.into_iter().next()?),
        (Kind::Real, Tensor::F32(array)) => Field::Real(f64::from(row(array, 1, at)?.into_iter().next()?)),
        (Kind::Ints, Tensor::I64(array)) => Field::Ints(row(array, 2, at)?.into_iter().collect()),
        (Kind::Grid, Tensor::Bool(array)) => Field::Grid(row(array, 4, at)?.into_dimensionality().ok()?),
        (Kind::Reals, Tensor::F32(array)) => {
            Field::Reals(row(array, 4, at)?.mapv(f64::from).into_dimensionality().ok()?)
        }
        _ => return None,
    })
}
