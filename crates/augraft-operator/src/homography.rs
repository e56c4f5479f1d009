//! Projective maps, from the places that the corners of a rectangle come to.

use core::ops::{Add, Div, Mul, Sub};

/// Numbers of a projective map: floats natively, nodes in a graph.
pub(crate) trait Number:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
}

impl<R: Copy + Add<Output = R> + Sub<Output = R> + Mul<Output = R> + Div<Output = R>> Number for R {}

/// A map of homogeneous places `(x, y, 1)`; the third row is above zero for what lies in front of the horizon.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Homography<R>(pub(crate) [[R; 3]; 3]);

impl<R: Number> Homography<R> {
    /// The map of the unit square whose corners (top left, top right, bottom right, bottom left) come to the places `[x, y]`, which are convex.
    ///
    /// Heckbert, "Fundamentals of Texture Mapping and Image Warping", 1989, section 2.2.3, without its quotient, as a common factor changes nothing.
    pub(crate) fn of_square([[x0, y0], [x1, y1], [x2, y2], [x3, y3]]: [[R; 2]; 4]) -> Self {
        let (sum_x, sum_y) = (x0 - x1 + x2 - x3, y0 - y1 + y2 - y3);
        let (right_x, right_y, below_x, below_y) = (x1 - x2, y1 - y2, x3 - x2, y3 - y2);
        let g = below_x * sum_y - sum_x * below_y;
        let h = sum_x * right_y - right_x * sum_y;
        let scale = below_x * right_y - right_x * below_y;
        let row = |zero: R, one: R, three: R| {
            [(one - zero) * scale + g * one, (three - zero) * scale + h * three, zero * scale]
        };
        Self([row(x0, x1, x3), row(y0, y1, y3), [g, h, scale]])
    }

    /// The map back, up to a common factor.
    pub(crate) fn inverse(self) -> Self {
        let [[a, b, c], [d, e, f], [g, h, i]] = self.0;
        Self([
            [e * i - f * h, c * h - b * i, b * f - c * e],
            [f * g - d * i, a * i - c * g, c * d - a * f],
            [d * h - e * g, b * g - a * h, a * e - b * d],
        ])
    }

    /// The homogeneous place of a place.
    pub(crate) fn apply(self, [x, y]: [R; 2]) -> [R; 3] {
        self.0.map(|[per_x, per_y, rest]| per_x * x + (per_y * y + rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_come_to_their_places_and_back() {
        let corners = [[3.0, 1.0], [17.0, 2.0], [15.0, 11.0], [1.0, 9.0]];
        let square = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
        let map = Homography::of_square(corners);
        let of = |map: Homography<f64>, place: [f64; 2]| {
            let [x, y, w] = map.apply(place);
            assert!(w > 0.0, "in front of the horizon");
            [x / w, y / w]
        };
        for (from, to) in square.into_iter().zip(corners) {
            let close = |a: [f64; 2], b: [f64; 2]| (0..2).all(|at| (a[at] - b[at]).abs() < 1e-12);
            assert!(close(of(map, from), to) && close(of(map.inverse(), to), from));
        }
    }
}
