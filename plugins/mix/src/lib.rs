//! Operators that mix samples and their labels.

mod cutmix;
mod cycles;
mod mixup;

pub use cutmix::CutMix;
pub use mixup::Mixup;

/// The partner's position as an index.
pub(crate) fn partner_of(drawn: i64) -> usize {
    usize::try_from(drawn).unwrap_or_default()
}
