//! Runs one chunk of units through all settings; what images have in common is computed once.

use augraft_engine::Boundary;
use augraft_operator::Transfer;
use ndarray::{Array4, s};

use super::Executor;
use super::pieces::Group;
use crate::acts::{Act, Done, Samples};
use crate::error::ExperimentError;
use crate::measure::{Labeled, measure};
use crate::plan::Setting;
use crate::saliency::{self, Explained};
use crate::table::{Chunk, Row};
use crate::units::{Unit, Walk};

impl Executor<'_> {
    /// Runs chunk `number` of a set.
    ///
    /// # Errors
    /// When an image cannot be read and may not be skipped, an act refuses its tensor, or the engine fails.
    pub fn chunk(&mut self, set: usize, number: usize) -> Result<Chunk, ExperimentError> {
        let plan = self.plan;
        let first = (number * plan.batch) as u64;
        let last = (first + plan.batch as u64).min(plan.units(set) as u64);
        let walk = Walk::new(plan, set);
        let units: Vec<Unit> = (first..last).map(|number| walk.unit(number)).collect();
        let start_of = |place: u64| place - place % plan.batch as u64;
        let mut needed: Vec<u64> = units.iter().flat_map(|unit| unit.partner.into_iter().map(start_of)).collect();
        needed.extend((first < last).then_some(first));
        needed.sort_unstable();
        needed.dedup();
        self.skipped.clear();
        self.next = start_of(last);
        for start in &needed {
            self.load(set, *start)?;
        }
        let row_of = |place: u64| {
            let start = start_of(place);
            let piece = self.pieces.get(&(set, start))?;
            Some((start, (*piece.rows.get((place - start) as usize)?)?))
        };
        let whole = |unit: &&Unit| {
            row_of(unit.number).is_some()
                && unit.partner.is_none_or(|partner| row_of(partner).is_some())
                && (plan.pairs.is_none() || unit.partner.is_some())
        };
        let kept: Vec<Unit> = units.iter().filter(whole).copied().collect();
        let group = Group {
            set,
            own: kept.iter().filter_map(|unit| row_of(unit.number)).collect(),
            partners: plan.pairs.map(|_| kept.iter().filter_map(|unit| row_of(unit.partner?)).collect()),
            labels: kept.iter().map(|unit| self.labeled(&walk, unit)).collect(),
            units: kept,
        };
        let mut chunk = Chunk { skipped: std::mem::take(&mut self.skipped), ..Chunk::default() };
        if set == 0 && number == 0 {
            chunk.drift = self.drift(first)?;
        }
        if !group.units.is_empty() {
            chunk.boxes = self.boxes(&group);
            self.run(&group, &mut chunk)?;
        }
        let next = self.next;
        self.pieces.retain(|(of, start), piece| {
            if !self.holds {
                piece.boundaries[1..].fill(None);
            }
            *of == set && *start >= next && plan.pairs.is_some()
        });
        Ok(chunk)
    }

    fn labeled(&self, walk: &Walk<'_>, unit: &Unit) -> Labeled {
        let image = walk.at(unit.number).unwrap_or_default();
        let partner = unit.partner.and_then(|place| walk.at(place));
        let label = |image: u64| walk.label(image).filter(|label| *label < self.plan.classes.len());
        // Another set has classes of its own, which say nothing of the model's.
        let known = walk.is_data();
        Labeled {
            unit: unit.number,
            image,
            partner,
            a: if known { label(image) } else { None },
            b: if known { partner.and_then(label) } else { None },
        }
    }

    /// Runs the units of a chunk through every setting, by place.
    fn run(&mut self, group: &Group, chunk: &mut Chunk) -> Result<(), ExperimentError> {
        let plan = self.plan;
        let mut rows: Vec<Vec<Row>> = vec![Vec::new(); plan.settings.len()];
        let nothing = Done::nothing(group.units.len());
        let mut bases: Vec<(Boundary, Vec<Done>)> = Vec::new();
        for base in &plan.bases {
            let start = self.gathered(group, 0)?;
            let mut samples = self.samples(&start, group, 0, (0..group.units.len()).collect(), base)?;
            let mut done = Done::nothing(group.units.len());
            samples.run(base, plan.epoch, &mut done)?;
            bases.push((self.put(start, samples.values)?, done));
        }
        let last_place = plan.places.len() - 1;
        for place in 0..=last_place {
            let here: Vec<usize> =
                (0..plan.settings.len()).filter(|at| plan.settings[*at].place == Some(place)).collect();
            for base in std::iter::once(None).chain((0..bases.len()).map(Some)) {
                let settings: Vec<usize> = here.iter().copied().filter(|at| plan.settings[*at].base == base).collect();
                if settings.is_empty() {
                    continue;
                }
                let (start, before) = match base {
                    None => (self.gathered(group, place)?, nothing.clone()),
                    Some(base) => bases[base].clone(),
                };
                let jobs: Vec<(usize, usize)> =
                    settings.iter().flat_map(|setting| (0..group.units.len()).map(|unit| (*setting, unit))).collect();
                for batch in jobs.chunks(plan.batch) {
                    self.forward(group, (place, &start, &before), batch, &mut rows, chunk)?;
                }
            }
            if place < last_place {
                let settings = plan.settings.iter();
                let mut wanted = settings.filter(|setting| setting.place.is_some_and(|at| at > place));
                if wanted.any(|setting| setting.base.is_some()) {
                    for base in &mut bases {
                        base.0 = self.network.advance(&base.0, place + 1)?;
                    }
                }
            }
        }
        for (at, setting) in plan.settings.iter().enumerate().filter(|(_, setting)| setting.place.is_none()) {
            let (place, start, before) = match setting.base {
                // The clean run goes on from the last place, which the settings have left behind.
                None if !setting.explained => (last_place, self.gathered(group, last_place)?, nothing.clone()),
                None => (0, self.gathered(group, 0)?, nothing.clone()),
                Some(base) => (bases[base].0.place(), bases[base].0.clone(), bases[base].1.clone()),
            };
            let jobs: Vec<(usize, usize)> = (0..group.units.len()).map(|unit| (at, unit)).collect();
            for batch in jobs.chunks(plan.batch) {
                self.forward(group, (place, &start, &before), batch, &mut rows, chunk)?;
            }
            if setting.base.is_none() {
                let images = self.gathered(group, 0)?;
                self.shoot(group, at, &images, chunk)?;
            }
        }
        chunk.rows = rows.into_iter().flatten().collect();
        chunk.maps.sort_by_key(|map| (map.setting, map.unit, map.method, map.target));
        chunk.shots.sort_by_key(|shot| (shot.unit, shot.setting));
        Ok(())
    }

    /// Acts on one batch of (setting, unit) and runs it to the end, from a place at which something may have been done to the units.
    fn forward(
        &mut self,
        group: &Group,
        (place, start, before): (usize, &Boundary, &[Done]),
        jobs: &[(usize, usize)],
        rows: &mut [Vec<Row>],
        chunk: &mut Chunk,
    ) -> Result<(), ExperimentError> {
        let plan = self.plan;
        let units: Vec<usize> = jobs.iter().map(|(_, unit)| *unit).collect();
        let mut boundary = start.at_rows(&units);
        let mut done: Vec<Done> = units.iter().map(|unit| before[*unit]).collect();
        let mut changed = vec![f32::NAN; jobs.len()];
        if jobs.iter().any(|(setting, _)| !plan.settings[*setting].acts.is_empty()) {
            let before = self.map(&boundary)?;
            let mut after = before.clone();
            let mut at = 0;
            for run in jobs.chunk_by(|a, b| a.0 == b.0) {
                let acts = self.acts(&plan.settings[run[0].0], place);
                let range = at..at + run.len();
                let chosen: Vec<usize> = run.iter().map(|(_, unit)| *unit).collect();
                let own = boundary.at_rows(&range.clone().collect::<Vec<_>>());
                let mut samples = self.samples(&own, group, place, chosen, &acts)?;
                samples.run(&acts, plan.epoch, &mut done[range.clone()])?;
                after.slice_mut(s![range.clone(), .., .., ..]).assign(&samples.values);
                at = range.end;
            }
            for ((share, before), after) in changed.iter_mut().zip(before.outer_iter()).zip(after.outer_iter()) {
                let differ = before.iter().zip(after.iter()).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
                *share = differ as f32 / before.len().max(1) as f32;
            }
            boundary = self.put(boundary, after)?;
        }
        let explains = |at: usize| plan.saliency.is_some() && plan.settings[at].explained && group.set == 0;
        let explained = jobs.iter().any(|(setting, _)| explains(*setting));
        let ahead = match &plan.saliency {
            Some(wanted) if explained => self.network.advance(&boundary, wanted.place)?,
            _ => boundary.clone(),
        };
        let logits = self.network.finish(&ahead)?;
        self.runs += jobs.len() as u64;
        if let Some(row) = logits.outer_iter().position(|logits| logits.iter().any(|logit| logit.is_nan())) {
            let setting = &plan.settings[jobs[row].0];
            return Err(ExperimentError::Unfit(format!(
                "the model's answer to image {} of `{}` is not a number, in `{}` at `{}`; check the model, its input and what the intervention leaves",
                group.labels[jobs[row].1].image,
                plan.sets[group.set].name,
                setting.intervention,
                plan.site_name(setting)
            )));
        }
        for (row, (setting, unit)) in jobs.iter().enumerate() {
            let labeled = &group.labels[*unit];
            rows[*setting].push(measure(logits.row(row), group.set, *setting, labeled, &done[row], changed[row]));
        }
        if explained {
            let jobs: Vec<Explained> = jobs
                .iter()
                .enumerate()
                .filter(|(_, (setting, _))| explains(*setting))
                .map(|(row, (setting, unit))| Explained { row, setting: *setting, labels: group.labels[*unit] })
                .collect();
            let maps = saliency::maps(self, &boundary, &ahead, &logits, &jobs)?;
            chunk.maps.extend(maps);
        }
        for run in jobs.chunk_by(|a, b| a.0 == b.0).filter(|_| place == 0 && group.set == 0) {
            if plan.settings[run[0].0].place == Some(0) {
                let first = jobs.iter().position(|job| job == &run[0]).unwrap_or(0);
                let own = boundary.at_rows(&(first..first + run.len()).collect::<Vec<_>>());
                let numbers: Vec<usize> = run.iter().map(|(_, unit)| *unit).collect();
                self.shoot_rows(group, run[0].0, &numbers, &own, chunk)?;
            }
        }
        Ok(())
    }

    /// The acts of a setting, with the bounds that were fitted.
    fn acts(&self, setting: &Setting, place: usize) -> Vec<Act> {
        let bounded = |act: &Act| {
            let bound = act.data_quantile().and_then(|quantile| self.bounds.get(&(place, quantile.to_bits())));
            bound.map_or_else(|| act.clone(), |max| act.bounded(*max))
        };
        setting.acts.iter().map(bounded).collect()
    }

    /// What acts need for the units `chosen` (positions in the group), whose own values are in `own`.
    fn samples(
        &mut self,
        own: &Boundary,
        group: &Group,
        place: usize,
        chosen: Vec<usize>,
        acts: &[Act],
    ) -> Result<Working, ExperimentError> {
        let rows = |of: &[(u64, usize)]| chosen.iter().map(|at| of[*at]).collect::<Vec<_>>();
        let clean = if acts.iter().any(Act::needs_clean) {
            Some(self.pick(group.set, &rows(&group.own), place)?)
        } else {
            None
        };
        let partner = match &group.partners {
            Some(partners) if acts.iter().any(Act::needs_partner) => {
                Some(self.pick(group.set, &rows(partners), place)?)
            }
            _ => None,
        };
        let [_, height, width] = self.plan.places[0].map;
        Ok(Working {
            values: self.map(own)?,
            clean,
            partner,
            units: chosen.iter().map(|at| group.units[*at].number).collect(),
            image_size: (place > 0).then_some([height, width]),
            transfer: self.transfer(group.set),
        })
    }
}

/// The samples of one setting while acts change them.
struct Working {
    values: Array4<f32>,
    clean: Option<Array4<f32>>,
    partner: Option<Array4<f32>>,
    units: Vec<u64>,
    image_size: Option<[usize; 2]>,
    transfer: Vec<Transfer>,
}

impl Working {
    fn run(&mut self, acts: &[Act], epoch: u32, done: &mut [Done]) -> Result<(), ExperimentError> {
        let mut samples = Samples {
            values: std::mem::take(&mut self.values),
            clean: self.clean.as_ref(),
            partner: self.partner.as_ref(),
            units: &self.units,
            image_size: self.image_size,
            transfer: &self.transfer,
        };
        for act in acts {
            act.apply(&mut samples, epoch, done)?;
        }
        self.values = samples.values;
        Ok(())
    }
}
