//! Recorded dice: values are handles into an ONNX graph that draws the same numbers as the native dice.

use std::cell::RefCell;

use augraft_onnx::{DataType, Graph, Side, Tensor, Value, int_attribute};
use ndarray::Axis;

use crate::address::VIEW;
use crate::counter::{APART, BATCH, MAX_CELLS, PAIR, cell_block, item_block};
use crate::dice::Dice;
use crate::draws::Field;
use crate::gate::acts;
use crate::key::StepKey;
use crate::numbers::Probability;
use crate::partner::Partner;
use crate::picture::whole_quotient;
use crate::table::Table;

/// The random part of a graph: the inputs that address draws, and the words that steps asked for.
///
/// One vectorized Philox serves all steps; [`finish`](Self::finish) adds it once every draw is recorded.
#[derive(Debug)]
pub struct Recording<'g> {
    pub(crate) graph: &'g Graph,
    pub(crate) seed: Value<'g>,
    pub(crate) epoch: Value<'g>,
    /// Numbers of the values that hold the samples of the batch, one more after each step that changes how many there are.
    index: RefCell<Vec<u32>>,
    pub(crate) words: RefCell<Vec<Request>>,
}

/// A value that is still to be filled with words: the addresses, in row-major order over `shape`.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) value: u32,
    pub(crate) index: usize,
    pub(crate) shape: Option<[usize; 3]>,
    pub(crate) addresses: Vec<Address>,
}

/// Whose index addresses a word, in the order in which they are stacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    Sample,
    Pair,
    Batch,
}

impl Scope {
    pub(crate) fn of(block: u32) -> Self {
        match block & (BATCH | PAIR) {
            0 => Self::Sample,
            PAIR => Self::Pair,
            _ => Self::Batch,
        }
    }
}

/// The first half of the rows, the middle one included.
pub(crate) fn first_half(rows: Value<'_>) -> Value<'_> {
    let int = |value: i64| rows.graph().constant(Tensor::scalar(value));
    rows.gather(rows.graph().range((rows.side(0) + int(1)) / int(2)), 0)
}

/// Hash of the step, block, word of the block.
pub(crate) type Address = (u64, u32, u32);

impl<'g> Recording<'g> {
    /// Declares the inputs `seed` and `epoch` (int64 scalars) and `index` (int64 `[N]`).
    #[must_use]
    pub fn new(graph: &'g Graph) -> Self {
        let scalar = |name| graph.input(name, DataType::I64, &[]);
        let (seed, epoch) = (scalar("seed"), scalar("epoch"));
        let index = graph.input("index", DataType::I64, &[Side::Named("N")]);
        Self { graph, seed, epoch, index: RefCell::new(vec![index.id()]), words: RefCell::default() }
    }

    /// The dice of the step that `key` addresses; the seed is that of the graph.
    #[must_use]
    pub fn step(&'g self, key: &'g StepKey) -> Recorder<'g> {
        Recorder {
            graph: self.graph,
            drawing: Some((self, key)),
            hash: key.hash(),
            block_base: 0,
            item: 0,
            cells: None,
        }
    }

    /// The index of every sample, int64 `[N]`.
    #[must_use]
    pub fn index(&self) -> Value<'g> {
        self.graph.value(*self.index.borrow().last().expect("the index that it began with"))
    }

    /// From here on, every sample is `views` samples, one after the other.
    pub(crate) fn replicate(&self, views: usize) {
        let int = |value: usize| self.graph.constant(Tensor::scalar(value as i64));
        let all = self.graph.range(self.index().side(0) * int(views));
        let sample = all / int(views);
        let view = all - sample * int(views);
        let step = self.graph.constant(Tensor::scalar(1i64 << VIEW));
        let earlier = self.index().gather(sample, 0);
        let number = earlier / step;
        let index = earlier + (number * int(views) + view - number) * step;
        self.index.borrow_mut().push(index.id());
    }

    /// From here on, only the first half of the samples is left, the middle one included.
    pub(crate) fn halve(&self) {
        let index = first_half(self.index());
        self.index.borrow_mut().push(index.id());
    }

    /// Turns one drawn value into a column of the batch: bool, int64 or f32 with N as the first axis.
    pub fn column(&self, field: Field<Recorder<'g>>) -> Value<'g> {
        let rows = |value: Value<'g>| value.expand(self.index().shape());
        match field {
            Field::Bool(value) | Field::Int(value) => rows(value),
            Field::Real(value) => rows(value.cast(DataType::F32)),
            Field::Ints(values) => {
                let columns: Vec<_> = values.into_iter().map(|value| rows(value).unsqueeze(&[1])).collect();
                self.graph.concat(&columns, 1)
            }
            Field::Grid(value) => value.transpose(&[3, 0, 1, 2]),
            Field::Reals(value) => value.cast(DataType::F32).transpose(&[3, 0, 1, 2]),
        }
    }

    /// Adds the Philox4x32-10 that fills every requested word.
    pub fn finish(&self) {
        for (at, index) in self.index.borrow().iter().enumerate() {
            self.fill(at, self.graph.value(*index));
        }
    }
}

