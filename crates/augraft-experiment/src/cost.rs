//! What a plan costs before it runs: runs of the model, multiply-adds, memory.

use crate::acts::Act;
use crate::error::ExperimentError;
use crate::plan::{ExperimentPlan, Setting};
use crate::spec::Method;

/// What a plan costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Cost {
    /// Samples that are run from some place to the end.
    pub runs: f64,
    /// All runs in whole passes of the model, by their multiply-adds.
    pub passes: f64,
    /// Passes when the whole model runs for every setting.
    pub naive_passes: f64,
    /// Whether activations that the next chunk needs again are held in memory.
    pub holds: bool,
    /// Largest number of bytes of activations that are held at once, the engine's own not counted.
    pub peak_bytes: f64,
}

impl Cost {
    /// The cost of a plan within `memory` bytes.
    ///
    /// # Errors
    /// When not even one batch fits.
    pub fn of(plan: &ExperimentPlan, memory: f64) -> Result<Self, ExperimentError> {
        let held = peak_bytes(plan, true);
        let least = peak_bytes(plan, false);
        if least > memory {
            return Err(ExperimentError::Unfit(format!(
                "a batch of {} needs {} of activations at once, but the bound is {}; lower `data.batch`, or raise --memory",
                plan.batch,
                bytes(least),
                bytes(memory)
            )));
        }
        let holds = held <= memory;
        let (mut runs, mut passes, mut naive) = (0.0, 0.0, 0.0);
        for set in 0..plan.sets.len() {
            let units = plan.units(set) as f64;
            let chunks = plan.chunks(set) as f64;
            for setting in &plan.settings {
                let probes = if set == 0 { probes(plan, setting) } else { Probes::default() };
                runs += units * (1.0 + probes.runs);
                passes += units * (share(plan, setting) + probes.passes);
                naive += units * (1.0 + probes.runs);
            }
            if plan.pairs.is_some() && needs_prefix(plan) {
                // Partners at the end of a chunk are the first images of the next one.
                let again = if holds { 1.0 } else { chunks };
                passes += again * plan.batch as f64 * (1.0 - last_share(plan));
            }
        }
        for (place, facts) in plan.places.iter().enumerate() {
            let fitted = |setting: &&Setting| {
                setting.place == Some(place) && setting.acts.iter().any(|act| act.data_quantile().is_some())
            };
            if plan.settings.iter().any(|setting| fitted(&setting)) {
                passes += plan.sets[0].order.len() as f64 * (1.0 - facts.macs_after);
            }
        }
        Ok(Self { runs, passes, naive_passes: naive, holds, peak_bytes: if holds { held } else { least } })
    }
}

/// Number of bytes in words.
#[must_use]
pub fn bytes(count: f64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let mut count = count;
    let mut unit = 0;
    while count >= 1024.0 && unit + 1 < UNITS.len() {
        count /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{count:.1} {}", UNITS[unit]) }
}

/// Share of the model behind the last place.
fn last_share(plan: &ExperimentPlan) -> f64 {
    plan.places.last().map_or(1.0, |place| place.macs_after)
}

fn needs_prefix(plan: &ExperimentPlan) -> bool {
    plan.settings
        .iter()
        .any(|setting| setting.place.is_some_and(|place| place > 0) && setting.acts.iter().any(Act::needs_partner))
}

/// Share of the model that one run of a setting takes, its way to the place included where nobody shares it.
fn share(plan: &ExperimentPlan, setting: &Setting) -> f64 {
    setting.place.map_or(1.0, |place| plan.places[place].macs_after)
}

/// Runs of saliency methods for one sample of a setting.
#[derive(Default)]
struct Probes {
    runs: f64,
    passes: f64,
}

fn probes(plan: &ExperimentPlan, setting: &Setting) -> Probes {
    let Some(saliency) = plan.saliency.as_ref().filter(|_| setting.explained) else { return Probes::default() };
    let facts = &plan.places[saliency.place];
    let [channels, height, width] = facts.map;
    let mut sum = Probes::default();
    for method in &saliency.methods {
        let (runs, share) = match method {
            Method::Cam => (0, 0.0),
            Method::Reciprocam => (height * width, facts.macs_after),
            Method::AblationCam => (channels, facts.macs_after),
            Method::ScoreCam => (saliency.channels.unwrap_or(channels).min(channels), 1.0),
            Method::Occlusion => (saliency.grid * saliency.grid, 1.0),
        };
        sum.runs += runs as f64;
        sum.passes += runs as f64 * share;
    }
    sum
}

fn peak_bytes(plan: &ExperimentPlan, holds: bool) -> f64 {
    let batch = plan.batch as f64;
    let size = |place: usize| batch * 4.0 * plan.places[place].map.iter().map(|side| *side as f64).product::<f64>();
    let windows = if plan.pairs.is_some() { 2.0 } else { 1.0 };
    let bases = plan.bases.len() as f64;
    let at_place = |place: usize| {
        let before = if place > 0 { size(place - 1) } else { 0.0 };
        // The images, the clean runs and the bases here and one place before, a batch before and after its acts, and what they take from.
        windows * size(0) + (windows + bases) * (size(place) + before) + 5.0 * size(place)
    };
    let most = (0..plan.places.len()).map(at_place).fold(0.0, f64::max);
    let ahead = if holds && plan.pairs.is_some() { (1..plan.places.len()).map(size).sum() } else { 0.0 };
    most + ahead
}
