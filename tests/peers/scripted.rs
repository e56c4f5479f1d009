//! Dice that give the numbers of a script, so that a draw can be made of what another library drew.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use augraft::operator::{Dice, Partner, Probability, Table};
use ndarray::Array3;

/// The place of a number: item (0 for the sample itself, else one more than its number) and lane.
type Place = (u32, u32);

/// Numbers by place; places that have none give one half, and `acts` says yes.
#[derive(Debug, Default)]
pub(crate) struct Script {
    numbers: BTreeMap<Place, f64>,
    read: RefCell<BTreeSet<Place>>,
}

impl Script {
    /// Gives `number` at `lane` of the sample itself.
    pub(crate) fn set(&mut self, lane: u32, number: f64) {
        self.numbers.insert((0, lane), number);
    }

    /// Gives `number` at `lane` of item `k`.
    pub(crate) fn set_item(&mut self, k: u32, lane: u32, number: f64) {
        self.numbers.insert((k + 1, lane), number);
    }

    /// Dice that read from the start.
    pub(crate) fn dice(&self) -> Scripted<'_> {
        Scripted { script: self, item: 0 }
    }

    /// Says what is wrong with the numbers: one that dice cannot give, or one that was not read.
    pub(crate) fn problem(&self) -> Option<String> {
        let read = self.read.borrow();
        let outside = self.numbers.iter().find(|(_, number)| !(0.0..1.0).contains(*number));
        let unread = self.numbers.keys().find(|place| !read.contains(place));
        outside
            .map(|(place, number)| format!("dice do not give {number} at {place:?}"))
            .or_else(|| unread.map(|place| format!("{place:?} was not read")))
    }
}

/// Dice whose values are `f64`, `i64` and `bool`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scripted<'a> {
    script: &'a Script,
    item: u32,
}

impl Scripted<'_> {
    fn number(self, lane: u32) -> Option<f64> {
        let place = (self.item, lane);
        self.script.read.borrow_mut().insert(place);
        self.script.numbers.get(&place).copied()
    }
}

impl Dice for Scripted<'_> {
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
        self.number(lane).unwrap_or(0.5)
    }
    fn partner(self, _: u32, _: Partner) -> i64 {
        0
    }
    fn successors(self, _: u32, _: Partner, count: usize) -> Vec<i64> {
        vec![0; count]
    }
    fn batch(self) -> Self {
        self
    }
    fn pair(self) -> Self {
        self
    }
    fn view(self, _: i64) -> i64 {
        0
    }
    fn of(self, _: u64) -> Self {
        self
    }
    fn epoch(self) -> f64 {
        0.0
    }
    fn item(self, k: u32) -> Self {
        Self { item: k + 1, ..self }
    }
    fn cells(self, [channels, height, width]: [i64; 3], cell: impl Fn(Self) -> bool) -> Array3<bool> {
        let extent = [channels, height, width].map(|side| side as usize);
        Array3::from_shape_simple_fn(extent, || cell(self))
    }
    fn reals(self, [channels, height, width]: [i64; 3], cell: impl Fn(Self) -> f64) -> Array3<f64> {
        let extent = [channels, height, width].map(|side| side as usize);
        Array3::from_shape_simple_fn(extent, || cell(self))
    }
    fn acts(self, lane: u32, p: Probability) -> bool {
        self.number(lane).is_none_or(|number| number < p.get())
    }
}
