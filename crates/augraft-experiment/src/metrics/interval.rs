//! Intervals and tests that say how sure a measured difference is.

use augraft_operator::philox4x32;
use libm::{erfc, sqrt};

use super::mean;

/// Quantile of the normal distribution that leaves 2.5 % above.
pub(super) const Z: f64 = 1.959_963_984_540_054;

/// From this many discordant pairs on, McNemar's test takes the chi-square distribution instead of the binomial.
const MANY: u64 = 25;

/// Wilson's 95 % score interval `[low, high]` for the rate `successes / n`, within 0..=1.
///
/// `successes` may be fractional (credit for mixed labels) and is limited to `0..=n`; NaN when `n` is 0. Wilson,
/// "Probable Inference" (JASA 1927).
pub fn wilson(successes: f64, n: u64) -> [f64; 2] {
    let total = n as f64;
    let rate = successes.clamp(0.0, total) / total;
    let square = Z * Z / total;
    let center = rate + square / 2.0;
    let reach = Z * sqrt((rate * (1.0 - rate) + square / 4.0) / total);
    let [low, high] = [center - reach, center + reach].map(|end| (end / (1.0 + square)).clamp(0.0, 1.0));
    // Rounding must not leave the rate outside, as it would at 0 and 1.
    [low.min(rate), high.max(rate)]
}

/// Two-sided p-value of McNemar's test that two classifiers err equally often on the same samples.
///
/// `b` samples only the first classifier gets right, `c` only the second. Below 25 such samples it is the exact
/// binomial test, from there on the chi-square test with continuity correction, `(|b - c| - 1)^2 / (b + c)`. That is
/// statsmodels to the letter, so `b == c` gives 1 in the exact test alone. McNemar (Psychometrika 1947), Edwards
/// (Psychometrika 1948).
pub fn mcnemar(b: u64, c: u64) -> f64 {
    let total = b.saturating_add(c);
    if total >= MANY {
        let gap = b.abs_diff(c) as f64 - 1.0;
        return erfc(sqrt(gap * gap / total as f64 / 2.0));
    }
    let mut ways: u64 = 1;
    let mut tail = 1;
    for k in 1..=b.min(c) {
        ways = ways * (total - k + 1) / k;
        tail += ways;
    }
    (2.0 * tail as f64 / (1_u64 << total) as f64).min(1.0)
}

/// Holm's step-down adjustment of `p_values`: reject where the result is at most the level of the whole family.
///
/// In the order of `p_values`. NaN marks a test that was not made; it stays NaN and does not count. Holm (Scandinavian
/// Journal of Statistics 1979).
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).filter(|&i| !p_values[i].is_nan()).collect();
    order.sort_by(|&i, &j| p_values[i].total_cmp(&p_values[j]));
    let mut adjusted = vec![f64::NAN; p_values.len()];
    let mut highest = 0.0;
    for (step, &i) in order.iter().enumerate() {
        highest = f64::max(highest, p_values[i] * (order.len() - step) as f64).min(1.0);
        adjusted[i] = highest;
    }
    adjusted
}

/// Normal 95 % interval `[low, high]` of the mean of `values`, from their sample standard deviation.
///
/// NaN below two values.
pub fn mean_interval(values: &[f64]) -> [f64; 2] {
    if values.len() < 2 {
        return [f64::NAN; 2];
    }
    let center = mean(values);
    let squares: f64 = values.iter().map(|value| (value - center) * (value - center)).sum();
    let reach = Z * sqrt(squares / (values.len() - 1) as f64 / values.len() as f64);
    [center - reach, center + reach]
}

