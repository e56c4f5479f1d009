//! How many bytes or numbers a `TensorProto` must hold.

use crate::error::Error;
use crate::proto::TensorProto;
use crate::proto::tensor_proto::{DataLocation, DataType};

/// Returns the number of elements of a shape, or `None` when a dimension is negative or the product overflows.
pub(crate) fn element_count(dims: &[i64]) -> Option<u64> {
    let count = dims.iter().try_fold(1_u64, |count, &dim| count.checked_mul(u64::try_from(dim).ok()?))?;
    // A count beyond the address space would overflow in every user of it.
    isize::try_from(count).ok().map(|_| count)
}

/// Returns the number of bytes that `count` elements take in `raw_data`.
///
/// Strings and unknown element types have no such form.
pub(crate) fn raw_bytes(data_type: i32, count: u64) -> Option<u64> {
    let bits = element_bits(DataType::try_from(data_type).ok()?)?;
    Some(count.checked_mul(bits)?.div_ceil(8))
}

fn element_bits(data_type: DataType) -> Option<u64> {
    use DataType as T;
    match data_type {
        T::Undefined | T::String => None,
        T::Uint2 | T::Int2 => Some(2),
        T::Uint4 | T::Int4 | T::Float4e2m1 => Some(4),
        T::Float6e2m3 | T::Float6e3m2 => Some(6),
        T::Uint8
        | T::Int8
        | T::Bool
        | T::Float8e4m3fn
        | T::Float8e4m3fnuz
        | T::Float8e5m2
        | T::Float8e5m2fnuz
        | T::Float8e8m0 => Some(8),
        T::Uint16 | T::Int16 | T::Float16 | T::Bfloat16 => Some(16),
        T::Float | T::Int32 | T::Uint32 => Some(32),
        T::Double | T::Int64 | T::Uint64 | T::Complex64 => Some(64),
        T::Complex128 => Some(128),
    }
}

/// Says whether the data lie in another file.
pub(crate) fn is_external(tensor: &TensorProto) -> bool {
    tensor.data_location == Some(DataLocation::External as i32)
}

/// Checks that the data of a tensor fill its shape exactly.
pub(crate) fn check_tensor(tensor: &TensorProto) -> Result<(), Error> {
    let fault = |problem: String| Err(Error::invalid(format!("tensor '{}' {problem}", tensor.name())));
    let Some(count) = element_count(&tensor.dims) else {
        return fault(format!("has the impossible shape {:?}", tensor.dims));
    };
    let data_type = match DataType::try_from(tensor.data_type()) {
        Ok(DataType::Undefined) | Err(_) => {
            return fault(format!("has the unknown element type {}", tensor.data_type()));
        }
        Ok(data_type) => data_type,
    };
    if is_external(tensor) {
        return fault("keeps its data in another file; load the model from its path".into());
    }
    if tensor.segment.is_some() {
        return fault("is stored in segments, which is not supported".into());
    }
    let (held, wanted, unit) = match &tensor.raw_data {
        Some(raw) if !raw.is_empty() => (raw.len(), raw_bytes(tensor.data_type(), count), "bytes"),
        _ => {
            let (held, wanted) = typed_lengths(tensor, data_type, count);
            (held, wanted, "values")
        }
    };
    if u64::try_from(held).ok() == wanted {
        return Ok(());
    }
    let wanted = wanted.map_or_else(|| format!("other than {unit}"), |wanted| format!("{wanted}"));
    fault(format!(
        "of shape {:?} holds {held} {unit} where its element type {} needs {wanted}",
        tensor.dims,
        data_type.as_str_name()
    ))
}

/// Returns how many numbers the typed field of this element type holds, and how many `count` elements need.
fn typed_lengths(tensor: &TensorProto, data_type: DataType, count: u64) -> (usize, Option<u64>) {
    use DataType as T;
    match data_type {
        T::Float => (tensor.float_data.len(), Some(count)),
        T::Complex64 => (tensor.float_data.len(), count.checked_mul(2)),
        T::Double => (tensor.double_data.len(), Some(count)),
        T::Complex128 => (tensor.double_data.len(), count.checked_mul(2)),
        T::Int64 => (tensor.int64_data.len(), Some(count)),
        T::Uint32 | T::Uint64 => (tensor.uint64_data.len(), Some(count)),
        T::String => (tensor.string_data.len(), Some(count)),
        T::Uint4 | T::Int4 | T::Float4e2m1 => (tensor.int32_data.len(), Some(count.div_ceil(2))),
        T::Uint2 | T::Int2 => (tensor.int32_data.len(), Some(count.div_ceil(4))),
        _ => (tensor.int32_data.len(), Some(count)),
    }
}

/// Returns the values of a constant list of integers.
pub(crate) fn int64_values(tensor: &TensorProto) -> Option<Vec<i64>> {
    if tensor.data_type() != DataType::Int64 as i32 {
        return None;
    }
    match &tensor.raw_data {
        Some(raw) if !raw.is_empty() => {
            Some(raw.as_chunks().0.iter().map(|&bytes| i64::from_le_bytes(bytes)).collect())
        }
        _ => Some(tensor.int64_data.clone()),
    }
}
