//! How far two tensors are apart.

use augraft_onnx::Tensor;
use augraft_operator::Images;

use crate::error::EngineError;

/// The largest difference of two tensors: of bytes in levels, infinite where type or shape differ, NaN where one has a NaN that the other has not.
#[must_use]
pub fn largest_difference(a: &Tensor, b: &Tensor) -> f32 {
    if a.dtype() != b.dtype() || a.shape() != b.shape() {
        return f32::INFINITY;
    }
    match (a, b) {
        (Tensor::F32(a), Tensor::F32(b)) => {
            let differences = a.iter().zip(b).filter(|(a, b)| a.to_bits() != b.to_bits()).map(|(a, b)| (a - b).abs());
            differences.max_by(f32::total_cmp).unwrap_or(0.0)
        }
        (Tensor::U8(a), Tensor::U8(b)) => a.iter().zip(b).map(|(a, b)| f32::from(a.abs_diff(*b))).fold(0.0, f32::max),
        _ if a == b => 0.0,
        _ => f32::INFINITY,
    }
}

/// The pixels of a batch as a tensor N,C,H,W.
///
/// # Errors
/// When the images have different sizes.
pub fn images_tensor(images: &Images) -> Result<Tensor, EngineError> {
    match images {
        Images::U8(images) => Ok(Tensor::U8(images.clone().into_dyn())),
        Images::F32(images) => Ok(Tensor::F32(images.clone().into_dyn())),
        Images::Ragged(_) => Err(EngineError::Unfit("the images have different sizes".to_owned())),
    }
}
