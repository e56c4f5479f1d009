//! Quantile tables: distributions that plain arithmetic cannot draw, made exact everywhere.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use augraft_onnx::{DataType, Tensor, Value};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Cells of a table, 2^12.
pub(crate) const CELLS: usize = 4096;

/// The quantile function of a distribution at `CELLS + 1` equally spaced probabilities, as f32.
#[derive(Debug, Clone, PartialEq)]
pub struct Table(Arc<[f32]>);

impl Table {
    /// Tabulates `quantile`, which maps a probability in `[0, 1]` to a value.
    pub fn new(quantile: impl Fn(f64) -> f64) -> Self {
        Self((0..=CELLS).map(|i| quantile(i as f64 / CELLS as f64) as f32).collect())
    }

    /// Tabulates the log-uniform distribution on [`low`, `high`] raised to `power`.
    #[must_use]
    pub fn log_uniform(low: f64, high: f64, power: f64) -> Self {
        let (low, high) = (libm::log(low), libm::log(high));
        Self::new(|u| libm::exp(power * (low + u * (high - low))))
    }

    /// The standard normal distribution, tabulated once; its tails end at 3.99.
    pub fn normal() -> &'static Self {
        static NORMAL: OnceLock<Table> = OnceLock::new();
        NORMAL.get_or_init(|| Self::new(normal_quantile))
    }

    /// The knots, `CELLS + 1` of them.
    #[must_use]
    pub fn knots(&self) -> &[f32] {
        &self.0
    }

    /// The value at `u` in [0, 1), linear between the knots.
    #[must_use]
    pub fn at(&self, u: f64) -> f64 {
        let position = u * CELLS as f64;
        let cell = position.floor();
        let low = f64::from(self.0[cell as usize]);
        let high = f64::from(self.0[cell as usize + 1]);
        low + (position - cell) * (high - low)
    }

    /// [`at`](Self::at) in a graph, f64.
    pub(crate) fn lower_at<'g>(&self, u: Value<'g>) -> Value<'g> {
        let graph = u.graph();
        let position = u * graph.constant(Tensor::scalar(CELLS as f64));
        let below = position.unary("Floor");
        let cell = below.cast(DataType::I64);
        let knots = graph.constant(Tensor::vector(self.knots().to_vec()));
        let low = knots.gather(cell, 0).cast(DataType::F64);
        let high = knots.gather(cell + graph.constant(Tensor::scalar(1i64)), 0).cast(DataType::F64);
        low + (position - below) * (high - low)
    }
}

/// The parameter of a symmetric Beta distribution, above 0; 1 is the uniform distribution.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Alpha {
    value: f64,
    table: OnceLock<Table>,
}

impl Alpha {
    /// Accepts a finite value from 0.01 to 1000.
    ///
    /// # Errors
    /// Says which range holds.
    pub fn new(value: f64) -> Result<Self, String> {
        if !(0.01..=1000.0).contains(&value) {
            return Err(format!("{value} is not between 0.01 and 1000"));
        }
        Ok(Self { value, table: OnceLock::new() })
    }

    /// The parameter.
    #[must_use]
    pub fn get(&self) -> f64 {
        self.value
    }

    /// The quantile table, none for the uniform distribution.
    pub fn table(&self) -> Option<&Table> {
        let uniform = (self.value - 1.0).abs() < f64::EPSILON;
        (!uniform).then(|| self.table.get_or_init(|| Table::new(|u| beta_quantile(self.value, u))))
    }
}

impl TryFrom<f64> for Alpha {
    type Error = String;
    fn try_from(value: f64) -> Result<Self, String> {
        Self::new(value)
    }
}

impl From<Alpha> for f64 {
    fn from(alpha: Alpha) -> f64 {
        alpha.value
    }
}

impl Default for Alpha {
    fn default() -> Self {
        Self { value: 1.0, table: OnceLock::new() }
    }
}

impl JsonSchema for Alpha {
    fn schema_name() -> Cow<'static, str> {
        "Alpha".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0.01, "maximum": 1000 })
    }
}

fn normal_quantile(u: f64) -> f64 {
    let density = |x: f64| libm::exp(-0.5 * x * x) / libm::sqrt(core::f64::consts::TAU);
    if u > 0.5 {
        return -normal_quantile(1.0 - u);
    }
    if u <= 0.0 {
        // The last cell keeps the mean that the tail has.
        let knot = normal_quantile(1.0 / CELLS as f64);
        return -2.0 * CELLS as f64 * density(knot) - knot;
    }
    // Newton's method falls towards the quantile, because the distribution function is convex below 0.
    let mut x = 0.0;
    for _ in 0..64 {
        let below = 0.5 * libm::erfc(-x * core::f64::consts::FRAC_1_SQRT_2);
        let next = x - (below - u) / density(x);
        if next >= x {
            break;
        }
        x = next;
    }
    x
}

