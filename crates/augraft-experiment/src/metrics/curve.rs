//! Numbers that sum up a curve.

/// Area under the points `(x, y)` by the trapezoid rule, negative where `x` descends.
///
/// 0 for one point; NaN for none and for slices of different lengths.
pub fn area(x: &[f64], y: &[f64]) -> f64 {
    if x.is_empty() || x.len() != y.len() {
        return f64::NAN;
    }
    x.windows(2).zip(y.windows(2)).map(|(x, y)| (x[1] - x[0]) * (y[0] + y[1]) / 2.0).sum()
}

/// First `x` at which `a - b` changes sign, linear between the points; `None` when it never does.
///
/// Where the curves meet for a while and part on the other side, the place is where they first meet; a touch without a
/// change of sign is none. A NaN breaks the curve. Points beyond the shortest slice are left out.
pub fn crossing(x: &[f64], a: &[f64], b: &[f64]) -> Option<f64> {
    let mut last: Option<(usize, f64)> = None;
    for (i, (&x_i, (&a_i, &b_i))) in x.iter().zip(a.iter().zip(b)).enumerate() {
        let gap = a_i - b_i;
        if gap == 0.0 {
            continue;
        }
        if let Some((j, before)) = last
            && (before < 0.0) != (gap < 0.0)
        {
            let met = j + 1 < i;
            return Some(if met { x[j + 1] } else { x[j] + (x_i - x[j]) * (before / (before - gap)) });
        }
        last = (!gap.is_nan()).then_some((i, gap));
    }
    None
}

/// Mean distance of the share `p_a / (p_a + p_b)` from the effective mixing ratio `lam_eff`, from 0 to 1.
///
/// `p_a` and `p_b` are the probabilities that a classifier gives to the classes of the two images of a mixed sample,
/// `lam_eff` the share of the first image: 0 means that predictions follow the mix linearly. Samples in which neither
/// class has any probability are left out, as are those beyond the shortest slice; NaN without samples.
pub fn linearity(p_a: &[f64], p_b: &[f64], lam_eff: &[f64]) -> f64 {
    let samples = p_a.iter().zip(p_b).zip(lam_eff);
    let gaps = samples.map(|((p_a, p_b), lam)| linearity_gap(*p_a, *p_b, *lam));
    super::mean(&gaps.filter(|gap| !gap.is_nan()).collect::<Vec<f64>>())
}

/// Computes `|p_a / (p_a + p_b) - lam_eff|` of one sample; NaN where both probabilities are 0.
pub fn linearity_gap(p_a: f64, p_b: f64, lam_eff: f64) -> f64 {
    (p_a / (p_a + p_b) - lam_eff).abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn area_of_a_triangle() {
        assert_eq!(area(&[0.0, 1.0, 3.0], &[0.0, 2.0, 0.0]), 3.0);
        assert_eq!(area(&[1.0], &[5.0]), 0.0);
        assert!(area(&[], &[]).is_nan());
        assert!(area(&[0.0, 1.0], &[0.0]).is_nan());
    }

    #[test]
    fn crossing_is_where_the_sign_changes() {
        let x = [0.0, 1.0, 2.0, 3.0];
        let at = |a: [f64; 4]| crossing(&x, &a, &[0.0; 4]);
        assert_eq!(at([3.0, 1.0, -1.0, 1.0]), Some(1.5));
        assert_eq!(at([-1.0, 0.0, 0.0, 2.0]), Some(1.0));
        assert_eq!(at([1.0, 0.0, 1.0, 2.0]), None);
        assert_eq!(at([0.0, 0.0, 1.0, -3.0]), Some(2.25));
        assert_eq!(at([1.0, f64::NAN, -1.0, -1.0]), None);
        assert_eq!(crossing(&[], &[], &[]), None);
    }

    #[test]
    fn linearity_is_zero_on_the_line() {
        assert_eq!(linearity(&[0.375, 0.0, 0.25], &[0.125, 0.0, 0.25], &[0.75, 0.9, 0.5]), 0.0);
        assert_eq!(linearity(&[1.0], &[0.0], &[0.25]), 0.75);
        assert!(linearity(&[], &[], &[]).is_nan());
    }
}
