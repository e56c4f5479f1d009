//! Batches of neighboring images: loading, preparing, and their clean runs as far as they are held.

use std::sync::Arc;

use augraft_data::{OnError, load_batch};
use augraft_engine::{Boundary, run_steps};
use augraft_operator::{
    Batch, Element, Images, Labels, Object, ObjectRules, Objects, PhiloxRng, Scratch, Transfer, philox4x32,
};
use augraft_pipeline::OnDataError;
use ndarray::{Array3, Array4, Axis};
use rand_distr::{Distribution, Normal};

use super::{Executor, Piece};
use crate::error::ExperimentError;
use crate::measure::Labeled;
use crate::plan::{ExperimentPlan, SetSource};
use crate::spec::{NoiseFields, NoiseKind};
use crate::table::Boxes;
use crate::units::{Unit, Walk};

/// A chunk's units, and where their images lie.
pub(super) struct Group {
    pub(super) set: usize,
    pub(super) units: Vec<Unit>,
    /// Piece and row of each unit's own image.
    pub(super) own: Vec<(u64, usize)>,
    pub(super) partners: Option<Vec<(u64, usize)>>,
    pub(super) labels: Vec<Labeled>,
}

impl Executor<'_> {
    pub(super) fn transfer(&self, set: usize) -> Vec<Transfer> {
        self.pieces.iter().find(|((of, _), _)| *of == set).map_or_else(Vec::new, |(_, piece)| piece.transfer.clone())
    }

    /// The clean runs of the units' own images at a place.
    pub(super) fn gathered(&mut self, group: &Group, place: usize) -> Result<Boundary, ExperimentError> {
        let mut parts = Vec::new();
        for run in group.own.chunk_by(|a, b| a.0 == b.0) {
            let rows: Vec<usize> = run.iter().map(|(_, row)| *row).collect();
            parts.push(self.boundary(group.set, run[0].0, place)?.at_rows(&rows));
        }
        Boundary::concat(&parts).ok_or_else(|| ExperimentError::Unfit("the parts of a batch do not fit".to_owned()))
    }

    /// The values of images, by piece and row, at a place.
    pub(super) fn pick(
        &mut self,
        set: usize,
        rows: &[(u64, usize)],
        place: usize,
    ) -> Result<Array4<f32>, ExperimentError> {
        let mut parts = Vec::new();
        for run in rows.chunk_by(|a, b| a.0 == b.0) {
            let numbers: Vec<usize> = run.iter().map(|(_, row)| *row).collect();
            let boundary = self.boundary(set, run[0].0, place)?.at_rows(&numbers);
            parts.push(self.network.map(&boundary)?);
        }
        let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
        ndarray::concatenate(Axis(0), &views).map_err(|error| ExperimentError::Unfit(error.to_string()))
    }

    /// The clean run of a piece at a place, computed from the nearest place before it that is held.
    pub(super) fn boundary(&mut self, set: usize, start: u64, place: usize) -> Result<Arc<Boundary>, ExperimentError> {
        let missing = || ExperimentError::Unfit("a batch of images is not there".to_owned());
        let piece = self.pieces.get(&(set, start)).ok_or_else(missing)?;
        let held = (0..=place).rev().find_map(|at| piece.boundaries[at].as_ref()).ok_or_else(missing)?;
        if held.place() == place {
            return Ok(held.clone());
        }
        let ahead = Arc::new(self.network.advance(held, place)?);
        if let Some(piece) = self.pieces.get_mut(&(set, start)) {
            piece.boundaries[place] = Some(ahead.clone());
            if !self.holds || start < self.next {
                // A chunk visits places in order, so only the images and the last place are needed again.
                piece.boundaries[1..place].fill(None);
            }
        }
        Ok(ahead)
    }

    /// Loads the images from `start` on, a batch, unless they are here.
    pub(super) fn load(&mut self, set: usize, start: u64) -> Result<(), ExperimentError> {
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
            let sides = [0, channels, height, width];
            let bytes = plan.sets[set].steps.last().is_none_or(|step| step.after.element == Element::U8);
            let none = if bytes { Images::U8(Array4::zeros(sides)) } else { Images::F32(Array4::zeros(sides)) };
            (none, Vec::new(), Vec::new())
        } else {
            prepared(plan, set, images, &found, &given)?
        };
        let mut boundaries = vec![None; plan.places.len()];
        boundaries[0] = Some(Arc::new(self.network.start(&images)?));
        self.skipped.extend(skipped);
        self.pieces.insert((set, start), Piece { rows, boxes, transfer, boundaries });
        Ok(())
    }

    pub(super) fn boxes(&self, group: &Group) -> Vec<Boxes> {
        if group.set > 0 || self.plan.saliency.is_none() {
            return Vec::new();
        }
        let entry = |((start, row), unit): (&(u64, usize), &Unit)| {
            let boxes = self.pieces.get(&(group.set, *start))?.boxes.get(*row)?.clone();
            (!boxes.is_empty()).then_some(Boxes { unit: unit.number as i64, boxes })
        };
        group.own.iter().zip(&group.units).filter_map(entry).collect()
    }
}

/// Runs the steps of a set over decoded images: the model's input, how pixels became values, and where the boxes came to lie.
type Prepared = (Images, Vec<Transfer>, Vec<Vec<[f64; 4]>>);

fn prepared(
    plan: &ExperimentPlan,
    set: usize,
    images: Vec<Array3<u8>>,
    index: &[u64],
    given: &[Vec<[f64; 4]>],
) -> Result<Prepared, ExperimentError> {
    if given.iter().any(|boxes| !boxes.is_empty())
        && let Some(step) = plan.sets[set].steps.iter().find(|step| step.effects.opaque)
    {
        let message = format!("nothing knows where `{}` moves the boxes; leave the step out", step.id);
        return Err(ExperimentError::Unfit(message));
    }
    let objects = |((boxes, image), index): ((&Vec<[f64; 4]>, &Array3<u8>), &u64)| {
        let size = [image.dim().0, image.dim().1];
        let object = |(number, bounds): (usize, &[f64; 4])| Object::new(0, (*index, number as u64), *bounds, size);
        boxes.iter().enumerate().map(object).collect()
    };
    let samples = given.iter().zip(&images).zip(index).map(objects).collect();
    let labels = Labels::one_hot(&vec![None; index.len()], 0, index);
    let objects = Some(Objects { samples, flip_pairs: Vec::new() });
    let mut batch = Batch { objects, ..Batch::new(Images::Ragged(images), labels, index.to_vec()) };
    run_steps(&plan.sets[set].steps, plan.epoch, &mut batch, None, &mut Scratch::default())?;
    let seen = batch.objects.map(|objects| objects.seen(&ObjectRules::default())).unwrap_or_default();
    let boxes = seen.into_iter().map(|seen| seen.into_iter().map(|object| object.bounds.map(f64::from)).collect());
    match batch.images {
        Images::Ragged(_) => Err(ExperimentError::Unfit("the steps do not end with images of one size".to_owned())),
        images => Ok((images, batch.transfer, boxes.collect())),
    }
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
