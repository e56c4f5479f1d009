//! What is done to a tensor at a site: the acts that need more than the tensor itself, and every operator.

mod options;

use augraft_operator::{Batch, Draws, Images, Labels, Meaning, Probability, Scratch, Tensor, Transfer};
use augraft_pipeline::Step;
use ndarray::{Array4, ArrayView3, ArrayViewMut3, Axis, Zip, s};

pub use self::options::OwnAct;
use self::options::{Clip, Lerp, Paste, Prune, PruneRescale, Replace};
pub(crate) use self::options::{OWN_ACTS, Outside, Source, Space};
use crate::error::ExperimentError;
use crate::region::{Place, Region};

/// An act that is ready for one site.
#[derive(Debug, Clone)]
pub enum Act {
    /// One of the experiments' own.
    Own(OwnAct),
    /// An operator; its draws are keyed by the unit.
    Operator(Box<Step>),
}

/// The samples at a site that acts change, and the runs that they take from.
pub struct Samples<'s> {
    /// Values N,C,H,W, which the acts change.
    pub values: Array4<f32>,
    /// The clean run of the images.
    pub clean: Option<&'s Array4<f32>>,
    /// The clean run of their partners.
    pub partner: Option<&'s Array4<f32>>,
    /// Number of the unit of each sample.
    pub units: &'s [u64],
    /// Height and width of the images; none at the input.
    pub image_size: Option<[usize; 2]>,
    /// How pixels became the values at the input.
    pub transfer: &'s [Transfer],
}

/// What acts did to one sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Done {
    /// Weight of the sample itself that was asked for.
    pub lam: f32,
    /// Weight of the sample itself by the elements, as the grid of the tensor allows.
    pub lam_eff: f32,
    /// The box `[top, left, bottom, right]` in elements, ends exclusive.
    pub bounds: Option<[i64; 4]>,
    /// Whether the image's own part is inside of the box.
    pub is_inside: bool,
}

impl Done {
    const NOTHING: Self = Self { lam: 1.0, lam_eff: 1.0, bounds: None, is_inside: false };
}

impl Act {
    /// Name in YAML.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Act::Own(OwnAct::Lerp(_)) => "lerp",
            Act::Own(OwnAct::Paste(_)) => "paste",
            Act::Own(OwnAct::Replace(_)) => "replace",
            Act::Own(OwnAct::Hole(_)) => "hole",
            Act::Own(OwnAct::Clip(_)) => "clip",
            Act::Own(OwnAct::Prune(_)) => "prune",
            Act::Operator(step) => step.name,
        }
    }

    /// Whether it takes something from the partner.
    #[must_use]
    pub fn needs_partner(&self) -> bool {
        match self {
            Act::Own(
                OwnAct::Lerp(Lerp { from, .. })
                | OwnAct::Paste(Paste { from, .. })
                | OwnAct::Replace(Replace { from, .. }),
            ) => *from == Source::Partner,
            Act::Own(_) => false,
            Act::Operator(step) => step.effects.mixes,
        }
    }

    /// The quantile of the data that bounds it.
    #[must_use]
    pub fn data_quantile(&self) -> Option<f64> {
        match self {
            Act::Own(OwnAct::Clip(clip)) => clip.quantile.map(Probability::get),
            _ => None,
        }
    }

    /// Whether it takes something from the clean run of the image itself.
    #[must_use]
    pub fn needs_clean(&self) -> bool {
        match self {
            Act::Own(
                OwnAct::Lerp(Lerp { from, .. })
                | OwnAct::Paste(Paste { from, .. })
                | OwnAct::Replace(Replace { from, .. }),
            ) => *from == Source::Clean,
            Act::Own(_) | Act::Operator(_) => false,
        }
    }

    /// Changes the samples; says of each what was done.
    ///
    /// # Errors
    /// When an operator refuses the tensor.
    pub fn apply(&self, samples: &mut Samples<'_>, epoch: u32, done: &mut [Done]) -> Result<(), ExperimentError> {
        let (_, channels, height, width) = samples.values.dim();
        let place = |region: &Region| region.place([channels, height, width], samples.image_size);
        match self {
            Act::Own(OwnAct::Lerp(lerp)) => {
                let (lam, other) = (lerp.lam.get() as f32, samples.source(lerp.from)?);
                Zip::from(&mut samples.values)
                    .and(other)
                    .for_each(|value, &other| *value = lam * *value + (1.0 - lam) * other);
                for done in done {
                    match lerp.from {
                        Source::Partner => done.weigh(lerp.lam.get(), lerp.lam.get()),
                        Source::Clean => done.restore(1.0 - lerp.lam.get(), 1.0 - lerp.lam.get()),
                    }
                }
            }
            Act::Own(OwnAct::Paste(Paste { region, from }) | OwnAct::Replace(Replace { region, from })) => {
                let place = place(region);
                let other = samples.source(*from)?;
                for (mut sample, other) in samples.values.outer_iter_mut().zip(other.outer_iter()) {
                    place.slice_mut(&mut sample).assign(&place.slice(&other));
                }
                let share = place.share([channels, height, width]);
                for done in done {
                    done.bounds = place.bounds().or(done.bounds);
                    let asked = region.asked_share().unwrap_or(share);
                    done.is_inside = *from == Source::Clean;
                    match from {
                        Source::Partner => done.weigh(1.0 - asked, 1.0 - share),
                        Source::Clean => done.restore(asked, share),
                    }
                }
            }
            Act::Own(OwnAct::Hole(hole)) => {
                let place = place(&hole.region);
                let transfer = samples.transfer.to_vec();
                let zero = |channel: usize| match hole.space {
                    Space::Pixel => transfer.get(channel).map_or(0.0, |transfer| transfer.bias),
                    Space::Normalized => 0.0,
                };
                for mut sample in samples.values.outer_iter_mut() {
                    erase(&mut sample, &place, hole.outside, zero);
                }
                for done in done {
                    done.bounds = place.bounds().or(done.bounds);
                    done.is_inside = hole.outside == Outside::Boundary;
                }
            }
            Act::Own(OwnAct::Clip(clip)) => {
                let most = clip.max.map_or(f32::INFINITY, |max| max as f32);
                samples.values.mapv_inplace(|value| value.min(most));
            }
            Act::Own(OwnAct::Prune(prune)) => {
                samples.values.outer_iter_mut().for_each(|mut sample| prune_sample(&mut sample, prune));
            }
            Act::Operator(step) => apply_operator(step, samples, epoch, done)?,
        }
        Ok(())
    }

    /// The same act with the bound that its quantile of the data came out as.
    #[must_use]
    pub fn bounded(&self, max: f64) -> Self {
        match self {
            Act::Own(OwnAct::Clip(clip)) => Act::Own(OwnAct::Clip(Clip { max: Some(max), quantile: clip.quantile })),
            other => other.clone(),
        }
    }
}

