//! A canvas for pictures and text.

use ab_glyph::{Font, FontRef, ScaleFont, point};
use ndarray::{Array3, ArrayView3, s};

use crate::failure::Failure;

/// An RGB color.
pub(crate) type Color = [u8; 3];

/// A picture under construction; the origin is the top left corner.
pub(crate) struct Sheet {
    pixels: Array3<u8>,
    font: FontRef<'static>,
}

impl Sheet {
    /// An empty sheet of `height` x `width` pixels.
    pub(crate) fn new(height: usize, width: usize, background: Color) -> Result<Self, Failure> {
        let font = FontRef::try_from_slice(epaint_default_fonts::UBUNTU_LIGHT).map_err(Failure::user)?;
        Ok(Self { pixels: Array3::from_shape_fn([height, width, 3], |(_, _, channel)| background[channel]), font })
    }

    /// The picture: height, width, RGB.
    pub(crate) fn pixels(&self) -> ArrayView3<'_, u8> {
        self.pixels.view()
    }

    /// Pastes a picture with its corner at `(y, x)`; what lies outside is cut.
    pub(crate) fn paste(&mut self, picture: ArrayView3<'_, u8>, y: usize, x: usize) {
        let (height, width, _) = self.pixels.dim();
        let rows = picture.dim().0.min(height.saturating_sub(y));
        let columns = picture.dim().1.min(width.saturating_sub(x));
        self.pixels.slice_mut(s![y..y + rows, x..x + columns, ..]).assign(&picture.slice(s![..rows, ..columns, ..]));
    }

    /// Draws the outline of a rectangle `[top, left, bottom, right]`, ends exclusive, `thick` pixels to the inside.
    pub(crate) fn outline(&mut self, [top, left, bottom, right]: [usize; 4], thick: usize, color: Color) {
        for y in top..bottom {
            for x in left..right {
                let inside = y >= top + thick && y + thick < bottom && x >= left + thick && x + thick < right;
                if !inside {
                    self.blend(y, x, color, 1.0);
                }
            }
        }
    }

    /// Draws a ring around `(y, x)` between the radii `inner` and `outer`; a disk where `inner` is 0.
    pub(crate) fn ring(&mut self, [y, x]: [f32; 2], [inner, outer]: [f32; 2], color: Color) {
        let span = |at: f32, side: usize| {
            (at - outer).floor().clamp(0.0, side as f32) as usize..(at + outer).ceil().clamp(0.0, side as f32) as usize
        };
        let (height, width, _) = self.pixels.dim();
        for row in span(y, height) {
            for column in span(x, width) {
                let away = (row as f32 + 0.5 - y).hypot(column as f32 + 0.5 - x);
                if away >= inner && away <= outer {
                    self.blend(row, column, color, 1.0);
                }
            }
        }
    }

    /// Writes one line of text with its top left corner at `(y, x)`, cut at `limit` pixels; returns its width.
    pub(crate) fn text(&mut self, text: &str, y: usize, x: usize, size: f32, color: Color, limit: usize) -> usize {
        let font = self.font.clone();
        let scaled = font.as_scaled(size);
        let baseline = y as f32 + scaled.ascent();
        let mut at = x as f32;
        for character in text.chars() {
            let glyph = scaled.glyph_id(character);
            let advance = scaled.h_advance(glyph);
            if at + advance > (x + limit) as f32 {
                break;
            }
            if let Some(outline) = font.outline_glyph(glyph.with_scale_and_position(size, point(at, baseline))) {
                let corner = outline.px_bounds().min;
                outline.draw(|dx, dy, cover| {
                    self.blend((corner.y as usize) + dy as usize, (corner.x as usize) + dx as usize, color, cover);
                });
            }
            at += advance;
        }
        at as usize - x
    }

    fn blend(&mut self, y: usize, x: usize, color: Color, cover: f32) {
        for (channel, value) in color.iter().enumerate() {
            if let Some(pixel) = self.pixels.get_mut([y, x, channel]) {
                *pixel =
                    (f32::from(*pixel) * (1.0 - cover) + f32::from(*value) * cover).round().clamp(0.0, 255.0) as u8;
            }
        }
    }
}
