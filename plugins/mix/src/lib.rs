//! Operators that mix samples and their labels.

mod cutmix;
mod cycles;
mod fmix;
mod fourier;
mod gridmix;
mod mixup;
mod mosaic;
mod pixel;
mod places;
mod resizemix;
mod runs;
mod saliency;
mod saliencymix;
mod smoothmix;

pub use cutmix::CutMix;
pub use fmix::FMix;
pub use gridmix::GridMix;
pub use mixup::Mixup;
pub use mosaic::Mosaic;
pub use resizemix::ResizeMix;
pub use saliencymix::SaliencyMix;
pub use smoothmix::SmoothMix;

/// The partner's position as an index.
pub(crate) fn partner_of(drawn: i64) -> usize {
    usize::try_from(drawn).unwrap_or_default()
}
