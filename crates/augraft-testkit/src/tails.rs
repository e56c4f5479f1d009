//! How improbable a deviation is, and the verdicts on it.

/// The false-alarm rate of each check: how often draws that are as promised would be called broken, over all seeds.
///
/// The seeds are fixed, so that a check that passes goes on passing; the rate is what another seed, or a new operator, risks. All operators have fewer
/// than two thousand checks together, which is a rate below 2e-4 for the whole suite.
pub(crate) const RATE: f64 = 1e-7;

/// What was checked, and what is broken.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    pub(crate) checks: usize,
    pub(crate) broken: Vec<String>,
}

impl Verdicts {
    /// Takes the probability of a deviation that is at least as large as the one found.
    pub(crate) fn judge(&mut self, probability: f64, deviation: impl FnOnce() -> String) {
        self.checks += 1;
        // NaN is no probability, and not a reason to pass.
        if probability.is_nan() || probability < RATE {
            self.broken.push(format!("{} (probability {probability:.1e})", deviation()));
        }
    }

    /// Takes what holds always.
    pub(crate) fn require(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        self.checks += 1;
        if !holds {
            self.broken.push(otherwise());
        }
    }

    /// Adds the verdicts on `what`.
    pub(crate) fn extend(&mut self, what: &str, other: Verdicts) {
        self.checks += other.checks;
        self.broken.extend(other.broken.into_iter().map(|sentence| format!("{what}: {sentence}")));
    }
}

/// Probability that a standard normal number is beyond `z` in either direction.
pub(crate) fn two_sided(z: f64) -> f64 {
    libm::erfc(z.abs() / core::f64::consts::SQRT_2)
}

/// Probability that a standard normal number is at most `z`.
pub(crate) fn normal_below(z: f64) -> f64 {
    0.5 * libm::erfc(-z / core::f64::consts::SQRT_2)
}

/// Probability that a chi-square number of `freedom` degrees is at least `x`: the regularized gamma function Q of Numerical Recipes 6.2.
pub(crate) fn chi_square_above(x: f64, freedom: f64) -> f64 {
    let (a, x) = (0.5 * freedom, 0.5 * x);
    if x <= 0.0 {
        return 1.0;
    }
    let factor = libm::exp(a * libm::log(x) - x - libm::lgamma(a));
    if x < a + 1.0 {
        let (mut term, mut sum) = (1.0 / a, 1.0 / a);
        for n in 1..10_000 {
            term *= x / (a + f64::from(n));
            sum += term;
            if term < sum * 1e-15 {
                break;
            }
        }
        return 1.0 - factor * sum;
    }
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (1e300, 1.0 / b);
    let mut fraction = d;
    for n in 1..10_000 {
        let n = f64::from(n);
        let step = -n * (n - a);
        b += 2.0;
        d = 1.0 / (step * d + b);
        c = b + step / c;
        fraction *= c * d;
        if (c * d - 1.0).abs() < 1e-15 {
            break;
        }
    }
    factor * fraction
}

/// A bound on the probability that the distribution function of `n` numbers is at least `distance` from the true one (Dvoretzky, Kiefer, Wolfowitz,
/// Massart); for two samples of `n` and `m`, `n` is `n m / (n + m)`.
pub(crate) fn kolmogorov_above(distance: f64, n: f64) -> f64 {
    (2.0 * libm::exp(-2.0 * n * distance * distance)).min(1.0)
}

/// Probability of a sum of squared deviations over their expectation.
pub(crate) fn chi_square(observed: &[usize], expected: &[f64]) -> f64 {
    let term = |(observed, expected): (&usize, &f64)| (*observed as f64 - expected).powi(2) / expected;
    chi_square_above(observed.iter().zip(expected).map(term).sum(), observed.len().saturating_sub(1) as f64)
}

/// Probability of a mean that is so far from `expected`, by the numbers' own standard error.
pub(crate) fn mean_is(values: &[f64], expected: f64) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / n;
    let error = (variance / n).sqrt();
    // Numbers that are all the same have f32's precision.
    if error <= 1e-7 * expected.abs() {
        return if (mean - expected).abs() <= 1e-6 * expected.abs().max(1e-6) { 1.0 } else { 0.0 };
    }
    two_sided((mean - expected) / error)
}

/// Probability of a correlation that is so far from none; `None` where one of the two never changes.
pub(crate) fn uncorrelated(a: &[f64], b: &[f64]) -> Option<f64> {
    let n = a.len().min(b.len());
    let mean = |values: &[f64]| values[..n].iter().sum::<f64>() / n as f64;
    let (middle_a, middle_b) = (mean(a), mean(b));
    let [mut both, mut own_a, mut own_b] = [0.0; 3];
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - middle_a, b - middle_b);
        both += a * b;
        own_a += a * a;
        own_b += b * b;
    }
    let scale = (own_a * own_b).sqrt();
    (scale > 1e-12 * (middle_a * middle_b).abs() * n as f64 && scale > 0.0)
        .then(|| two_sided(both / scale * (n as f64).sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, known: f64) {
        assert!((found / known - 1.0).abs() < 1e-3, "{found} is not {known}");
    }

    #[test]
    fn tails_match_printed_tables() {
        near(two_sided(1.959_964), 0.05);
        near(two_sided(5.326_724), 1e-7);
        near(normal_below(-1.281_552), 0.1);
        near(chi_square_above(18.307, 10.0), 0.05);
        near(chi_square_above(124.342, 100.0), 0.05);
        near(chi_square_above(149.449, 100.0), 1e-3);
        near(chi_square_above(77.929, 100.0), 0.95);
        near(chi_square_above(2.0, 2.0), (-1f64).exp());
    }

    #[test]
    fn no_probability_is_no_reason_to_pass() {
        let mut verdicts = Verdicts::default();
        verdicts.judge(f64::NAN, String::new);
        verdicts.judge(RATE, String::new);
        verdicts.judge(0.9 * RATE, String::new);
        assert_eq!((verdicts.checks, verdicts.broken.len()), (3, 2));
    }
}
