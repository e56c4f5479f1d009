//! Each check accepts what is as promised, and rejects what is slightly wrong.

use std::sync::OnceLock;

use augraft_operator::rand_distr::{Distribution, StandardNormal};
use augraft_operator::{
    Alpha, Batch, Dice, Extent, Issue, Lowered, Operator, Parity, Partner, PhiloxRng, Probability, Recorder, Row,
    Scratch, Shape, Table, Values, draw, philox4x32, register_operator, start_within,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Declaration, Drawn, column, verdicts};
use crate::distributions::Promise;
use crate::tails::Verdicts;

/// Draws a column of every kind, as its configuration says.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Probe {
    p: Probability,
    alpha: Alpha,
    first: i64,
    bound: i64,
    width: f64,
    deviation: f64,
    gamma: Probability,
    partner: Partner,
    room: i64,
    drift: i64,
    flaw: Option<Flaw>,
}

/// What is drawn wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Flaw {
    /// A ratio that is uniform itself.
    Linear,
    /// Cells that are set in half of the samples, twice as often.
    Clustered,
    /// Cells that are all set in half of the samples.
    Everywhere,
    /// A number of the batch.
    Batch,
    /// Boxes on the diagonal.
    Diagonal,
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            p: Probability::new(0.3).expect("0 to 1"),
            alpha: Alpha::new(0.5).expect("0.01 to 1000"),
            first: 0,
            bound: 32,
            width: 1.0,
            deviation: 1.0,
            gamma: Probability::new(0.1).expect("0 to 1"),
            partner: Partner::Permute,
            room: 1,
            drift: 0,
            flaw: None,
        }
    }
}

draw! {
    /// What is drawn for one sample.
    pub struct Drawing {
        /// True with probability `p`.
        apply: Bool,
        /// Beta.
        lam: Real,
        /// Uniform whole numbers.
        places: Ints,
        /// Uniform.
        real: Real,
        /// Normal.
        normal: Real,
        /// Log-uniform between 1 and 2.
        ratio: Real,
        /// Cells.
        cells: Grid,
        /// Partner.
        partner: Int,
        /// First row of a box of half the sides.
        top: Int,
        /// First column.
        left: Int,
        /// Row after the last.
        bottom: Int,
        /// Column after the last.
        right: Int,
    }
}

impl Operator for Probe {
    const NAME: &'static str = "probe";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::NativeOnly("it is a test");
    const VALUES: Values = Values::Erased;
    type Draw<D: Dice> = Drawing<D>;

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawing<D> {
        static LOGARITHMIC: OnceLock<Table> = OnceLock::new();
        let scope = if self.flaw == Some(Flaw::Batch) { dice.batch() } else { dice };
        let side = dice.div(extent.height, dice.int(2));
        let room = dice.int(self.room - 1);
        let cluster = dice.less(dice.uniform(9), dice.real(0.5));
        let rate = dice.select(cluster, dice.real(2.0 * self.gamma.get()), dice.real(0.0));
        let drift = dice.int(self.drift);
        let top = start_within(dice, 5, extent.height + room, side) + drift;
        let left = if self.flaw == Some(Flaw::Diagonal) { top } else { start_within(dice, 6, extent.width, side) };
        let log = LOGARITHMIC.get_or_init(|| Table::log_uniform(1.0, 2.0, 1.0));
        let ratio = dice.uniform(4);
        let one = dice.int(1);
        Drawing {
            apply: dice.chance(0, self.p),
            lam: dice.beta(1, &self.alpha),
            places: (0..2).map(|k| dice.int(self.first) + dice.item(k).below(0, dice.int(self.bound))).collect(),
            real: scope.uniform(2) * dice.real(self.width),
            normal: dice.lookup(dice.uniform(3), Table::normal()) * dice.real(self.deviation),
            ratio: if self.flaw == Some(Flaw::Linear) { ratio + dice.real(1.0) } else { dice.lookup(ratio, log) },
            cells: dice.cells([one, dice.int(2), dice.int(3)], |cell| match self.flaw {
                Some(Flaw::Clustered) => cell.less(cell.uniform(0), rate),
                Some(Flaw::Everywhere) => cell.chance(0, self.gamma) | cluster,
                _ => cell.chance(0, self.gamma),
            }),
            partner: dice.partner(10, self.partner),
            top,
            left,
            bottom: top + side,
            right: left + side,
        }
    }

    fn apply(&self, _: &[Drawing<Row>], batch: &mut Batch, _: &mut Scratch) {
        let noise = StandardNormal.sample_iter(PhiloxRng::new(3)).map(|value: f32| value * self.deviation as f32);
        if let augraft_operator::Images::F32(images) = &mut batch.images {
            images.iter_mut().zip(noise).for_each(|(value, noise)| *value += noise);
        }
    }