impl Done {
    fn weigh(&mut self, lam: f64, lam_eff: f64) {
        self.lam = (f64::from(self.lam) * lam) as f32;
        self.lam_eff = (f64::from(self.lam_eff) * lam_eff) as f32;
    }

    /// A share of the sample is its own again.
    fn restore(&mut self, share: f64, share_eff: f64) {
        let restored = |lam: f32, share: f64| (f64::from(lam) * (1.0 - share) + share) as f32;
        self.lam = restored(self.lam, share);
        self.lam_eff = restored(self.lam_eff, share_eff);
    }

    /// As many samples to which nothing was done.
    #[must_use]
    pub fn nothing(samples: usize) -> Vec<Self> {
        vec![Self::NOTHING; samples]
    }
}

impl<'s> Samples<'s> {
    fn source(&self, from: Source) -> Result<&'s Array4<f32>, ExperimentError> {
        match from {
            Source::Clean => self.clean.ok_or_else(|| ExperimentError::Unfit("there is no clean run".to_owned())),
            Source::Partner => self.partner.ok_or_else(|| ExperimentError::Unfit("there are no partners".to_owned())),
        }
    }
}

fn erase(sample: &mut ArrayViewMut3<'_, f32>, place: &Place, outside: Outside, zero: impl Fn(usize) -> f32) {
    let kept = (outside == Outside::Boundary).then(|| place.slice(&sample.view()).to_owned());
    let mut erased = if kept.is_some() { sample.view_mut() } else { place.slice_mut(sample) };
    for (channel, mut plane) in erased.outer_iter_mut().enumerate() {
        plane.fill(zero(channel));
    }
    if let Some(kept) = kept {
        place.slice_mut(sample).assign(&kept);
    }
}

fn prune_sample(sample: &mut ArrayViewMut3<'_, f32>, prune: &Prune) {
    let count = sample.len();
    let pruned = ((prune.quantile.get() * count as f64).round() as usize).min(count);
    let before: f64 = sample.iter().map(|value| f64::from(*value)).sum();
    let mut order: Vec<(f32, usize)> = sample.iter().copied().enumerate().map(|(at, value)| (value, at)).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
    let mut gone = vec![false; count];
    order[..pruned].iter().for_each(|(_, at)| gone[*at] = true);
    sample.iter_mut().zip(gone).filter(|(_, gone)| *gone).for_each(|(value, _)| *value = 0.0);
    let after: f64 = sample.iter().map(|value| f64::from(*value)).sum();
    if prune.rescale == PruneRescale::AshS && after != 0.0 {
        let factor = libm::exp(before / after) as f32;
        sample.mapv_inplace(|value| value * factor);
    }
}

/// Bit of the index of a partner, so that it draws apart from every unit.
const PARTNER: u64 = 1 << 48;

