//! Shapes and batches that are made, not read.

use augraft_operator::{Batch, Element, Images, Labels, Layout, Shape, philox4x32};
use ndarray::{Array3, Array4};

/// A dense shape with three classes.
#[must_use]
pub fn shape(element: Element, channels: usize, [height, width]: [usize; 2]) -> Shape {
    Shape { layout: Layout::Dense { height, width }, channels, element, classes: 3, image_size: None }
}

/// The shapes of the suite: ragged files, images of usual, odd, tall and single-pixel sizes, feature maps.
pub(crate) fn shapes() -> Vec<Shape> {
    let feature = |size| Shape { image_size: Some([96, 64]), ..shape(Element::F32, 5, size) };
    vec![
        Shape::ragged(3),
        shape(Element::U8, 3, [32, 32]),
        shape(Element::F32, 3, [32, 32]),
        shape(Element::F32, 3, [13, 7]),
        shape(Element::U8, 3, [60, 9]),
        shape(Element::U8, 3, [1, 1]),
        shape(Element::F32, 3, [1, 1]),
        Shape { layout: Layout::Open, ..shape(Element::F32, 3, [1, 1]) },
        Shape { layout: Layout::Open, ..shape(Element::U8, 3, [1, 1]) },
        feature([12, 8]),
    ]
}

/// Size of the images where a shape leaves it open.
const OPEN: [usize; 2] = [17, 22];

/// The shape that images have where `shape` leaves their size open.
pub(crate) fn known(shape: &Shape) -> Shape {
    if shape.layout == Layout::Open { shape.resized(OPEN) } else { shape.clone() }
}

/// A batch of `n` samples of pseudo-random content; the index of sample `i` is `10 * i + 3`.
#[must_use]
pub fn batch(shape: &Shape, n: usize) -> Batch {
    let value = |place: usize| philox4x32([place as u32, 7, 0, 0], [1, 2])[0];
    let byte = |place: usize| (value(place) >> 24) as u8;
    let float = |place: usize| (value(place) >> 8) as f32 / 8_388_608.0 - 1.0;
    let channels = shape.channels;
    let images = match (shape.layout, shape.element) {
        (Layout::Ragged, _) => Images::Ragged(
            (0..n)
                .map(|row| {
                    let (height, width) = (1 + row * 7 % 23, 1 + row * 5 % 19);
                    Array3::from_shape_fn([height, width, channels], |(y, x, c)| {
                        byte(((row * 31 + y) * 37 + x) * 5 + c)
                    })
                })
                .collect(),
        ),
        (Layout::Open | Layout::Dense { .. }, element) => {
            let [height, width] = shape.size().unwrap_or(OPEN);
            let place = |(i, c, y, x): (usize, usize, usize, usize)| ((i * channels + c) * height + y) * width + x;
            match element {
                Element::U8 => Images::U8(Array4::from_shape_fn([n, channels, height, width], |at| byte(place(at)))),
                Element::F32 => Images::F32(Array4::from_shape_fn([n, channels, height, width], |at| float(place(at)))),
            }
        }
    };
    let index: Vec<u64> = (0..n as u64).map(|row| 10 * row + 3).collect();
    let classes: Vec<Option<usize>> = (0..n).map(|row| Some(row % shape.classes.max(1))).collect();
    let labels = Labels::one_hot(&classes, shape.classes, &index);
    Batch { image_size: shape.image_size, ..Batch::new(images, labels, index) }
}