    fn lower<'g>(&self, _: &Drawing<Recorder<'g>>, _: Lowered<'g>) -> Result<Lowered<'g>, Issue> {
        Err(Issue::new("", "runs natively only"))
    }
}

register_operator!(Probe);

fn found(config: Value, declared: &Value) -> Verdicts {
    let operator: Probe = serde_json::from_value(config).expect("a configuration");
    let declared: Declaration = serde_json::from_value(declared.clone()).expect("a declaration");
    verdicts(&operator, &declared)
}

/// Checks that `declared` holds for `right` and for `wrong` does not, with this among the reasons.
fn tells(declared: &Value, right: Value, wrong: Value, reason: &str) {
    let accepted = found(right.clone(), declared);
    assert!(accepted.broken.is_empty(), "{declared} of {right}: {:?}", accepted.broken);
    let rejected = found(wrong.clone(), declared).broken;
    assert!(rejected.iter().any(|broken| broken.contains(reason)), "{declared} of {wrong}: {rejected:?}");
}

fn tells_column(name: &str, promise: Value, right: Value, wrong: Value, reason: &str) {
    tells(&json!({ "columns": { name: promise } }), right, wrong, &format!("{name}: {reason}"));
}

#[test]
fn chances_are_told_apart() {
    tells_column("apply", json!({ "chance": 0.3 }), json!({}), json!({ "p": 0.33 }), "is true in");
    tells_column("apply", json!({ "chance": 1 }), json!({ "p": 1 }), json!({ "p": 0.9995 }), "is true in");
    tells_column("apply", json!(0.3), json!({}), json!({ "p": 0.33 }), "the mean");
}

#[test]
fn a_beta_of_another_parameter_is_rejected() {
    for alpha in [0.2, 0.5, 1.0, 2.0] {
        let [right, wrong] = [alpha, alpha * 1.15].map(|alpha| json!({ "alpha": alpha }));
        tells_column("lam", json!({ "beta": alpha }), right, wrong, "the variance");
    }
    let [right, wrong] = [0.5, 0.7].map(|alpha| json!({ "alpha": alpha }));
    tells_column("lam", json!({ "beta": 0.5 }), right, wrong, "is 0.0");
}

#[test]
fn whole_numbers_that_are_off_by_one_are_rejected() {
    let promise = json!({ "integers": [0, 31] });
    tells_column("places", promise.clone(), json!({}), json!({ "bound": 31 }), "[0, 1, 2");
    tells_column("places", promise.clone(), json!({}), json!({ "first": 1 }), "32 is drawn");
    tells_column("places", promise, json!({}), json!({ "bound": 33 }), "32 is drawn");
    let coin = json!({ "choices": { "0": 1, "1": 1 } });
    tells(&json!({ "columns": { "places": coin } }), json!({ "bound": 2 }), json!({ "bound": 3 }), "2 is drawn");
    let table = json!({ "columns": { "places": { "choices": { "0": 1, "1": 1, "2": 1.1 } } } });
    assert!(!found(json!({ "bound": 3 }), &table).broken.is_empty());
    let few = json!({ "rows": 100, "columns": { "places": { "integers": [0, 31] } } });
    assert!(found(json!({}), &few).broken[0].contains("too few"));
}

#[test]
fn real_numbers_of_another_width_or_shape_are_rejected() {
    tells_column("real", json!({ "uniform": [0, 1] }), json!({}), json!({ "width": 1.03 }), "the mean");
    tells_column("real", json!({ "uniform": [0, 1] }), json!({}), json!({ "width": 0.95 }), "is 0.0");
    tells_column("real", json!({ "uniform": [0, 1], "over": 2 }), json!({ "width": 2 }), json!({}), "is 0.5");
    tells_column("normal", json!({ "normal": [0, 1] }), json!({}), json!({ "deviation": 1.05 }), "the variance");
    tells_column("ratio", json!({ "log_uniform": [1, 2] }), json!({}), json!({ "flaw": "linear" }), "is 0.0");
    let changes = json!({ "changes": { "normal": [0, 1] } });
    tells(&changes, json!({}), json!({ "deviation": 1.05 }), "changes: the variance");
}

#[test]
fn cells_that_are_more_or_depend_on_each_other_are_rejected() {
    let promise = json!({ "cells": 0.1 });
    tells_column("cells", promise.clone(), json!({}), json!({ "gamma": 0.106 }), "is true in");
    tells_column("cells", promise.clone(), json!({}), json!({ "flaw": "clustered" }), "the variance");
    tells_column("cells", promise.clone(), json!({}), json!({ "flaw": "clustered" }), "neighboring");
    tells_column("cells", promise, json!({}), json!({ "flaw": "everywhere" }), "cells are set");
    tells_column("cells", json!(0.1), json!({}), json!({ "gamma": 0.106 }), "the mean");
}

