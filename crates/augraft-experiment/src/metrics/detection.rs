//! Telling two kinds of samples apart by a score, such as in-distribution from out-of-distribution.
//!
//! The caller says which kind is positive; a sample is called positive when its score is at least the threshold. Every
//! result is NaN when a kind has no samples or a score is NaN.

use libm::sqrt;

use super::interval::Z;
use super::mean;

/// Rates of every distinct threshold, from the one that calls nothing positive to the one that calls everything so.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Roc {
    /// Share of the negatives that are called positive, ascending from 0 to 1.
    pub fpr: Vec<f64>,
    /// Share of the positives that are called positive, ascending from 0 to 1.
    pub tpr: Vec<f64>,
    /// Thresholds, descending from infinity.
    pub threshold: Vec<f64>,
}

/// Receiver operating characteristic of the scores of the positives and of the negatives.
///
/// Equal scores are one step, and no point is dropped: `roc_curve` of scikit-learn with `drop_intermediate=False`. It
/// has no points when a slice is empty or a score is NaN.
pub fn roc(positive: &[f64], negative: &[f64]) -> Roc {
    let Some(steps) = steps(positive, negative) else { return Roc::default() };
    let mut curve = Roc { fpr: vec![0.0], tpr: vec![0.0], threshold: vec![f64::INFINITY] };
    for step in steps {
        curve.fpr.push(step.negatives as f64 / negative.len() as f64);
        curve.tpr.push(step.positives as f64 / positive.len() as f64);
        curve.threshold.push(step.score);
    }
    curve
}

/// Area under the ROC curve: how often a positive outscores a negative, ties counted half.
///
/// Computed from mid-ranks, as the statistic of Mann and Whitney.
pub fn auroc(positive: &[f64], negative: &[f64]) -> f64 {
    placements(positive, negative).map_or(f64::NAN, |[placed, _]| mean(&placed))
}

/// Average precision, `sum (recall - previous recall) * precision` over the distinct thresholds.
///
/// As scikit-learn, without interpolation; the chance level is the share of the positives.
pub fn aupr(positive: &[f64], negative: &[f64]) -> f64 {
    let Some(steps) = steps(positive, negative) else { return f64::NAN };
    let mut before = 0;
    let mut sum = 0.0;
    for step in steps {
        let precision = step.positives as f64 / (step.positives + step.negatives) as f64;
        sum += (step.positives - before) as f64 * precision;
        before = step.positives;
    }
    sum / positive.len() as f64
}

/// Smallest false positive rate at which the true positive rate is at least `tpr`, without interpolation.
///
/// FPR95 is that at 0.95. NaN for a curve without points and for a rate that it does not reach.
pub fn fpr_at_tpr(roc: &Roc, tpr: f64) -> f64 {
    roc.tpr.iter().zip(&roc.fpr).find(|(reached, _)| **reached >= tpr).map_or(f64::NAN, |(_, fpr)| *fpr)
}

/// True negative rate at a true positive rate of at least 95 %, `1 - FPR95`.
pub fn tnr95(roc: &Roc) -> f64 {
    1.0 - fpr_at_tpr(roc, 0.95)
}

/// Detection accuracy, the largest `(TPR + TNR) / 2` of any threshold.
///
/// Yun et al., "CutMix" (ICCV 2019), table 12, after Lee et al. (NeurIPS 2018): both kinds are taken as equally likely.
pub fn detection_accuracy(roc: &Roc) -> f64 {
    let accuracy = |(tpr, fpr): (&f64, &f64)| (tpr + (1.0 - fpr)) / 2.0;
    roc.tpr.iter().zip(&roc.fpr).map(accuracy).max_by(f64::total_cmp).unwrap_or(f64::NAN)
}

/// Variance of [`auroc`] over samples of both kinds, by the placements of DeLong.
///
/// DeLong et al., "Comparing the Areas under Two or More Correlated Receiver Operating Characteristic Curves"
/// (Biometrics 1988), with the mid-ranks of Sun and Xu (IEEE Signal Processing Letters 2014). NaN below two samples of
/// a kind.
pub fn auroc_variance(positive: &[f64], negative: &[f64]) -> f64 {
    let Some(placed) = placements(positive, negative) else { return f64::NAN };
    placed.iter().map(|values| variance(values) / values.len() as f64).sum()
}

