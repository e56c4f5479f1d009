//! Native dice: values are plain numbers.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use ndarray::Array3;

use crate::address::VIEW;
use crate::counter::{APART, BATCH, MAX_CELLS, PAIR, cell_block, item_block};
use crate::dice::Dice;
use crate::gate::acts;
use crate::key::StepKey;
use crate::numbers::Probability;
use crate::partner::{Partner, key62, match_ranks, next_in_rank};
use crate::philox::philox4x32;
use crate::table::Table;

/// One step's draws over one batch: where the words come from.
#[derive(Debug)]
pub struct BatchDice<'a> {
    key: &'a StepKey,
    epoch: u32,
    index: &'a [u64],
    partners: RefCell<BTreeMap<u32, Vec<usize>>>,
    audit: Option<RefCell<Vec<Word>>>,
    asked: Cell<Option<Probability>>,
    asked_partner: Cell<Option<Partner>>,
}

/// The address of a word: row of the batch, block, word of the block.
type Word = (usize, u32, u32);

impl<'a> BatchDice<'a> {
    /// Addresses the draws of the step `key` in `epoch` for the samples `index` (indices in the data set).
    #[must_use]
    pub fn new(key: &'a StepKey, epoch: u32, index: &'a [u64]) -> Self {
        let (asked, asked_partner) = (Cell::new(None), Cell::new(None));
        Self { key, epoch, index, partners: RefCell::default(), audit: None, asked, asked_partner }
    }

    /// Also records which words are read, so that a test can find one that is read twice.
    #[must_use]
    pub fn audited(mut self) -> Self {
        self.audit = Some(RefCell::default());
        self
    }

    /// The words that were read more than once, as (row, block, word).
    #[must_use]
    pub fn words_read_twice(&self) -> Vec<Word> {
        let mut words = self.audit.as_ref().map(|audit| audit.borrow().clone()).unwrap_or_default();
        words.sort_unstable();
        words.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect()
    }

    /// The probability with which the step was asked to act.
    pub(crate) fn asked(&self) -> Option<Probability> {
        self.asked.get()
    }

    /// How the step asked for partners.
    pub(crate) fn asked_partner(&self) -> Option<Partner> {
        self.asked_partner.get()
    }

    /// The dice of the sample at position `row` of the batch.
    #[must_use]
    pub fn sample(&'a self, row: usize) -> Scalar<'a> {
        Scalar { batch: Some(self), row, hash: self.key.hash(), block_base: 0, item: 0, cell: None }
    }

    fn word(&self, row: usize, hash: u64, block: u32, word: u32) -> u32 {
        let addressed = match block & (BATCH | PAIR) {
            0 => row,
            PAIR => row.min(self.index.len() - 1 - row),
            _ => 0,
        };
        let index = self.index[addressed];
        philox4x32([index as u32, (index >> 32) as u32, self.epoch, block], self.key.words_of(hash))[word as usize]
    }
}

/// Dice whose values are `f64`, `i64` and `bool`, for one sample of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Scalar<'a> {
    /// None where nothing is drawn any more.
    batch: Option<&'a BatchDice<'a>>,
    row: usize,
    hash: u64,
    block_base: u32,
    item: u32,
    cell: Option<u32>,
}

/// The native values of one drawn row.
pub type Row = Scalar<'static>;

impl Scalar<'static> {
    /// Dice that only compute: of what is drawn, all is known.
    pub(crate) const ARITHMETIC: Self = Self { batch: None, row: 0, hash: 0, block_base: 0, item: 0, cell: None };
}

impl<'a> Scalar<'a> {
    fn source(self) -> &'a BatchDice<'a> {
        self.batch.expect("nothing is drawn outside of `draw`")
    }

    fn word(self, lane: u32) -> u32 {
        let (block, word) = match self.cell {
            Some(cell) => (cell_block(cell, lane), cell % 4),
            None => (item_block(self.item, lane), lane % 4),
        };
        let block = self.block_base | block;
        // What a combinator draws is read by every step in it.
        if let Some(audit) = self.source().audit.as_ref().filter(|_| self.hash == self.source().key.hash()) {
            audit.borrow_mut().push((self.row, block, word));
        }
        self.source().word(self.row, self.hash, block, word)
    }

    fn note_partner(self, lane: u32, partner: Partner) {
        self.source().asked_partner.set(Some(partner));
        if !matches!(partner, Partner::Permute | Partner::Derange) {
            return;
        }
        if let Some(audit) = &self.source().audit {
            let used = if partner == Partner::Derange { 2 } else { Partner::LANES };
            let words = (lane..lane + used).map(|lane| (self.row, item_block(self.item, lane), lane % 4));
            audit.borrow_mut().extend(words);
        }
    }