/// Dice whose values are nodes of a graph.
///
/// Per-sample values have the shape `[N]` (or `[]` and `[1]`, which broadcast), cell values `[channels, rows, columns, N]`.
#[derive(Debug, Clone, Copy)]
pub struct Recorder<'g> {
    graph: &'g Graph,
    /// None where nothing is drawn any more.
    drawing: Option<(&'g Recording<'g>, &'g StepKey)>,
    hash: u64,
    block_base: u32,
    item: u32,
    cells: Option<[usize; 3]>,
}

impl<'g> Recorder<'g> {
    /// Dice that only compute: of what is drawn, all is known.
    pub(crate) fn arithmetic(graph: &'g Graph) -> Self {
        Self { graph, drawing: None, hash: 0, block_base: 0, item: 0, cells: None }
    }

    fn graph(self) -> &'g Graph {
        self.graph
    }

    fn recording(self) -> &'g Recording<'g> {
        self.drawing.expect("nothing is drawn outside of `draw`").0
    }

    fn request(self, lane: u32, dtype: DataType) -> Value<'g> {
        let addresses = match self.cells {
            None => vec![(self.hash, self.block_base | item_block(self.item, lane), lane % 4)],
            Some(extent) => {
                let cells = 0..extent.iter().product::<usize>() as u32;
                cells.map(|cell| (self.hash, self.block_base | cell_block(cell, lane), cell % 4)).collect()
            }
        };
        let value = self.graph().declare("word", dtype);
        self.recording().words.borrow_mut().push(Request {
            value: value.id(),
            index: self.recording().index.borrow().len() - 1,
            shape: self.cells,
            addresses,
        });
        value
    }

    /// The rank of each sample's 62-bit key within the batch, f32 `[N]`.
    fn ranks(self, lane: u32) -> Value<'g> {
        let dice = Self { block_base: 0, cells: None, ..self };
        let bits = self.int(1 << 31);
        let low = |lane| {
            let word = dice.request(lane, DataType::I64);
            self.graph().node("Mod", &[word, bits], vec![], DataType::I64)
        };
        let key = low(lane) * bits + low(lane + 1);
        // A key that is never smaller, because tract cannot sum over no column at all.
        let largest = self.graph().constant(Tensor::vector(vec![i64::MAX]));
        let all = self.graph().concat(&[key, largest], 0);
        all.unsqueeze(&[0]).less(key.unsqueeze(&[1])).cast(DataType::F32).reduce_sum(1)
    }
}

impl<'g> Dice for Recorder<'g> {
    type Real = Value<'g>;
    type Int = Value<'g>;
    type Bool = Value<'g>;
    type Grid = Value<'g>;
    type Reals = Value<'g>;

