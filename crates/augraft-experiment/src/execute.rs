//! Runs one chunk of units through all settings; what images have in common is computed once.

use std::collections::BTreeMap;
use std::sync::Arc;

use augraft_data::{OnError, Skipped, load_batch};
use augraft_engine::{Boundary, EngineError, Runtime, Session, StagedNetwork, Use, put_tokens, run_steps, token_map};
use augraft_onnx::{Model, Tensor};
use augraft_operator::{Batch, Images, Labels, Masks, PhiloxRng, Scratch, Transfer, philox4x32};
use augraft_pipeline::OnDataError;
use ndarray::{Array2, Array3, Array4, Axis, Ix2, Ix3, Ix4, s};
use rand_distr::{Distribution, Normal};

use crate::acts::{Act, Done, Samples};
use crate::error::ExperimentError;
use crate::measure::{Labelled, measure};
use crate::plan::{ExperimentPlan, PlaceFacts, SetSource, Setting};
use crate::saliency::{self, Explained};
use crate::spec::{ChartFields, NoiseFields, NoiseKind};
use crate::table::{Boxes, Chunk, Row, Shot};
use crate::units::{Unit, Walk};

/// An experiment that is bound to its model.
pub struct Executor<'p> {
    pub(crate) plan: &'p ExperimentPlan,
    pub(crate) network: StagedNetwork,
    whole: Option<Box<dyn Session>>,
    holds: bool,
    pieces: BTreeMap<(usize, u64), Piece>,
    bounds: BTreeMap<(usize, u64), f64>,
    head: Option<Array2<f32>>,
    runs: u64,
    skipped: Vec<Skipped>,
}

/// A batch of neighbouring images of a walk, run together whoever asks for them, so that their bytes depend on nothing else.
struct Piece {
    indices: Vec<u64>,
    /// Row in the batch; none for an image that could not be read.
    rows: Vec<Option<usize>>,
    boxes: Vec<Vec<[f64; 4]>>,
    transfer: Vec<Transfer>,
    /// By place, as far as they are held.
    boundaries: Vec<Option<Arc<Boundary>>>,
}

impl<'p> Executor<'p> {
    /// Cuts the model at the places of the plan; with `holds`, what later chunks need again stays in memory.
    ///
    /// # Errors
    /// When the model cannot be cut there or the runtime refuses it.
    pub fn bind(
        plan: &'p ExperimentPlan,
        runtime: &dyn Runtime,
        model: &Model,
        holds: bool,
    ) -> Result<Self, ExperimentError> {
        let sites: Vec<&str> = plan.places[1..].iter().map(|place| place.tensor.as_str()).collect();
        let network = StagedNetwork::bind(runtime, model, &sites)?;
        if network.sites().iter().zip(&sites).any(|(bound, planned)| bound != planned) {
            return Err(ExperimentError::Unfit("the sites of the model have another order than planned".to_owned()));
        }
        let whole = if sites.is_empty() { None } else { Some(runtime.session(model, Use::CutNetwork)?) };
        Ok(Self {
            plan,
            network,
            whole,
            holds,
            pieces: BTreeMap::new(),
            bounds: BTreeMap::new(),
            head: None,
            runs: 0,
            skipped: Vec::new(),
        })
    }

