//! What combinators decide about the steps in them: whether, and how often, they act.

use crate::dice::Dice;
use crate::modes::Mode;
use crate::numbers::Probability;
use crate::table::Table;

/// One combinator around a step, as the step sees it.
#[derive(Debug, Clone, PartialEq)]
pub enum Gate {
    /// Open where a uniform number of the combinator lies in `low..high`.
    OneOf {
        /// Hash of the combinator's id.
        hash: u64,
        /// One choice per batch, or per sample.
        mode: Mode,
        /// Sum of the weights before the step, over all weights.
        low: f64,
        /// The same with the step.
        high: f64,
    },
    /// Open where the step is among the first of a drawn order of all steps.
    SomeOf {
        /// Hash of the combinator's id.
        hash: u64,
        /// One choice per batch, or per sample.
        mode: Mode,
        /// Least and largest number of steps that act.
        count: [u32; 2],
        /// Which step this is.
        position: u32,
        /// Number of steps.
        steps: u32,
    },
    /// Multiplies the probability by a function of the epoch.
    Ramp(Ramp),
}

/// A function of the epoch: values at equally spaced epochs, linear in between, constant outside.
#[derive(Debug, Clone, PartialEq)]
pub struct Ramp {
    start: f64,
    scale: f64,
    table: Table,
    end: f64,
}

impl Ramp {
    /// Tabulates `value`, which maps the share of the way from epoch `start` to `end` (in `[0, 1]`) to a factor of 0 to 1.
    #[must_use]
    pub fn new([start, end]: [u32; 2], value: impl Fn(f64) -> f64) -> Self {
        let length = f64::from(end.saturating_sub(start).max(1));
        Self { start: f64::from(start), scale: 1.0 / length, end: value(1.0), table: Table::new(value) }
    }

    /// The value at the epoch of the dice.
    pub fn at<D: Dice>(&self, dice: D) -> D::Real {
        let share = (dice.epoch() - dice.real(self.start)) * dice.real(self.scale);
        let (zero, one) = (dice.real(0.0), dice.real(1.0));
        let (before, within) = (dice.less(share, zero), dice.less(share, one));
        // A lookup takes [0, 1): outside, it is made at 0 and not used.
        let inside = dice.select(within & !before, share, zero);
        dice.select(within, dice.lookup(inside, &self.table), dice.real(self.end))
    }
}

impl Gate {
    /// Whether the step acts, as far as this combinator is concerned; none when it only changes the probability.
    pub(crate) fn open<D: Dice>(&self, dice: D) -> Option<D::Bool> {
        match self {
            Gate::OneOf { hash, mode, low, high } => {
                let drawn = mode.scope(dice.of(*hash)).uniform(0);
                Some(!dice.less(drawn, dice.real(*low)) & dice.less(drawn, dice.real(*high)))
            }
            Gate::SomeOf { hash, mode, count: [least, most], position, steps } => {
                let scope = mode.scope(dice.of(*hash));
                let (own, order) = (scope.item(0), |step: u32| scope.item(1 + step).uniform(0));
                let number = dice.int(i64::from(*least)) + own.below(0, dice.int(i64::from(most - least) + 1));
                let mine = order(*position);
                let (zero, one) = (dice.int(0), dice.int(1));
                let before = (0..*steps).filter(|step| step != position).fold(zero, |sum, step| {
                    let other = order(step);
                    // Equal numbers keep the order of the file.
                    let earlier = if step < *position { !dice.less(mine, other) } else { dice.less(other, mine) };
                    sum + dice.select_int(earlier, one, zero)
                });
                Some(dice.less_int(before, number))
            }
            Gate::Ramp(_) => None,
        }
    }
}

/// See [`Dice::acts`]: with the gates of the combinators around the step.
pub(crate) fn acts<D: Dice>(dice: D, gates: &[Gate], lane: u32, p: Probability) -> D::Bool {
    let ramps = gates.iter().filter_map(|gate| if let Gate::Ramp(ramp) = gate { Some(ramp.at(dice)) } else { None });
    let drawn = match ramps.reduce(|product, ramp| product * ramp) {
        None => dice.chance(lane, p),
        Some(factor) => dice.less(dice.uniform(lane), dice.real(p.get()) * factor),
    };
    gates.iter().filter_map(|gate| gate.open(dice)).fold(drawn, |drawn, open| drawn & open)
}
