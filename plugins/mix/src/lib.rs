//! Operators that mix samples and their labels.

mod boxes;
mod cutmix;
mod distribution;
mod fmix;
mod fourier;
mod gridmix;
mod label_smoothing;
mod mixup;
mod mosaic;
mod resizemix;
mod saliency;
mod saliencymix;
mod smoothmix;

pub use boxes::{BoxRule, BoxSize, ByLam, Center, EmptyBox};
pub use cutmix::{CutMix, Lam};
pub use distribution::{LamDistribution, Named};
pub use fmix::FMix;
pub use gridmix::GridMix;
pub use label_smoothing::LabelSmoothing;
pub use mixup::{Mixup, Weigh};
pub use mosaic::Mosaic;
pub use resizemix::ResizeMix;
pub use saliencymix::SaliencyMix;
pub use smoothmix::SmoothMix;
