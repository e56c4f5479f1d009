//! Interventions: every combination of a sweep at every site, with the acts that it means.

use std::sync::Arc;

use augraft_operator::{AnyOperator, Element, Layout, Rows, Shape, StepKey};
use augraft_pipeline::{Report, Step, meant, substituted};
use serde_json::{Map, Value};

use super::SECTION;
use crate::acts::{Act, OWN_ACTS, Outside, OwnAct, Source, Space};
use crate::plan::{Pairs, Parts, PlaceFacts, Problems, Setting};
use crate::spec::{InterventionFields, RangeFields, SweepFields};

/// What interventions are resolved with.
pub(super) struct Context<'c> {
    pub(super) parts: &'c Parts<'c>,
    pub(super) places: &'c [PlaceFacts],
    pub(super) variables: &'c [String],
    pub(super) pairs: Option<Pairs>,
}

impl Context<'_> {
    pub(super) fn intervention(
        &self,
        number: usize,
        written: &InterventionFields,
        bases: &mut Vec<(Vec<Value>, Vec<Act>)>,
        settings: &mut Vec<Setting>,
        problems: &mut Problems,
    ) {
        let spec = self.parts.spec;
        let pointer = format!("{SECTION}/interventions/{number}");
        let Some(sweep) = problems.keep(self.sweep(&pointer, &written.sweep)) else { return };
        let base = match &written.base[..] {
            [] => None,
            acts => {
                let known = bases.iter().position(|(json, _)| json == acts);
                let found = known.or_else(|| {
                    let prefix = format!("base-{}", bases.len() + 1);
                    let resolved = self.acts(&format!("{pointer}/base"), acts, &prefix, &Map::new(), 0, problems)?;
                    bases.push((acts.to_vec(), resolved));
                    Some(bases.len() - 1)
                });
                let Some(found) = found else { return };
                Some(found)
            }
        };
        let mut sites: Vec<usize> = Vec::new();
        for (at, name) in written.at.iter().enumerate() {
            if name == "input" {
                sites.push(0);
                continue;
            }
            // What is unknown was reported when the places were listed.
            let found = spec.sites_at(&format!("{pointer}/at/{at}"), name, self.parts.facts).unwrap_or_default();
            sites
                .extend(found.iter().filter_map(|site| self.places.iter().position(|place| place.tensor == site.name)));
        }
        sites.sort_unstable();
        sites.dedup();
        for place in sites {
            for combination in &sweep {
                let apply = format!("{pointer}/apply");
                let Some(acts) = self.acts(&apply, &written.apply, &written.name, combination, place, problems) else {
                    return;
                };
                let values = self.variables.iter().map(|name| combination.get(name).cloned()).collect();
                settings.push(Setting {
                    intervention: written.name.clone(),
                    place: Some(place),
                    values,
                    base,
                    may_keep: written.allow_no_change,
                    must_change: !written.allow_no_change && must_change(&acts, self.places[place].map, base.is_some()),
                    acts,
                    explained: true,
                });
            }
        }
    }

    /// Every combination of the values of the variables, the last variable fastest.
    fn sweep(&self, pointer: &str, sweep: &Map<String, Value>) -> Result<Vec<Map<String, Value>>, Report> {
        let spec = self.parts.spec;
        let mut combinations = vec![Map::new()];
        for (name, json) in sweep {
            let place = format!("{pointer}/sweep/{name}");
            let values = match spec.value_at::<SweepFields>(&place, &format!("`{name}`"), json.clone())? {
                SweepFields::Values(values) => values,
                SweepFields::Range(range) => spread(range),
            };
            if values.is_empty() {
                return Err(spec.problem(&place, "wrong-length", format!("`{name}` has no value"), None));
            }
            if combinations.len().saturating_mul(values.len()) > MOST_SETTINGS {
                let message = format!("the sweep has more than {MOST_SETTINGS} settings");
                return Err(spec.problem(&place, "too-many", message, Some("take fewer values")));
            }
            let with = |earlier: &Map<String, Value>, value: &Value| {
                let mut all = earlier.clone();
                all.insert(name.clone(), value.clone());
                all
            };
            combinations =
                combinations.iter().flat_map(|earlier| values.iter().map(move |value| with(earlier, value))).collect();
        }
        Ok(combinations)
    }

    /// The acts of a setting at a place; none when they have problems.
    fn acts(
        &self,
        pointer: &str,
        written: &[Value],
        prefix: &str,
        values: &Map<String, Value>,
        place: usize,
        problems: &mut Problems,
    ) -> Option<Vec<Act>> {
        let mut acts = Vec::new();
        for (number, json) in written.iter().enumerate() {
            let pointer = format!("{pointer}/{number}");
            let id = format!("{prefix}/{number}");
            acts.push(problems.keep(self.act(&pointer, json, &id, values, place))?);
        }
        Some(acts)
    }

    fn act(
        &self,
        pointer: &str,
        json: &Value,
        id: &str,
        values: &Map<String, Value>,
        place: usize,
    ) -> Result<Act, Report> {
        let spec = self.parts.spec;
        let refused = |place: &str, message: String, help: Option<&str>| spec.problem(place, "bad-step", message, help);
        let substituted = substituted(json, values).map_err(|(path, name)| {
            let known: Vec<&str> = values.keys().map(String::as_str).collect();
            let help = match meant(&name, known.iter().copied()) {
                Some(near) => format!("did you mean `${near}`?"),
                None if id.starts_with("base-") => {
                    "the acts of `base` are the same for all settings and take no variables".to_owned()
                }
                None if known.is_empty() => "name a variable of `sweep`".to_owned(),
                None => format!("variables: {}", known.join(", ")),
            };
            let message = format!("`${name}` is no variable of this intervention");
            refused(&format!("{pointer}{path}"), message, Some(&help))
        })?;
        let (name, config) = match &substituted {
            Value::String(name) => (name.clone(), Value::Null),
            Value::Object(fields) if fields.len() == 1 => fields
                .iter()
                .next()
                .map_or((String::new(), Value::Null), |(name, config)| (name.clone(), config.clone())),
            _ => return Err(refused(pointer, "an act is a map from one name to its options".to_owned(), None)),
        };
        let below = if json.is_string() { pointer.to_owned() } else { format!("{pointer}/{name}") };
        let map = self.places[place].map;
        let act = if OWN_ACTS.contains(&name.as_str()) {
            let config = if config.is_null() { Value::Object(Map::new()) } else { config };
            let own = self.own(&below, &name, config)?;
            check_own(&own, map, place).map_err(|message| refused(&below, format!("`{name}`: {message}"), None))?;
            Act::Own(own)
        } else {
            if self.parts.registry.get(&name).is_none() {
                let operators = self.parts.registry.iter().map(|entry| entry.name);
                let near = meant(&name, OWN_ACTS.into_iter().chain(operators));
                let known = format!("acts: {}, and the operators that `augraft operators` lists", OWN_ACTS.join(", "));
                let help = near.map_or_else(|| known.clone(), |near| format!("did you mean `{near}`? {known}"));
                return Err(spec.problem(
                    &below,
                    "unknown-operator",
                    format!("there is no act or operator `{name}`"),
                    Some(&help),
                ));
            }
            Act::Operator(Box::new(self.operator(&below, &name, config, id, place)?))
        };
        if act.needs_partner() && self.pairs.is_none() {
            let help = "say `over: { pairs: 1000 }`";
            return Err(refused(&below, format!("`{name}` needs a partner, but every unit is one image"), Some(help)));
        }
        Ok(act)
    }

    /// One of the experiments' own acts.
    fn own(&self, pointer: &str, name: &str, config: Value) -> Result<OwnAct, Report> {
        let spec = self.parts.spec;
        let subject = format!("`{name}`");
        Ok(match name {
            "lerp" => OwnAct::Lerp(spec.value_at(pointer, &subject, config)?),
            "paste" => OwnAct::Paste(spec.value_at(pointer, &subject, config)?),
            "replace" => OwnAct::Replace(spec.value_at(pointer, &subject, config)?),
            "hole" => OwnAct::Hole(spec.value_at(pointer, &subject, config)?),
            "clip" => OwnAct::Clip(spec.value_at(pointer, &subject, config)?),
            _ => OwnAct::Prune(spec.value_at(pointer, &subject, config)?),
        })
    }

    fn operator(&self, pointer: &str, name: &str, mut config: Value, id: &str, place: usize) -> Result<Step, Report> {
        let Parts { spec, registry, pipeline, .. } = self.parts;
        let operator: Arc<dyn AnyOperator> = spec.operator_at(registry, pointer, name, &config)?;
        let refused = |message: String, help: &str| spec.problem(pointer, "bad-step", message, Some(help));
        let [channels, height, width] = self.places[place].map;
        let [_, image_height, image_width] = self.places[0].map;
        let before = Shape {
            layout: Layout::Dense { height, width },
            channels,
            element: Element::F32,
            classes: 2,
            image_size: (place > 0).then_some([image_height, image_width]),
        };
        let has_partner = registry.get(name).is_some_and(|entry| entry.has_option("partner"));
        let operator = if operator.effects(&before).mixes && has_partner {
            // The batch of a pair is the image and its partner, so that the partner is known already.
            if config.get("partner").is_some() {
                return Err(refused(format!("`{name}` takes the partner of the pair"), "leave `partner` out"));
            }
            if !config.is_object() {
                config = Value::Object(Map::new());
            }
            config["partner"] = Value::String("flip".to_owned());
            spec.operator_at(registry, pointer, name, &config)?
        } else {
            operator
        };
        if operator.rows() != Rows::Same {
            return Err(refused(format!("`{name}` changes the number of samples"), "use another operator"));
        }
        if operator.needs_masks(&before) {
            return Err(refused(
                format!("`{name}` takes labels from masks, and experiments have none"),
                "use another `label`",
            ));
        }
        let alias = &self.places[place].alias;
        let after = operator.check(&before).map_err(|issue| {
            let at = if issue.path.is_empty() {
                pointer.to_owned()
            } else {
                format!("{pointer}/{}", issue.path.replace('.', "/"))
            };
            let message = format!("`{name}` cannot work at `{alias}` ({}): {}", before.describe(), issue.message);
            spec.problem(&at, "step-does-not-fit", message, issue.help.as_deref())
        })?;
        if after != before {
            let message = format!(
                "`{name}` makes {} of {} at `{alias}`, but the model goes on with the shape it had",
                after.describe(),
                before.describe()
            );
            return Err(refused(message, "choose an operator that keeps the shape"));
        }
        let key = StepKey::new(pipeline.seed, id);
        Ok(Step::new(id.to_owned(), key, operator, before, after))
    }
}

