//! What the logits of one sample say: probabilities, scores of confidence and distances to a label.
//!
//! A label is a list of `(class, weight)`; weights of a class that is named twice add up, as when two images of one
//! class are mixed. Natural logarithms throughout.

use libm::{exp, log};

/// Probabilities of the classes: `exp(logit) / sum exp(logit)`, free of overflow.
///
/// As long as `logits`; all NaN where the largest logit is infinite or any is NaN.
pub fn softmax(logits: &[f32]) -> Vec<f64> {
    let top = largest(logits);
    let weights: Vec<f64> = logits.iter().map(|&logit| exp(f64::from(logit) - top)).collect();
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / total).collect()
}

/// Shannon entropy of `probabilities` in nats, from 0 (certain) to the logarithm of their number (uniform).
///
/// Classes without probability add nothing; NaN without classes.
pub fn entropy(probabilities: &[f64]) -> f64 {
    if probabilities.is_empty() {
        return f64::NAN;
    }
    probabilities.iter().map(|&p| if p == 0.0 { 0.0 } else { -p * log(p) }).sum()
}

/// Energy score `ln sum exp(logit)`, larger for samples more like those of the training.
///
/// It is the negative free energy at temperature 1 of Liu et al., "Energy-based Out-of-distribution Detection"
/// (NeurIPS 2020), eq. 4. Negative infinity without classes; NaN where a logit is.
pub fn energy(logits: &[f32]) -> f64 {
    if logits.iter().any(|logit| logit.is_nan()) {
        return f64::NAN;
    }
    let top = largest(logits);
    if top.is_infinite() {
        return top;
    }
    top + log(logits.iter().map(|&logit| exp(f64::from(logit) - top)).sum())
}

/// Cross-entropy in nats of the softmax of `logits` against a label: `-sum weight * ln softmax(logits)[class]`.
///
/// The weights are taken as they are. NaN for an empty label and for one with a class that `logits` lacks.
pub fn cross_entropy(logits: &[f32], label: &[(usize, f64)]) -> f64 {
    let Some(weights) = dense(label, logits.len()) else { return f64::NAN };
    let total = energy(logits);
    let charge = |(&weight, &logit): (&f64, &f32)| weight * (total - f64::from(logit));
    weights.iter().zip(logits).filter(|(weight, _)| **weight != 0.0).map(charge).sum()
}

/// Brier score of one sample, `sum (probability - weight)^2` over all classes, from 0 to 2.
///
/// This is the original multi-class convention (Brier, 1950; `scale_by_half=False` of scikit-learn): neither halved nor
/// divided by the number of classes. NaN for an empty label and for one with a class that `probabilities` lacks.
pub fn brier(probabilities: &[f64], label: &[(usize, f64)]) -> f64 {
    let Some(weights) = dense(label, probabilities.len()) else { return f64::NAN };
    probabilities.iter().zip(&weights).map(|(p, weight)| (p - weight) * (p - weight)).sum()
}

/// Kullback-Leibler divergence in nats from the label `rule` to the softmax of `logits`:
/// `sum weight * (ln weight - ln softmax(logits)[class])`.
///
/// Not negative when the weights sum to 1; classes of weight 0 add nothing. NaN for an empty rule and for one with a
/// class that `logits` lacks.
pub fn kl(rule: &[(usize, f64)], logits: &[f32]) -> f64 {
    let Some(weights) = dense(rule, logits.len()) else { return f64::NAN };
    let total = energy(logits);
    let charge = |(&weight, &logit): (&f64, &f32)| weight * (log(weight) + (total - f64::from(logit)));
    weights.iter().zip(logits).filter(|(weight, _)| **weight != 0.0).map(charge).sum()
}

/// Place of `class` among the logits, 0 for the largest; of equal logits the lower class comes first.
///
/// So rank 0 is the first maximum, and a class is in the top k when its rank is below k. NaN logits of other classes
/// come last; `None` for a class that `logits` lacks or whose own logit is NaN.
pub fn rank(logits: &[f32], class: usize) -> Option<usize> {
    let own = *logits.get(class).filter(|logit| !logit.is_nan())?;
    let before = |&(other, &logit): &(usize, &f32)| logit > own || (logit == own && other < class);
    Some(logits.iter().enumerate().filter(before).count())
}

fn largest(logits: &[f32]) -> f64 {
    f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max))
}

/// Weight of each of `classes`; `None` for an empty label or a class out of range.
fn dense(label: &[(usize, f64)], classes: usize) -> Option<Vec<f64>> {
    if label.is_empty() {
        return None;
    }
    let mut weights = vec![0.0; classes];
    for &(class, weight) in label {
        *weights.get_mut(class)? += weight;
    }
    Some(weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_survives_large_logits() {
        assert_eq!(softmax(&[1e30, 0.0]), [1.0, 0.0]);
        assert_eq!(softmax(&[-1e30, -1e30]), [0.5, 0.5]);
        assert_eq!(softmax(&[0.0, f32::NEG_INFINITY]), [1.0, 0.0]);
        assert!(softmax(&[f32::NAN, 0.0]).iter().all(|p| p.is_nan()));
        assert!(softmax(&[]).is_empty());
    }

    #[test]
    fn energy_of_the_limits() {
        assert_eq!(energy(&[3.0]), 3.0);
        assert_eq!(energy(&[]), f64::NEG_INFINITY);
        assert_eq!(energy(&[f32::INFINITY, 0.0]), f64::INFINITY);
        assert!(energy(&[f32::INFINITY, f32::NAN]).is_nan());
    }

    #[test]
    fn weights_of_one_class_add_up() {
        let (logits, twice, once) = ([0.3, -1.0, 2.0], [(2, 0.25), (2, 0.75)], [(2, 1.0)]);
        assert_eq!(cross_entropy(&logits, &twice), cross_entropy(&logits, &once));
        assert_eq!(kl(&twice, &logits), kl(&once, &logits));
        assert_eq!(brier(&softmax(&logits), &twice), brier(&softmax(&logits), &once));
    }

    #[test]
    fn classes_without_weight_cost_nothing() {
        let logits = [0.0, f32::NEG_INFINITY];
        assert_eq!(cross_entropy(&logits, &[(0, 1.0), (1, 0.0)]), 0.0);
        assert_eq!(kl(&[(0, 1.0), (1, 0.0)], &logits), 0.0);
        assert_eq!(entropy(&[1.0, 0.0]), 0.0);
    }

    #[test]
    fn labels_that_do_not_fit_are_nan() {
        for label in [&[][..], &[(2, 1.0)]] {
            assert!(cross_entropy(&[0.0, 1.0], label).is_nan());
            assert!(brier(&[0.5, 0.5], label).is_nan());
            assert!(kl(label, &[0.0, 1.0]).is_nan());
        }
        assert!(entropy(&[]).is_nan());
    }

    #[test]
    fn ties_go_to_the_lower_class() {
        let logits = [1.0, 2.0, 2.0, f32::NAN];
        let ranks = [0, 1, 2, 3, 4].map(|class| rank(&logits, class));
        assert_eq!(ranks, [Some(2), Some(0), Some(1), None, None]);
    }
}
