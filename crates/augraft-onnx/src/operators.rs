//! The standard operators on values of a graph under construction.

use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Not, Sub};

use crate::attributes::{int_attribute, ints_attribute};
use crate::graph::{Graph, Value};
use crate::tensor::{DataType, Tensor};

impl Value<'_> {
    /// Adds a node with this value as its only input, of the same type.
    #[must_use]
    pub fn unary(self, op: &'static str) -> Self {
        self.graph.node(op, &[self], vec![], self.dtype())
    }

    /// Adds a node with two inputs, of the type of the first; what two constant scalars make is computed here.
    #[must_use]
    pub fn binary(self, op: &'static str, other: Self) -> Self {
        match (op, self.constant_bool(), other.constant_bool()) {
            ("And", Some(true), _) | ("Or", Some(false), _) => return other,
            ("And", _, Some(true)) | ("Or", _, Some(false)) => return self,
            _ => {}
        }
        if let (Some(a), Some(b)) = (self.constant_int(), other.constant_int()) {
            let folded = match op {
                "Add" => a.checked_add(b),
                "Sub" => a.checked_sub(b),
                "Mul" => a.checked_mul(b),
                "Div" if a >= 0 && b > 0 => Some(a / b),
                _ => None,
            };
            if let Some(folded) = folded {
                return self.graph.constant(Tensor::scalar(folded));
            }
        }
        // tract makes a square of a product of equal values, and has none of integers.
        if op == "Mul" && self.dtype() == DataType::I64 && self.varies() && other.varies() {
            return self.cast(DataType::F64).binary(op, other.cast(DataType::F64)).cast(DataType::I64);
        }
        self.graph.node(op, &[self, other], vec![], self.dtype())
    }

    /// Whether it is no constant.
    fn varies(self) -> bool {
        self.graph.constant_of(self.id, |_| Some(())).is_none()
    }

    /// The integer that this value is, where it is a constant int64 scalar.
    #[must_use]
    pub fn constant_int(self) -> Option<i64> {
        self.graph.constant_of(self.id, |tensor| match tensor {
            Tensor::I64(array) if array.ndim() == 0 => array.first().copied(),
            _ => None,
        })
    }

    /// The truth value that this value is, where it is a constant scalar.
    #[must_use]
    pub fn constant_bool(self) -> Option<bool> {
        self.graph.constant_of(self.id, |tensor| match tensor {
            Tensor::Bool(array) if array.ndim() == 0 => array.first().copied(),
            _ => None,
        })
    }

    fn compare(self, op: &'static str, other: Self) -> Self {
        if let (Some(a), Some(b)) = (self.constant_int(), other.constant_int()) {
            return self.graph.constant(Tensor::scalar(if op == "Less" { a < b } else { a >= b }));
        }
        self.graph.node(op, &[self, other], vec![], DataType::Bool)
    }

    /// Whether `self < other`, elementwise.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        self.compare("Less", other)
    }

    /// Whether `self >= other`, elementwise; the elements are ordered, so that there is no NaN among them.
    #[must_use]
    pub fn at_least(self, other: Self) -> Self {
        if self.graph.opset() < 12 { !self.less(other) } else { self.compare("GreaterOrEqual", other) }
    }

    /// Whether the elements are equal.
    #[must_use]
    pub fn equals(self, other: Self) -> Self {
        // Before, only whole numbers and truth values are compared.
        if self.graph.opset() < 11 && !matches!(self.dtype(), DataType::I64 | DataType::I32 | DataType::Bool) {
            return !self.less(other) & !other.less(self);
        }
        self.graph.node("Equal", &[self, other], vec![], DataType::Bool)
    }

    /// Whether the elements are of a type that every opset compares.
    fn is_float(self) -> bool {
        matches!(self.dtype(), DataType::F32 | DataType::F64)
    }

    /// The smaller element.
    #[must_use]
    pub fn minimum(self, other: Self) -> Self {
        if self.is_float() || self.graph.opset() >= 12 {
            return self.binary("Min", other);
        }
        self.less(other).select(self, other)
    }

    /// The larger element.
    #[must_use]
    pub fn maximum(self, other: Self) -> Self {
        if self.is_float() || self.graph.opset() >= 12 {
            return self.binary("Max", other);
        }
        self.less(other).select(other, self)
    }

    /// `yes` where `self` holds, else `no`.
    #[must_use]
    pub fn select(self, yes: Self, no: Self) -> Self {
        self.graph.node("Where", &[self, yes, no], vec![], yes.dtype())
    }

    /// Converts the elements; to int64 by `CastLike`, because tract turns `Cast` to INT64 into 32-bit dimensions.
    #[must_use]
    pub fn cast(self, dtype: DataType) -> Self {
        if dtype == self.dtype() {
            return self;
        }
        if dtype == DataType::I64 && self.graph.opset() >= 15 {
            let like = self.graph.constant(Tensor::scalar(0i64));
            return self.graph.node("CastLike", &[self, like], vec![], dtype);
        }
        self.graph.node("Cast", &[self], vec![int_attribute("to", i64::from(dtype.to_proto()))], dtype)
    }

    /// The nearest whole numbers, halves to even, of values from 0 on.
    #[must_use]
    pub fn round(self) -> Self {
        if self.graph.opset() >= 11 {
            return self.unary("Round");
        }
        let number = |value: f32| self.graph.constant(Tensor::scalar(value));
        let floor = self.unary("Floor");
        let is_odd = number(0.5).less(floor - number(2.0) * (floor * number(0.5)).unary("Floor"));
        let rest = self - floor;
        let up = number(0.5).less(rest) | (!rest.less(number(0.5)) & is_odd);
        up.select(floor + number(1.0), floor)
    }

    /// Inserts axes of length 1.
    #[must_use]
    pub fn unsqueeze(self, axes: &[i64]) -> Self {
        if self.graph.opset() < 13 {
            return self.graph.node("Unsqueeze", &[self], vec![ints_attribute("axes", axes)], self.dtype());
        }
        self.binary("Unsqueeze", self.graph.ints(axes))
    }

    /// Picks `indices` along `axis`.
    #[must_use]
    pub fn gather(self, indices: Self, axis: i64) -> Self {
        self.graph.node("Gather", &[self, indices], vec![int_attribute("axis", axis)], self.dtype())
    }

    /// Keeps `start..end` along `axis`.
    #[must_use]
    pub fn slice(self, axis: i64, start: i64, end: i64) -> Self {
        let graph = self.graph;
        if graph.opset() < 10 {
            let attributes = [("starts", start), ("ends", end), ("axes", axis)];
            let attributes = attributes.iter().map(|(name, value)| ints_attribute(name, &[*value])).collect();
            return graph.node("Slice", &[self], attributes, self.dtype());
        }
        let inputs = [self, graph.ints(&[start]), graph.ints(&[end]), graph.ints(&[axis])];
        graph.node("Slice", &inputs, vec![], self.dtype())
    }

    /// Surrounds the elements with zeros: how many before each axis, then how many behind each.
    #[must_use]
    pub fn pad(self, pads: &[i64]) -> Self {
        if self.graph.opset() >= 11 {
            return self.binary("Pad", self.graph.ints(pads));
        }
        // Before opset 11 only floats are padded.
        let padded =
            self.graph.node("Pad", &[self.cast(DataType::F32)], vec![ints_attribute("pads", pads)], DataType::F32);
        padded.cast(self.dtype())
    }

    /// Gives the elements another shape; 0 keeps a side, -1 is inferred.
    #[must_use]
    pub fn reshape(self, shape: &[i64]) -> Self {
        self.binary("Reshape", self.graph.ints(shape))
    }

    /// Reorders the axes.
    #[must_use]
    pub fn transpose(self, axes: &[i64]) -> Self {
        self.graph.node("Transpose", &[self], vec![ints_attribute("perm", axes)], self.dtype())
    }

    /// Repeats along axes of length 1 up to `shape`, an int64 vector.
    #[must_use]
    pub fn expand(self, shape: Self) -> Self {
        self.binary("Expand", shape)
    }

    /// The sides as an int64 vector.
    #[must_use]
    pub fn shape(self) -> Self {
        self.graph.node("Shape", &[self], vec![], DataType::I64)
    }

    /// The length of `axis`, an int64 scalar.
    #[must_use]
    pub fn side(self, axis: i64) -> Self {
        self.shape().gather(self.graph.constant(Tensor::scalar(axis)), 0)
    }

    /// Sums over `axis`, which is removed.
    #[must_use]
    pub fn reduce_sum(self, axis: i64) -> Self {
        let graph = self.graph;
        let kept = int_attribute("keepdims", 0);
        if graph.opset() < 13 {
            return graph.node("ReduceSum", &[self], vec![ints_attribute("axes", &[axis]), kept], self.dtype());
        }
        graph.node("ReduceSum", &[self, graph.ints(&[axis])], vec![kept], self.dtype())
    }

    /// The smallest number along `axis`, which is removed.
    #[must_use]
    pub fn reduce_min(self, axis: i64) -> Self {
        self.reduce("ReduceMin", axis)
    }

    /// The largest number along `axis`, which is removed.
    #[must_use]
    pub fn reduce_max(self, axis: i64) -> Self {
        self.reduce("ReduceMax", axis)
    }

    fn reduce(self, op: &'static str, axis: i64) -> Self {
        let graph = self.graph;
        let kept = int_attribute("keepdims", 0);
        if graph.opset() < 18 {
            return graph.node(op, &[self], vec![ints_attribute("axes", &[axis]), kept], self.dtype());
        }
        graph.node(op, &[self, graph.ints(&[axis])], vec![kept], self.dtype())
    }

    /// The product of matrices over the last two axes.
    #[must_use]
    pub fn matmul(self, other: Self) -> Self {
        self.binary("MatMul", other)
    }
}