    fn real(self, value: f64) -> Value<'g> {
        self.graph().constant(Tensor::scalar(value))
    }
    fn int(self, value: i64) -> Value<'g> {
        self.graph().constant(Tensor::scalar(value))
    }
    fn to_real(self, value: Value<'g>) -> Value<'g> {
        value.cast(DataType::F64)
    }
    fn floor(self, value: Value<'g>) -> Value<'g> {
        value.unary("Floor").cast(DataType::I64)
    }
    fn sqrt(self, value: Value<'g>) -> Value<'g> {
        value.unary("Sqrt")
    }
    fn never(self) -> Value<'g> {
        self.graph().constant(Tensor::scalar(false))
    }
    fn less(self, a: Value<'g>, b: Value<'g>) -> Value<'g> {
        a.less(b)
    }
    fn less_int(self, a: Value<'g>, b: Value<'g>) -> Value<'g> {
        a.less(b)
    }
    fn select(self, condition: Value<'g>, yes: Value<'g>, no: Value<'g>) -> Value<'g> {
        // Drawn values are one per sample or one for all, so that no shape is lost with the condition.
        match condition.constant_bool() {
            Some(true) => yes,
            Some(false) => no,
            None => condition.select(yes, no),
        }
    }
    fn select_int(self, condition: Value<'g>, yes: Value<'g>, no: Value<'g>) -> Value<'g> {
        self.select(condition, yes, no)
    }
    fn div(self, a: Value<'g>, b: Value<'g>) -> Value<'g> {
        if let (Some(a), Some(b)) = (a.constant_int(), b.constant_int()) {
            return self.int(if b == 0 { 0 } else { a.div_euclid(b) });
        }
        // tract takes drawn integers for dimensions, and looks for the simplest form of their quotients without end.
        whole_quotient(a.cast(DataType::F64), b.cast(DataType::F64)).cast(DataType::I64)
    }

    fn lookup(self, u: Value<'g>, table: &Table) -> Value<'g> {
        table.lower_at(u)
    }

    fn uniform(self, lane: u32) -> Value<'g> {
        self.request(lane, DataType::F64)
    }

    fn chance(self, lane: u32, p: Probability) -> Value<'g> {
        match p {
            Probability::NEVER => self.graph().constant(Tensor::scalar(false)),
            Probability::ALWAYS => self.graph().constant(Tensor::scalar(true)),
            p => self.less(self.uniform(lane), self.real(p.get())),
        }
    }

    fn partner(self, lane: u32, partner: Partner) -> Value<'g> {
        let graph = self.graph();
        if matches!(partner, Partner::Permute | Partner::Derange) {
            let nowhere = graph.constant(Tensor::vector(vec![-1e9f32]));
            let own = self.ranks(lane);
            let real = |value: f32| graph.constant(Tensor::scalar(value));
            let (others, wanted) = match partner {
                Partner::Derange => {
                    let next = own + real(1.0);
                    (own, next.less(self.recording().index().side(0).cast(DataType::F32)).select(next, real(0.0)))
                }
                _ => (self.ranks(lane + 2), own),
            };
            let others = graph.concat(&[others, nowhere], 0);
            let distance = wanted.unsqueeze(&[1]) - others.unsqueeze(&[0]);
            let attributes = vec![int_attribute("axis", 1), int_attribute("keepdims", 0)];
            return graph.node("ArgMin", &[distance.unary("Abs")], attributes, DataType::I64);
        }
        let count = self.recording().index().side(0);
        let row = graph.range(count);
        match partner {
            // Not a remainder, which ONNX Runtime refuses to take of a batch of none.
            Partner::Roll => row.less(self.int(1)).select(count - self.int(1), row - self.int(1)),
            Partner::Dataset => {
                let two = self.int(2);
                row.less(count / two).select(row + (count + self.int(1)) / two, row)
            }
            Partner::Permute | Partner::Derange | Partner::Flip => count - self.int(1) - row,
        }
    }

    fn successors(self, lane: u32, partner: Partner, count: usize) -> Vec<Value<'g>> {
        let first = self.partner(lane, partner);
        std::iter::successors(Some(first), |at| Some(first.gather(*at, 0))).take(count).collect()
    }

    fn batch(self) -> Self {
        Self { block_base: BATCH, ..self }
    }
    fn pair(self) -> Self {
        Self { block_base: PAIR, ..self }
    }
    fn of(self, hash: u64) -> Self {
        Self { hash, block_base: 0, item: 0, cells: None, ..self }
    }
    fn view(self, of: i64) -> Value<'g> {
        let number = self.recording().index() / self.int(1 << VIEW);
        number - number / self.int(of) * self.int(of)
    }
    fn epoch(self) -> Value<'g> {
        self.recording().epoch.cast(DataType::F64)
    }
    fn acts(self, lane: u32, p: Probability) -> Value<'g> {
        acts(self, self.drawing.map_or(&[][..], |(_, key)| key.gates()), lane, p)
    }
    fn item(self, k: u32) -> Self {
        assert!(self.item == 0 && self.cells.is_none(), "{APART}");
        Self { item: k + 1, ..self }
    }

    fn cells(self, extent: [Value<'g>; 3], cell: impl Fn(Self) -> Value<'g>) -> Value<'g> {
        self.each_cell(extent, cell)
    }
    fn reals(self, extent: [Value<'g>; 3], cell: impl Fn(Self) -> Value<'g>) -> Value<'g> {
        self.each_cell(extent, cell)
    }
}

impl<'g> Recorder<'g> {
    fn each_cell(self, extent: [Value<'g>; 3], cell: impl Fn(Self) -> Value<'g>) -> Value<'g> {
        let extent = extent.map(|side| side.constant_int().and_then(|side| usize::try_from(side).ok()).unwrap_or(0));
        let count: usize = extent.iter().product();
        assert!(self.item == 0 && self.cells.is_none(), "{APART}");
        assert!((1..=MAX_CELLS).contains(&count), "a recorded grid has constant sides and at most {MAX_CELLS} cells");
        let drawn = cell(Self { cells: Some(extent), ..self });
        let sides = self.graph().ints(&extent.map(|side| side as i64));
        drawn.expand(self.graph().concat(&[sides, self.recording().index().shape()], 0))
    }
}

/// Splits a column that is a graph input into the fields that `lower` reads; `items` is the width of an `Ints` column.
pub(crate) fn field_of_column(kind: crate::draws::Kind, column: Value<'_>, items: usize) -> Field<Recorder<'_>> {
    use crate::draws::Kind;
    match kind {
        Kind::Bool => Field::Bool(column),
        Kind::Int => Field::Int(column),
        Kind::Real => Field::Real(column),
        Kind::Grid => Field::Grid(column),
        Kind::Reals => Field::Reals(column),
        Kind::Ints => {
            let item = |k: usize| column.gather(column.graph().constant(Tensor::scalar(k as i64)), 1);
            Field::Ints((0..items).map(item).collect())
        }
    }
}

/// Number of items of a drawn column, for `Ints`.
pub(crate) fn items_of(tensor: &Tensor) -> usize {
    tensor.shape().get(Axis(1).index()).copied().unwrap_or(0)
}
