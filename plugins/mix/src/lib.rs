//! Operators that mix samples and their labels.

mod cutmix;
mod cycles;
mod label;
mod mixup;

pub use cutmix::CutMix;
pub use mixup::Mixup;