macro_rules! operators {
    ($($trait:ident $method:ident $op:literal),*) => {$(
        impl<'g> $trait for Value<'g> {
            type Output = Value<'g>;
            fn $method(self, other: Self) -> Self { self.binary($op, other) }
        }
    )*};
}
operators!(Add add "Add", Sub sub "Sub", Mul mul "Mul", Div div "Div", BitAnd bitand "And", BitOr bitor "Or", BitXor bitxor "BitwiseXor");

impl Not for Value<'_> {
    type Output = Self;
    fn not(self) -> Self {
        self.unary("Not")
    }
}

impl Graph {
    /// The integers from 0 up to `count`, an int64 scalar.
    pub fn range<'g>(&'g self, count: Value<'g>) -> Value<'g> {
        if let Some(count) = count.constant_int() {
            return self.constant(Tensor::vector((0..count).collect()));
        }
        let [zero, one] = [0i64, 1].map(|value| self.constant(Tensor::scalar(value)));
        if self.opset() >= 11 {
            return self.node("Range", &[zero, count, one], vec![], DataType::I64);
        }
        // Before opset 11: the column of the 1 in each row of an identity matrix.
        let sides = self.concat(&[count.unsqueeze(&[0]), count.unsqueeze(&[0])], 0);
        let square = self.constant(Tensor::scalar(0f32)).expand(sides);
        let attributes = vec![int_attribute("axis", 1), int_attribute("keepdims", 0)];
        self.node("ArgMax", &[square.unary("EyeLike")], attributes, DataType::I64)
    }

    /// Joins values along `axis`.
    ///
    /// # Panics
    /// When there is no value.
    pub fn concat<'g>(&'g self, values: &[Value<'g>], axis: i64) -> Value<'g> {
        self.node("Concat", values, vec![int_attribute("axis", axis)], values[0].dtype())
    }
}
