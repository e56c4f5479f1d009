//! Dense tensors of the element types that ONNX graphs exchange.

use bytes::Bytes;
use half::f16;
use ndarray::{ArrayD, IxDyn};

use crate::proto::{TensorProto, tensor_proto::DataType as ProtoType};

macro_rules! element_types {
    ($($(#[$meta:meta])* $variant:ident($native:ty, $proto:ident, $size:literal)),* $(,)?) => {
        /// Element type of a tensor.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum DataType { $($(#[$meta])* $variant),* }

        /// A dense tensor in row-major order.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Tensor { $($(#[$meta])* $variant(ArrayD<$native>)),* }

        impl DataType {
            /// The number of this type in ONNX's `TensorProto.DataType`.
            #[must_use]
            pub fn to_proto(self) -> i32 {
                match self { $(DataType::$variant => ProtoType::$proto as i32),* }
            }
            /// The type with this number, where it is one that [`Tensor`] holds.
            #[must_use]
            pub fn from_proto(number: i32) -> Option<Self> {
                $(if number == ProtoType::$proto as i32 { return Some(DataType::$variant); })*
                None
            }
            /// Bytes of one element.
            #[must_use]
            pub fn size(self) -> usize {
                match self { $(DataType::$variant => $size),* }
            }
        }

        impl Tensor {
            /// Element type.
            #[must_use]
            pub fn dtype(&self) -> DataType {
                match self { $(Tensor::$variant(_) => DataType::$variant),* }
            }
            /// Sides, outermost first.
            #[must_use]
            pub fn shape(&self) -> &[usize] {
                match self { $(Tensor::$variant(array) => array.shape()),* }
            }
            /// Bytes of the elements, little endian, row-major.
            #[must_use]
            pub fn to_le_bytes(&self) -> Vec<u8> {
                match self { $(Tensor::$variant(array) => array.iter().flat_map(|&value| Element::to_le(value)).collect()),* }
            }
            /// Reads elements from little-endian bytes; `None` when their number does not fit `shape`.
            #[must_use]
            pub fn from_le_bytes(dtype: DataType, shape: &[usize], bytes: &[u8]) -> Option<Self> {
                let count = shape.iter().try_fold(1usize, |product, &side| product.checked_mul(side))?;
                if count.checked_mul(dtype.size())? != bytes.len() {
                    return None;
                }
                match dtype {
                    $(DataType::$variant => {
                        let values = bytes.chunks_exact($size).map(<$native as Element>::from_le).collect();
                        ArrayD::from_shape_vec(IxDyn(shape), values).ok().map(Tensor::$variant)
                    })*
                }
            }
            /// The rows `range` of the first axis.
            #[must_use]
            pub fn rows(&self, range: core::ops::Range<usize>) -> Self {
                match self {
                    $(Tensor::$variant(array) => {
                        Tensor::$variant(array.slice_axis(ndarray::Axis(0), range.into()).as_standard_layout().into_owned())
                    })*
                }
            }
            /// The rows at these places of the first axis.
            #[must_use]
            pub fn at_rows(&self, rows: &[usize]) -> Self {
                match self {
                    $(Tensor::$variant(array) => Tensor::$variant(array.select(ndarray::Axis(0), rows)),)*
                }
            }
            /// Joins tensors of one type along the first axis; `None` when they do not fit.
            #[must_use]
            pub fn concat(parts: &[&Tensor]) -> Option<Self> {
                match parts.first()? {
                    $(Tensor::$variant(_) => {
                        let views: Option<Vec<_>> = parts.iter().map(|part| match part {
                            Tensor::$variant(array) => Some(array.view()),
                            _ => None,
                        }).collect();
                        ndarray::concatenate(ndarray::Axis(0), &views?).ok().map(Tensor::$variant)
                    })*
                }
            }
        }

        $(impl From<ArrayD<$native>> for Tensor {
            fn from(array: ArrayD<$native>) -> Self { Tensor::$variant(array) }
        })*
    };
}

element_types! {
    /// Truth values, one byte each.
    Bool(bool, Bool, 1),
    /// Unsigned bytes.
    U8(u8, Uint8, 1),
    /// Signed bytes.
    I8(i8, Int8, 1),
    /// 32-bit integers.
    I32(i32, Int32, 4),
    /// 64-bit integers.
    I64(i64, Int64, 8),
    /// Unsigned 64-bit integers.
    U64(u64, Uint64, 8),
    /// Half precision.
    F16(f16, Float16, 2),
    /// Single precision.
    F32(f32, Float, 4),
    /// Double precision.
    F64(f64, Double, 8),
}

trait Element: Copy {
    fn to_le(self) -> Vec<u8>;
    fn from_le(bytes: &[u8]) -> Self;
}

impl Element for bool {
    fn to_le(self) -> Vec<u8> {
        vec![u8::from(self)]
    }
    fn from_le(bytes: &[u8]) -> Self {
        bytes[0] != 0
    }
}

macro_rules! number_elements {
    ($($native:ty),*) => {$(
        impl Element for $native {
            fn to_le(self) -> Vec<u8> { self.to_le_bytes().to_vec() }
            fn from_le(bytes: &[u8]) -> Self {
                let mut raw = [0; size_of::<$native>()];
                raw.copy_from_slice(bytes);
                <$native>::from_le_bytes(raw)
            }
        }
    )*};
}
number_elements!(u8, i8, i32, i64, u64, f16, f32, f64);

impl Tensor {
    /// A tensor without axes.
    pub fn scalar<T: Clone>(value: T) -> Self
    where
        ArrayD<T>: Into<Tensor>,
    {
        ArrayD::from_elem(IxDyn(&[]), value).into()
    }

    /// A tensor with one axis.
    pub fn vector<T>(values: Vec<T>) -> Self
    where
        ArrayD<T>: Into<Tensor>,
    {
        ndarray::Array1::from_vec(values).into_dyn().into()
    }

    /// The elements as f32 where that is the type.
    #[must_use]
    pub fn as_f32(&self) -> Option<&ArrayD<f32>> {
        if let Tensor::F32(array) = self { Some(array) } else { None }
    }

    /// The elements as f32, where they are floats of half or single precision.
    #[must_use]
    pub fn to_f32(&self) -> Option<ArrayD<f32>> {
        match self {
            Tensor::F32(array) => Some(array.clone()),
            Tensor::F16(array) => Some(array.mapv(f16::to_f32)),
            _ => None,
        }
    }

    /// Elements of half or single precision, rounded to the nearest and, of two as near, to the even one; none for another type.
    #[must_use]
    pub fn of_f32(array: ArrayD<f32>, dtype: DataType) -> Option<Self> {
        match dtype {
            DataType::F32 => Some(Tensor::F32(array)),
            DataType::F16 => Some(Tensor::F16(array.mapv(f16::from_f32))),
            _ => None,
        }
    }

    /// Writes the tensor as an ONNX initializer called `name`.
    #[must_use]
    pub fn to_proto(&self, name: &str) -> TensorProto {
        TensorProto {
            name: Some(name.to_owned()),
            dims: self.shape().iter().map(|&side| side as i64).collect(),
            data_type: Some(self.dtype().to_proto()),
            raw_data: Some(Bytes::from(self.to_le_bytes())),
            ..TensorProto::default()
        }
    }

    /// Reads an ONNX tensor that holds its data, as bytes or as typed values.
    ///
    /// `None` for other element types, for data in another file, and when the data do not fill the shape.
    #[must_use]
    pub fn from_proto(proto: &TensorProto) -> Option<Self> {
        let dtype = DataType::from_proto(proto.data_type())?;
        let shape: Option<Vec<usize>> = proto.dims.iter().map(|&side| usize::try_from(side).ok()).collect();
        let bytes = match &proto.raw_data {
            Some(raw) => raw.to_vec(),
            None => typed_bytes(dtype, proto)?,
        };
        Self::from_le_bytes(dtype, &shape?, &bytes)
    }
}

/// The typed values of a tensor as little-endian bytes; small types lie in 32-bit fields.
fn typed_bytes(dtype: DataType, proto: &TensorProto) -> Option<Vec<u8>> {
    fn bytes<T: Element>(values: impl IntoIterator<Item = T>) -> Vec<u8> {
        values.into_iter().flat_map(Element::to_le).collect()
    }
    fn narrow<T: Element + TryFrom<i32>>(values: &[i32]) -> Option<Vec<u8>> {
        let values: Option<Vec<T>> = values.iter().map(|&value| T::try_from(value).ok()).collect();
        Some(bytes(values?))
    }
    match dtype {
        DataType::Bool => Some(bytes(proto.int32_data.iter().map(|&value| value != 0))),
        DataType::U8 => narrow::<u8>(&proto.int32_data),
        DataType::I8 => narrow::<i8>(&proto.int32_data),
        DataType::I32 => Some(bytes(proto.int32_data.iter().copied())),
        DataType::I64 => Some(bytes(proto.int64_data.iter().copied())),
        DataType::U64 => Some(bytes(proto.uint64_data.iter().copied())),
        DataType::F16 => {
            let bits: Option<Vec<u16>> = proto.int32_data.iter().map(|&bits| u16::try_from(bits).ok()).collect();
            Some(bytes(bits?.into_iter().map(f16::from_bits)))
        }
        DataType::F32 => Some(bytes(proto.float_data.iter().copied())),
        DataType::F64 => Some(bytes(proto.double_data.iter().copied())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_trip() {
        for tensor in [Tensor::vector(vec![1i64, -2]), Tensor::vector(vec![true, false]), Tensor::scalar(2.5f64)] {
            assert_eq!(Tensor::from_le_bytes(tensor.dtype(), tensor.shape(), &tensor.to_le_bytes()), Some(tensor));
        }
        assert_eq!(Tensor::from_le_bytes(DataType::F32, &[2], &[0; 4]), None);
        assert_eq!(Tensor::from_le_bytes(DataType::F32, &[usize::MAX, 2], &[]), None);
    }

    #[test]
    fn onnx_tensors_round_trip() {
        for tensor in [Tensor::vector(vec![1i8, -2]), Tensor::vector(vec![true, false]), Tensor::scalar(u64::MAX)] {
            assert_eq!(Tensor::from_proto(&tensor.to_proto("x")), Some(tensor));
        }
    }

    #[test]
    fn typed_fields_are_read() {
        let proto = |dtype: DataType, sides: &[i64]| TensorProto {
            dims: sides.to_vec(),
            data_type: Some(dtype.to_proto()),
            int32_data: vec![0, 255],
            float_data: vec![0.5, -1.0],
            ..TensorProto::default()
        };
        let read = |dtype, sides: &[i64]| Tensor::from_proto(&proto(dtype, sides));
        assert_eq!(read(DataType::U8, &[2]), Some(Tensor::vector(vec![0u8, 255])));
        assert_eq!(read(DataType::Bool, &[2]), Some(Tensor::vector(vec![false, true])));
        assert_eq!(read(DataType::I32, &[2]), Some(Tensor::vector(vec![0, 255])));
        assert_eq!(read(DataType::F32, &[2]), Some(Tensor::vector(vec![0.5f32, -1.0])));
        assert_eq!(read(DataType::I8, &[2]), None, "255 is no int8");
        assert_eq!(read(DataType::F32, &[3]), None, "too few values");
        assert_eq!(read(DataType::F32, &[-2]), None, "a negative side");
        assert_eq!(read(DataType::I64, &[2]), None, "the values are in another field");
    }

    #[test]
    fn other_element_types_are_refused() {
        let brain = TensorProto { data_type: Some(ProtoType::Bfloat16 as i32), ..TensorProto::default() };
        assert_eq!(Tensor::from_proto(&brain), None);
    }

    #[test]
    fn halves_become_singles_and_back() {
        let halves = Tensor::vector([0.5, -2.0, 65504.0, f32::INFINITY].map(f16::from_f32).to_vec());
        let singles = halves.to_f32().unwrap();
        assert_eq!(Tensor::of_f32(singles, DataType::F16), Some(halves));
        let tie = ndarray::arr1(&[2049f32]).into_dyn();
        assert_eq!(Tensor::of_f32(tie, DataType::F16).unwrap().to_f32().unwrap()[0], 2048.0, "the even neighbor");
    }
}
