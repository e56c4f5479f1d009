//! How well confidences agree with how often the classifier is right.

/// Samples whose confidence lies in `(low, high]`; the first bin holds 0 too.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Lower end, exclusive.
    pub low: f64,
    /// Upper end, inclusive.
    pub high: f64,
    /// Mean confidence; NaN in an empty bin.
    pub confidence: f64,
    /// Mean credit; NaN in an empty bin.
    pub accuracy: f64,
    /// Number of samples.
    pub n: u64,
}

/// Reliability diagram: `bins` bins of equal width that cover 0..=1, empty ones included.
///
/// `confidence` is the probability of the predicted class; `credit` is 1 for a right and 0 for a wrong prediction, or,
/// of a mixed label, the weight of the predicted class. Pairs beyond the shorter slice are left out. Confidences
/// outside 0..=1 fall in the nearest bin, and NaN in the first, which it makes NaN. Guo et al., "On Calibration of
/// Modern Neural Networks" (ICML 2017), section 2.
pub fn reliability(confidence: &[f64], credit: &[f64], bins: usize) -> Vec<Bin> {
    let edge = |k: usize| k as f64 / bins as f64;
    let empty = |k| Bin { low: edge(k), high: edge(k + 1), confidence: 0.0, accuracy: 0.0, n: 0 };
    let mut diagram: Vec<Bin> = (0..bins).map(empty).collect();
    for (&confidence, &credit) in confidence.iter().zip(credit) {
        let place = diagram.partition_point(|bin| bin.high < confidence).min(bins.saturating_sub(1));
        let Some(bin) = diagram.get_mut(place) else { break };
        bin.confidence += confidence;
        bin.accuracy += credit;
        bin.n += 1;
    }
    for bin in &mut diagram {
        bin.confidence /= bin.n as f64;
        bin.accuracy /= bin.n as f64;
    }
    diagram
}

/// Expected calibration error, the mean over samples of `|accuracy - confidence|` of their bin; NaN without samples.
///
/// Guo et al. (ICML 2017), eq. 3; the L1 norm of torchmetrics, whose bins are closed below instead of above.
pub fn ece(bins: &[Bin]) -> f64 {
    let total: u64 = bins.iter().map(|bin| bin.n).sum();
    gaps(bins).map(|(gap, n)| gap * n as f64).sum::<f64>() / total as f64
}

/// Maximum calibration error, the largest `|accuracy - confidence|` of a bin; NaN without samples.
///
/// Guo et al. (ICML 2017), eq. 5.
pub fn mce(bins: &[Bin]) -> f64 {
    gaps(bins).map(|(gap, _)| gap).max_by(f64::total_cmp).unwrap_or(f64::NAN)
}

/// The gap and the number of samples of every bin that has any.
fn gaps(bins: &[Bin]) -> impl Iterator<Item = (f64, u64)> {
    bins.iter().filter(|bin| bin.n > 0).map(|bin| ((bin.accuracy - bin.confidence).abs(), bin.n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_belong_to_the_bin_below() {
        let counts =
            |confidence: f64| -> Vec<u64> { reliability(&[confidence], &[1.0], 4).iter().map(|bin| bin.n).collect() };
        assert_eq!(counts(0.0), [1, 0, 0, 0]);
        assert_eq!(counts(0.25), [1, 0, 0, 0]);
        assert_eq!(counts(0.250_001), [0, 1, 0, 0]);
        assert_eq!(counts(1.0), [0, 0, 0, 1]);
        assert_eq!(counts(1.000_001), [0, 0, 0, 1]);
    }

    #[test]
    fn credit_may_be_partial() {
        let bins = reliability(&[0.9, 1.0], &[0.7, 1.0], 2);
        assert_eq!([bins[1].confidence, bins[1].accuracy], [0.95, 0.85]);
        assert!((ece(&bins) - 0.1).abs() < 1e-15);
        assert_eq!(ece(&bins), mce(&bins));
    }

    #[test]
    fn nothing_to_measure_is_nan() {
        let bins = reliability(&[], &[], 3);
        assert_eq!(bins.len(), 3);
        assert!(bins[0].n == 0 && bins[0].confidence.is_nan());
        assert!(ece(&bins).is_nan() && mce(&bins).is_nan());
        assert!(reliability(&[0.5], &[1.0], 0).is_empty());
        assert!(ece(&reliability(&[f64::NAN], &[1.0], 3)).is_nan());
    }
}
