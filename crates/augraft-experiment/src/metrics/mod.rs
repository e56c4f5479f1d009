//! Metrics of classifiers, detectors and maps, as pure functions of numbers.
//!
//! Everything is computed in f64 with `libm`, so that a result has the same bits on every machine. No function fails:
//! where a value is not defined, for example over no samples, the result is NaN or `None`, as its comment says.

mod calibration;
mod curve;
mod detection;
mod interval;
mod localization;
mod resize;
mod softmax;

pub use calibration::{Bin, ece, mce, reliability};
pub use curve::{area, crossing, linearity, linearity_gap};
pub use detection::{Roc, aupr, auroc, auroc_interval, auroc_variance, detection_accuracy, fpr_at_tpr, roc, tnr95};
pub use interval::{bootstrap, holm, mcnemar, mean_interval, wilson};
pub use localization::{
    BoxIous, LOC_IOU, LOC_THRESHOLD, Rect, box_ious, components, energy_share, iou, largest_box, loc, localized,
    max_box_acc, max_box_acc_v2, normalize,
};
pub use resize::resize_bicubic;
pub(crate) use resize::resize_bilinear;
pub use softmax::{brier, cross_entropy, energy, entropy, kl, rank, softmax};

/// Mean of the values; NaN without any.
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
