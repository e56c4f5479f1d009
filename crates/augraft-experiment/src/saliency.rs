//! Maps of what the answer depends on, from forward runs alone.
//!
//! Every method is a sweep of acts at the feature map or at the input, whose answers are folded into one map.

use augraft_engine::Boundary;
use ndarray::{Array2, Array3, Array4, ArrayView3, Axis, s};

use crate::acts::Act;
use crate::error::ExperimentError;
use crate::execute::Executor;
use crate::measure::Labeled;
use crate::metrics::{resize_bilinear, softmax};
use crate::plan::SaliencyPlan;
use crate::region::Region;
use crate::spec::{Method, Target};
use crate::table::Map;

/// A sample that maps are made of.
pub(crate) struct Explained {
    /// Its row in the batch.
    pub(crate) row: usize,
    pub(crate) setting: usize,
    pub(crate) labels: Labeled,
}

/// Where the samples are, on their way through the model.
struct Stand<'s> {
    wanted: &'s SaliencyPlan,
    /// At the place where they were acted on.
    acted: &'s Boundary,
    /// At the feature map.
    ahead: &'s Boundary,
    logits: &'s Array2<f32>,
    jobs: &'s [Explained],
    /// For each job, the classes that its maps explain.
    classes: Vec<Vec<Option<usize>>>,
}

/// Makes the maps of some samples by every method of the plan.
///
/// # Errors
/// When the engine fails.
pub(crate) fn maps(
    executor: &mut Executor<'_>,
    acted: &Boundary,
    ahead: &Boundary,
    logits: &Array2<f32>,
    jobs: &[Explained],
) -> Result<Vec<Map>, ExperimentError> {
    let Some(wanted) = &executor.plan.saliency else { return Ok(Vec::new()) };
    let mixes = |setting: usize| executor.plan.settings[setting].acts.iter().any(Act::needs_partner);
    let class = |job: &Explained, target: &Target| match target {
        Target::A => job.labels.a,
        Target::B => job.labels.b.filter(|_| mixes(job.setting)),
        Target::Top1 => {
            let row = logits.row(job.row);
            (0..row.len()).reduce(|best, class| if row[class] > row[best] { class } else { best })
        }
    };
    let classes = jobs.iter().map(|job| wanted.targets.iter().map(|target| class(job, target)).collect()).collect();
    let stand = Stand { wanted, acted, ahead, logits, jobs, classes };
    let mut found = Vec::new();
    for (number, method) in wanted.methods.iter().enumerate() {
        let made = match method {
            Method::Cam => cam(executor, &stand)?,
            Method::Reciprocam => reciprocam(executor, &stand)?,
            Method::AblationCam => ablation_cam(executor, &stand)?,
            Method::ScoreCam => score_cam(executor, &stand)?,
            Method::Occlusion => occlusion(executor, &stand)?,
        };
        for (job, targets) in made.into_iter().enumerate() {
            for (target, values) in targets.into_iter().enumerate() {
                let (Some(values), Some(class)) = (values, stand.classes[job][target]) else { continue };
                found.push(Map {
                    unit: jobs[job].labels.unit as i64,
                    setting: jobs[job].setting as i64,
                    method: number as i64,
                    target: target as i64,
                    class: class as i64,
                    values,
                });
            }
        }
    }
    Ok(found)
}

/// A variant of a sample: the number of the job, of the probe, and the value of the sample.
type Change<'c> = dyn Fn(usize, usize, ArrayView3<'_, f32>) -> Array3<f32> + 'c;

/// A map for each job and each of its targets.
type Maps = Vec<Vec<Option<Array2<f32>>>>;