    fn partner_of(self, row: usize, lane: u32, partner: Partner) -> usize {
        let n = self.source().index.len();
        match partner {
            Partner::Permute | Partner::Derange => self.keyed(row, lane, partner),
            Partner::Dataset if row < n / 2 => row + n.div_ceil(2),
            Partner::Dataset => row,
            Partner::Roll => (row + n - 1) % n,
            Partner::Flip => n - 1 - row,
        }
    }

    fn keyed(self, row: usize, lane: u32, partner: Partner) -> usize {
        let address = item_block(self.item, 0) << 4 | lane;
        let mut partners = self.source().partners.borrow_mut();
        let table = partners.entry(address).or_insert_with(|| {
            let word = |row, lane| self.source().word(row, self.hash, item_block(self.item, lane), lane % 4);
            let keys =
                |lane| (0..self.source().index.len()).map(move |row| key62(word(row, lane), word(row, lane + 1)));
            let first: Vec<i64> = keys(lane).collect();
            match partner {
                Partner::Derange => next_in_rank(&first),
                _ => match_ranks(&first, &keys(lane + 2).collect::<Vec<_>>()),
            }
        });
        table[row]
    }
}

impl Dice for Scalar<'_> {
    type Real = f64;
    type Int = i64;
    type Bool = bool;
    type Grid = Array3<bool>;
    type Reals = Array3<f64>;

    fn real(self, value: f64) -> f64 {
        value
    }
    fn int(self, value: i64) -> i64 {
        value
    }
    fn to_real(self, value: i64) -> f64 {
        value as f64
    }
    fn floor(self, value: f64) -> i64 {
        value.floor() as i64
    }
    fn sqrt(self, value: f64) -> f64 {
        value.sqrt()
    }
    fn less(self, a: f64, b: f64) -> bool {
        a < b
    }
    fn less_int(self, a: i64, b: i64) -> bool {
        a < b
    }
    fn select(self, condition: bool, yes: f64, no: f64) -> f64 {
        if condition { yes } else { no }
    }
    fn select_int(self, condition: bool, yes: i64, no: i64) -> i64 {
        if condition { yes } else { no }
    }
    fn div(self, a: i64, b: i64) -> i64 {
        a / b
    }
    fn lookup(self, u: f64, table: &Table) -> f64 {
        table.at(u)
    }

    fn uniform(self, lane: u32) -> f64 {
        f64::from(self.word(lane)) * (-32f64).exp2()
    }

    fn partner(self, lane: u32, partner: Partner) -> i64 {
        self.note_partner(lane, partner);
        self.partner_of(self.row, lane, partner) as i64
    }

    fn successors(self, lane: u32, partner: Partner, count: usize) -> Vec<i64> {
        self.note_partner(lane, partner);
        let first = self.partner_of(self.row, lane, partner);
        let next = |at: &usize| Some(self.partner_of(*at, lane, partner));
        std::iter::successors(Some(first), next).take(count).map(|at| at as i64).collect()
    }

    fn batch(self) -> Self {
        Self { block_base: BATCH, ..self }
    }

    fn pair(self) -> Self {
        Self { block_base: PAIR, ..self }
    }

    fn of(self, hash: u64) -> Self {
        Self { hash, block_base: 0, item: 0, cell: None, ..self }
    }

    fn epoch(self) -> f64 {
        f64::from(self.source().epoch)
    }

    fn acts(self, lane: u32, p: Probability) -> bool {
        self.source().asked.set(Some(p));
        acts(self, self.source().key.gates(), lane, p)
    }

    fn view(self, of: i64) -> i64 {
        (self.source().index[self.row] >> VIEW) as i64 % of
    }

    fn item(self, k: u32) -> Self {
        assert!(self.item == 0 && self.cell.is_none(), "{APART}");
        Self { item: k + 1, ..self }
    }

    fn cells(self, extent: [i64; 3], cell: impl Fn(Self) -> bool) -> Array3<bool> {
        self.each_cell(extent, cell)
    }

    fn reals(self, extent: [i64; 3], cell: impl Fn(Self) -> f64) -> Array3<f64> {
        self.each_cell(extent, cell)
    }
}

impl Scalar<'_> {
    fn each_cell<T>(self, extent: [i64; 3], cell: impl Fn(Self) -> T) -> Array3<T> {
        let [channels, height, width] = extent.map(|side| side as usize);
        assert!(self.item == 0 && self.cell.is_none(), "{APART}");
        assert!(channels * height * width <= MAX_CELLS, "a grid has at most {MAX_CELLS} cells");
        let mut next = 0;
        Array3::from_shape_simple_fn([channels, height, width], || {
            next += 1;
            cell(Self { cell: Some(next - 1), ..self })
        })
    }
}