/// Percentile bootstrap 95 % interval `[low, high]` of a statistic of `n` samples.
///
/// For every replicate `statistic` gets `n` sample indices drawn with replacement; the ends are the 2.5 % and 97.5 %
/// quantiles of what it returns, linear between order statistics. The index at a position is the high half of
/// `n * word`, where `word` is the first 64 bits of Philox under the key `seed` at the counter `(position, replicate)`:
/// the same seed gives the same interval everywhere, and paired statistics see the same resamples. NaN when there is
/// nothing to draw or `statistic` returns NaN. Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), ch. 13.
pub fn bootstrap(n: usize, replicates: u32, seed: u64, statistic: &mut dyn FnMut(&[usize]) -> f64) -> [f64; 2] {
    if n == 0 || replicates == 0 {
        return [f64::NAN; 2];
    }
    let mut indices = vec![0; n];
    let mut drawn = Vec::new();
    for replicate in 0..replicates {
        for (position, index) in indices.iter_mut().enumerate() {
            *index = draw(n as u64, position as u64, replicate, seed) as usize;
        }
        drawn.push(statistic(&indices));
    }
    if drawn.iter().any(|value| value.is_nan()) {
        return [f64::NAN; 2];
    }
    drawn.sort_by(f64::total_cmp);
    [0.025, 0.975].map(|share| quantile(&drawn, share))
}

fn draw(n: u64, position: u64, replicate: u32, seed: u64) -> u64 {
    let counter = [position as u32, (position >> 32) as u32, replicate, 0];
    let [low, high, ..] = philox4x32(counter, [seed as u32, (seed >> 32) as u32]);
    let word = u64::from(low) | u64::from(high) << 32;
    ((u128::from(n) * u128::from(word)) >> 64) as u64
}

/// Quantile of ascending values, which must not be empty.
fn quantile(ascending: &[f64], share: f64) -> f64 {
    let place = share * (ascending.len() - 1) as f64;
    let below = place as usize;
    let above = (below + 1).min(ascending.len() - 1);
    ascending[below] + (ascending[above] - ascending[below]) * (place - below as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_stays_within_the_unit_interval() {
        for n in 1..300 {
            assert_eq!(wilson(0.0, n)[0], 0.0);
            assert_eq!(wilson(n as f64, n)[1], 1.0);
        }
        assert_eq!(wilson(10.5, 10), wilson(10.0, 10));
        assert!(wilson(0.0, 0)[0].is_nan());
    }

    #[test]
    fn mcnemar_is_symmetric_and_at_most_one() {
        assert_eq!(mcnemar(0, 0), 1.0);
        assert_eq!(mcnemar(12, 12), 1.0);
        assert_eq!(mcnemar(0, 24), 2.0 / f64::from(1 << 24));
        assert_eq!(mcnemar(3, 9), mcnemar(9, 3));
        assert_eq!(mcnemar(30, 90), mcnemar(90, 30));
        assert!(mcnemar(u64::MAX, u64::MAX) > 0.999);
    }

    #[test]
    fn holm_keeps_the_order_and_skips_missing_tests() {
        let p_values = [0.04, f64::NAN, 0.01, 0.04, 0.03, 0.9];
        let adjusted = holm(&p_values);
        assert!(adjusted[1].is_nan());
        assert_eq!([adjusted[2], adjusted[5]], [0.05, 0.9]);
        assert_eq!([adjusted[0], adjusted[3], adjusted[4]], [0.12; 3]);
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn mean_interval_needs_two_values() {
        assert_eq!(mean_interval(&[2.0, 2.0, 2.0]), [2.0, 2.0]);
        assert!(mean_interval(&[2.0])[0].is_nan());
    }

    #[test]
    fn bootstrap_is_a_pure_function_of_its_seed() {
        let values = [1.0, 4.0, 2.0, 8.0, 5.0, 7.0];
        let interval = |seed| {
            bootstrap(6, 200, seed, &mut |indices| {
                indices.iter().map(|&i| values[i]).sum::<f64>() / indices.len() as f64
            })
        };
        assert_eq!(interval(3), interval(3));
        assert_ne!(interval(3), interval(4));
        assert!(interval(3)[0] < 4.5 && interval(3)[1] > 4.5);
    }

    #[test]
    fn bootstrap_without_samples_is_nan() {
        assert!(bootstrap(0, 10, 0, &mut |_| 1.0)[0].is_nan());
        assert!(bootstrap(10, 0, 0, &mut |_| 1.0)[0].is_nan());
        assert!(bootstrap(10, 10, 0, &mut |_| f64::NAN)[0].is_nan());
        assert_eq!(bootstrap(10, 1, 0, &mut |_| 1.0), [1.0, 1.0]);
    }
}
