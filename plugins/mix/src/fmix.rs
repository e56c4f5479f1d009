use std::collections::BTreeMap;
use std::sync::Arc;

use augraft_operator::rand_distr::{Distribution, StandardNormal};
use augraft_operator::{
    Alpha, Dice, Extent, Images, Issue, MixMode, Mixing, Operator, Parity, Partner, PhiloxRng, Probability, Region,
    Row, Rows, Runs, Shape, draw, register_operator,
};
use rayon::prelude::*;
use rustfft::FftDirection;
use rustfft::num_complex::Complex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fourier::Transform;

/// Takes a random region of any outline from a partner image and mixes the labels by area.
///
/// A gray image of low frequencies is the inverse Fourier transform of complex Gaussian noise whose deviation falls as `1 / f^decay` with the
/// frequency `f` (not below `1 / max(H, W)` cycles per pixel). `lam ~ Beta(alpha, alpha)`: the `lam * H * W` brightest pixels keep the sample itself,
/// rounded up or down by a fair coin, and the others come from the partner. Label weights are the shares of the pixels; in a chain of steps, of the
/// visible ones, whatever comes before and after.
///
/// Native only: the noise comes from `rand_distr` over a Philox stream and the image from a Fourier transform in f64.
///
/// Draws `apply`, `taken` (how many pixels of a plane come from the partner, 0 when not applied), `stream` (the key of the noise) and `partner`, the
/// position in the batch.
///
/// Harris et al., "`FMix`: Enhancing Mixed Sample Data Augmentation", 2020, and the authors' `sample_mask` with `max_soft` 0.
///
/// # Example
/// ```yaml
/// - fmix: { alpha: 1.0, decay: 3.0 }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FMix {
    /// Parameter of the Beta distribution of `lam`; 1 is uniform.
    pub alpha: Alpha,
    /// Power with which high frequencies fade, 0 to 10: 0 gives noise, 3 (the paper) a few blobs.
    #[schemars(range(min = 0.0, max = 10.0))]
    pub decay: f64,
    /// Probability of a batch (or, with `mode: elem`, of a sample) to be mixed.
    pub p: Probability,
    /// One region per batch, or per sample.
    pub mode: MixMode,
    /// Which sample of the batch the region comes from.
    pub partner: Partner,
}

impl Default for FMix {
    fn default() -> Self {
        Self {
            alpha: Alpha::default(),
            decay: 3.0,
            p: Probability::ALWAYS,
            mode: MixMode::Batch,
            partner: Partner::Permute,
        }
    }
}

draw! {
    /// The region and the partner of one sample.
    pub struct Drawn {
        /// Whether the sample is mixed.
        apply: Bool as Decision,
        /// Pixels of a plane that come from the partner.
        taken: Int,
        /// Key of the stream of noise.
        stream: Int,
        /// Position of the partner in the batch.
        partner: Int as Partner,
    }
}

impl Operator for FMix {
    const NAME: &'static str = "fmix";
    const SINCE: &'static str = "0.1.0";
    const PARITY: Parity = Parity::NativeOnly("its mask comes from a Fourier transform");
    type Draw<D: Dice> = Drawn<D>;

    fn rows(&self) -> Rows {
        self.mode.rows(self.partner)
    }

    fn check(&self, shape: &Shape) -> Result<Shape, Issue> {
        self.mode.check(self.partner)?;
        shape.uniform()?;
        if !(0.0..=10.0).contains(&self.decay) {
            return Err(Issue::new("decay", format!("{} is not between 0 and 10", self.decay)));
        }
        Ok(shape.clone())
    }

    fn draw<D: Dice>(&self, dice: D, extent: &Extent<D>) -> Drawn<D> {
        let scope = self.mode.scope(dice);
        let word = |lane| scope.below(lane, scope.int(1 << 21));
        let apply = scope.acts(0, self.p);
        let total = extent.height * extent.width;
        let share = scope.beta(1, &self.alpha) * scope.to_real(total);
        let zero = scope.int(0);
        let up = scope.less(scope.uniform(2), scope.real(0.5));
        let ceil = zero - scope.floor(scope.real(0.0) - share);
        let kept = scope.select_int(up, ceil, scope.floor(share));
        Drawn {
            apply,
            taken: scope.select_int(apply, total - kept, zero),
            stream: word(3) * scope.int(1 << 21) + word(8),
            partner: dice.partner(4, self.partner),
        }
    }

