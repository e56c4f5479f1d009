//! One metric of one set in one setting, and the rows that it is of.

use crate::metric::{Metric, Rate};
use crate::plan::{ExperimentPlan, Setting};
use crate::results::Results;
use crate::table::Row;

/// Replicates of a bootstrap.
pub(super) const REPLICATES: u32 = 200;

/// One metric of one set in one setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// Number of the set.
    pub set: usize,
    /// Number of the setting; none for what is measured between settings.
    pub setting: Option<usize>,
    /// Name of the intervention, or of the two that are compared.
    pub intervention: String,
    /// Where.
    pub site: String,
    /// Way of making maps and target, as `cam a`; empty without maps.
    pub method: String,
    /// Name of the metric.
    pub metric: String,
    /// The value.
    pub value: f64,
    /// Ends of the 95 % interval.
    pub interval: Option<[f64; 2]>,
    /// Units that it is of.
    pub n: usize,
    /// p of McNemar's test against the clean run on the same units.
    pub p: Option<f64>,
    /// The same after Holm's correction over the sites of the intervention.
    pub p_holm: Option<f64>,
}

/// Rows of one setting, and what they are compared with.
pub(super) struct At<'a> {
    pub(super) plan: &'a ExperimentPlan,
    pub(super) results: &'a Results,
    pub(super) set: usize,
    pub(super) number: usize,
    pub(super) setting: &'a Setting,
    pub(super) rows: &'a [Row],
}

impl At<'_> {
    /// A cell of `n` units whose value is still to come.
    pub(super) fn cell(&self, metric: &Metric, n: usize) -> Cell {
        Cell {
            set: self.set,
            setting: Some(self.number),
            intervention: self.setting.intervention.clone(),
            site: self.plan.site_name(self.setting).to_owned(),
            method: String::new(),
            metric: metric.id(),
            value: f64::NAN,
            interval: None,
            n,
            p: None,
            p_holm: None,
        }
    }

    /// 1 where a rate counts the row, else 0.
    pub(super) fn hit(&self, rate: Rate, row: &Row) -> f64 {
        let hit = match rate {
            Rate::Top1 => row.top1 == row.label_a,
            Rate::Top1Error => row.top1 != row.label_a,
            Rate::Top5 => (0..5).contains(&row.rank_a),
            Rate::Top5Error => !(0..5).contains(&row.rank_a),
            Rate::NeitherError => row.top1 != row.label_a && row.top1 != row.label_b,
            Rate::Flip => self.clean(row).is_some_and(|clean| clean.top1 != row.top1),
        };
        f64::from(u8::from(hit))
    }

    /// The row of the same unit in the clean run.
    pub(super) fn clean(&self, row: &Row) -> Option<&Row> {
        let clean = self.results.of(self.set, 0);
        clean.binary_search_by_key(&row.unit, |other| other.unit).ok().map(|at| &clean[at])
    }
}
