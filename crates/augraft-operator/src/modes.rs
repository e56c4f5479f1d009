//! Which samples share a draw.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::address::Rows;
use crate::dice::Dice;
use crate::numbers::Scope;
use crate::partner::Partner;
use crate::shape::Issue;

/// Whether one draw serves the whole batch or each sample has its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// One draw per batch (the papers' code).
    #[default]
    Batch,
    /// One draw per sample.
    Elem,
}

impl Mode {
    /// The dice in the scope of this mode.
    pub fn scope<D: Dice>(self, dice: D) -> D {
        match self {
            Mode::Batch => dice.batch(),
            Mode::Elem => dice,
        }
    }
}

/// Which samples share a draw of a mixing step, and which samples are left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MixMode {
    /// One draw per batch (the papers' code).
    #[default]
    Batch,
    /// One draw for the samples `i` and `N - 1 - i`, which are mixed with each other (timm); needs `partner: flip`.
    Pair,
    /// One draw per sample.
    Elem,
    /// One draw per sample, and only the first half of the batch is left, mixed with the second (timm's collate); needs `partner: flip`.
    Half,
}

impl MixMode {
    /// The dice in the scope of this mode.
    pub fn scope<D: Dice>(self, dice: D) -> D {
        match self {
            MixMode::Batch => dice.batch(),
            MixMode::Pair => dice.pair(),
            MixMode::Elem | MixMode::Half => dice,
        }
    }

    /// The dice that decide whether a step acts: those of the mode, or those of another scope.
    pub fn deciding<D: Dice>(self, dice: D, scope: Option<Scope>) -> D {
        match scope {
            None => self.scope(dice),
            // Their first lane may be one that the mode draws from; item 0 has lanes of its own.
            Some(Scope::Batch) => dice.batch().item(0),
            Some(Scope::Elem) => dice.item(0),
        }
    }

    /// How many samples are left of a batch that is mixed with `partner`.
    #[must_use]
    pub fn rows(self, partner: Partner) -> Rows {
        if self == MixMode::Half && partner != Partner::Dataset { Rows::Half } else { partner.rows() }
    }

    /// Checks that the partners are those of the mode.
    ///
    /// # Errors
    /// When it pairs samples, and `partner` chooses others.
    pub fn check(self, partner: Partner) -> Result<(), Issue> {
        let name = match self {
            MixMode::Batch | MixMode::Elem => return Ok(()),
            MixMode::Pair => "pair",
            MixMode::Half => "half",
        };
        if partner == Partner::Flip {
            return Ok(());
        }
        Err(Issue::new("partner", format!("`mode: {name}` mixes the samples i and N - 1 - i"))
            .help("set `partner: flip`"))
    }
}
