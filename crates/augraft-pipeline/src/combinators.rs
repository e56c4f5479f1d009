//! Steps that hold steps: which of them act, how often, and when.

use augraft_operator::{Gate, Mode, Probability, Ramp, step_hash};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::problems::Problems;
use crate::suggest::list;
use crate::validate::check;

/// A kind of step that holds steps.
pub(crate) struct Combinator {
    /// Name in YAML.
    pub(crate) name: &'static str,
    /// JSON schema of its configuration, whose `steps` may be anything.
    pub(crate) schema: fn() -> Json,
    /// Reads its configuration.
    pub(crate) read: fn(Json) -> Result<Held, serde_json::Error>,
}

/// Every combinator, by name.
pub(crate) const COMBINATORS: &[Combinator] = &[
    Combinator { name: "one_of", schema: schema::<OneOf>, read: |config| read(config, Held::OneOf) },
    Combinator { name: "repeat", schema: schema::<Repeat>, read: |config| read(config, Held::Repeat) },
    Combinator { name: "schedule", schema: schema::<Schedule>, read: |config| read(config, Held::Schedule) },
    Combinator { name: "some_of", schema: schema::<SomeOf>, read: |config| read(config, Held::SomeOf) },
];

/// The combinator called `name`.
pub(crate) fn combinator(name: &str) -> Option<&'static Combinator> {
    COMBINATORS.iter().find(|known| known.name == name)
}

/// The configuration of a combinator, without its steps.
#[derive(Debug)]
pub(crate) enum Held {
    OneOf(OneOf),
    SomeOf(SomeOf),
    Repeat(Repeat),
    Schedule(Schedule),
}

/// Lets one of its steps act.
///
/// A uniform number chooses one step by the weights; with `1 - p`, none acts. The other steps draw too, but change nothing. With `mode: batch` the
/// choice is one for the whole batch, as `switch_prob` of timm; with `mode: elem` each sample has its own. Every step needs a `p` of its own, by which
/// it can be left out.
///
/// # Example
/// ```yaml
/// - one_of:
///     weights: [1, 1]
///     steps:
///       - cutmix: { alpha: 1.0 }
///       - mixup: { alpha: 0.8 }
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OneOf {
    /// Steps to choose from, at most 64.
    #[expect(dead_code, reason = "read step by step")]
    #[schemars(length(min = 1, max = 64))]
    steps: Vec<Json>,
    /// Weight of each step, one of them above 0; by default all are equal.
    #[serde(default)]
    #[schemars(inner(range(min = 0, max = 1_000_000)))]
    weights: Vec<f64>,
    /// Probability of any step to act.
    #[serde(default = "always")]
    p: Probability,
    /// One choice per batch, or per sample.
    #[serde(default)]
    mode: Mode,
}

