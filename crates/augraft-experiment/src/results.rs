//! All chunks of a run together, by setting.

use std::collections::BTreeMap;

use augraft_data::Skipped;

use crate::error::ExperimentError;
use crate::plan::ExperimentPlan;
use crate::table::{Boxes, Chunk, Map, Row, Shot};

/// What a run gave.
#[derive(Debug, Default)]
pub struct Results {
    /// Rows by set and setting; in each by unit.
    pub rows: BTreeMap<(usize, usize), Vec<Row>>,
    /// Saliency maps.
    pub maps: Vec<Map>,
    /// Images for the report.
    pub shots: Vec<Shot>,
    /// Boxes of objects.
    pub boxes: Vec<Boxes>,
    /// Images that could not be read, once each.
    pub skipped: Vec<(usize, Skipped)>,
    /// Largest difference of a logit between the cut and the whole model.
    pub drift: Option<f32>,
}

impl Results {
    /// Adds a chunk of a set; chunks come in order.
    pub fn add(&mut self, set: usize, chunk: Chunk) {
        for row in chunk.rows {
            self.rows.entry((set, row.setting as usize)).or_default().push(row);
        }
        self.maps.extend(chunk.maps);
        self.shots.extend(chunk.shots);
        self.boxes.extend(chunk.boxes);
        for skipped in chunk.skipped {
            let known = |(of, other): &(usize, Skipped)| *of == set && other.index == skipped.index;
            if !self.skipped.iter().any(known) {
                self.skipped.push((set, skipped));
            }
        }
        self.drift = self.drift.or(chunk.drift);
    }

    /// Rows of a set in a setting.
    #[must_use]
    pub fn of(&self, set: usize, setting: usize) -> &[Row] {
        self.rows.get(&(set, setting)).map_or(&[], Vec::as_slice)
    }

    /// Checks that there is something to measure, and that what was done changed something.
    ///
    /// # Errors
    /// When a set has no unit left, or an intervention that must change something changed nothing.
    pub fn check(&self, plan: &ExperimentPlan) -> Result<(), ExperimentError> {
        for (number, set) in plan.sets.iter().enumerate() {
            if self.of(number, 0).is_empty() {
                let first = self.skipped.iter().find(|(of, _)| *of == number);
                let reason = first.map_or_else(String::new, |(_, skipped)| {
                    format!("; the first that could not be read is `{}`: {}", skipped.path, skipped.reason)
                });
                return Err(ExperimentError::Unfit(format!(
                    "no unit of the set `{}` is left{reason}; repair the files, or name others",
                    set.name
                )));
            }
        }
        for (number, setting) in plan.settings.iter().enumerate().filter(|(_, setting)| setting.must_change) {
            let rows = self.of(0, number);
            // A box may round to nothing on a small map; the weight of the image tells.
            let acted = rows.iter().filter(|row| row.lam_eff < 1.0 || row.lam >= 1.0);
            if acted.clone().count() > 0 && acted.clone().all(|row| row.changed == 0.0) {
                return Err(ExperimentError::NoOp {
                    intervention: setting.intervention.clone(),
                    site: plan.site_name(setting).to_owned(),
                    setting: bracketed(&plan.words(setting)),
                    rows: rows.len(),
                });
            }
        }
        Ok(())
    }

    /// Settings at a tensor that are told to do nothing, and did.
    #[must_use]
    pub fn told_nothing(&self, plan: &ExperimentPlan) -> Vec<String> {
        let nothing = |(number, setting): &(usize, &crate::plan::Setting)| {
            let rows = self.of(0, *number);
            let idle = setting.place.is_some() && !setting.acts.is_empty() && !setting.may_keep && !setting.must_change;
            idle && !rows.is_empty() && rows.iter().all(|row| row.changed == 0.0 && row.lam >= 1.0)
        };
        let settings = plan.settings.iter().enumerate().filter(nothing);
        let words = |(_, setting): (usize, &crate::plan::Setting)| {
            let (site, words) = (plan.site_name(setting), bracketed(&plan.words(setting)));
            format!("`{}` at `{site}`{words} changes nothing, as it is told", setting.intervention)
        };
        settings.map(words).collect()
    }

    /// Settings that were to mix but whose boxes the grid of the tensor rounds to nothing.
    #[must_use]
    pub fn rounded_away(&self, plan: &ExperimentPlan) -> Vec<String> {
        let nothing = |(number, setting): &(usize, &crate::plan::Setting)| {
            let rows = self.of(0, *number);
            setting.place.is_some() && !rows.is_empty() && rows.iter().all(|row| row.lam < 1.0 && row.lam_eff >= 1.0)
        };
        let settings = plan.settings.iter().enumerate().filter(nothing);
        settings
            .map(|(_, setting)| {
                format!(
                    "`{}` at `{}`{} covers no element of the tensor: lam_eff is 1",
                    setting.intervention,
                    plan.site_name(setting),
                    bracketed(&plan.words(setting))
                )
            })
            .collect()
    }
}

/// Words in brackets behind something; nothing without words.
fn bracketed(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(" ({words})") }
}