/// Settings of one intervention that nobody means.
const MOST_SETTINGS: usize = 100_000;

fn spread(range: RangeFields) -> Vec<Value> {
    let RangeFields { from, to, steps } = range;
    let value = |at: usize| {
        let value = from + (to - from) * at as f64 / (steps - 1) as f64;
        // Rounds off what the division leaves, so that 0.1 is written as 0.1.
        let value = (value * 1e12).round() / 1e12;
        if value.fract() == 0.0 && value.abs() < 9e15 { Value::from(value as i64) } else { Value::from(value) }
    };
    (0..steps).map(value).collect()
}

fn check_own(own: &OwnAct, map: [usize; 3], place: usize) -> Result<(), String> {
    match own {
        OwnAct::Paste(paste) => paste.region.check(map),
        OwnAct::Replace(replace) => replace.region.check(map),
        OwnAct::Hole(hole) if hole.space == Space::Pixel && place > 0 => {
            Err("`space: pixel` is black, which only the input has; leave `space` out".to_owned())
        }
        OwnAct::Hole(hole) => hole.region.check(map),
        OwnAct::Lerp(_) | OwnAct::Clip(_) | OwnAct::Prune(_) => Ok(()),
    }
}

/// Whether acts at a tensor of this shape must change it: not those that are told to do nothing.
fn must_change(acts: &[Act], map: [usize; 3], has_base: bool) -> bool {
    acts.iter().any(|act| match act {
        Act::Own(OwnAct::Lerp(lerp)) => lerp.lam.get() < 1.0 && lerp.from == Source::Partner,
        Act::Own(OwnAct::Paste(paste)) => paste.region.asked_share() != Some(0.0) && paste.from == Source::Partner,
        Act::Own(OwnAct::Hole(hole)) => {
            let share = hole.region.place(map, None).share(map);
            if hole.outside == Outside::Center { share > 0.0 } else { share < 1.0 }
        }
        // A channel may be silent in both runs.
        Act::Own(OwnAct::Replace(replace)) => {
            has_base && !replace.region.is_of_channels() && replace.region.asked_share() != Some(0.0)
        }
        Act::Own(OwnAct::Clip(clip)) => {
            clip.max.is_some() || clip.quantile.is_some_and(|quantile| quantile.get() < 1.0)
        }
        Act::Own(OwnAct::Prune(prune)) => prune.quantile.get() > 0.0,
        Act::Operator(step) => !step.idle,
    })
}
