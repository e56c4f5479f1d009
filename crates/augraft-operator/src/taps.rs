//! Which pixels make up a pixel of a stretched side, how much each weighs, and where they lie.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How pixels between pixels are made up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// The pixel whose area the center lies in; never antialiased (PyTorch's `nearest-exact`, Pillow's `NEAREST`).
    Nearest,
    /// A triangle filter.
    #[default]
    Bilinear,
    /// Keys' cubic filter, with a = -0.5 where antialiased (Pillow), -0.75 where not (PyTorch).
    Bicubic,
}

/// An interpolation, and whether its filter widens with the reduction.
#[derive(Debug, Clone, Copy)]
pub struct Filter {
    /// How pixels between pixels are made up.
    pub interpolation: Interpolation,
    /// Whether what is reduced is smoothed first.
    pub antialias: bool,
}

impl Filter {
    /// The one for masks, whose values do not mix.
    pub(crate) const NEAREST: Self = Self { interpolation: Interpolation::Nearest, antialias: false };

    /// Pixels on each side of a center that count, before it widens.
    fn reach(self) -> f64 {
        if self.interpolation == Interpolation::Bicubic { 2.0 } else { 1.0 }
    }

    pub(crate) fn sharpness(self) -> f64 {
        if self.antialias { -0.5 } else { -0.75 }
    }

    /// Whether pixels beyond the borders count as the outermost ones; else they do not count at all.
    pub(crate) fn repeats_borders(self) -> bool {
        self.interpolation == Interpolation::Bicubic && !self.antialias
    }

    /// The weight of a pixel, before it is normalized.
    fn weight(self, distance: f64) -> f64 {
        let x = distance.abs();
        if self.interpolation != Interpolation::Bicubic {
            return (1.0 - x).max(0.0);
        }
        let a = self.sharpness();
        if x < 1.0 {
            ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
        } else if x < 2.0 {
            (((x - 5.0) * x + 8.0) * x - 4.0) * a
        } else {
            0.0
        }
    }
}

/// A stretch of one side: `start..start + length` pixels become `out` pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    pub(crate) start: usize,
    pub(crate) length: usize,
    pub(crate) out: usize,
}

/// The weights of the output pixels: `count` for each, of the input pixels from `first` on.
pub struct Taps<W> {
    /// Input pixels of an output pixel.
    pub(crate) count: usize,
    /// The first input pixel of each output pixel.
    pub(crate) first: Vec<usize>,
    /// The weights of one output pixel after the other.
    pub(crate) weights: Vec<W>,
}

impl Stretch {
    /// The pixel nearest to each output pixel, `floor((i + 0.5) * length / out)`, in whole numbers.
    pub(crate) fn nearest(self) -> Vec<usize> {
        (0..self.out).map(|at| self.start + (2 * at + 1) * self.length / (2 * self.out)).collect()
    }

    /// Weights of every output pixel, normalized in f64; input pixels are counted from the start of the stretch.
    pub(crate) fn taps<W: Copy>(self, filter: Filter, rounded: impl Fn(f64) -> W) -> Taps<W> {
        let scale = self.length as f64 / self.out as f64;
        let support = if filter.antialias { scale.max(1.0) } else { 1.0 };
        let reach = filter.reach() * support;
        let last = self.length as i64 - 1;
        let center = |at: usize| (at as f64 + 0.5) * scale;
        let pixels = |center: f64| (floor(center - reach + 0.5), floor(center + reach + 0.5));
        let limited = |at: usize| {
            let (from, to) = pixels(center(at));
            (from.max(0), to.min(last + 1))
        };
        let limits: Vec<_> = (0..self.out).map(limited).collect();
        let count = limits.iter().map(|(from, to)| (to - from) as usize).max().unwrap_or(1);
        let mut taps =
            Taps { count, first: Vec::with_capacity(self.out), weights: vec![rounded(0.0); self.out * count] };
        let mut own = Vec::new();
        for ((at, (from, to)), weights) in limits.into_iter().enumerate().zip(taps.weights.chunks_exact_mut(count)) {
            let center = center(at);
            let weight = |pixel: i64| filter.weight((pixel as f64 - center + 0.5) * (1.0 / support));
            own.clear();
            own.extend((from..to).map(weight));
            if filter.repeats_borders() {
                let (before, behind) = pixels(center);
                own[0] += (before..0).map(weight).sum::<f64>();
                own[(to - from - 1) as usize] += (last + 1..behind).map(weight).sum::<f64>();
            }
            let share = 1.0 / own.iter().sum::<f64>();
            // All have as many taps; near the end the first ones weigh nothing.
            let first = (from as usize).min(self.length - count);
            for (weight, own) in weights[from as usize - first..].iter_mut().zip(&own) {
                *weight = rounded(own * share);
            }
            taps.first.push(first);
        }
        taps
    }
}

/// The largest whole number that is not above `x`; the one of the standard library is a call unless the CPU is known.
fn floor(x: f64) -> i64 {
    let whole = x as i64;
    whole - i64::from(whole as f64 > x)
}

/// Lines of pixels whose channels are side by side.
#[derive(Clone, Copy)]
pub struct Lines<'a, T> {
    /// From the first pixel of the first line on.
    pub(crate) pixels: &'a [T],
    /// From the beginning of a line to that of the next.
    pub(crate) pitch: usize,
    /// Pixels of a line.
    pub(crate) length: usize,
    /// Number of lines.
    pub(crate) count: usize,
    /// Number of channels, one or three.
    pub(crate) channels: usize,
}

impl<'a, T> Lines<'a, T> {
    /// The values of one line.
    pub(crate) fn line(&self, at: usize) -> &'a [T] {
        &self.pixels[at * self.pitch..][..self.length * self.channels]
    }
}