#[test]
fn partners_of_another_rule_are_rejected() {
    let partner = |name: &str| json!({ "partner": name });
    tells_column("partner", json!("permute"), partner("permute"), partner("derange"), "orders");
    tells_column("partner", json!("derange"), partner("derange"), partner("permute"), "Some");
    tells_column("partner", json!("roll"), partner("roll"), partner("flip"), "partners");
    tells_column("partner", json!("flip"), partner("flip"), partner("roll"), "partners");
    tells_column("partner", json!("dataset"), partner("dataset"), partner("flip"), "partners");
}

/// Swapping each place with any place gives all orders, but not equally often.
#[test]
fn a_shuffle_that_is_often_done_wrong_is_rejected() {
    let shuffled = |first: fn(usize) -> usize| -> Vec<String> {
        let order = |batch: u32| {
            let mut order = [0.0, 1.0, 2.0, 3.0, 4.0];
            for at in 0..5 {
                let word = philox4x32([batch, at as u32, 0, 0], [1, 2])[0] as usize;
                order.swap(at, first(at) + word % (5 - first(at)));
            }
            order
        };
        let orders: Vec<[f64; 5]> = (0..4000).map(order).collect();
        let mut verdicts = Verdicts::default();
        let promise: Promise = serde_json::from_value(json!("permute")).expect("a promise");
        promise.check(&orders.iter().map(<[f64; 5]>::as_slice).collect::<Vec<_>>(), &mut verdicts);
        verdicts.broken
    };
    assert_eq!(shuffled(|at| at), [""; 0]);
    let broken = shuffled(|_| 0);
    assert!(broken.iter().any(|broken| broken.contains("orders")), "{broken:?}");
    assert!(broken.iter().any(|broken| broken.contains("samples by partners")), "{broken:?}");
}

#[test]
fn boxes_that_are_elsewhere_or_larger_are_rejected() {
    let inside = json!({ "size": [64, 64], "coverage": "inside" });
    // Start positions 0 to 31 instead of 0 to 32.
    tells(&inside, json!({}), json!({ "room": 0 }), "coverage: is 0.0");
    tells(&inside, json!({}), json!({ "room": 2 }), "is not inside");
    let symmetric = json!({ "size": [64, 64], "coverage": "symmetric" });
    tells(&symmetric, json!({}), json!({ "drift": 2 }), "than its mirror");
    let uniform = json!({ "size": [64, 64], "coverage": "uniform" });
    assert!(found(json!({}), &uniform).broken[0].contains("than the mean"));
    assert!(found(json!({}), &json!({ "size": [64, 64], "area": 0.25, "aspect": 1, "height": 32 })).broken.is_empty());
    let larger = json!({ "size": [64, 64], "area": 0.26, "aspect": 1.01, "height": 33, "width": 31 });
    assert_eq!(found(json!({}), &larger).broken.len(), 4);
}

#[test]
fn draws_that_depend_on_each_other_are_rejected() {
    let shared = json!({ "per": "batch", "columns": { "real": { "uniform": [0, 1] } } });
    tells(&shared, json!({ "flaw": "batch" }), json!({}), "rows differ");
    let own = json!({ "columns": { "real": { "uniform": [0, 1] } } });
    tells(&own, json!({}), json!({ "flaw": "batch" }), "the draws of samples");
    let apart = json!({ "independent": ["top", "left"] });
    tells(&apart, json!({}), json!({ "flaw": "diagonal" }), "top and left depend");
    let declared: Declaration = serde_json::from_value(own).expect("a declaration");
    let shape = crate::fixtures::shape(augraft_operator::Element::F32, 3, [32, 32]);
    let drawn = Drawn::of(&Probe::default(), &declared, &shape, "a step", 0);
    let kind = augraft_operator::Kind::Real;
    let broken =
        column(("real", kind), &declared.columns["real"], declared.per, &drawn, [&drawn, &drawn]).broken.join("\n");
    assert!(broken.contains("the draws of steps") && broken.contains("the draws of epochs"), "{broken}");
}

#[test]
fn columns_without_a_promise_are_named() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let fixture = folder.path().join("fixtures/probe");
    std::fs::create_dir_all(&fixture).expect("a folder");
    let promised = "statistics:\n  - { columns: { apply: { chance: 0.3 }, lam: { derived: nothing } } }\n";
    std::fs::write(fixture.join("cases.yaml"), promised).expect("a file");
    let folder = folder.path().display().to_string();
    let panic =
        std::panic::catch_unwind(|| crate::assert_statistics("augraft-testkit", &folder)).expect_err("a column");
    let broken = panic.downcast_ref::<String>().expect("a sentence").lines().collect::<Vec<_>>();
    assert_eq!(broken.len(), 10, "{broken:?}");
    assert_eq!(broken[0], "probe: no `statistics` of its fixture name the column `places`");
    assert!(found(json!({}), &json!({ "columns": { "other": 0 } })).broken[0].contains("draws no column `other`"));
}