/// Normal 95 % interval `[low, high]` of [`auroc`] from [`auroc_variance`], limited to 0..=1.
///
/// It has no width when the kinds are fully separated, where the variance is 0. NaN below two samples of a kind.
pub fn auroc_interval(positive: &[f64], negative: &[f64]) -> [f64; 2] {
    let center = auroc(positive, negative);
    let reach = Z * sqrt(auroc_variance(positive, negative));
    [center - reach, center + reach].map(|end| end.clamp(0.0, 1.0))
}

/// How many samples of each kind score at least `score`.
struct Step {
    score: f64,
    positives: usize,
    negatives: usize,
}

/// The distinct scores, descending.
fn steps(positive: &[f64], negative: &[f64]) -> Option<Vec<Step>> {
    let positive = ascending(positive)?;
    let negative = ascending(negative)?;
    let mut scores = [&positive[..], &negative[..]].concat();
    scores.sort_by(|a, b| b.total_cmp(a));
    scores.dedup();
    let reaching = |values: &[f64], score: f64| values.len() - values.partition_point(|&value| value < score);
    let step = |score| Step { score, positives: reaching(&positive, score), negatives: reaching(&negative, score) };
    Some(scores.into_iter().map(step).collect())
}

/// For every positive the share of negatives below it, and for every negative the share of positives above it.
fn placements(positive: &[f64], negative: &[f64]) -> Option<[Vec<f64>; 2]> {
    let positives = ascending(positive)?;
    let negatives = ascending(negative)?;
    let below = |values: &[f64], score: f64| {
        let under = values.partition_point(|&value| value < score);
        let upto = values.partition_point(|&value| value <= score);
        (under + upto) as f64 / (2 * values.len()) as f64
    };
    let first = positives.iter().map(|&score| below(&negatives, score)).collect();
    let second = negatives.iter().map(|&score| 1.0 - below(&positives, score)).collect();
    Some([first, second])
}

/// The values in ascending order; `None` without any or with NaN among them.
fn ascending(values: &[f64]) -> Option<Vec<f64>> {
    if values.is_empty() || values.iter().any(|value| value.is_nan()) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some(sorted)
}

/// Sample variance; NaN below two values.
fn variance(values: &[f64]) -> f64 {
    let center = mean(values);
    let squares: f64 = values.iter().map(|value| (value - center) * (value - center)).sum();
    squares / (values.len() as f64 - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_are_one_step_and_count_half() {
        let curve = roc(&[0.5, 0.5, 0.9], &[0.5, 0.1]);
        assert_eq!(curve.threshold, [f64::INFINITY, 0.9, 0.5, 0.1]);
        assert_eq!(curve.fpr, [0.0, 0.0, 0.5, 1.0]);
        assert_eq!(curve.tpr, [0.0, 1.0 / 3.0, 1.0, 1.0]);
        assert_eq!(auroc(&[0.3; 4], &[0.3; 2]), 0.5);
        assert_eq!(aupr(&[0.3; 4], &[0.3; 4]), 0.5);
        assert_eq!(auroc(&[0.0], &[-0.0]), 0.5);
    }

    #[test]
    fn separated_kinds_are_perfect() {
        let (high, low) = ([2.0, 3.0, f64::INFINITY], [-1.0, f64::NEG_INFINITY]);
        let curve = roc(&high, &low);
        assert_eq!([auroc(&high, &low), aupr(&high, &low), tnr95(&curve), detection_accuracy(&curve)], [1.0; 4]);
        assert_eq!(auroc_interval(&high, &low), [1.0, 1.0]);
        assert_eq!(auroc(&low, &high), 0.0);
    }

    #[test]
    fn rate_of_exactly_95_percent_counts() {
        let positive: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!(fpr_at_tpr(&roc(&positive, &[1.5, 2.5]), 0.95), 0.5);
        assert_eq!(tnr95(&roc(&positive, &[1.5, 1.0])), 1.0);
    }

    #[test]
    fn undefined_is_nan() {
        for (positive, negative) in [(&[][..], &[1.0][..]), (&[1.0], &[]), (&[f64::NAN], &[1.0]), (&[], &[])] {
            let curve = roc(positive, negative);
            assert_eq!(curve, Roc::default());
            assert!(auroc(positive, negative).is_nan() && aupr(positive, negative).is_nan());
            assert!(tnr95(&curve).is_nan() && detection_accuracy(&curve).is_nan());
        }
        assert!(auroc_variance(&[1.0], &[2.0, 3.0]).is_nan());
        assert!(auroc_interval(&[1.0], &[2.0, 3.0])[0].is_nan());
    }
}
