//! Arithmetic on bytes and floats alike.

use augraft_operator::{DataType, Element, Pooled, Value};

/// An element of images that weighted averages are made of.
pub(crate) trait Pixel: Pooled {
    /// The value as a float.
    fn real(self) -> f32;
    /// The nearest value: halves to even for bytes.
    fn nearest(value: f32) -> Self;
}

impl Pixel for u8 {
    fn real(self) -> f32 {
        f32::from(self)
    }
    fn nearest(value: f32) -> Self {
        value.round_ties_even() as u8
    }
}

impl Pixel for f32 {
    fn real(self) -> f32 {
        self
    }
    fn nearest(value: f32) -> Self {
        value
    }
}

/// What [`Pixel`] does, in a graph: floats of images, and images of floats.
pub(crate) fn reals(images: Value<'_>) -> Value<'_> {
    images.cast(DataType::F32)
}

/// See [`reals`].
pub(crate) fn nearest(reals: Value<'_>, element: Element) -> Value<'_> {
    if element == Element::U8 { reals.round().cast(DataType::U8) } else { reals }
}