    /// Samples that were run from some place to the end so far.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// Computes the bounds that are quantiles of the data; must run before the first chunk.
    ///
    /// # Errors
    /// When the values are too many to be sorted, or the engine fails.
    pub fn fit(&mut self) -> Result<(), ExperimentError> {
        let mut wanted: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for setting in &self.plan.settings {
            let Some(place) = setting.place else { continue };
            wanted.entry(place).or_default().extend(setting.acts.iter().filter_map(Act::data_quantile));
        }
        wanted.retain(|_, quantiles| !quantiles.is_empty());
        let images = self.plan.sets[0].order.len();
        for (place, quantiles) in wanted {
            let [channels, height, width] = self.plan.places[place].map;
            let count = images.saturating_mul(channels * height * width);
            if count > MOST_VALUES {
                return Err(ExperimentError::Unfit(format!(
                    "the quantile of `{}` is over {count} values, more than {MOST_VALUES}; use a site with fewer, `data.limit`, or `max`",
                    self.plan.places[place].alias
                )));
            }
            let mut values = Vec::with_capacity(count);
            for first in (0..images as u64).step_by(self.plan.batch) {
                self.load(0, first)?;
                let boundary = self.boundary(0, first, place)?;
                values.extend(self.values(&boundary, place)?);
                self.pieces.clear();
            }
            values.sort_unstable_by(f32::total_cmp);
            for quantile in quantiles {
                self.bounds.insert((place, quantile.to_bits()), interpolated(&values, quantile));
            }
        }
        Ok(())
    }

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
            labels: kept.iter().map(|unit| self.labelled(&walk, unit)).collect(),
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
        let later = start_of(last);
        self.pieces.retain(|(of, start), piece| {
            if !self.holds {
                piece.boundaries[1..].fill(None);
            }
            *of == set && *start >= later && plan.pairs.is_some()
        });
        Ok(chunk)
    }

    fn labelled(&self, walk: &Walk<'_>, unit: &Unit) -> Labelled {
        let image = walk.at(unit.number).unwrap_or_default();
        let partner = unit.partner.and_then(|place| walk.at(place));
        let label = |image: u64| walk.label(image).filter(|label| *label < self.plan.classes.len());
        // Another set has classes of its own, which say nothing of the model's.
        let known = walk.is_data();
        Labelled {
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
        let mut bases: Vec<Boundary> = Vec::new();
        for base in &plan.bases {
            let start = self.gathered(group, 0)?;
            let mut samples = self.samples(&start, group, 0, (0..group.units.len()).collect(), base)?;
            let mut done = Done::nothing(group.units.len());
            samples.run(base, plan.epoch, &mut done)?;
            bases.push(self.put(start, samples.values, 0)?);
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
                let start = match base {
                    None => self.gathered(group, place)?,
                    Some(base) => bases[base].clone(),
                };
                let jobs: Vec<(usize, usize)> =
                    settings.iter().flat_map(|setting| (0..group.units.len()).map(|unit| (*setting, unit))).collect();
                for batch in jobs.chunks(plan.batch) {
                    self.forward(group, place, &start, batch, &mut rows, chunk)?;
                }
            }
            if place < last_place {
                let settings = plan.settings.iter();
                let mut wanted = settings.filter(|setting| setting.place.is_some_and(|at| at > place));
                if wanted.any(|setting| setting.base.is_some()) {
                    for base in &mut bases {
                        *base = self.network.advance(base, place + 1)?;
                    }
                }
            }
        }
        for (at, setting) in plan.settings.iter().enumerate().filter(|(_, setting)| setting.place.is_none()) {
            let (place, start) = match setting.base {
                // The clean run goes on from the last place, which the settings have left behind.
                None if !setting.explained => (last_place, self.gathered(group, last_place)?),
                None => (0, self.gathered(group, 0)?),
                Some(base) => (bases[base].place(), bases[base].clone()),
            };
            let jobs: Vec<(usize, usize)> = (0..group.units.len()).map(|unit| (at, unit)).collect();
            for batch in jobs.chunks(plan.batch) {
                self.forward(group, place, &start, batch, &mut rows, chunk)?;
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

    /// Acts on one batch of (setting, unit) and runs it to the end.
    fn forward(
        &mut self,
        group: &Group,
        place: usize,
        start: &Boundary,
        jobs: &[(usize, usize)],
        rows: &mut [Vec<Row>],
        chunk: &mut Chunk,
    ) -> Result<(), ExperimentError> {
        let plan = self.plan;
        let units: Vec<usize> = jobs.iter().map(|(_, unit)| *unit).collect();
        let mut boundary = start.at_rows(&units);
        let mut done = Done::nothing(jobs.len());
        let mut changed = vec![f32::NAN; jobs.len()];
        if jobs.iter().any(|(setting, _)| !plan.settings[*setting].acts.is_empty()) {
            let before = self.map(&boundary, place)?;
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
            boundary = self.put(boundary, after, place)?;
        }
        let explains = |at: usize| plan.saliency.is_some() && plan.settings[at].explained && group.set == 0;
        let explained = jobs.iter().any(|(setting, _)| explains(*setting));
        let ahead = match &plan.saliency {
            Some(wanted) if explained => self.network.advance(&boundary, wanted.place)?,
            _ => boundary.clone(),
        };
        let logits = self.network.finish(&ahead)?;
        self.runs += jobs.len() as u64;
        for (row, (setting, unit)) in jobs.iter().enumerate() {
            let labelled = &group.labels[*unit];
            rows[*setting].push(measure(logits.row(row), group.set, *setting, labelled, &done[row], changed[row]));
        }
        if explained {
            let jobs: Vec<Explained> = jobs
                .iter()
                .enumerate()
                .filter(|(_, (setting, _))| explains(*setting))
                .map(|(row, (setting, unit))| Explained { row, setting: *setting, labels: group.labels[*unit] })
                .collect();
            let maps = saliency::maps(self, place, &boundary, &ahead, &logits, &jobs)?;
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
            values: self.map(own, place)?,
            clean,
            partner,
            units: chosen.iter().map(|at| group.units[*at].number).collect(),
            image_size: (place > 0).then_some([height, width]),
            transfer: self.transfer(group.set),
        })
    }

    fn transfer(&self, set: usize) -> Vec<Transfer> {
        self.pieces.iter().find(|((of, _), _)| *of == set).map_or_else(Vec::new, |(_, piece)| piece.transfer.clone())
    }

    /// The clean runs of the units' own images at a place.
    fn gathered(&mut self, group: &Group, place: usize) -> Result<Boundary, ExperimentError> {
        let mut parts = Vec::new();
        for run in group.own.chunk_by(|a, b| a.0 == b.0) {
            let rows: Vec<usize> = run.iter().map(|(_, row)| *row).collect();
            parts.push(self.boundary(group.set, run[0].0, place)?.at_rows(&rows));
        }
        Boundary::concat(&parts).ok_or_else(|| ExperimentError::Unfit("the parts of a batch do not fit".to_owned()))
    }

    /// The values of images, by piece and row, at a place.
    fn pick(&mut self, set: usize, rows: &[(u64, usize)], place: usize) -> Result<Array4<f32>, ExperimentError> {
        let mut parts = Vec::new();
        for run in rows.chunk_by(|a, b| a.0 == b.0) {
            let numbers: Vec<usize> = run.iter().map(|(_, row)| *row).collect();
            let boundary = self.boundary(set, run[0].0, place)?;
            let tensor = boundary.value(&self.network).map(|value| value.at_rows(&numbers));
            parts.push(to_map(tensor, &self.plan.places[place])?);
        }
        let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
        ndarray::concatenate(Axis(0), &views).map_err(|error| ExperimentError::Unfit(error.to_string()))
    }

    /// The clean run of a piece at a place, computed from the nearest place before it that is held.
    fn boundary(&mut self, set: usize, start: u64, place: usize) -> Result<Arc<Boundary>, ExperimentError> {
        let missing = || ExperimentError::Unfit("a batch of images is not there".to_owned());
        let piece = self.pieces.get(&(set, start)).ok_or_else(missing)?;
        let held = (0..=place).rev().find_map(|at| piece.boundaries[at].as_ref()).ok_or_else(missing)?;
        if held.place() == place {
            return Ok(held.clone());
        }
        let ahead = Arc::new(self.network.advance(held, place)?);
        if let Some(piece) = self.pieces.get_mut(&(set, start)) {
            piece.boundaries[place] = Some(ahead.clone());
            if !self.holds {
                // Chunks visit places in order, so only the images and the last place are needed again.
                piece.boundaries[1..place].fill(None);
            }
        }
        Ok(ahead)
    }

    pub(crate) fn map(&self, boundary: &Boundary, place: usize) -> Result<Array4<f32>, ExperimentError> {
        to_map(boundary.value(&self.network).cloned(), &self.plan.places[place])
    }

    /// Puts a map in place of the value at a boundary.
    pub(crate) fn put(&self, boundary: Boundary, map: Array4<f32>, place: usize) -> Result<Boundary, ExperimentError> {
        let facts = &self.plan.places[place];
        let value = match (facts.tokens, facts.shape.len()) {
            (Some(tokens), _) => {
                let Some(Tensor::F32(rows)) = boundary.value(&self.network) else { return Err(unfit(facts)) };
                let mut rows = rows.clone().into_dimensionality::<Ix3>().map_err(|_| unfit(facts))?;
                put_tokens(&mut rows, &map, tokens);
                rows.into_dyn()
            }
            (None, 2) => map.index_axis_move(Axis(3), 0).index_axis_move(Axis(2), 0).into_dyn(),
            (None, _) => map.into_dyn(),
        };
        Ok(boundary.with_value(&self.network, Tensor::F32(value)))
    }

    fn values(&self, boundary: &Boundary, place: usize) -> Result<Vec<f32>, ExperimentError> {
        Ok(self.map(boundary, place)?.into_raw_vec_and_offset().0)
    }

    /// Largest difference of a logit between the parts and the whole, on the first images.
    fn drift(&mut self, start: u64) -> Result<Option<f32>, ExperimentError> {
        let Some(whole) = &self.whole else { return Ok(Some(0.0)) };
        let images = self.pieces.get(&(0, start)).and_then(|piece| piece.boundaries[0].clone());
        let Some(images) =
            images.filter(|images| images.value(&self.network).is_some_and(|value| value.shape()[0] > 0))
        else {
            return Ok(None);
        };
        let Some(value) = images.value(&self.network) else { return Ok(None) };
        let outputs = whole.run(&[(self.network.name(0), value)])?;
        let mut through = (*images).clone();
        for place in 1..self.plan.places.len() {
            through = self.network.advance(&through, place)?;
        }
        let cut = self.network.finish(&through)?;
        let largest = outputs.first().and_then(Tensor::as_f32).map(|logits| {
            let differences =
                logits.iter().zip(&cut).filter(|(a, b)| a.to_bits() != b.to_bits()).map(|(a, b)| (a - b).abs());
            differences.max_by(f32::total_cmp).unwrap_or(0.0)
        });
        Ok(largest)
    }

    /// What the model's linear head gives for each channel of its pooled map alone: classes x channels.
    pub(crate) fn head(&mut self, place: usize, sample: &Boundary) -> Result<Array2<f32>, ExperimentError> {
        if let Some(head) = &self.head {
            return Ok(head.clone());
        }
        let [channels, height, width] = self.plan.places[place].map;
        let mut weights: Option<Array2<f32>> = None;
        let probes: Vec<usize> = (0..=channels).collect();
        let mut logits = Vec::new();
        for batch in probes.chunks(self.plan.batch.max(16)) {
            let mut maps = Array4::<f32>::zeros([batch.len(), channels, height, width]);
            for (row, channel) in batch.iter().enumerate().filter(|(_, channel)| **channel < channels) {
                maps.slice_mut(s![row, *channel, .., ..]).fill(1.0);
            }
            let start = self.put(sample.at_rows(&vec![0; batch.len()]), maps, place)?;
            logits.push(self.network.finish(&start)?);
        }
        let views: Vec<_> = logits.iter().map(|part| part.view()).collect();
        let logits =
            ndarray::concatenate(Axis(0), &views).map_err(|error| ExperimentError::Unfit(error.to_string()))?;
        let bias = logits.row(channels).to_owned();
        let alone = logits.slice(s![..channels, ..]).to_owned() - &bias;
        let head = weights.get_or_insert_with(|| alone.reversed_axes()).clone();
        self.head = Some(head.clone());
        Ok(head)
    }

    /// Loads the images from `start` on, a batch, unless they are here.
    fn load(&mut self, set: usize, start: u64) -> Result<(), ExperimentError> {
        if self.pieces.contains_key(&(set, start)) {
            return Ok(());
        }
        let plan = self.plan;
        let walk = Walk::new(plan, set);
        let indices: Vec<u64> = (start..start + plan.batch as u64).map_while(|place| walk.at(place)).collect();
        let of = &plan.sets[set];
        let mut skipped = Vec::new();
        let (images, found, keys) = match &of.source {
            SetSource::Noise(noise) => {
                let images = indices.iter().map(|index| noise_image(*noise, plan.seed, &of.name, *index)).collect();
                (images, indices.clone(), None)
            }
            SetSource::Data(dataset) => {
                let skip = of.data.as_ref().is_some_and(|data| data.on_error == OnDataError::Skip);
                let loaded = load_batch(dataset, &indices, if skip { OnError::Skip } else { OnError::Fail })?;
                skipped = loaded.skipped;
                (loaded.images, loaded.index, Some(dataset))
            }
        };
        let mut next = 0;
        let rows: Vec<Option<usize>> = indices
            .iter()
            .map(|index| {
                let here = found.get(next) == Some(index);
                next += usize::from(here);
                here.then(|| next - 1)
            })
            .collect();
        let given: Vec<Vec<[f64; 4]>> = match (&plan.saliency, keys) {
            (Some(saliency), Some(dataset)) if set == 0 => found
                .iter()
                .map(|index| saliency.boxes.get(dataset.key(*index as usize)).cloned().unwrap_or_default())
                .collect(),
            _ => vec![Vec::new(); found.len()],
        };
        let (images, transfer, boxes) = if found.is_empty() {
            let [channels, height, width] = plan.places[0].map;
            (Array4::zeros([0, channels, height, width]), Vec::new(), Vec::new())
        } else {
            prepared(plan, set, images, &found, &given)?
        };
        let mut boundaries = vec![None; plan.places.len()];
        boundaries[0] = Some(Arc::new(self.network.start(images)));
        self.skipped.extend(skipped);
        self.pieces.insert((set, start), Piece { indices, rows, boxes, transfer, boundaries });
        Ok(())
    }

    fn boxes(&self, group: &Group) -> Vec<Boxes> {
        if group.set > 0 || self.plan.saliency.is_none() {
            return Vec::new();
        }
        let entry = |((start, row), unit): (&(u64, usize), &Unit)| {
            let boxes = self.pieces.get(&(group.set, *start))?.boxes.get(*row)?.clone();
            (!boxes.is_empty()).then_some(Boxes { unit: unit.number as i64, boxes })
        };
        group.own.iter().zip(&group.units).filter_map(entry).collect()
    }

    fn shoot(&self, group: &Group, setting: usize, start: &Boundary, chunk: &mut Chunk) -> Result<(), ExperimentError> {
        if group.set == 0 {
            self.shoot_rows(group, setting, &(0..group.units.len()).collect::<Vec<_>>(), start, chunk)?;
        }
        Ok(())
    }

    /// Keeps the images of the first units for the report; `own` has one row for each of `numbers`.
    fn shoot_rows(
        &self,
        group: &Group,
        setting: usize,
        numbers: &[usize],
        own: &Boundary,
        chunk: &mut Chunk,
    ) -> Result<(), ExperimentError> {
        let wanted = self.plan.charts.iter().filter_map(|chart| match chart {
            ChartFields::Strip(strip) => Some(strip.units as u64),
            _ => None,
        });
        let Some(wanted) = wanted.max() else { return Ok(()) };
        let shown: Vec<usize> = (0..numbers.len()).filter(|row| group.units[numbers[*row]].number < wanted).collect();
        if shown.is_empty() {
            return Ok(());
        }
        let images = self.map(own, 0)?;
        let transfer = self.transfer(group.set);
        for row in shown {
            let image = images.index_axis(Axis(0), row);
            let (channels, height, width) = image.dim();
            let pixel = |(y, x, channel): (usize, usize, usize)| {
                let channel = channel.min(channels - 1);
                transfer.get(channel).copied().unwrap_or(Transfer::IDENTITY).pixel(image[[channel, y, x]])
            };
            let pixels = Array3::from_shape_fn([height, width, 3], pixel);
            let (pixels, size) = crate::picture::thumbnail(&pixels);
            chunk.shots.push(Shot {
                unit: group.units[numbers[row]].number as i64,
                setting: setting as i64,
                size,
                pixels,
            });
        }
        Ok(())
    }
}

/// Values beyond which a quantile is not worth sorting them.
const MOST_VALUES: usize = 1 << 28;

/// A chunk's units, and where their images lie.
struct Group {
    set: usize,
    units: Vec<Unit>,
    /// Piece and row of each unit's own image.
    own: Vec<(u64, usize)>,
    partners: Option<Vec<(u64, usize)>>,
    labels: Vec<Labelled>,
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

fn unfit(place: &PlaceFacts) -> ExperimentError {
    EngineError::Unfit(format!("`{}` is no feature map of f32 as it was planned", place.alias)).into()
}

fn to_map(value: Option<Tensor>, place: &PlaceFacts) -> Result<Array4<f32>, ExperimentError> {
    let Some(Tensor::F32(value)) = value else { return Err(unfit(place)) };
    match (place.tokens, place.shape.len()) {
        (Some(tokens), _) => {
            let rows = value.into_dimensionality::<Ix3>().map_err(|_| unfit(place))?;
            token_map(&rows, tokens).ok_or_else(|| unfit(place))
        }
        (None, 2) => {
            let rows = value.into_dimensionality::<Ix2>().map_err(|_| unfit(place))?;
            Ok(rows.insert_axis(Axis(2)).insert_axis(Axis(3)))
        }
        (None, _) => value.into_dimensionality::<Ix4>().map_err(|_| unfit(place)),
    }
}

/// Runs the steps of a set over decoded images: the model's input, how pixels became values, and where the boxes came to lie.
type Prepared = (Array4<f32>, Vec<Transfer>, Vec<Vec<[f64; 4]>>);

fn prepared(
    plan: &ExperimentPlan,
    set: usize,
    images: Vec<Array3<u8>>,
    index: &[u64],
    given: &[Vec<[f64; 4]>],
) -> Result<Prepared, ExperimentError> {
    let most = given.iter().map(Vec::len).max().unwrap_or(0);
    let sizes: Vec<[usize; 2]> = images.iter().map(|image| [image.dim().0, image.dim().1]).collect();
    let run = |images: Vec<Array3<u8>>, masks: Option<Masks>| -> Result<Batch, ExperimentError> {
        let mut batch = Batch {
            images: Images::Ragged(images),
            labels: Labels::one_hot(&vec![None; index.len()], 0, index),
            masks,
            index: index.to_vec(),
            transfer: vec![Transfer::IDENTITY; 3],
            image_size: None,
        };
        run_steps(&plan.sets[set].steps, plan.epoch, &mut batch, None, &mut Scratch::default())?;
        Ok(batch)
    };
    // A box moves as the pixels in it do: it goes through the steps as a mask.
    let mut boxes = vec![Vec::new(); index.len()];
    for number in 0..most {
        let mask = |(boxes, [height, width]): (&Vec<[f64; 4]>, &[usize; 2])| {
            Array3::from_shape_fn([*height, *width, 1], |(y, x, _)| {
                let inside = |[left, top, right, bottom]: &[f64; 4]| {
                    let (y, x) = (y as f64 + 0.5, x as f64 + 0.5);
                    x >= *left && x < *right && y >= *top && y < *bottom
                };
                u8::from(boxes.get(number).is_some_and(inside))
            })
        };
        let masks = Masks { images: Images::Ragged(given.iter().zip(&sizes).map(mask).collect()), classes: 2 };
        let moved = run(images.clone(), Some(masks))?;
        let Some(Images::U8(masks)) = moved.masks.map(|masks| masks.images) else {
            return Err(ExperimentError::Unfit("the steps do not move boxes; use steps that act on masks".to_owned()));
        };
        for (row, boxes) in boxes.iter_mut().enumerate() {
            boxes.extend(tight(&masks, row));
        }
    }
    let batch = run(images, None)?;
    let transfer = batch.transfer.clone();
    match batch.images {
        Images::F32(images) => Ok((images, transfer, boxes)),
        _ => Err(ExperimentError::Unfit("the steps do not end with f32; add `normalize`".to_owned())),
    }
}

/// The box `[left, top, right, bottom]` around the pixels of class 1; none where nothing of the object is left.
fn tight(masks: &Array4<u8>, row: usize) -> Option<[f64; 4]> {
    let plane = masks.slice(s![row, 0, .., ..]);
    let places: Vec<(usize, usize)> =
        plane.indexed_iter().filter(|(_, class)| **class == 1).map(|(place, _)| place).collect();
    let rows = || places.iter().map(|(y, _)| *y);
    let columns = || places.iter().map(|(_, x)| *x);
    let (top, bottom) = (rows().min()?, rows().max()? + 1);
    let (left, right) = (columns().min()?, columns().max()? + 1);
    Some([left as f64, top as f64, right as f64, bottom as f64])
}

/// An image of noise: a function of the seed, the name of the set and the number of the image.
fn noise_image(noise: NoiseFields, seed: u64, set: &str, index: u64) -> Array3<u8> {
    let key = augraft_operator::StepKey::new(seed, set).words();
    let [low, high, ..] = philox4x32([index as u32, (index >> 32) as u32, 0, 0], key);
    let mut random = PhiloxRng::new(u64::from(low) | u64::from(high) << 32);
    let shape = [noise.size, noise.size, 3];
    match (noise.kind, Normal::new(0.5, 1.0)) {
        (NoiseKind::Gaussian, Ok(normal)) => Array3::from_shape_simple_fn(shape, || {
            let value: f64 = normal.sample(&mut random);
            (value.clamp(0.0, 1.0) * 255.0).round() as u8
        }),
        _ => Array3::from_shape_simple_fn(shape, || {
            let value: f64 = rand_distr::StandardUniform.sample(&mut random);
            (value * 256.0) as u8
        }),
    }
}

/// The quantile of sorted values, linear between neighbours, as `numpy.quantile`.
fn interpolated(sorted: &[f32], quantile: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::INFINITY };
    let at = quantile * last as f64;
    let (low, high) = (at.floor() as usize, (at.ceil() as usize).min(last));
    let (low_value, high_value) = (f64::from(sorted[low]), f64::from(sorted[high]));
    low_value + (high_value - low_value) * (at - low as f64)
}