/// Lets some of its steps act, in the order of the file.
///
/// The number of steps that act is `count`, or uniform in `[least, most]`, ends included; which ones is a random order of the steps. With `mode: batch`
/// the choice is one for the whole batch; with `mode: elem` each sample has its own. Every step needs a `p` of its own, by which it can be left out.
///
/// # Example
/// ```yaml
/// - some_of:
///     count: [0, 1]
///     mode: elem
///     steps:
///       - horizontal_flip: { p: 1 }
///       - vertical_flip: { p: 1 }
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SomeOf {
    /// Steps to choose from, at most 64.
    #[expect(dead_code, reason = "read step by step")]
    #[schemars(length(min = 1, max = 64))]
    steps: Vec<Json>,
    /// Number of steps that act, or the least and the largest number.
    count: Number,
    /// One choice per batch, or per sample.
    #[serde(default)]
    mode: Mode,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Number {
    /// This many.
    Exactly(#[schemars(range(max = 64))] u32),
    /// From the first to the second number, ends included.
    Between(#[schemars(inner(range(max = 64)))] [u32; 2]),
}

/// Runs its steps several times, each time with draws of their own.
///
/// The steps are written out `count` times; the draws of a later time are those of the next occurrence of the operator.
///
/// # Example
/// ```yaml
/// - repeat:
///     count: 2
///     steps:
///       - horizontal_flip: { p: 0.5 }
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Repeat {
    /// Steps to repeat.
    #[expect(dead_code, reason = "read step by step")]
    #[schemars(length(min = 1, max = 64))]
    steps: Vec<Json>,
    /// Number of times, 1 to 16.
    #[schemars(range(min = 1, max = 16))]
    pub(crate) count: u32,
}

/// Changes the probability and the strength of its steps with the epoch.
///
/// The `p` of every step is multiplied by a factor that goes from `p[0]` at epoch `epochs[0]` to `p[1]` at epoch `epochs[1]`, and stays outside; the
/// factor is computed from the epoch in an exported file too. `strengths` names options of the steps that take the value of the epoch, from the first
/// number to the second; such a step can be exported with `--draws inputs` or `--draws baked` only, because a graph holds one value.
///
/// # Example
/// ```yaml
/// - schedule:
///     epochs: [0, 300]
///     p: [0.0, 1.0]
///     steps:
///       - cutmix: { alpha: 1.0 }
/// ```
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Schedule {
    /// Steps to schedule.
    #[expect(dead_code, reason = "read step by step")]
    #[schemars(length(min = 1, max = 64))]
    steps: Vec<Json>,
    /// First and last epoch of the change.
    epochs: [u32; 2],
    /// How it changes: `const` (the first value), `linear`, `cosine` (half a period), `off_after` (the first value before the last epoch, then the second).
    #[serde(default)]
    curve: Curve,
    /// Factors of `p` at the first and the last epoch, 0 to 1.
    #[serde(default)]
    #[schemars(with = "[Probability; 2]")]
    p: Option<[Probability; 2]>,
    /// Options of the steps by name, with their values at the first and the last epoch.
    #[serde(default)]
    pub(crate) strengths: std::collections::BTreeMap<String, [f64; 2]>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Curve {
    Const,
    #[default]
    Linear,
    Cosine,
    OffAfter,
}

impl Curve {
    /// The value at a share of the way, 0 to 1.
    fn at(self, [first, last]: [f64; 2], share: f64) -> f64 {
        match self {
            Curve::Const => first,
            Curve::Linear => first + (last - first) * share,
            Curve::Cosine => first + (last - first) * 0.5 * (1.0 - libm::cos(core::f64::consts::PI * share)),
            Curve::OffAfter if share < 1.0 => first,
            Curve::OffAfter => last,
        }
    }
}

impl Schedule {
    /// The factor of `p`.
    pub(crate) fn ramp(&self) -> Option<Ramp> {
        let open = match (self.curve, self.strengths.is_empty()) {
            (_, false) => return self.p.map(|ends| self.ramp_of(ends.map(Probability::get))),
            (Curve::OffAfter | Curve::Const, true) => [1.0, 0.0],
            (Curve::Linear | Curve::Cosine, true) => [0.0, 1.0],
        };
        Some(self.ramp_of(self.p.map_or(open, |ends| ends.map(Probability::get))))
    }

    fn ramp_of(&self, ends: [f64; 2]) -> Ramp {
        Ramp::new(self.epochs, |share| self.curve.at(ends, share))
    }

    /// The value of a strength at `epoch`.
    pub(crate) fn strength(&self, ends: [f64; 2], epoch: u32) -> f64 {
        let [start, end] = self.epochs.map(f64::from);
        let share = ((f64::from(epoch) - start) / (end - start).max(1.0)).clamp(0.0, 1.0);
        self.curve.at(ends, share)
    }
}

impl Held {
    /// Checks what the schema cannot say, for a combinator of `steps` steps at `pointer`.
    pub(crate) fn check(&self, steps: usize, pointer: &str, problems: &mut Problems<'_>) {
        match self {
            Held::OneOf(held) if !held.weights.is_empty() && held.weights.len() != steps => {
                let message = format!("`one_of` has {} weights for {steps} steps", held.weights.len());
                let help = Some("give one weight for each step, or leave `weights` out".to_owned());
                problems.error(&format!("{pointer}/weights"), "wrong-length", message, help);
            }
            Held::OneOf(held) if !held.weights.is_empty() && held.weights.iter().all(|weight| *weight <= 0.0) => {
                let help = Some("raise one of them".to_owned());
                problems.error(&format!("{pointer}/weights"), "out-of-range", "all weights of `one_of` are 0", help);
            }
            Held::SomeOf(held) => {
                let [least, most] = held.count.range();
                if least > most || most as usize > steps || most == 0 {
                    let message = format!("`some_of` cannot let {least} to {most} of {steps} steps act");
                    let help = Some(format!("`count` lies within 0 to {steps}, the smaller number first"));
                    problems.error(&format!("{pointer}/count"), "out-of-range", message, help);
                }
            }
            Held::Schedule(held) if held.epochs[0] > held.epochs[1] => {
                let message = format!("`schedule` ends at epoch {}, before it starts", held.epochs[1]);
                problems.error(&format!("{pointer}/epochs"), "wrong-value", message, None);
            }
            _ => {}
        }
    }

    /// What the step at `position` of `steps` sees of the combinator called `id`.
    pub(crate) fn gate(&self, id: &str, position: usize, steps: usize) -> Option<Gate> {
        let hash = step_hash(id);
        match self {
            Held::OneOf(held) => {
                let weight = |at: usize| held.weights.get(at).copied().unwrap_or(1.0);
                let total: f64 = (0..steps).map(weight).sum();
                let until = |at: usize| {
                    if at == steps { held.p.get() } else { (0..at).map(weight).sum::<f64>() / total * held.p.get() }
                };
                Some(Gate::OneOf { hash, mode: held.mode, low: until(position), high: until(position + 1) })
            }
            Held::SomeOf(held) => Some(Gate::SomeOf {
                hash,
                mode: held.mode,
                count: held.count.range(),
                position: position as u32,
                steps: steps as u32,
            }),
            Held::Schedule(held) => held.ramp().map(Gate::Ramp),
            Held::Repeat(_) => None,
        }
    }
}

impl Number {
    fn range(self) -> [u32; 2] {
        match self {
            Number::Exactly(count) => [count; 2],
            Number::Between(range) => range,
        }
    }
}

/// Reads the configuration of a combinator.
pub(crate) fn held(known: &Combinator, config: &Json, pointer: &str, problems: &mut Problems<'_>) -> Option<Held> {
    let found = check(&(known.schema)(), config, &format!("`{}`", known.name));
    if !found.is_empty() {
        problems.extend(pointer, found);
        return None;
    }
    let read = (known.read)(config.clone());
    read.map_err(|error| problems.error(pointer, "wrong-value", format!("`{}`: {error}", known.name), None)).ok()
}

/// Why a step cannot be left out by a combinator.
pub(crate) fn must_have_p(name: &str, within: &str) -> (String, String) {
    let names: Vec<&str> = COMBINATORS.iter().map(|known| known.name).filter(|name| *name != "repeat").collect();
    let message = format!("`{name}` has no `p`, so that `{within}` cannot leave it out");
    (message, format!("put it outside of {}", list(&names)))
}

fn read<T: DeserializeOwned>(config: Json, held: fn(T) -> Held) -> Result<Held, serde_json::Error> {
    serde_json::from_value(config).map(held)
}

fn schema<T: JsonSchema>() -> Json {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    // An optional field is left out; `null` is no value of its type.
    if let Some(Json::Object(p)) = schema.pointer_mut("/properties/p")
        && p.get("default") == Some(&Json::Null)
    {
        p.remove("default");
    }
    schema
}

fn always() -> Probability {
    Probability::ALWAYS
}