    fn mixing<D: Dice>(&self, _: D, draw: &Drawn<D>, _: &Extent<D>) -> Mixing<D> {
        Mixing::Region { partner: draw.partner, soft: false }
    }

    fn regions(&self, draws: &[Drawn<Row>], images: &Images) -> Vec<Arc<Region>> {
        let Some([_, height, width]) = (!draws.is_empty()).then(|| images.extent(0)) else { return Vec::new() };
        // With one region for all samples, it is made once.
        let key = |draw: &Drawn<Row>| (draw.stream, draw.taken);
        let keys: BTreeMap<(i64, i64), ()> = draws.iter().map(|draw| (key(draw), ())).collect();
        let transform = Transform::new([height, width], FftDirection::Inverse);
        let made = keys.into_par_iter().map(|((stream, taken), ())| {
            let runs = region(stream as u64, taken as usize, [height, width], self.decay, &transform);
            ((stream, taken), Arc::new(Region::Taken(runs)))
        });
        let made: BTreeMap<_, _> = made.collect();
        draws.iter().map(|draw| made[&key(draw)].clone()).collect()
    }

    fn acts(&self, row: usize, draw: &Drawn<Row>) -> bool {
        draw.apply && draw.taken > 0 && draw.partner != row as i64
    }
}

register_operator!(FMix);

/// The pixels that come from the partner: the `taken` darkest of a gray image of low frequencies.
fn region(stream: u64, taken: usize, [height, width]: [usize; 2], decay: f64, transform: &Transform) -> Runs {
    let mut runs = Runs::default();
    if taken == 0 {
        return runs;
    }
    let image = gray_image(stream, [height, width], decay, transform);
    let mut order: Vec<u32> = (0..image.len() as u32).collect();
    // Equal values, which only symmetry makes, have the order of the pixels.
    let darker = |a: &u32, b: &u32| image[*a as usize].total_cmp(&image[*b as usize]).then(a.cmp(b));
    order.select_nth_unstable_by(taken - 1, darker);
    order.truncate(taken);
    order.sort_unstable();
    for at in order {
        runs.push(at as usize..at as usize + 1);
    }
    runs
}

/// Noise whose spectrum falls as `1 / f^decay`.
fn gray_image(stream: u64, [height, width]: [usize; 2], decay: f64, transform: &Transform) -> Vec<f64> {
    let half = width / 2 + 1;
    let lowest = 1.0 / height.max(width) as f64;
    let mut noise = StandardNormal.sample_iter(PhiloxRng::new(stream));
    let mut next = || noise.next().unwrap_or_default();
    let mut spectrum = vec![Complex::new(0.0, 0.0); height * width];
    for y in 0..height {
        let fy = y.min(height - y) as f64 / height as f64;
        for x in 0..half {
            let fx = x as f64 / width as f64;
            let deviation = 1.0 / libm::pow(libm::sqrt(fx * fx + fy * fy).max(lowest), decay);
            // The other half of the spectrum of a real image mirrors this one; its real part is twice that of this one.
            let twice = if x == 0 || 2 * x == width { 1.0 } else { 2.0 };
            let (re, im): (f64, f64) = (next(), next());
            spectrum[y * width + x] = Complex::new(re, im) * (deviation * twice);
        }
    }
    transform.of(spectrum).into_iter().map(|value| value.re).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_has_its_size_and_few_parts() {
        let size = [48, 37];
        let transform = Transform::new(size, FftDirection::Inverse);
        let parts = |decay: f64| {
            let runs = region(5, 1000, size, decay, &transform);
            assert_eq!(runs.count(), 1000);
            runs.parts()
        };
        // A few blobs have about one run a row; noise has one for every fourth pixel.
        assert!(parts(3.0) < 120 && parts(0.0) > 350, "{} {}", parts(3.0), parts(0.0));
        assert_eq!(region(5, 0, size, 3.0, &transform).count(), 0);
        assert_eq!(region(5, 48 * 37, size, 3.0, &transform).count(), 48 * 37);
    }
}
