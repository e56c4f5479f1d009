//! Operators that mix samples and their labels.

mod cutmix;
mod cycles;
mod distribution;
mod label_smoothing;
mod mixup;
mod weights;

pub use cutmix::{BoxRule, BoxSize, ByLam, Center, CutMix, EmptyBox};
pub use distribution::{LamDistribution, Named};
pub use label_smoothing::LabelSmoothing;
pub use mixup::{Mixup, Weigh};
pub use weights::{LabelRule, Lam};

/// The partner's position as an index.
pub(crate) fn partner_of(drawn: i64) -> usize {
    usize::try_from(drawn).unwrap_or_default()
}
