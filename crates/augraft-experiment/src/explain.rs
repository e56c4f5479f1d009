//! An experiment in words.

use std::fmt::Write;

use crate::acts::Act;
use crate::cost::{Cost, bytes};
use crate::plan::{ExperimentPlan, SetSource, Setting, cell};

impl ExperimentPlan {
    /// Prints the plan: units, sets, places, interventions with their sweeps, saliency, metrics, and what it costs.
    #[must_use]
    pub fn explain(&self, cost: &Cost) -> String {
        let mut text = String::from("experiment\n");
        let mut line = |name: &str, said: &str| {
            let _ = writeln!(text, "  {name:<14}{said}");
        };
        let units = match self.pairs {
            None => format!("{} images", self.units(0)),
            Some(pairs) if pairs.distinct_class => format!("{} pairs of two classes", pairs.count),
            Some(pairs) => format!("{} pairs", pairs.count),
        };
        line("units", &format!("{units}, {} at a time", self.batch));
        for set in &self.sets[1..] {
            let source = match set.source {
                SetSource::Data(_) => "images",
                SetSource::Noise(_) => "images of noise",
            };
            line("set", &format!("{}: {} {source}", set.name, set.order.len()));
        }
        for (number, place) in self.places.iter().enumerate() {
            let sides: Vec<String> = place.map.iter().map(ToString::to_string).collect();
            let name = if place.alias == place.tensor { String::new() } else { format!(" = {}", place.tensor) };
            let paths = if place.dominates { "" } else { ", other tensors lead around it" };
            let share = 100.0 * place.macs_after;
            line(
                if number == 0 { "places" } else { "" },
                &format!("{}{name} [N,{}]: {share:.1} % of the cost behind it{paths}", place.alias, sides.join(",")),
            );
        }
        let mut said: Vec<&str> = Vec::new();
        for setting in &self.settings {
            if said.contains(&setting.intervention.as_str()) {
                continue;
            }
            said.push(&setting.intervention);
            line(if said.len() == 1 { "interventions" } else { "" }, &self.intervention(setting));
        }
        if let Some(saliency) = &self.saliency {
            let methods: Vec<&str> = saliency.methods.iter().map(|method| method.name()).collect();
            let targets: Vec<&str> = saliency.targets.iter().map(|target| target.name()).collect();
            let place = &self.places[saliency.place].alias;
            line("saliency", &format!("{} at {place} for {}", methods.join(", "), targets.join(", ")));
        }
        let metrics: Vec<String> = self.metrics.iter().map(crate::metric::Metric::id).collect();
        line("metrics", &metrics.join(", "));
        line("runs", &format!("{} samples to the end of the model", cost.runs));
        line(
            "passes",
            &format!(
                "{:.1} of the whole model, {:.1} when it runs anew for every setting: {:.1} saved",
                cost.passes,
                cost.naive_passes,
                (cost.naive_passes - cost.passes).max(0.0)
            ),
        );
        line(
            "multiply-adds",
            &format!(
                "{:.3e} against {:.3e} ({:.2} times fewer)",
                cost.passes * self.multiply_adds,
                cost.naive_passes * self.multiply_adds,
                cost.naive_passes / cost.passes
            ),
        );
        let policy = match (cost.holds, self.pairs) {
            (_, None) => "",
            (true, Some(_)) => "; partners are held for the next chunk",
            (false, Some(_)) => "; partners at the end of a chunk are computed again, to stay within the bound",
        };
        line("peak bytes", &format!("{} of activations{policy}", bytes(cost.peak_bytes)));
        for note in &self.notes {
            line("note", note);
        }
        text
    }

    /// One intervention with its sites, acts and sweep.
    fn intervention(&self, first: &Setting) -> String {
        let own: Vec<&Setting> =
            self.settings.iter().filter(|setting| setting.intervention == first.intervention).collect();
        let mut sites: Vec<&str> = own.iter().map(|setting| self.site_name(setting)).collect();
        sites.dedup();
        let acts: Vec<&str> = first.acts.iter().map(Act::name).collect();
        let mut text = first.intervention.clone();
        if first.place.is_some() {
            let acts = if acts.is_empty() { "nothing".to_owned() } else { acts.join(", ") };
            let _ = write!(text, ": {acts} at {}", sites.join(", "));
        }
        for (at, name) in self.variables.iter().enumerate() {
            let mut values: Vec<String> = Vec::new();
            for value in own.iter().filter_map(|setting| setting.values[at].as_ref()).map(cell) {
                if !values.contains(&value) {
                    values.push(value);
                }
            }
            if !values.is_empty() {
                let _ = write!(text, "; {name} {}", shortened(&values));
            }
        }
        let count = own.len();
        if count > 1 {
            let _ = write!(text, "; {count} settings");
        }
        text
    }
}

/// The values, or the first and last of many.
fn shortened(values: &[String]) -> String {
    match values {
        [first, second, .., last] if values.len() > 12 => {
            format!("{first}, {second}, ... {last} ({} values)", values.len())
        }
        _ => values.join(", "),
    }
}
