//! Operators that mix samples and their labels.

mod boxes;
mod cutmix;
mod cycles;
mod distribution;
mod fmix;
mod fourier;
mod gridmix;
mod label_smoothing;
mod mixup;
mod mosaic;
mod pixel;
mod places;
mod resizemix;
mod runs;
mod saliency;
mod saliencymix;
mod smoothmix;
mod weights;

pub use boxes::{BoxRule, BoxSize, ByLam, Center, EmptyBox};
pub use cutmix::CutMix;
pub use distribution::{LamDistribution, Named};
pub use fmix::FMix;
pub use gridmix::GridMix;
pub use label_smoothing::LabelSmoothing;
pub use mixup::{Mixup, Weigh};
pub use mosaic::Mosaic;
pub use resizemix::ResizeMix;
pub use saliencymix::SaliencyMix;
pub use smoothmix::SmoothMix;
pub use weights::{LabelRule, Lam};

/// The partner's position as an index.
pub(crate) fn partner_of(drawn: i64) -> usize {
    usize::try_from(drawn).unwrap_or_default()
}