impl Stand<'_> {
    /// A map for each target of each job that has a class.
    fn each(&self, mut map: impl FnMut(usize, usize) -> Array2<f32>) -> Maps {
        let of = |(job, classes): (usize, &Vec<Option<usize>>)| {
            classes.iter().map(|class| class.map(|class| map(job, class))).collect()
        };
        self.classes.iter().enumerate().map(of).collect()
    }

    /// Runs `probes` variants of every job from `place` on; the answers by job: probes x classes.
    fn probe(
        &self,
        executor: &mut Executor<'_>,
        boundary: &Boundary,
        probes: usize,
        change: &Change<'_>,
    ) -> Result<Vec<Array2<f32>>, ExperimentError> {
        let values = executor.map(boundary)?;
        let all: Vec<(usize, usize)> =
            (0..self.jobs.len()).flat_map(|job| (0..probes).map(move |probe| (job, probe))).collect();
        let mut answers = Vec::new();
        for batch in all.chunks(executor.plan.batch) {
            let rows: Vec<usize> = batch.iter().map(|(job, _)| self.jobs[*job].row).collect();
            let (_, channels, height, width) = values.dim();
            let mut changed = Array4::zeros([batch.len(), channels, height, width]);
            for ((job, probe), mut into) in batch.iter().zip(changed.outer_iter_mut()) {
                into.assign(&change(*job, *probe, values.index_axis(Axis(0), self.jobs[*job].row)));
            }
            let start = executor.put(boundary.at_rows(&rows), changed)?;
            answers.push(executor.network.finish(&start)?);
        }
        let views: Vec<_> = answers.iter().map(|part| part.view()).collect();
        let answers =
            ndarray::concatenate(Axis(0), &views).map_err(|error| ExperimentError::Unfit(error.to_string()))?;
        Ok((0..self.jobs.len()).map(|job| answers.slice(s![job * probes..(job + 1) * probes, ..]).to_owned()).collect())
    }
}

/// `CAM_c(y, x) = sum over k of W[c, k] * A[k, y, x]`.
fn cam(executor: &mut Executor<'_>, stand: &Stand<'_>) -> Result<Maps, ExperimentError> {
    let place = stand.wanted.place;
    let head = executor.head(place, stand.ahead)?;
    let values = executor.map(stand.ahead)?;
    Ok(stand.each(|job, class| {
        let map = values.index_axis(Axis(0), stand.jobs[job].row);
        weighted(map, head.row(class).iter().map(|weight| f64::from(*weight)))
    }))
}

/// Keeps one position of the map at a time, zero elsewhere; the probability of the class is the value there.
fn reciprocam(executor: &mut Executor<'_>, stand: &Stand<'_>) -> Result<Maps, ExperimentError> {
    let place = stand.wanted.place;
    let [_, height, width] = executor.plan.places[place].map;
    let keep = |_: usize, cell: usize, map: ArrayView3<'_, f32>| {
        let (y, x) = (cell / width, cell % width);
        let mut kept = Array3::zeros(map.dim());
        kept.slice_mut(s![.., y, x]).assign(&map.slice(s![.., y, x]));
        kept
    };
    let answers = stand.probe(executor, stand.ahead, height * width, &keep)?;
    let answers: Vec<Vec<Vec<f64>>> = answers.iter().map(probabilities).collect();
    Ok(stand
        .each(|job, class| Array2::from_shape_fn([height, width], |(y, x)| answers[job][y * width + x][class] as f32)))
}

/// Weights each channel by `(y - y without it) / y`, y being the logit of the class, and keeps what is positive.
fn ablation_cam(executor: &mut Executor<'_>, stand: &Stand<'_>) -> Result<Maps, ExperimentError> {
    let place = stand.wanted.place;
    let [channels, ..] = executor.plan.places[place].map;
    let without = |_: usize, channel: usize, map: ArrayView3<'_, f32>| {
        let mut rest = map.to_owned();
        rest.index_axis_mut(Axis(0), channel).fill(0.0);
        rest
    };
    let answers = stand.probe(executor, stand.ahead, channels, &without)?;
    let values = executor.map(stand.ahead)?;
    Ok(stand.each(|job, class| {
        let own = f64::from(stand.logits[[stand.jobs[job].row, class]]);
        let loss = |answer: &f32| if own == 0.0 { 0.0 } else { (own - f64::from(*answer)) / own };
        let map = values.index_axis(Axis(0), stand.jobs[job].row);
        positive(weighted(map, answers[job].column(class).iter().map(loss)))
    }))
}