/// Inverts the distribution function of Beta(a, a), by bisection that Newton steps speed up.
fn beta_quantile(a: f64, u: f64) -> f64 {
    if u > 0.5 {
        return 1.0 - beta_quantile(a, 1.0 - u);
    }
    if u <= 0.0 {
        return 0.0;
    }
    let log_norm = libm::lgamma(2.0 * a) - 2.0 * libm::lgamma(a);
    let (mut low, mut high, mut x) = (0.0, 0.5, 0.25);
    for _ in 0..200 {
        let error = beta_cdf(a, log_norm, x) - u;
        if error > 0.0 {
            high = x;
        } else {
            low = x;
        }
        let density = libm::exp(log_norm + (a - 1.0) * (libm::log(x) + libm::log1p(-x)));
        let newton = x - error / density;
        let next = if newton > low && newton < high { newton } else { 0.5 * (low + high) };
        if libm::fabs(next - x) <= 1e-15 * x {
            return next;
        }
        x = next;
    }
    x
}

/// The distribution function of Beta(a, a) on (0, 1/2], by the continued fraction of Numerical Recipes 6.4 (modified Lentz).
fn beta_cdf(a: f64, log_norm: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let guard = |v: f64| if libm::fabs(v) < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / guard(1.0 - 2.0 * a * x / (a + 1.0));
    let mut fraction = d;
    for m in 1..1000 {
        let m = f64::from(m);
        let even = m * (a - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (2.0 * a + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut delta = 1.0;
        for term in [even, odd] {
            d = 1.0 / guard(1.0 + term * d);
            c = guard(1.0 + term / c);
            delta = c * d;
            fraction *= delta;
        }
        if libm::fabs(delta - 1.0) < 1e-16 {
            break;
        }
    }
    libm::exp(log_norm + a * (libm::log(x) + libm::log1p(-x))) * fraction / a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beta_quantiles_match_closed_forms() {
        for i in 1..100 {
            let u = f64::from(i) / 100.0;
            let arcsine = libm::pow(libm::sin(core::f64::consts::FRAC_PI_2 * u), 2.0);
            assert!((beta_quantile(0.5, u) - arcsine).abs() < 1e-12, "alpha 0.5 at {u}");
            let x = beta_quantile(2.0, u);
            assert!((x * x * (3.0 - 2.0 * x) - u).abs() < 1e-12, "alpha 2 at {u}");
        }
    }

    #[test]
    fn tables_rise_from_zero_to_one_and_are_symmetric() {
        for alpha in [0.05, 0.2, 0.5, 2.0, 8.0, 100.0] {
            let alpha = Alpha::new(alpha).expect("in range");
            let knots = alpha.table().expect("not uniform").knots();
            assert_eq!((knots[0], knots[CELLS]), (0.0, 1.0));
            assert!(knots.windows(2).all(|w| w[0] <= w[1]), "alpha {}", alpha.get());
            assert!((knots[CELLS / 2] - 0.5).abs() < 1e-6);
        }
        assert!(Alpha::default().table().is_none());
    }

    #[test]
    fn log_uniform_covers_its_range() {
        let table = Table::log_uniform(0.3, 3.3, 1.0);
        assert!((table.at(0.0) - 0.3).abs() < 1e-6 && (table.at(0.5) - (0.3f64 * 3.3).sqrt()).abs() < 1e-6);
    }

    #[test]
    fn normal_quantiles_have_the_moments_of_the_distribution() {
        let knots = Table::normal().knots();
        assert!(knots.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(knots[2048], 0.0);
        assert!((Table::normal().at(0.975) - 1.959_964).abs() < 1e-5, "{}", Table::normal().at(0.975));
        assert!((knots[4096] - 3.99).abs() < 0.01, "{}", knots[4096]);
        let steps = 1 << 20;
        let squares = (0..steps).map(|i| Table::normal().at((f64::from(i) + 0.5) / f64::from(steps)).powi(2));
        let variance = squares.sum::<f64>() / f64::from(steps);
        assert!((variance - 1.0).abs() < 1e-3, "{variance}");
    }
}