fn apply_operator(
    step: &Step,
    samples: &mut Samples<'_>,
    epoch: u32,
    done: &mut [Done],
) -> Result<(), ExperimentError> {
    let mut scratch = Scratch::default();
    if !step.effects.mixes {
        let mut batch = batch_of(samples, samples.values.clone(), samples.units.to_vec());
        let draws = run(step, epoch, &mut batch, &mut scratch)?;
        let before = std::mem::replace(&mut samples.values, floats(step, batch)?);
        for (row, done) in done.iter_mut().enumerate() {
            let Some(bounds) = bounds(step, &draws, row) else { continue };
            let [before, after] = [&before, &samples.values].map(|values| values.index_axis(Axis(0), row));
            (done.bounds, done.is_inside) = (Some(bounds), keeps_inside(before, after, bounds));
        }
        return Ok(());
    }
    let partner = samples.source(Source::Partner)?;
    // A pair is a batch of its own, so that what is drawn does not depend on which pairs run together.
    for (row, done) in done.iter_mut().enumerate() {
        let unit = samples.units[row];
        let pair = ndarray::concatenate![
            Axis(0),
            samples.values.slice(s![row..=row, .., .., ..]),
            partner.slice(s![row..=row, .., .., ..])
        ];
        let mut batch = batch_of(samples, pair, vec![unit, unit | PARTNER]);
        let draws = run(step, epoch, &mut batch, &mut scratch)?;
        let soft = batch.labels.soft();
        let own = f64::from(soft[[0, 0]]);
        let both = own + f64::from(soft[[0, 1]]);
        let drawn = match draws.meaning(step.operator.columns(), Meaning::Weight) {
            Some(Tensor::F32(lam)) => lam.iter().next().map(|lam| f64::from(*lam)),
            _ => None,
        };
        let lam_eff = if both > 0.0 { own / both } else { 1.0 };
        done.weigh(drawn.unwrap_or(lam_eff), lam_eff);
        done.bounds = bounds(step, &draws, 0).or(done.bounds);
        let mixed = floats(step, batch)?;
        samples.values.index_axis_mut(Axis(0), row).assign(&mixed.index_axis(Axis(0), 0));
    }
    Ok(())
}

fn batch_of(samples: &Samples<'_>, images: Array4<f32>, index: Vec<u64>) -> Batch {
    let classes: Vec<Option<usize>> = (0..index.len()).map(|row| Some(row % 2)).collect();
    let labels = Labels::one_hot(&classes, 2, &index);
    let batch = Batch::new(Images::F32(images), labels, index);
    Batch { transfer: samples.transfer.to_vec(), image_size: samples.image_size, ..batch }
}

fn run(step: &Step, epoch: u32, batch: &mut Batch, scratch: &mut Scratch) -> Result<Draws, ExperimentError> {
    let draws = step.operator.draw(&step.key, epoch, batch);
    let applied = step.operator.apply(&draws, batch, scratch);
    applied.map_err(|issue| ExperimentError::Unfit(format!("`{}` {}", step.name, issue.message)))?;
    Ok(draws)
}

fn floats(step: &Step, batch: Batch) -> Result<Array4<f32>, ExperimentError> {
    match batch.images {
        Images::F32(images) => Ok(images),
        _ => Err(ExperimentError::Unfit(format!("`{}` leaves no f32", step.name))),
    }
}

/// The box that was drawn for a sample, where the operator draws one that is not empty.
fn bounds(step: &Step, draws: &Draws, row: usize) -> Option<[i64; 4]> {
    let side = |edge: Meaning| match draws.meaning(step.operator.columns(), edge) {
        Some(Tensor::I64(column)) => column.iter().nth(row).copied(),
        _ => None,
    };
    let bounds = [side(Meaning::Top)?, side(Meaning::Left)?, side(Meaning::Bottom)?, side(Meaning::Right)?];
    (bounds[2] > bounds[0] && bounds[3] > bounds[1]).then_some(bounds)
}

/// Whether the elements in a box stayed as they were while others changed.
fn keeps_inside(before: ArrayView3<'_, f32>, after: ArrayView3<'_, f32>, bounds: [i64; 4]) -> bool {
    let [top, left, bottom, right] = bounds.map(|edge| usize::try_from(edge).unwrap_or(0));
    let changed = before.indexed_iter().filter(|(at, value)| value.to_bits() != after[*at].to_bits());
    let mut places = changed.map(|((_, y, x), _)| (top..bottom).contains(&y) && (left..right).contains(&x)).peekable();
    places.peek().is_some() && !places.any(|is_inside| is_inside)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, s};

    use super::*;

    #[test]
    fn the_own_part_is_where_nothing_changed() {
        let before = Array3::<f32>::ones([2, 4, 5]);
        let (mut hole, mut kept) = (before.clone(), Array3::zeros([2, 4, 5]));
        hole.slice_mut(s![.., 1..3, 1..4]).fill(0.0);
        kept.slice_mut(s![.., 1..3, 1..4]).fill(1.0);
        let bounds = [1, 1, 3, 4];
        assert!(!keeps_inside(before.view(), hole.view(), bounds));
        assert!(keeps_inside(before.view(), kept.view(), bounds));
        assert!(!keeps_inside(before.view(), before.view(), bounds));
    }
}