/// Weights each channel by the softmax of the logits that the image gives when the channel masks it, and keeps what is positive.
fn score_cam(executor: &mut Executor<'_>, stand: &Stand<'_>) -> Result<Maps, ExperimentError> {
    let place = stand.wanted.place;
    let [channels, ..] = executor.plan.places[place].map;
    let [_, height, width] = executor.plan.places[0].map;
    let values = executor.map(stand.ahead)?;
    let used = stand.wanted.channels.unwrap_or(channels).min(channels);
    let chosen: Vec<Vec<usize>> =
        stand.jobs.iter().map(|job| largest(values.index_axis(Axis(0), job.row), used)).collect();
    let mask = |job: usize, number: usize, image: ArrayView3<'_, f32>| {
        let channel = chosen[job][number];
        let map = values.slice(s![stand.jobs[job].row, channel, .., ..]);
        let mask = unit_range(&resize_bilinear(map, [height, width]));
        &image * &mask.insert_axis(Axis(0))
    };
    let answers = stand.probe(executor, stand.acted, used, &mask)?;
    Ok(stand.each(|job, class| {
        let scores: Vec<f32> = answers[job].column(class).to_vec();
        let mut weights = vec![0.0; channels];
        for (channel, weight) in chosen[job].iter().zip(softmax(&scores)) {
            weights[*channel] = weight;
        }
        positive(weighted(values.index_axis(Axis(0), stand.jobs[job].row), weights.into_iter()))
    }))
}

/// What the probability of the class loses when a cell of the image is set to zero.
fn occlusion(executor: &mut Executor<'_>, stand: &Stand<'_>) -> Result<Maps, ExperimentError> {
    let grid = stand.wanted.grid;
    let shape = executor.plan.places[0].map;
    let hole = |_: usize, cell: usize, image: ArrayView3<'_, f32>| {
        let region =
            Region { grid: Some([grid, grid]), row: Some(cell / grid), column: Some(cell % grid), ..Region::default() };
        let mut rest = image.to_owned();
        region.place(shape, None).slice_mut(&mut rest.view_mut()).fill(0.0);
        rest
    };
    let answers = stand.probe(executor, stand.acted, grid * grid, &hole)?;
    let answers: Vec<Vec<Vec<f64>>> = answers.iter().map(probabilities).collect();
    let whole = probabilities(stand.logits);
    Ok(stand.each(|job, class| {
        let own = whole[stand.jobs[job].row][class];
        Array2::from_shape_fn([grid, grid], |(y, x)| (own - answers[job][y * grid + x][class]) as f32)
    }))
}

fn probabilities(logits: &Array2<f32>) -> Vec<Vec<f64>> {
    logits.outer_iter().map(|row| softmax(&row.to_vec())).collect()
}

/// Sum of the channels with these weights, in double precision.
fn weighted(map: ArrayView3<'_, f32>, weights: impl Iterator<Item = f64>) -> Array2<f32> {
    let (_, height, width) = map.dim();
    let mut sum = Array2::<f64>::zeros([height, width]);
    for (channel, weight) in map.outer_iter().zip(weights) {
        sum.zip_mut_with(&channel, |sum, value| *sum += weight * f64::from(*value));
    }
    sum.mapv(|value| value as f32)
}

fn positive(map: Array2<f32>) -> Array2<f32> {
    map.mapv_into(|value| value.max(0.0))
}

/// The channels of the largest means, of equal ones the first, in their own order.
fn largest(map: ArrayView3<'_, f32>, count: usize) -> Vec<usize> {
    let means: Vec<f64> = map.outer_iter().map(|channel| channel.iter().map(|value| f64::from(*value)).sum()).collect();
    let mut order: Vec<usize> = (0..means.len()).collect();
    order.sort_by(|a, b| means[*b].total_cmp(&means[*a]).then(a.cmp(b)));
    order.truncate(count);
    order.sort_unstable();
    order
}

/// Brings values to 0..1 by their range; equal values become 0.
fn unit_range(map: &Array2<f32>) -> Array2<f32> {
    let low = map.iter().copied().fold(f32::INFINITY, f32::min);
    let high = map.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if high > low { map.mapv(|value| (value - low) / (high - low)) } else { Array2::zeros(map.dim()) }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn the_channels_of_the_largest_means_are_chosen() {
        let map = Array3::from_shape_fn([4, 1, 2], |(channel, _, _)| [1.0, 3.0, 3.0, 2.0][channel]);
        assert_eq!(largest(map.view(), 2), [1, 2]);
        assert_eq!(largest(map.view(), 1), [1]);
    }

    #[test]
    fn equal_values_have_no_range() {
        assert_eq!(unit_range(&Array2::from_elem([2, 2], 3.0)), Array2::<f32>::zeros([2, 2]));
        assert_eq!(unit_range(&array![[1.0, 3.0]]), array![[0.0, 1.0]]);
    }
}
